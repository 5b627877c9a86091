"""What the bound equations of rlhf.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import reward_model, rlhf

B, L, BETA = 4, 6, 0.2


@equation("eq-bradley-terry", latex="9a365f88aa35", function="rlkit.reward_model.bradley_terry_loss")
def _(random: np.random.Generator):
    chosen, rejected = random.normal(size=(2, B))
    expected = -np.log(1 / (1 + np.exp(-(chosen - rejected))))
    yield expected, reward_model.bradley_terry_loss(torch.from_numpy(chosen), torch.from_numpy(rejected))


@equation("eq-shaped-reward", latex="5f90abb6f74d", function="rlkit.rlhf.shaped_rewards")
def _(random: np.random.Generator):
    scores, old, ref = random.normal(size=B), *-random.exponential(size=(2, B, L))
    lengths = random.integers(1, L + 1, size=B)
    expected = np.zeros((B, L))
    for i in range(B):
        for k in range(lengths[i]):
            expected[i, k] = (k == lengths[i] - 1) * scores[i] - BETA * (old[i, k] - ref[i, k])
    mask = torch.arange(L) < torch.from_numpy(lengths)[:, None]
    tensors = (torch.from_numpy(array) for array in (scores, old, ref))
    yield expected, rlhf.shaped_rewards(*tensors, mask, BETA)
