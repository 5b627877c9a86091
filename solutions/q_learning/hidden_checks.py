"""Hidden checks of the assignment *q_learning*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests import them.
"""

import math

import torch

from autograder.checks import Exam, Failed, build, close, numbers

exam = Exam("q_learning", hidden=True)


# ---- references


def reference_probabilities(values, epsilon):
    """Epsilon-greedy probabilities of one row, ties shared."""
    best = [value == max(values) for value in values]
    return [epsilon / len(values) + (1 - epsilon) * mark / sum(best) for mark in best]


def reference_target(reward, terminated, discount, future):
    """Reward plus discounted future, one transition at a time."""
    rows = zip(reward.tolist(), terminated.tolist(), future, strict=True)
    return [r if ended else r + discount * value for r, ended, value in rows]


def reference_update(action_values, states, actions, targets, learning_rate):
    """Collect the targets of every cell, then move it."""
    seen = {}
    for state, action, target in zip(states.tolist(), actions.tolist(), targets.tolist(), strict=True):
        seen.setdefault((state, action), []).append(target)
    result = action_values.tolist()
    for (state, action), values in seen.items():
        result[state][action] += learning_rate * (sum(values) / len(values) - result[state][action])
    return result


def reference_n_step(rewards, next_values, terminated, truncated, discount, n):
    """By recursion over n, from the definition."""

    def after(t, steps):
        if terminated[t]:
            return float(rewards[t])
        if steps == 1 or truncated[t] or t == len(rewards) - 1:
            return float(rewards[t]) + discount * float(next_values[t])
        return float(rewards[t]) + discount * after(t + 1, steps - 1)

    return [after(t, n) for t in range(len(rewards))]


# ---- checks


def transitions(random, rows=40, columns=5):
    """Return rewards (B,), values (B, A) twice, flags (B,)."""
    reward = torch.randn(rows, generator=random, dtype=torch.float64)
    values = 3 * torch.randn(2, rows, columns, generator=random, dtype=torch.float64)
    return reward, *values, torch.rand(rows, generator=random) < 0.3


@exam.add("epsilon_greedy", points=1, message="random values, one row unlike the next, a fifth axis of actions")
def mixed_rows(draw):
    random, epsilon, copies = exam.random(), 0.35, 8_000
    values = torch.randn(3, 5, generator=random, dtype=torch.float64)
    values[1, 4] = values[1].max()  # ties
    actions = numbers(draw(values.repeat(copies, 1), epsilon, random), (3 * copies,)).reshape(copies, 3)
    for row in range(3):
        for action, probability in enumerate(reference_probabilities(values[row].tolist(), epsilon)):
            frequency = float((actions[:, row] == action).double().mean())
            # 5.6 standard errors: 15 comparisons, each wrong by chance once in 47 million.
            if abs(frequency - probability) > 5.6 * math.sqrt(probability * (1 - probability) / copies):
                raise Failed(f"expected an action in {probability:.3f} of the draws, got it in {frequency:.3f}")


@exam.add("q_learning_target", points=1, message="random transitions, and one more leading axis")
def random_q(target):
    reward, values, _, terminated = transitions(exam.random())
    expected = reference_target(reward, terminated, 0.9, [max(row) for row in values.tolist()])
    close(target(reward, values, terminated, 0.9), expected)
    folded = target(reward.view(4, 10), values.view(4, 10, 5), terminated.view(4, 10), 0.9)
    close(folded, torch.tensor(expected).view(4, 10))


@exam.add("expected_sarsa_target", points=1, message="random transitions, and one more leading axis")
def random_expected(target):
    reward, values, _, terminated = transitions(exam.random())
    future = [
        sum(p * q for p, q in zip(reference_probabilities(row, 0.3), row, strict=True)) for row in values.tolist()
    ]
    expected = reference_target(reward, terminated, 0.9, future)
    close(target(reward, values, 0.3, terminated, 0.9), expected)
    folded = target(reward.view(4, 10), values.view(4, 10, 5), 0.3, terminated.view(4, 10), 0.9)
    close(folded, torch.tensor(expected).view(4, 10))


@exam.add("double_q_target", points=1, message="random tables, and one more leading axis")
def random_double(target):
    reward, selecting, evaluating, terminated = transitions(exam.random())
    rows = zip(selecting.tolist(), evaluating.tolist(), strict=True)
    future = [two[one.index(max(one))] for one, two in rows]
    expected = reference_target(reward, terminated, 0.9, future)
    close(target(reward, selecting, evaluating, terminated, 0.9), expected)
    folded = target(
        reward.view(4, 10), selecting.view(4, 10, 5), evaluating.view(4, 10, 5), terminated.view(4, 10), 0.9
    )
    close(folded, torch.tensor(expected).view(4, 10))


@exam.add("update_table", points=1.5, message="a large random batch that visits few cells many times")
def random_update(update):
    random = exam.random()
    values = torch.randn(4, 3, generator=random, dtype=torch.float64)
    states, actions = torch.randint(4, (50,), generator=random), torch.randint(3, (50,), generator=random)
    states[states == 2] = 1  # one state is never visited
    targets = torch.randn(50, generator=random, dtype=torch.float64)
    close(update(values, states, actions, targets, 0.25), reference_update(values, states, actions, targets, 0.25))


@exam.add("update_table", points=0.5, message="a batch of one, a table of one state, float32")
def small_update(update):
    values = torch.tensor([[1.0, 2.0, 3.0]])
    after = update(values, torch.tensor([0]), torch.tensor([2]), torch.tensor([5.0]), 0.5)
    close(after, [[1.0, 2.0, 4.0]], tolerance=1e-5)


@exam.add("n_step_returns", points=1, message="random endings, n from 1 to more than the recording holds")
def random_n_step(returns):
    random = exam.random()
    rewards, values = torch.randn(2, 25, generator=random, dtype=torch.float64)
    terminated, truncated = torch.rand(2, 25, generator=random) < 0.15
    for n in (1, 2, 4, 25, 60):
        expected = reference_n_step(rewards, values, terminated, truncated, 0.9, n)
        close(returns(rewards, values, terminated, truncated, 0.9, n), expected)


STEPS, ATTEMPTS = 8_000, 3


def lake_value(action_values, discount):
    """Discounted return of the greedy policy on the lake that does not slip, 0 if it does not arrive."""
    row = column = 0
    for step in range(60):
        down, right = ((0, -1), (1, 0), (0, 1), (-1, 0))[int(action_values[4 * row + column].argmax())]
        row, column = min(max(row + down, 0), 3), min(max(column + right, 0), 3)
        if "SFFFFHFHFFFHHFFG"[4 * row + column] in "HG":
            return discount**step if (row, column) == (3, 3) else 0.0
    return 0.0


@exam.add("learn", points=1, message="a lake that does not slip, the only reward at the goal", seconds=60,
          hint="does the learner ever try something that does not look best?")  # fmt: skip
def lake(learn):
    random, value = exam.random(), 0.0
    environment = build("gymnasium:make", "FrozenLake-v1", is_slippery=False)
    for _ in range(ATTEMPTS):
        seed = int(torch.randint(1_000_000, (), generator=random))
        value = lake_value(numbers(learn(environment, 0.95, STEPS, seed), (16, 4)), 0.95)
        if value >= 0.99 * 0.95**5:
            return
    raise Failed(f"expected a greedy policy worth 0.95^5 = 0.774, got one worth {value:.3g}")


@exam.add("learn", points=1, message="stay or quit with another limit and another price", seconds=60,
          hint="a limit is where we stop watching; the game goes on")  # fmt: skip
def other_game(learn):
    random = exam.random()
    environment = build("rlkit.environments.single:stay_or_quit_environment", 7, 8.0)
    for _ in range(ATTEMPTS):
        seed = int(torch.randint(1_000_000, (), generator=random))
        stay, leave = numbers(learn(environment, 0.9, STEPS, seed), (2, 2))[0]
        if abs(stay - 10) < 0.1 and abs(leave - 8) < 0.1:  # staying for ever is worth 1 / (1 - 0.9)
            return
    raise Failed(f"expected Q(stay) = 10 and Q(quit) = 8, got {stay:.4g} and {leave:.4g}")
