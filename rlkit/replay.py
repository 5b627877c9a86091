"""Experience replay: a ring of the most recent transitions, sampled uniformly (Lin 1992; Mnih et al. 2015)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Transitions(NamedTuple):
    """A batch of transitions; observations have shape (K, B, D), everything else (K, B)."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    final_observation: Tensor


class ReplayBuffer:
    """One ring per seed; when it is full, the oldest transitions are overwritten.

    Parameters
    ----------
    num_seeds : int
    capacity : int
        Transitions kept for each seed.
    observation_size : int
    device : torch.device
    """

    def __init__(self, num_seeds: int, capacity: int, observation_size: int, device: torch.device) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity!r}, expected at least 1")
        # One row per transition (observation, final observation, action, reward, terminated): a sample is one lookup.
        self._rows = torch.zeros(num_seeds, capacity, 2 * observation_size + 3, device=device)
        self._first_row = torch.arange(num_seeds, device=device)[:, None] * capacity
        self.capacity, self.observation_size, self.written = capacity, observation_size, 0

    def __len__(self) -> int:
        return min(self.written, self.capacity)

    def add(self, transitions: Transitions) -> None:
        """Write a batch of transitions of every seed behind those written before."""
        count = transitions.reward.shape[1]
        if count > self.capacity:
            raise ValueError(f"{count} transitions at once, expected at most the capacity {self.capacity}")
        scalars = [transitions.action, transitions.reward, transitions.terminated]
        columns = [transitions.observation, transitions.final_observation, *(part[..., None] for part in scalars)]
        places = torch.arange(self.written, self.written + count, device=self._rows.device) % self.capacity
        self._rows[:, places] = torch.cat([column.to(self._rows.dtype) for column in columns], dim=-1)
        self.written += count

    def sample(self, count: int, generator: torch.Generator) -> Transitions:
        """Draw transitions uniformly with replacement, independently for each seed.

        Raises
        ------
        ValueError
            If the buffer is empty.
        """
        if len(self) == 0:
            raise ValueError("the replay buffer is empty; add transitions before sampling")
        num_seeds, _, width = self._rows.shape
        device = self._rows.device
        places = torch.randint(len(self), (num_seeds, count), generator=generator, device=device)
        return self._unpack(self._rows.view(-1, width)[self._first_row + places])

    def latest(self, count: int) -> Transitions:
        """Return the last ``count`` transitions written, oldest first."""
        if not 0 < count <= len(self):
            raise ValueError(f"the latest {count} transitions asked for, expected 1..{len(self)}")
        places = torch.arange(self.written - count, self.written, device=self._rows.device) % self.capacity
        return self._unpack(self._rows[:, places])

    def _unpack(self, rows: Tensor) -> Transitions:
        size = self.observation_size
        return Transitions(
            rows[..., :size], rows[..., -3].long(), rows[..., -2], rows[..., -1].bool(), rows[..., size : 2 * size]
        )
