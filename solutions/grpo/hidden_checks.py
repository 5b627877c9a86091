"""Hidden checks of the assignment *grpo*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math
from itertools import combinations
from pathlib import Path

import torch

from autograder.assignment import load_module
from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("grpo", hidden=True)
# The judging of models stands there; the student's copy of that file is not what is loaded.
PUBLIC = load_module(Path(__file__).with_name("checks.py"))

# ---- references


def reference_advantages(rewards, groups):
    """Answer by answer."""
    result = []
    for reward, group in zip(rewards.tolist(), groups.tolist(), strict=True):
        mine = [r for r, g in zip(rewards.tolist(), groups.tolist(), strict=True) if g == group]
        mean = sum(mine) / len(mine)
        if max(mine) == min(mine):
            result.append(0.0)
        else:
            deviation = math.sqrt(sum((r - mean) ** 2 for r in mine) / (len(mine) - 1))
            result.append((reward - mean) / (deviation + 1e-4))
    return result


def reference_loss(new, old, advantages, mask, low, high):
    """Token by token, by cases of the advantage's sign."""
    losses = []
    for i, advantage in enumerate(advantages.tolist()):
        for k in range(new.shape[1]):
            if mask[i, k]:
                ratio = math.exp(float(new[i, k] - old[i, k]))
                limited = min(ratio, 1 + high) if advantage >= 0 else max(ratio, 1 - low)
                losses.append(-limited * advantage)
    return sum(losses) / len(losses)


def reference_averages(losses, mask):
    """Sums by loops."""
    rows = zip(losses.tolist(), mask.tolist(), strict=True)
    kept = [[value for value, keep in zip(row, keeps, strict=True) if keep] for row, keeps in rows]
    total = sum(sum(row) for row in kept)
    answers = sum(sum(row) / len(row) for row in kept) / len(kept)
    return [answers, total / sum(map(len, kept)), total / (losses.shape[0] * losses.shape[1])]


def reference_pass(c, n, k):
    """Count the choices that hold a right sample; the first c are the right ones."""
    choices = list(combinations(range(n), k))
    return sum(min(choice) < c for choice in choices) / len(choices)


def some_mask(random, batch, length):
    """Answers of random lengths, at least 1."""
    return torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=random)


def parts(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


# ---- checks


@exam.add("group_advantages", points=1, message="random groups of unequal sizes, mixed")
def random_groups(advantages):
    random = exam.random()
    for size in (12, 40):
        rewards, groups = (
            torch.randn(size, generator=random, dtype=torch.float64),
            torch.randint(5, (size,), generator=random),
        )
        close(advantages(rewards, groups), reference_advantages(rewards, groups))


@exam.add("group_advantages", points=1, message="many groups of equal rewards in float32: exactly 0",
          hint="whatever the reward and the size of the group are")  # fmt: skip
def equal_groups(advantages):
    random = exam.random()
    values, sizes = torch.rand(30, generator=random), torch.randint(2, 12, (30,), generator=random)
    rewards = values.repeat_interleave(sizes)
    groups = torch.arange(30).repeat_interleave(sizes)
    order = torch.randperm(len(rewards), generator=random)
    came = numbers(advantages(rewards[order], groups[order]), (len(rewards),))
    holds(bool((came == 0).all()), f"{int((came != 0).sum())} of {len(came)} advantages are not 0")


@exam.add("grpo_loss", points=1, message="random batches, other clips")
def random_losses(loss):
    random = exam.random()
    for low, high in ((0.2, 0.2), (0.1, 0.4)):
        old = -3 * torch.rand(5, 7, generator=random, dtype=torch.float64)
        new = old + 0.4 * torch.randn(5, 7, generator=random, dtype=torch.float64)
        advantages, mask = torch.randn(5, generator=random, dtype=torch.float64), some_mask(random, 5, 7)
        close(loss(new, old, advantages, mask, low, high), reference_loss(new, old, advantages, mask, low, high))


@exam.add("grpo_loss", points=1, message="the gradient of a random batch")
def random_gradient(loss):
    random = exam.random()
    old = -3 * torch.rand(3, 4, generator=random, dtype=torch.float64)
    new = old + 0.4 * torch.randn(3, 4, generator=random, dtype=torch.float64)
    advantages, mask = torch.randn(3, generator=random, dtype=torch.float64), some_mask(random, 3, 4)
    _, (slope,) = loss.gradients(new, old, advantages, mask, 0.2, 0.2, wrt=(0,))
    count, expected = int(mask.sum()), []
    for i in range(3):
        for k in range(4):
            ratio, advantage = math.exp(float(new[i, k] - old[i, k])), float(advantages[i])
            flat = ratio > 1.2 if advantage > 0 else ratio < 0.8
            expected.append(0.0 if flat or not mask[i, k] else -ratio * advantage / count)
    close(slope, torch.tensor(expected).reshape(3, 4))


@exam.add("three_averages", points=1, message="random losses and lengths")
def random_averages(averages):
    random = exam.random()
    losses, mask = torch.randn(6, 8, generator=random, dtype=torch.float64), some_mask(random, 6, 8)
    close(parts(averages(losses, mask)), reference_averages(losses, mask))


@exam.add("sequence_ratio", points=1, message="random answers, with infinity behind their ends")
def random_ratios(ratio):
    random = exam.random()
    old = -3 * torch.rand(5, 7, generator=random, dtype=torch.float64)
    new = old + 0.4 * torch.randn(5, 7, generator=random, dtype=torch.float64)
    mask = some_mask(random, 5, 7)
    expected = []
    for i in range(5):
        kept = [float(new[i, k] - old[i, k]) for k in range(7) if mask[i, k]]
        expected.append(math.exp(sum(kept) / len(kept)))
    close(ratio(new.masked_fill(~mask, -math.inf), old, mask), expected)


@exam.add("pass_at_k", points=1, message="all counts of eight samples, and a large number of samples")
def every_count(pass_at_k):
    for k in (1, 3, 5, 8):
        close(pass_at_k(torch.arange(9), 8, k), [reference_pass(c, 8, k) for c in range(9)])
    close(pass_at_k(torch.tensor([1, 2]), 2000, 500), [0.25, 1 - 0.75 * 1499 / 1999])


@exam.add("train_chain", points=2, message="other seeds: the returned model answers 75 of 100 sums greedily", seconds=120,
          hint="up to three seeds were tried")  # fmt: skip
def adds_again(train):
    random = exam.random()
    PUBLIC.require_training(train, random)
    best = PUBLIC.best_of(train, random)
    if best < PUBLIC.GOAL:
        raise Failed(f"expected at least 75 of 100 right, got {100 * best:.0f}")
