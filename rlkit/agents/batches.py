"""Trajectories as tensors: token ids, which of them the policy wrote, and what a loss needs for each of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.agents.rollouts import Trajectory


class TokenBatch(NamedTuple):
    """C contexts of at most L + 1 tokens, right-padded; every field but ``ids`` is about the tokens after the first."""

    ids: Tensor
    """LongTensor (C, L + 1)."""
    real: Tensor
    """BoolTensor (C, L + 1), False for padding."""
    mask: Tensor
    """BoolTensor (C, L), True for the tokens that the policy wrote: what the environment said is no action."""
    log_probabilities: Tensor
    """(C, L), as noted while sampling; 0 where the mask is False."""
    advantages: Tensor
    """(C, L), those of each token's turn; 0 where the mask is False."""


def turn_rewards(trajectories: Sequence[Trajectory]) -> tuple[Tensor, Tensor]:
    """Rewards of all turns and which of them there were, both (B, T)."""
    longest = max(len(one.rewards) for one in trajectories)
    rewards = torch.zeros(len(trajectories), longest)
    mask = torch.zeros(len(trajectories), longest, dtype=torch.bool)
    for row, one in enumerate(trajectories):
        rewards[row, : len(one.rewards)] = torch.tensor(one.rewards, dtype=torch.float32)
        mask[row, : len(one.rewards)] = True
    return rewards, mask


def token_batch(
    trajectories: Sequence[Trajectory], advantages: Tensor, pad_id: int, device: torch.device | str = "cpu"
) -> TokenBatch:
    """Put the contexts of trajectories into one batch.

    Parameters
    ----------
    trajectories : sequence of Trajectory, length B
    advantages : Tensor, shape (B, T)
        Of turns.
    pad_id : int
    device : device, optional
    """
    contexts = [(context, row) for row, one in enumerate(trajectories) for context in one.contexts]
    longest, count = max(len(context.ids) for context, _ in contexts), len(contexts)
    ids = torch.full((count, longest), pad_id)
    turns, noted = torch.full((count, longest), -1), torch.zeros(count, longest)
    rows = torch.tensor([row for _, row in contexts])
    for number, (context, _) in enumerate(contexts):
        length = len(context.ids)
        ids[number, :length] = torch.tensor(context.ids)
        turns[number, :length] = torch.tensor(context.turns)
        noted[number, :length] = torch.tensor(context.log_probabilities)
    lengths = torch.tensor([len(context.ids) for context, _ in contexts])
    real, mask = torch.arange(longest) < lengths[:, None], turns[:, 1:] >= 0
    values = advantages.cpu()[rows[:, None], turns[:, 1:].clamp_min(0)].masked_fill(~mask, 0.0)
    fields = (ids, real, mask, noted[:, 1:].masked_fill(~mask, 0.0), values)
    return TokenBatch(*(field.to(device) for field in fields))
