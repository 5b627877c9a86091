"""What the bound equations of grpo.md say, in plain numpy, beside what rlkit computes."""

from math import comb

import numpy as np
import torch
from bound_equations import equation

from rlkit import group_objective
from rlkit.lm import evaluation

B, L, G = 4, 6, 5


@equation("eq-group-advantage", latex="cc626e87cc96", function="rlkit.group_objective.group_advantages")
def _(random: np.random.Generator):
    r = random.normal(size=G)
    s = np.sqrt(sum((x - r.mean()) ** 2 for x in r) / (G - 1))
    expected = [(r[i] - r.mean()) / (s + 1e-4) for i in range(G)]
    yield expected, group_objective.group_advantages(torch.from_numpy(r), torch.zeros(G, dtype=torch.long))


@equation("eq-token-loss", latex="bc883ddbb076", function="rlkit.group_objective.grpo_loss")
def _(random: np.random.Generator):
    new, old, ref = -random.exponential(size=(3, B))
    A, beta, low, high = random.normal(size=B), 0.3, 0.1, 0.4
    w, rho = np.exp(new - old), ref - new
    clipped = [min(max(each, 1 - low), 1 + high) for each in w]
    expected = [-min(w[i] * A[i], clipped[i] * A[i]) + beta * (np.exp(rho[i]) - 1 - rho[i]) for i in range(B)]
    # Each token is a batch of one answer of one token, whose average is the token's loss.
    policy, sampling, anchor, advantage = (torch.from_numpy(x).reshape(B, 1, 1) for x in (new, old, ref, A))
    mask, options = torch.ones(B, 1, 1, dtype=torch.bool), {"reference_log_probabilities": anchor}
    yield (
        expected,
        group_objective.grpo_loss(
            policy, sampling, advantage, mask, clip_low=low, clip_high=high, kl_coefficient=beta, **options
        ),
    )


@equation("eq-grpo-loss", latex="36883b80c02f", function="rlkit.group_objective.aggregate")
def _(random: np.random.Generator):
    losses, lengths = random.normal(size=(B, L)), random.integers(1, L + 1, size=B)
    expected = sum(sum(losses[i, k] for k in range(lengths[i])) / lengths[i] for i in range(B)) / B
    mask = torch.arange(L) < torch.from_numpy(lengths)[:, None]
    yield expected, group_objective.aggregate(torch.from_numpy(losses), mask, "sequence_mean")


@equation("eq-pass-at-k", latex="ce8824b2df15", function="rlkit.lm.evaluation.pass_at_k")
def _(random: np.random.Generator):
    n, k = int(random.integers(4, 12)), 3
    c = random.integers(0, n + 1, size=6)
    expected = [1 - comb(n - int(x), k) / comb(n, k) for x in c]
    yield expected, evaluation.pass_at_k(torch.from_numpy(c), n, k)


@equation("eq-overlong-penalty", latex="1999b4a632c7", function="rlkit.group_objective.overlong_penalty")
def _(random: np.random.Generator):
    longest, buffer = int(random.integers(16, 40)), int(2 ** random.integers(1, 4))  # exact in single precision
    expected = []
    for n in range(longest + 3):
        if n <= longest - buffer:
            expected.append(0.0)
        elif n <= longest:
            expected.append(((longest - buffer) - n) / buffer)
        else:
            expected.append(-1.0)
    yield expected, group_objective.overlong_penalty(torch.arange(longest + 3), longest, buffer)
