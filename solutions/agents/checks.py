"""Public checks of the assignment *agents*. Small tables of numbers and properties; no solution is in here."""

import math

import torch

from autograder.agent_models import changes, model_of, share_of_successes
from autograder.checks import Exam, Failed, close, describe, holds, numbers

exam = Exam("agents")

exam.asks_for("observation_mask", "rlkit.agents.batches.token_batch")
exam.asks_for(
    "trajectory_advantages", "rlkit.agents.credit.trajectory_advantages", "rlkit.agents.training.episode_advantages"
)
exam.asks_for("trajectory_advantages", "rlkit.group_objective.group_advantages")
exam.asks_for("turn_advantages", "rlkit.agents.credit.turn_advantages", "rlkit.agents.credit.turn_returns")
exam.asks_for("key_figures", "rlkit.agents.key_figures.key_figures", "rlkit.agents.key_figures.wilson_interval")
exam.asks_for("key_figures", "rlkit.agents.key_figures.cost_per_success")
exam.asks_for("train_data_agent", "rlkit.agents.imitation.train")  # to imitate the expert is another exercise


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def flags(*rows):
    """A tensor of true and false from ones and zeros."""
    return torch.tensor(rows) == 1


def whole(*rows):
    """A tensor of integers."""
    return torch.tensor(rows, dtype=torch.long)


def pair(result):
    """The two lists of a tuple or list; fail if it is neither."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Failed(f"expected a tuple of two lists, got {describe(result)}")
    return result


def figure(result, name):
    """One entry of a dictionary; fail if there is none."""
    if not isinstance(result, dict) or name not in result:
        raise Failed(f"expected a dictionary with {name!r}, got {describe(result)}")
    return result[name]


def row(episode, cost=0.0, seconds=1.0, unsafe=False, success=False):
    """One row of a log."""
    return {"episode": episode, "cost": cost, "seconds": seconds, "unsafe": unsafe, "success": success}


# ---- observation_mask: in the tables the agent is 1, others 2, the end is 0

# A question with what stands behind it and a turn; and the mask.
WHOLE = [([2, 8, 7, 0, 9, 1, 5, 0, 9], [0, 0, 0, 0, 0, 0, 1, 1, 0]), ([2, 6, 0, 1, 0], [0, 0, 0, 0, 1]),
         ([2, 0, 9, 1, 3, 4, 3, 0], [0, 0, 0, 0, 1, 1, 1, 1])]  # fmt: skip
CUT = [([2, 6, 0, 9, 1, 3, 3], [0, 0, 0, 0, 0, 1, 1])]


def some_pieces(random, last):
    """Pieces in an order drawn at random, the last of them one of *last*; ids and mask."""
    chosen = [WHOLE[place] for place in torch.randint(len(WHOLE), (3,), generator=random).tolist()]
    chosen.append(last[int(torch.randint(len(last), (), generator=random))])
    return [[token for part in parts for token in part] for parts in zip(*chosen, strict=True)]


@exam.add("observation_mask", points=0.5, message="two turns by hand, the second of them cut; padding looks like an end token",
          hint="the 0 after 6 counts; the 0 after 7, the 0 after 8 and the padding do not")  # fmt: skip
def mask_by_hand(mask):
    ids = whole([2, 7, 0, 9, 1, 5, 6, 0, 9, 2, 8, 0, 9, 1, 4, 0, 0])
    close(mask(ids, whole(15), 1, 0), [[0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]])


@exam.add("observation_mask", points=0.5, message="a turn that ended itself, then padding; a turn of an end token alone",
          hint="an agent that says nothing has sampled its end token")  # fmt: skip
def own_ends(mask):
    ids = whole([2, 7, 0, 1, 5, 0, 0, 0, 0], [2, 7, 8, 0, 1, 0, 2, 7, 0])
    close(mask(ids, whole(6, 9), 1, 0), [[0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]])


@exam.add("observation_mask", points=1, message="a loss with this mask: its gradient at every token",
          hint="a token that the agent did not sample must get no gradient, and each of its own must get one")  # fmt: skip
def gradient_support(mask):
    """A model that scores every token on its own: what the loss pulls at is where its gradient is not 0."""
    random = exam.random()
    made = [some_pieces(random, last) for last in (CUT, WHOLE)]
    lengths, longest = [len(tokens) for tokens, _ in made], max(len(tokens) for tokens, _ in made) + 2
    ids = whole(*[tokens + [0] * (longest - len(tokens)) for tokens, _ in made])
    due = flags(*[mine + [0] * (longest - len(mine)) for _, mine in made])[:, 1:]
    came = numbers(mask(ids, whole(*lengths), 1, 0), (2, longest - 1))
    scores = torch.zeros(2, longest - 1, 10, dtype=torch.float64, requires_grad=True)
    chosen = scores.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    (slope,) = torch.autograd.grad(-(chosen * came).sum(), scores)
    pulled = slope.abs().sum(-1) > 0
    others, missing = int((pulled & ~due).sum()), int((due & ~pulled).sum())
    holds(not others, f"the loss pulls at {others} tokens that the agent did not sample")
    holds(not missing, f"the loss does not pull at {missing} of {int(due.sum())} tokens that the agent sampled")
    close(came, due)


@exam.probe("observation_mask")
def probe_mask(mask, random):
    words = iter(torch.randint(3, 9, (14,), generator=random).tolist())
    rows = [[2, None, 0, 9, 1, None, None, 0, 9, 2, None, 0, 9, 1, None, None, 0, 0],
            [2, None, None, 0, 9, 1, None, 0, 9, 2, None, 0, 9, 1, None, 0, 0, 0]]  # fmt: skip
    ids = whole(*[[next(words) if token is None else token for token in one] for one in rows])
    return mask(ids, whole(16, 16), 1, 0)


# ---- append_turn

PIECES = {"4": 1, "2": 2, "42": 3, " ": 4, "o": 5, "k": 6, "ok": 7, "2 ": 8}


def appended(append, ids, mask, sampled, observation, vocabulary=PIECES, end=0):
    """The next context as a pair."""
    return pair(append(ids, mask, sampled, observation, vocabulary, end))


@exam.add("append_turn", points=0.5, message="the turn 4, 2 of two tokens, cut before its end, then 42",
          hint="2 0, then 1 2, then an end token that was not sampled, then 3")  # fmt: skip
def append_by_hand(append):
    ids, mask = appended(append, [2, 0], [False, False], [1, 2], "42", {"4": 1, "2": 2, "42": 3})
    close(ids, [2, 0, 1, 2, 0, 3])
    close(mask, [0, 0, 1, 1, 0, 0])


@exam.add(
    "append_turn", points=0.5, message="a turn that ended itself", hint="no second end token; the sampled one counts"
)
def append_ended(append):
    ids, mask = appended(append, [7, 0], [False, False], [5, 6, 0], "ok 4")
    close(ids, [7, 0, 5, 6, 0, 7, 4, 1])
    close(mask, [0, 0, 1, 1, 1, 0, 0, 0])


@exam.add(
    "append_turn",
    points=1,
    message="a second turn, cut, after a first of 4, 2",
    hint="what stands in the context stays as it is, too",
)
def append_twice(append):
    words = [1, 2, *torch.randint(1, 9, (3,), generator=exam.random()).tolist(), 1, 2]
    ids, mask = appended(append, [7, 1, 2, 0, 5], [False, True, True, True, False], words, "42 ok")
    close(ids, [7, 1, 2, 0, 5, *words, 0, 3, 4, 7])
    close(mask, [0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0])


@exam.probe("append_turn")
def probe_append(append, random):
    longer = torch.randint(2, 5, (2,), generator=random).tolist()
    turns = [[1, 2] * longer[0] + [0], [5, 6] * longer[1]]
    return [list(parts) if isinstance(parts, tuple) else parts
            for parts in (append([7, 5, 6, 0, 4], [False, True, True, True, False], turn, "2 42 ok", PIECES, 0) for turn in turns)]  # fmt: skip


# ---- trajectory_advantages


@exam.add("trajectory_advantages", points=0.5, message="three episodes by hand, NaN where there was no turn",
          hint="1 and 1, -1, and 0: all over 1.0001")  # fmt: skip
def episodes_by_hand(advantages):
    rewards = table([1.0, 2.0], [1.0, math.nan], [5.0, math.nan])
    came = advantages(rewards, flags([1, 1], [1, 0], [1, 0]), whole(0, 0, 7))
    close(came, table([1.0, 1.0], [-1.0, 0.0], [0.0, 0.0]) / 1.0001)


@exam.add("trajectory_advantages", points=0.5, message="groups that are mixed: one differs by success, one by a price",
          hint="differences 2, -2, 0.1 and -0.1, and one deviation for all")  # fmt: skip
def success_and_price(advantages):
    rewards = table([4.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 0.0], [0.0, 0.8, math.nan])
    mask = flags([1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 0])
    scale = math.sqrt((4 + 4 + 0.01 + 0.01) / 3) + 1e-4
    due = table([2.0, 2.0, 2.0], [0.1, 0.1, 0.1], [-2.0, -2.0, -2.0], [-0.1, -0.1, 0.0]) / scale
    order = torch.randperm(4, generator=exam.random())
    close(advantages(rewards[order], mask[order], whole(3, 1, 3, 1)[order]), due[order])


@exam.add("trajectory_advantages", points=1, message="seven float32 returns of 0.9 in a group: exactly 0, beside a group that differs",
          hint="not nearly 0; what is certain about equal returns, whatever their mean is rounded to?")  # fmt: skip
def equal_returns(advantages):
    order = torch.randperm(9, generator=exam.random())
    groups = whole(*[3] * 7, 5, 5)[order]
    for reward in (0.9, 0.1, 0.7):
        rewards = torch.tensor([[0.0, reward]] * 7 + [[0.0, 0.0], [0.0, 1.0]])[order]
        came = numbers(advantages(rewards, flags(*[[1, 1]] * 9), groups), (9, 2))
        equal = came[groups == 3]
        holds(bool((equal == 0).all()), f"seven returns of {reward} gave {equal[0, 0].item():.4g}, expected exactly 0")
        close(came[groups == 5], (rewards[groups == 5, 1:] - 0.5).expand(2, 2) / (0.25 + 1e-4))
    many = numbers(advantages(torch.full((8, 1), 0.3), flags(*[[1]] * 8), whole(*[3] * 8)), (8, 1))
    holds(bool((many == 0).all()), f"eight returns of 0.3 alone gave {many[0, 0].item():.4g}, expected exactly 0")


@exam.probe("trajectory_advantages")
def probe_episodes(advantages, random):
    rewards = torch.randn(6, 4, generator=random, dtype=torch.float64)
    rewards[:, 3] += 1.0
    rewards[4:] *= 0.1
    mask = flags([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0])
    equal = torch.tensor([[0.0, 0.9]] * 7 + [[0.0, 0.0], [0.0, 1.0]])
    tie = advantages(equal, flags(*[[1, 1]] * 9), whole(*[3] * 7, 5, 5))
    exact = tie if isinstance(tie, str) else bool((numbers(tie, (9, 2))[:7] == 0).all())
    return [advantages(rewards, mask, whole(0, 4, 0, 4, 9, 9)), exact]


# ---- turn_advantages


@exam.add("turn_advantages", points=0.5, message="two episodes by hand, the same key where there was no turn",
          hint="returns 2, 4 and 1: then 0.5, 0 and -0.5; what was no turn counts in no mean")  # fmt: skip
def turns_by_hand(advantages):
    rewards, keys = table([0.0, 4.0], [1.0, 9.0]), whole([7, 3], [7, 7])
    close(advantages(rewards, flags([1, 1], [1, 0]), keys, whole(5, 5), 0.5), [[0.5, 0.0], [-0.5, 0.0]])


@exam.add("turn_advantages", points=1.5, message="the same key in two groups, at other places, and twice in one episode; NaN behind the end",
          hint="key 1 of group 0 has three turns with the returns 5, 2 and 2, their mean is 3")  # fmt: skip
def keys_and_groups(advantages):
    rewards = table([4.0, 1.0, 2.0], [0.0, 2.0, math.nan], [5.0, math.nan, math.nan])
    keys, mask = whole([1, 1, 2], [8, 1, 1], [1, 1, 1]), flags([1, 1, 1], [1, 1, 0], [1, 0, 0])
    due, order = table([2.0, -1.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]), torch.randperm(3, generator=exam.random())
    close(advantages(rewards[order], mask[order], keys[order], whole(0, 0, 6)[order], 0.5), due[order])


@exam.probe("turn_advantages")
def probe_turns(advantages, random):
    rewards = torch.randn(4, 3, generator=random, dtype=torch.float64)
    keys, mask = whole([1, 1, 2], [2, 1, 1], [1, 2, 2], [2, 1, 1]), flags([1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 0])
    return advantages(rewards, mask, keys, whole(0, 0, 6, 6), 0.6)


# ---- budgeted_rewards


@exam.add(
    "budgeted_rewards",
    points=0.5,
    message="three turns by hand, without and with a limit of two",
    hint="0, -2 and 0.8; then 0, -2 and 0",
)
def rewards_by_hand(rewards):
    episode = table([0.0, 0.0, 1.0]), table([0.1, 0.3, 0.0]), flags([0, 1, 0])
    close(rewards(*episode, 0.5, 2.0, 3), [[0.0, -2.0, 0.8]])
    close(rewards(*episode, 0.5, 2.0, 2), [[0.0, -2.0, 0.0]])


@exam.add("budgeted_rewards", points=1.5, message="a failure that was dear; two gains; unsafe turns on both sides of the limit",
          hint="a failure costs nothing; each gain pays for what was spent so far")  # fmt: skip
def failures_and_parts(rewards):
    gained, costs = table([0.0, 0.0, 0.0], [0.5, 0.5, 0.5]), table([0.9, 0.9, 0.9], [0.2, 0.4, 0.1])
    harm = 0.25 + float(torch.rand((), generator=exam.random()))
    came = rewards(gained, costs, flags([0, 0, 0], [1, 1, 1]), 1.0, harm, 2)
    close(came, [[0.0, 0.0, 0.0], [0.4 - harm, 0.2 - harm, 0.0]])
    close(rewards(table([0.0, 1.0]), table([2.0, 1.0]), flags([0, 0]), 1.0, 1.0, 5), [[0.0, -2.0]])


@exam.probe("budgeted_rewards")
def probe_rewards(rewards, random):
    gained, costs = torch.rand(2, 3, 5, generator=random, dtype=torch.float64)
    gained[0] = 0.0
    return rewards(gained, costs, flags([1, 0, 1, 0, 1], [0, 1, 1, 1, 0], [1, 1, 0, 1, 0]), 0.7, 0.4, 3)


# ---- dual_steps


def episodes(*counts, of=10):
    """For each count of unsafe episodes, a row of so many true among others."""
    return torch.arange(of)[None] < torch.tensor(counts)[:, None]


@exam.add("dual_steps", points=0.5, message="five iterations by hand", hint="0.4, 0.2, 0, 0 and 0.4")
def steps_by_hand(steps):
    close(steps(episodes(3, 0, 0, 0, 3), 0.1, 2.0, 0.0), [0.4, 0.2, 0.0, 0.0, 0.4])


@exam.add("dual_steps", points=0.5, message="from a multiplier above 0: at the limit it stays, above it rises, below it falls",
          hint="more unsafe episodes than allowed make them dearer")  # fmt: skip
def steps_from_above(steps):
    start = 1 + float(torch.rand((), generator=exam.random()))
    close(steps(episodes(1, 4, 0, of=4), 0.25, 0.4, start), [start, start + 0.3, start + 0.2])


@exam.probe("dual_steps")
def probe_steps(steps, random):
    share = int(torch.randint(4, 9, (), generator=random))
    return steps(episodes(share, 0, 0, 0, 0, 0, 7), 0.2, 1.5, 0.3)  # at most 1.2, then less than 0 but for the maximum


# ---- key_figures


def limits(count, total):
    """Share and Wilson's limits, z = 1.96, from a table."""
    return {(1, 4): (0.25, 0.0455861, 0.6993639), (0, 4): (0.0, 0.0, 0.4899), (2, 4): (0.5, 0.1500357, 0.8499643)}[
        count, total
    ]


@exam.add("key_figures", points=1, message="four episodes whose rows are mixed, one success",
          hint="shares of 4; all costs over 1; seconds of an episode, not of a row")  # fmt: skip
def four_episodes(figures):
    rows = [row(3, 0.1, 2.0), row(8, 0.2, 1.0, unsafe=True), row(5, 0.1, 4.0), row(8, 0.1, 1.0, unsafe=True), row(3, success=True),
            row(9, 0.2, 1.0), row(5, 0.1, 2.0, unsafe=True), row(8, 0.0, 4.0)]  # fmt: skip
    dear, slow = (1 + torch.rand(2, generator=exam.random(), dtype=torch.float64)).tolist()
    came = figures([one | {"cost": dear * one["cost"], "seconds": slow * one["seconds"]} for one in rows])
    close(figure(came, "success"), limits(1, 4), 1e-5)
    close(figure(came, "unsafe"), limits(2, 4), 1e-5)
    close(figure(came, "cost_per_success"), 0.8 * dear)
    close(figure(came, "seconds"), slow * (3 + 6 + 6 + 1) / 4)


@exam.add("key_figures", points=1, message="four episodes without a success and without an unsafe turn",
          hint="a success costs infinitely much then; the upper limit of 0 of 4 is not 0")  # fmt: skip
def no_success(figures):
    came = figures([row(number, 0.5, 3.0) for number in (1, 2, 3, 4)])
    close(figure(came, "cost_per_success"), math.inf)
    close(figure(came, "success"), limits(0, 4), 1e-5)
    close(figure(came, "unsafe"), limits(0, 4), 1e-5)


@exam.probe("key_figures")
def probe_figures(figures, random):
    cost, seconds = torch.rand(2, 7, generator=random, dtype=torch.float64).add(0.1).tolist()
    where, success, unsafe = [1, 2, 1, 3, 2, 2, 4], [0, 0, 1, 1, 0, 0, 0], [1, 0, 1, 0, 0, 1, 0]
    rows = [row(*values) for values in zip(where, cost, seconds, map(bool, unsafe), map(bool, success), strict=True)]
    none = figures([row(1, 0.5), row(2, 0.25)])
    return [figures(rows), none]


# ---- train_data_agent: the agent is judged in the examiner, on tasks that no training saw

# The solution with 40 seeds (5000 to 5039): the worst agent succeeded in 0.72 of the tasks, the next one in 0.89, the median one
# in 0.97; 0 of 40 below the goal, so fewer than 8 in 100 with 95% confidence for one attempt, and fewer than 5 in 10,000 for
# three. The agent as it comes succeeds in 0.41.
ATTEMPTS, ITERATIONS, FEW, GOAL = 3, 15, 1, 0.65


def best_of(train, random):
    """Train with up to three seeds until one agent works; return the best share."""
    best = 0.0
    for _ in range(ATTEMPTS):
        seed = int(torch.randint(10**6, (), generator=random))
        best = max(best, share_of_successes(train(seed, ITERATIONS), random))
        if best >= GOAL:
            break
    return best


def same_model(first, second):
    """Whether two answers hold the same numbers."""
    pairs = zip(model_of(first).parameters(), model_of(second).parameters(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


def require_training(train, random):
    """Fail unless two seeds give two agents."""
    seed = int(torch.randint(10**6, (), generator=random))
    if same_model(train(seed, FEW), train(seed + 1, FEW)):
        raise Failed("two seeds gave the same agent: does the configuration take the seed, and which model is trained?")


@exam.add("train_data_agent", points=1, message="the returned agent succeeds in 65 of 100 tasks", seconds=180,
          hint="up to three seeds were tried; is the advantage of exercise 3 right?")  # fmt: skip
def works(train):
    random = exam.random()
    require_training(train, random)
    best = best_of(train, random)
    if best < GOAL:
        raise Failed(f"expected at least 65 of 100 successes, got {100 * best:.0f}")


@exam.probe("train_data_agent", tolerance=0)
def probe_training(train, random):
    """What short runs show: what became of the expert's turns, whether anything changed, and whether the seed counts.

    After one iteration of the solution the turns of an expert's episode were together 0.14 less likely at worst, on a
    scale of logarithms, and with the wrong sign 1.0 less likely at best, over 40 seeds.
    """
    seed = int(torch.randint(10**6, (), generator=random))
    first, second = train(seed, FEW), train(seed + 1, FEW)
    if not isinstance(first, (list, tuple)):
        return "no list"
    expert, guess = changes(first)
    return [expert < -0.5, (expert, guess) != (0, 0), same_model(first, second)]
