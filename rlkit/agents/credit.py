r"""Which turn of an episode earned what: advantages for whole trajectories and for single turns.

A *trajectory* advantage gives every turn the return of the episode beside the group's,

.. math:: \hat A_{i,t} = \frac{G_i - \bar G}{s + 10^{-4}}.

A *turn* advantage compares what came after a turn, :math:`G_{i,t} = \sum_{k \ge t} \gamma^{k-t} r_{i,k}`, with what
came after the turns that share its key, such as the same turn number, or the same situation, in the same group.

References
----------
Shao et al. (2024), "DeepSeekMath", for the group's baseline. Feng et al. (2025), "Group-in-Group Policy Optimization
for LLM Agent Training", for keys that name a situation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.group_objective import STD_OFFSET, group_advantages
from rlkit.validation import require_boolean, require_finite, require_shapes


def turn_returns(rewards: Tensor, mask: Tensor, discount: float = 1.0) -> Tensor:
    r"""Sum of the discounted rewards from each turn on, :math:`G_t = r_t + \gamma G_{t+1}`.

    Parameters
    ----------
    rewards : Tensor, shape (B, T)
        Of turns; padded where the mask is False, and what stands there does not count.
    mask : BoolTensor, shape (B, T)
    discount : float

    Returns
    -------
    Tensor, shape (B, T)
        0 where the mask is False.
    """
    require_shapes(rewards="B T", mask="B T", given=locals())
    require_boolean(mask=mask)
    rewards, following = rewards.masked_fill(~mask, 0.0), torch.zeros_like(rewards[:, 0])
    result = torch.zeros_like(rewards)
    for turn in reversed(range(rewards.shape[1])):
        following = rewards[:, turn] + discount * following
        result[:, turn] = following
    return result.masked_fill(~mask, 0.0)


def trajectory_advantages(rewards: Tensor, mask: Tensor, group_ids: Tensor, divide_by_std: bool = True) -> Tensor:
    """Advantage of each episode's undiscounted return in its group, for each of its turns.

    Parameters
    ----------
    rewards, mask : Tensor, shape (B, T)
        As in :func:`turn_returns`.
    group_ids : LongTensor, shape (B,)
    divide_by_std : bool
        By the group's deviation. Without it one deviation, that of the whole batch, divides all: a price then keeps its
        size from group to group.

    Returns
    -------
    Tensor, shape (B, T)
        0 where the mask is False.
    """
    returns = turn_returns(rewards, mask)[:, 0]
    require_finite(returns=returns)
    values = group_advantages(returns, group_ids, divide_by_std)
    if not divide_by_std:
        values = values / (values.std() + STD_OFFSET)
    return values[:, None].expand_as(rewards).masked_fill(~mask, 0.0)


def turn_advantages(rewards: Tensor, mask: Tensor, keys: Tensor, discount: float = 1.0) -> Tensor:
    """Return from each turn on, less the mean over the turns with the same key, divided by the batch's deviation.

    Parameters
    ----------
    rewards, mask : Tensor, shape (B, T)
    keys : LongTensor, shape (B, T)
        Turns with equal keys are compared with each other; ignored where the mask is False.
    discount : float
        With 0 only the turn's own reward counts.

    Returns
    -------
    Tensor, shape (B, T)
        0 where the mask is False.
    """
    require_shapes(rewards="B T", mask="B T", keys="B T", given=locals())
    returns = turn_returns(rewards, mask, discount)[mask]
    require_finite(returns=returns)
    _, index = keys[mask].unique(return_inverse=True)
    sums = returns.new_zeros(int(index.max()) + 1)
    means = sums.index_add(0, index, returns) / sums.index_add(0, index, torch.ones_like(returns))
    centred = returns - means[index]
    return torch.zeros_like(rewards).masked_scatter(mask, centred / (centred.std() + STD_OFFSET))


def turn_keys(group_ids: Tensor, names: list[list[str]], length: int) -> Tensor:
    """Numbers for pairs of group and name, (B, T); -1 behind the end of an episode."""
    numbers: dict[tuple[int, str], int] = {}
    rows = [
        [numbers.setdefault((group, name), len(numbers)) for name in episode] + [-1] * (length - len(episode))
        for group, episode in zip(group_ids.tolist(), names, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.long)
