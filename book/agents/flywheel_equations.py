"""What the bound equations of flywheel.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit.agents import replay

B, L = 5, 7


def logs(random: np.random.Generator):
    """Log-probabilities of two policies, and which tokens the policy wrote."""
    return -random.exponential(size=(B, L)), -random.exponential(size=(B, L)), random.random((B, L)) < 0.6


@equation("eq-importance-weights", latex="6c6049ff1279", function="rlkit.agents.replay.importance_weights")
def _(random: np.random.Generator):
    present, old, m = logs(random)
    expected = [[np.exp(present[i, k]) / np.exp(old[i, k]) if m[i, k] else 1.0 for k in range(L)] for i in range(B)]
    yield expected, replay.importance_weights(*(torch.from_numpy(part) for part in (present, old, m)))


@equation("eq-episode-weight", latex="192ba2504100", function="rlkit.agents.replay.episode_log_weights")
def _(random: np.random.Generator):
    present, old, m = logs(random)
    products = [np.prod([np.exp(present[i, k]) / np.exp(old[i, k]) for k in range(L) if m[i, k]]) for i in range(B)]
    yield np.log(products), replay.episode_log_weights(*(torch.from_numpy(part) for part in (present, old, m)))


@equation("eq-effective-sample-size", latex="67c315599397", function="rlkit.agents.replay.effective_sample_size")
def _(random: np.random.Generator):
    W = random.exponential(size=B)
    yield sum(W) ** 2 / sum(W**2), replay.effective_sample_size(torch.from_numpy(np.log(W)))
