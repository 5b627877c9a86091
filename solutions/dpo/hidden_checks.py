"""Hidden checks of the assignment *dpo*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math
from pathlib import Path

import torch

from autograder.assignment import load_module
from autograder.checks import Exam, Failed, close

exam = Exam("dpo", hidden=True)
# The judging of models stands there; the student's copy of that file is not what is loaded.
PUBLIC = load_module(Path(__file__).with_name("checks.py"))

# ---- references


def softplus(x):
    """The logarithm of 1 + e^x, without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def reference_best(reference, rewards, beta):
    """Weights relative to the largest, divided by their sum."""
    scores = [p + r / beta for p, r in zip(reference.tolist(), rewards.tolist(), strict=True)]
    largest = max(scores)
    total = sum(math.exp(score - largest) for score in scores)
    return [score - largest - math.log(total) for score in scores]


def reference_reward(policy, reference, mask, beta):
    """Token by token."""
    rows = zip(policy.tolist(), reference.tolist(), mask.tolist(), strict=True)
    return [beta * sum(a - b for a, b, kept in zip(*row, strict=True) if kept) for row in rows]


def reference_loss(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    """Pair by pair."""
    rows = zip(*(part.tolist() for part in (chosen, rejected, fixed_chosen, fixed_rejected)), strict=True)
    return [softplus(-beta * ((a - c) - (b - d))) for a, b, c, d in rows]


def both(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


# ---- checks


@exam.add("optimal_policy", points=1, message="random references and rewards")
def random_best(best):
    random = exam.random()
    for size, beta in ((2, 1.0), (7, 0.1), (30, 4.0)):
        reference = torch.randn(size, generator=random, dtype=torch.float64).log_softmax(-1)
        rewards = 3 * torch.randn(size, generator=random, dtype=torch.float64)
        close(best(reference, rewards, beta), reference_best(reference, rewards, beta))


@exam.add("implicit_reward", points=1, message="random answers of unequal lengths")
def random_rewards(reward):
    policy, reference = -3 * torch.rand(2, 6, 9, generator=exam.random(), dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 5, 8, 2])[:, None]
    filled = policy.masked_fill(~mask, -math.inf)
    close(reward(filled, reference, mask, 0.7), reference_reward(policy, reference, mask, 0.7))


@exam.add("dpo_loss", points=1, message="random pairs, small and large margins")
def random_losses(loss):
    random = exam.random()
    for scale, beta in ((1.0, 0.1), (10.0, 2.0), (300.0, 1.0)):
        four = -scale * torch.rand(4, 20, generator=random, dtype=torch.float64)
        close(loss(*four, beta), reference_loss(*four, beta))


@exam.add("margin_and_accuracy", points=1, message="random rewards with some ties")
def random_watch(watch):
    chosen, rejected = torch.randn(2, 40, generator=exam.random(), dtype=torch.float64).round(decimals=0)
    pairs = list(zip(chosen.tolist(), rejected.tolist(), strict=True))
    accuracy = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
    close(both(watch(chosen, rejected)), [sum(a - b for a, b in pairs) / len(pairs), accuracy])


@exam.add("gradient_weight", points=1, message="random margins")
def random_weights(weight):
    margin = 4 * torch.randn(30, generator=exam.random(), dtype=torch.float64)
    close(weight(margin, 0.25), [0.25 / (1 + math.exp(u)) for u in margin.tolist()])


@exam.add("smoothed_loss", points=1, message="random margins, other shares")
def random_smoothed(loss):
    margin = 4 * torch.randn(30, generator=exam.random(), dtype=torch.float64)
    for share in (0.05, 0.4):
        close(loss(margin, share), [(1 - share) * softplus(-u) + share * softplus(u) for u in margin.tolist()])


@exam.add("train_chain", points=2, message="other seeds: the returned model answers 75 of 100 sums greedily", seconds=120,
          hint="up to three seeds were tried")  # fmt: skip
def adds_again(train):
    random = exam.random()
    PUBLIC.require_training(train, random)
    best = PUBLIC.best_of(train, random)
    if best < PUBLIC.GOAL:
        raise Failed(f"expected at least 75 of 100 right, got {100 * best:.0f}")
