"""Hidden checks of the assignment *agents*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math
from pathlib import Path

import torch

from autograder.assignment import load_module
from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("agents", hidden=True)
# The judging of agents stands there; the student's copy of that file is not what is loaded.
PUBLIC = load_module(Path(__file__).with_name("checks.py"))

# ---- references


def drawn(low, high, random):
    """An integer from low to high."""
    return int(torch.randint(low, high + 1, (), generator=random))


def conversation(random, agent, user, end, words, last_is_cut):
    """Token ids of a conversation, and for each who sampled it, noted as the tokens are made."""
    tokens = []

    def message(whose, count, closed=True):
        mine = whose == agent
        tokens.append((whose, False))
        tokens.extend((words[drawn(0, len(words) - 1, random)], mine) for _ in range(count))
        if closed:
            tokens.append((end, mine))
            tokens.extend((words[0], False) for _ in range(drawn(0, 2, random)))

    turns = drawn(1, 3, random)
    for turn in range(turns):
        message(user, drawn(0, 4, random))
        if turn == turns - 1 and last_is_cut:
            message(agent, drawn(1, 4, random), closed=False)
        else:
            message(agent, drawn(0, 4, random))
    return [token for token, _ in tokens], [mine for _, mine in tokens]


def reference_encode(text, vocabulary):
    """Longest match, by trying the lengths."""
    ids, place = [], 0
    while place < len(text):
        for length in range(len(text) - place, 0, -1):
            if text[place : place + length] in vocabulary:
                ids.append(vocabulary[text[place : place + length]])
                place += length
                break
    return ids


def kept_sums(rewards, mask):
    """Sum of the rewards of the turns that there were, by episode."""
    rows = zip(rewards.tolist(), mask.tolist(), strict=True)
    return [sum(value for value, keep in zip(*row, strict=True) if keep) for row in rows]


def reference_trajectory(rewards, mask, groups):
    """Episode by episode."""
    returns, groups = kept_sums(rewards, mask), groups.tolist()
    differences = []
    for i in range(len(groups)):
        mine = [returns[j] for j in range(len(groups)) if groups[j] == groups[i]]
        differences.append(returns[i] - math.fsum(mine) / len(mine) if max(mine) > min(mine) else 0.0)
    deviation = math.sqrt(sum(d * d for d in differences) / (len(groups) - 1))
    return [
        [d / (deviation + 1e-4) if keep else 0.0 for keep in row]
        for d, row in zip(differences, mask.tolist(), strict=True)
    ]


def reference_turns(rewards, mask, keys, groups, discount):
    """Double loops."""
    B, T = rewards.shape
    returns = [
        [sum(discount ** (k - t) * float(rewards[i, k]) for k in range(t, T) if mask[i, k]) for t in range(T)]
        for i in range(B)
    ]
    result = torch.zeros(B, T, dtype=torch.float64)
    for i in range(B):
        for t in range(T):
            if mask[i, t]:
                same = [returns[j][k] for j in range(B) for k in range(T)
                        if mask[j, k] and groups[j] == groups[i] and keys[j, k] == keys[i, t]]  # fmt: skip
                result[i, t] = returns[i][t] - sum(same) / len(same)
    return result


def reference_rewards(gained, costs, unsafe, price, unsafe_price, max_turns):
    """Turn by turn, as an environment would pay."""
    result = []
    for i in range(len(gained)):
        spent, paid = 0.0, []
        for t in range(gained.shape[1]):
            spent += float(costs[i, t])
            paid.append(
                float(gained[i, t]) * (1 - price * spent) - unsafe_price * float(unsafe[i, t]) if t < max_turns else 0.0
            )
        result.append(paid)
    return result


def reference_multipliers(unsafe, limit, step_size, start):
    """Step by step."""
    result = []
    for one in unsafe.tolist():
        start += step_size * (sum(one) / len(one) - limit)
        start = start if start > 0 else 0.0
        result.append(start)
    return result


def reference_limits(count, total, z=1.96):
    """Wilson's limits as the roots q of (p - q)^2 = z^2 q (1 - q) / n."""
    p = count / total
    a, b, c = 1 + z * z / total, -(2 * p + z * z / total), p * p
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return p, (-b - root) / (2 * a), (-b + root) / (2 * a)


def some_mask(random, batch, length):
    """Episodes of random lengths, at least 1."""
    return torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=random)


# ---- checks


@exam.add("observation_mask", points=1, message="random conversations with other ids, padded with the end token and with another",
          hint="the mask was noted while the conversations were made")  # fmt: skip
def random_conversations(mask):
    random = exam.random()
    for padding in (50, 0):
        made = [conversation(random, 41, 17, 50, [3, 4, 5, 6, 7], last_is_cut) for last_is_cut in (True, False) * 4]
        lengths = [len(ids) for ids, _ in made]
        longest = max(lengths) + 2
        ids = torch.tensor([ids + [padding] * (longest - len(ids)) for ids, _ in made])
        due = torch.tensor([mine + [False] * (longest - len(mine)) for _, mine in made])
        close(mask(ids, torch.tensor(lengths), 41, 50), due[:, 1:])


@exam.add("append_turn", points=1, message="random turns with another tokenizer and another end token")
def random_turns(append):
    random = exam.random()
    vocabulary = {piece: number for number, piece in enumerate(["a", "b", "c", "ab", "bc", "abc", "ca", "aa", " "], 20)}
    for closed in (True, False) * 3:
        ids = [*torch.randint(20, 29, (4,), generator=random).tolist(), 3]
        mask = [False, False, True, True, True]
        sampled = torch.randint(20, 23, (6,), generator=random).tolist() + [3] * closed
        text = "".join("abc "[drawn(0, 3, random)] for _ in range(8))
        said = [3] * (not closed) + reference_encode(text, vocabulary)
        came_ids, came_mask = PUBLIC.pair(append(ids, mask, sampled, text, vocabulary, 3))
        close(came_ids, ids + sampled + said)
        close(came_mask, mask + [True] * len(sampled) + [False] * len(said))


@exam.add(
    "trajectory_advantages",
    points=1,
    message="random groups of unequal sizes, mixed; many groups of equal float32 returns",
)
def random_episodes(advantages):
    random = exam.random()
    for size in (9, 30):
        rewards, mask = torch.randn(size, 5, generator=random, dtype=torch.float64), some_mask(random, size, 5)
        groups = torch.randint(4, (size,), generator=random)
        close(
            advantages(rewards.masked_fill(~mask, math.nan), mask, groups), reference_trajectory(rewards, mask, groups)
        )
    values, sizes = torch.rand(20, generator=random), torch.randint(2, 12, (20,), generator=random)
    last = torch.cat([values.repeat_interleave(sizes), torch.tensor([0.0, 1.0])])
    groups = torch.cat([torch.arange(20).repeat_interleave(sizes), torch.tensor([20, 20])])
    order = torch.randperm(len(last), generator=random)
    rewards = torch.stack([torch.zeros_like(last), last], dim=1)[order]
    came = numbers(advantages(rewards, torch.ones(len(last), 2, dtype=torch.bool), groups[order]), (len(last), 2))
    wrong = (came != 0).any(1) & (groups[order] < 20)
    holds(
        not wrong.any(),
        f"{int(wrong.sum())} of {len(last) - 2} episodes with the return of their group do not have exactly 0",
    )


@exam.add("turn_advantages", points=1, message="random keys, lengths and discounts, infinity where there was no turn")
def random_keys(advantages):
    random = exam.random()
    for discount in (0.0, 0.8, 1.0):
        rewards, mask = torch.randn(7, 5, generator=random, dtype=torch.float64), some_mask(random, 7, 5)
        keys, groups = torch.randint(-1, 3, (7, 5), generator=random), torch.randint(3, (7,), generator=random)
        came = advantages(rewards.masked_fill(~mask, math.inf), mask, keys, groups, discount)
        close(came, reference_turns(rewards, mask, keys, groups, discount))


@exam.add(
    "budgeted_rewards",
    points=1,
    message="random episodes, also with a limit of one turn and with one that is never reached",
)
def random_rewards(rewards):
    random = exam.random()
    for limit in (1, 4, 6, 9):
        gained, costs = torch.rand(2, 5, 6, generator=random, dtype=torch.float64)
        gained = gained * (torch.rand(5, 6, generator=random) < 0.4)
        unsafe = torch.rand(5, 6, generator=random) < 0.4
        close(
            rewards(gained, costs, unsafe, 0.3, 1.7, limit), reference_rewards(gained, costs, unsafe, 0.3, 1.7, limit)
        )


@exam.add("dual_steps", points=1, message="sixty random iterations; the limit 0")
def random_steps(steps):
    random = exam.random()
    for limit in (0.3, 0.0):
        often = torch.rand(60, 1, generator=random) * 0.6
        unsafe = torch.rand(60, 16, generator=random) < often
        close(steps(unsafe, limit, 0.7, 0.2), reference_multipliers(unsafe, limit, 0.7, 0.2))


@exam.add("key_figures", points=1, message="a random log of forty episodes; one episode of one row")
def random_log(figures):
    random = exam.random()
    spent = {}
    for number in torch.randperm(500, generator=random)[:40].tolist():
        turns = drawn(1, 5, random)
        spent[number] = {
            "cost": torch.rand(turns, generator=random, dtype=torch.float64).tolist(),
            "seconds": torch.rand(turns, generator=random, dtype=torch.float64).tolist(),
            "unsafe": (torch.rand(turns, generator=random) < 0.2).tolist(),
            "success": [False] * (turns - 1) + [drawn(0, 2, random) > 0],
        }
    waiting, rows = {number: 0 for number in spent}, []
    while waiting:
        number = list(waiting)[drawn(0, len(waiting) - 1, random)]
        turn, one = waiting[number], spent[number]
        rows.append({"episode": number, **{name: one[name][turn] for name in one}})
        waiting[number] += 1
        if waiting[number] == len(one["cost"]):
            del waiting[number]
    succeeded, unsafe = (sum(any(one[name]) for one in spent.values()) for name in ("success", "unsafe"))
    came, cost = figures(rows), sum(sum(one["cost"]) for one in spent.values())
    close(PUBLIC.figure(came, "success"), reference_limits(succeeded, 40))
    close(PUBLIC.figure(came, "unsafe"), reference_limits(unsafe, 40))
    close(PUBLIC.figure(came, "cost_per_success"), cost / succeeded if succeeded else math.inf)
    close(PUBLIC.figure(came, "seconds"), sum(sum(one["seconds"]) for one in spent.values()) / 40)
    came = figures([{"episode": 7, "cost": 0.25, "seconds": 3.0, "unsafe": True, "success": True}])
    close(PUBLIC.figure(came, "success"), reference_limits(1, 1))
    close(PUBLIC.figure(came, "cost_per_success"), 0.25)


@exam.add("train_data_agent", points=2, message="other seeds: the returned agent succeeds in 65 of 100 tasks", seconds=180,
          hint="up to three seeds were tried")  # fmt: skip
def works_again(train):
    random = exam.random()
    PUBLIC.require_training(train, random)
    best = PUBLIC.best_of(train, random)
    if best < PUBLIC.GOAL:
        raise Failed(f"expected at least 65 of 100 successes, got {100 * best:.0f}")
