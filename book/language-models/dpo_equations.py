"""What the bound equations of dpo.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import dpo

B, N, BETA = 5, 6, 0.3


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@equation("eq-optimal-policy", latex="4f4f0cd5a377", function="rlkit.dpo.optimal_policy")
def _(random: np.random.Generator):
    reference, r = np.log(random.dirichlet(np.ones(N))), random.normal(size=N)
    Z = sum(np.exp(reference[y]) * np.exp(r[y] / BETA) for y in range(N))
    yield reference + r / BETA - np.log(Z), dpo.optimal_policy(*tensors(reference, r), BETA)


@equation("eq-implicit-reward", latex="79d6bc434f43", function="rlkit.dpo.implicit_reward")
def _(random: np.random.Generator):
    policy, reference = -random.exponential(size=(2, B))
    yield BETA * (policy - reference), dpo.implicit_reward(*tensors(policy, reference), BETA)


@equation("eq-dpo-loss", latex="0d9a4e1ac01d", function="rlkit.dpo.dpo_loss")
def _(random: np.random.Generator):
    chosen, rejected, ref_chosen, ref_rejected = -random.exponential(size=(4, B))
    u = BETA * (chosen - ref_chosen) - BETA * (rejected - ref_rejected)
    yield -np.log(1 / (1 + np.exp(-u))), dpo.dpo_loss(*tensors(chosen, rejected, ref_chosen, ref_rejected), BETA)


@equation("eq-smoothed-loss", latex="a910c218d155", function="rlkit.dpo.dpo_loss")
def _(random: np.random.Generator):
    u, zero = random.normal(size=B), np.zeros(B)
    for epsilon in (0.0, 0.1, 0.4):
        expected = -(1 - epsilon) * np.log(1 / (1 + np.exp(-u))) - epsilon * np.log(1 / (1 + np.exp(u)))
        # A policy that gave the chosen answer u / BETA more than the reference did has the margin u.
        yield expected, dpo.dpo_loss(*tensors(u / BETA, zero, zero, zero), BETA, epsilon)


@equation("eq-ipo-loss", latex="b1682bf69670", function="rlkit.dpo.ipo_loss")
def _(random: np.random.Generator):
    chosen, rejected, ref_chosen, ref_rejected = -random.exponential(size=(4, B))
    u = BETA * (chosen - ref_chosen) - BETA * (rejected - ref_rejected)
    yield (u / BETA - 1 / (2 * BETA)) ** 2, dpo.ipo_loss(*tensors(chosen, rejected, ref_chosen, ref_rejected), BETA)


@equation("eq-supervised-term", latex="55cb14888cce", function="rlkit.dpo.supervised_term")
def _(random: np.random.Generator):
    log_pi, lengths = -random.exponential(size=B), random.integers(1, 9, size=B)
    expected = -sum(log_pi[i] / lengths[i] for i in range(B)) / B
    yield expected, dpo.supervised_term(*tensors(log_pi, lengths))
