"""A finite MDP as a batched environment.

Episodes end in two ways, as in gymnasium. *terminated*: the world ended the episode, by entering a terminal
state. *truncated*: we stopped watching, at the step limit. A step that ends an episode resets it at once
(gymnasium's "same step" mode): ``observation`` then belongs to the next episode, and ``final_observation`` is
the state in which the step arrived. Values are bootstrapped from ``final_observation``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.device import choose_device
from rlkit.exploration import sample
from rlkit.mdp import FiniteMDP
from rlkit.seeding import make_generator


class Step(NamedTuple):
    """Result of one step of a batch; every field has the batch axes first."""

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_observation: Tensor


class TableEnvironment:
    """Many independent episodes of one finite MDP.

    Parameters
    ----------
    mdp : FiniteMDP
    batch_size : int or tuple of int
        The batch axes B, for example ``32`` or ``(seeds, environments)``.
    seed : int
    step_limit : int, optional
        Truncate an episode after so many steps; never, if left out.
    device : str, torch.device or None
        As in :func:`rlkit.device.choose_device`.

    Raises
    ------
    ValueError
        If a size is not positive.
    """

    def __init__(
        self,
        mdp: FiniteMDP,
        batch_size: int | tuple[int, ...],
        seed: int,
        step_limit: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.batch_shape = (batch_size,) if isinstance(batch_size, int) else tuple(batch_size)
        if not self.batch_shape or min(self.batch_shape) < 1:
            raise ValueError(f"batch_size is {batch_size!r}, expected a positive integer or a tuple of them")
        if step_limit is not None and step_limit < 1:
            raise ValueError(f"step_limit is {step_limit!r}, expected at least 1 or None")
        self.device = choose_device(device)
        self.mdp = mdp.to(self.device)
        self.step_limit = step_limit
        self._generator = make_generator(seed, "environment", self.device)
        self._state: Tensor | None = None
        self._elapsed = torch.zeros(self.batch_shape, dtype=torch.int64, device=self.device)

    @property
    def num_observations(self) -> int:
        """Number of observations: the states of the MDP."""
        return self.mdp.num_states

    @property
    def num_actions(self) -> int:
        """Number of actions A."""
        return self.mdp.num_actions

    def _initial_states(self) -> Tensor:
        return sample(self.mdp.initial_distribution.expand(*self.batch_shape, -1), self._generator)

    def reset(self) -> Tensor:
        """Start every episode anew; return its first states, shape (B,)."""
        self._state = self._initial_states()
        self._elapsed.zero_()
        return self._state

    def step(self, action: Tensor) -> Step:
        """Take one action in each episode.

        Parameters
        ----------
        action : LongTensor, shape (B,)

        Returns
        -------
        Step
            observation, reward, terminated, truncated and final_observation, each of shape (B,).

        Raises
        ------
        RuntimeError
            If ``reset`` has not been called.
        ValueError
            If the actions have the wrong shape or type, or one of them does not exist in its state.
        """
        if self._state is None:
            raise RuntimeError("step was called before reset; call reset() first to get the first observation")
        mdp, state = self.mdp, self._state
        self._require_actions(action, state)
        outcome = sample(mdp.transition_probabilities[state, action], self._generator)
        arrived = outcome if mdp.next_states is None else mdp.next_states[state, action, outcome]
        reward = mdp.rewards[state, action] if mdp.rewards.ndim == 2 else mdp.rewards[state, action, outcome]
        self._elapsed = self._elapsed + 1
        terminated = mdp.terminal[arrived]
        truncated = torch.zeros_like(terminated)
        if self.step_limit is not None:
            truncated = self._elapsed >= self.step_limit
        ended = terminated | truncated
        self._state = torch.where(ended, self._initial_states(), arrived)
        self._elapsed = torch.where(ended, 0, self._elapsed)
        return Step(self._state, reward, terminated, truncated, arrived)

    def _require_actions(self, action: Tensor, state: Tensor) -> None:
        if tuple(action.shape) != self.batch_shape or action.dtype != torch.int64:
            raise ValueError(
                f"action has shape {tuple(action.shape)} and dtype {action.dtype}, "
                f"expected {self.batch_shape} and torch.int64"
            )
        unknown = (action < 0) | (action >= self.num_actions)
        if unknown.any():
            raise ValueError(f"action {int(action[unknown][0])} does not exist, expected 0..{self.num_actions - 1}")
        missing = ~self.mdp.admissible[state, action]
        if missing.any():
            raise ValueError(f"action {int(action[missing][0])} is not admissible in state {int(state[missing][0])}")
