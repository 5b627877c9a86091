"""What the bound equations of ppo.md say, in plain numpy, beside what rlkit computes."""

import math

import numpy as np
import torch
from bound_equations import equation

from rlkit import advantages, policy_diagnostics, ppo

B, T, GAMMA, LAMBDA = 7, 12, 0.9, 0.7


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@equation("eq-clipped-surrogate", latex="6d751c39adb5", function="rlkit.ppo.clipped_surrogate")
def _(random: np.random.Generator):
    new, old, A = random.normal(scale=0.3, size=(3, B))
    for epsilon in (0.0, 0.1, 0.3):
        w = [math.exp(new[i] - old[i]) for i in range(B)]
        clipped = [min(max(each, 1 - epsilon), 1 + epsilon) for each in w]
        expected = [min(w[i] * A[i], clipped[i] * A[i]) for i in range(B)]
        yield expected, ppo.clipped_surrogate(*tensors(new, old, A), epsilon)


@equation("eq-approximate-kl", latex="cf1f57449f99", function="rlkit.policy_diagnostics.approximate_kl")
def _(random: np.random.Generator):
    new, old = random.normal(size=(2, B))
    w = np.exp(new - old)
    yield (w - 1) - np.log(w), policy_diagnostics.approximate_kl(*tensors(new, old))


@equation("eq-gae", latex="d189a77784c1", function="rlkit.advantages.generalized_advantage_estimate")
def _(random: np.random.Generator):
    r, V, V_next = random.normal(size=(3, T))  # V_next[t] is the value of the final observation of step t
    d, truncated = random.random(T) < 0.2, random.random(T) < 0.2
    e = d | truncated
    A = np.zeros(T + 1)
    for t in reversed(range(T)):
        delta = r[t] + GAMMA * (1 - d[t]) * V_next[t] - V[t]
        A[t] = delta + GAMMA * LAMBDA * (1 - e[t]) * A[t + 1]
    actual = advantages.generalized_advantage_estimate(*tensors(r, V, V_next, d, truncated), GAMMA, LAMBDA)
    yield A[:T], actual


@equation("eq-ppo-loss", latex="77cdb301d5ec", function="rlkit.ppo.ppo_loss")
def _(random: np.random.Generator):
    L, V, G, H = random.normal(size=(4, B))
    c1, c2 = random.random(2)
    yield -L + c1 * (V - G) ** 2 - c2 * H, ppo.ppo_loss(*tensors(L, V, G, H), c1, c2)


@equation("eq-explained-variance", latex="21b35880bdfa", function="rlkit.policy_diagnostics.explained_variance")
def _(random: np.random.Generator):
    V, G = random.normal(size=(2, B))
    yield 1 - np.var(G - V) / np.var(G), policy_diagnostics.explained_variance(*tensors(V, G))
