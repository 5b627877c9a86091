"""Hidden checks of the assignment *ppo*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests import them.
"""

import math
from pathlib import Path

import torch

from autograder.assignment import load_module
from autograder.checks import Exam, Failed, close

exam = Exam("ppo", hidden=True)
# The pole's simulation stands there; the student's copy of that file is not what is loaded.
PUBLIC = load_module(Path(__file__).with_name("checks.py"))


# ---- references


def reference_advantages(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """The double sum: discounted TD errors from each step to the end of its episode."""
    num_steps, result = len(rewards), []
    for t in range(num_steps):
        total, weight = 0.0, 1.0
        for k in range(t, num_steps):
            future = 0.0 if terminated[k] else float(next_values[k])
            total += weight * (float(rewards[k]) + discount * future - float(values[k]))
            if terminated[k] or truncated[k]:
                break
            weight *= discount * gae_lambda
        result.append(total)
    return result


def reference_surrogate(new, old, advantages, clip_range):
    """Element by element, by cases."""
    result = []
    for one, two, advantage in zip(new.tolist(), old.tolist(), advantages.tolist(), strict=True):
        ratio = math.exp(one - two)
        if advantage >= 0:
            result.append(min(ratio, 1 + clip_range) * advantage)
        else:
            result.append(max(ratio, 1 - clip_range) * advantage)
    return result


def reference_loss(surrogate, prediction, target, entropy, value_coefficient, entropy_coefficient):
    """Element by element."""
    rows = zip(surrogate.tolist(), prediction.tolist(), target.tolist(), entropy.tolist(), strict=True)
    return [-s + value_coefficient * (v - g) ** 2 - entropy_coefficient * h for s, v, g, h in rows]


def reference_change(new, old, clip_range):
    """Means over the elements."""
    ratios = [math.exp(one - two) for one, two in zip(new.tolist(), old.tolist(), strict=True)]
    divergence = sum(ratio - 1 - math.log(ratio) for ratio in ratios) / len(ratios)
    return divergence, sum(abs(ratio - 1) > clip_range for ratio in ratios) / len(ratios)


def reference_explained(values, returns):
    """One minus the quotient of two variances."""

    def variance(numbers):
        mean = sum(numbers) / len(numbers)
        return sum((number - mean) ** 2 for number in numbers) / len(numbers)

    errors = [g - v for g, v in zip(returns.tolist(), values.tolist(), strict=True)]
    return 1 - variance(errors) / variance(returns.tolist())


# ---- checks


def recorded_steps(random, *shape):
    """Rewards, values, next values, both flags; inside an episode the next value is the value of the next row."""
    rewards, values, final = torch.randn(3, *shape, generator=random, dtype=torch.float64)
    terminated, truncated = torch.rand(2, *shape, generator=random) < 0.15
    following = torch.where(terminated | truncated, final, torch.cat([values[1:], final[-1:]]))
    return rewards, values, following, terminated, truncated


@exam.add(
    "generalized_advantage_estimate", points=1, message="random endings of both kinds, other discounts and lambdas"
)
def random_episodes(estimate):
    random = exam.random()
    for discount, gae_lambda in ((0.99, 0.95), (0.9, 0.3), (1.0, 1.0), (0.7, 0.0)):
        steps = recorded_steps(random, 30)
        close(estimate(*steps, discount, gae_lambda), reference_advantages(*steps, discount, gae_lambda))


@exam.add("generalized_advantage_estimate", points=1, message="several environments and seeds at once")
def more_axes(estimate):
    random = exam.random()
    steps = recorded_steps(random, 10, 2, 3)
    expected = torch.zeros(10, 2, 3, dtype=torch.float64)
    for k in range(2):
        for n in range(3):
            column = reference_advantages(*(part[:, k, n] for part in steps), 0.95, 0.9)
            expected[:, k, n] = torch.tensor(column, dtype=torch.float64)
    close(estimate(*steps, 0.95, 0.9), expected)


@exam.add("clipped_surrogate", points=1, message="random ratios and advantages, other clip ranges, one more axis")
def random_surrogate(surrogate):
    random = exam.random()
    new, old, advantages = torch.randn(3, 60, generator=random, dtype=torch.float64)
    for clip_range in (0.2, 0.05, 0.5):
        expected = reference_surrogate(new, old, advantages, clip_range)
        close(surrogate(new, old, advantages, clip_range), expected)
    folded = surrogate(new.view(4, 15), old.view(4, 15), advantages.view(4, 15), 0.2)
    close(folded, torch.tensor(reference_surrogate(new, old, advantages, 0.2)).view(4, 15))


@exam.add("ppo_loss", points=1, message="a random batch, and one more axis")
def random_loss(loss):
    parts = torch.randn(4, 24, generator=exam.random(), dtype=torch.float64)
    expected = reference_loss(*parts, 0.6, 0.02)
    close(loss(*parts, 0.6, 0.02), expected)
    close(loss(*parts.view(4, 2, 12), 0.6, 0.02), torch.tensor(expected).view(2, 12))


@exam.add("policy_change", points=1, message="random log-probabilities")
def random_change(change):
    random = exam.random()
    old = -3 * torch.rand(200, generator=random, dtype=torch.float64)
    new = old + 0.4 * torch.randn(200, generator=random, dtype=torch.float64)
    for clip_range in (0.1, 0.3):
        close(list(change(new, old, clip_range)), reference_change(new, old, clip_range))


@exam.add("explained_variance", points=1, message="random values and returns")
def random_explained(explained):
    values, returns = torch.randn(2, 50, generator=exam.random(), dtype=torch.float64)
    close(explained(values, returns), reference_explained(values, returns))
    close(explained(returns + 0.1 * values, returns), reference_explained(returns + 0.1 * values, returns))


@exam.add("train_cartpole", points=2, message="another seed: the network balances for 475 of 500 steps on average", seconds=120,
          hint="up to three seeds were tried")  # fmt: skip
def balances_again(train):
    random = exam.random()
    PUBLIC.require_training(train, random)
    best = PUBLIC.best_of(train, random)
    if best < 475:
        raise Failed(f"expected a mean of at least 475 steps, got {best:.0f}")
