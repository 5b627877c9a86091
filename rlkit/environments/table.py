"""A finite MDP as a batched environment. Observations are the indices of its states."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding

from rlkit.device import choose_device
from rlkit.environments.base import Seeded, Step, require_actions, require_batch_shape, require_step_limit
from rlkit.mdp import FiniteMDP


class TableEnvironment(Seeded):
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

    observation_shape = ()
    action_size = 0

    def __init__(
        self,
        mdp: FiniteMDP,
        batch_size: int | tuple[int, ...],
        seed: int,
        step_limit: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.batch_shape = require_batch_shape(batch_size)
        require_step_limit(step_limit)
        self.device = choose_device(device)
        self.mdp = mdp.to(self.device)
        self.step_limit = step_limit
        self.reseed(seed)
        self._state: Tensor | None = None
        self._elapsed = torch.zeros(self.batch_shape, dtype=torch.int64, device=self.device)
        self._prepare_tables()

    def _prepare_tables(self) -> None:
        """Lay the MDP out with one row per state and action, so that a step is a few lookups."""
        mdp, rows = self.mdp, self.mdp.num_states * self.mdp.num_actions
        probabilities = mdp.transition_probabilities
        if mdp.next_states is None:
            next_states = torch.arange(mdp.num_states, device=self.device).expand_as(probabilities)
        else:
            next_states = mdp.next_states
        rewards = mdp.rewards if mdp.rewards.ndim == 3 else mdp.rewards[..., None].expand_as(probabilities)
        self._width = probabilities.shape[-1]
        self._thresholds = _thresholds(probabilities).reshape(rows, self._width)
        self._next_states, self._rewards = next_states.reshape(-1), rewards.reshape(-1)
        self._all_admissible = bool(mdp.admissible.all())
        start = mdp.initial_distribution
        if bool((start * mdp.terminal).any()):
            state = int((start * mdp.terminal).argmax())
            raise ValueError(
                f"episodes may start in the terminal state {state}: they would have no step; start elsewhere"
            )
        self._start_thresholds = _thresholds(start)
        self._only_start = int(start.argmax()) if int((start > 0).sum()) == 1 else None

    @property
    def num_observations(self) -> int:
        """Number of observations: the states of the MDP."""
        return self.mdp.num_states

    @property
    def num_actions(self) -> int:
        """Number of actions A."""
        return self.mdp.num_actions

    def _initial_states(self) -> Tensor:
        if self._only_start is not None:
            return torch.full(self.batch_shape, self._only_start, device=self.device)
        uniform = torch.rand(self.batch_shape, generator=self._generator, device=self.device)
        return torch.searchsorted(self._start_thresholds, uniform, right=True)

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
        state = self._state
        require_actions(action, self.batch_shape, self.num_actions)
        if not self._all_admissible:
            self._require_admissible(action, state)
        place = state * self.num_actions + action
        if self._width > 1:
            uniform = torch.rand(*self.batch_shape, 1, generator=self._generator, device=self.device)
            thresholds = embedding(place, self._thresholds)
            place = place * self._width + torch.searchsorted(thresholds, uniform, right=True).squeeze(-1)
        arrived, reward = self._next_states.take(place), self._rewards.take(place)
        self._elapsed = self._elapsed + 1
        terminated = self.mdp.terminal[arrived]
        truncated = self._elapsed >= self.step_limit if self.step_limit else torch.zeros_like(terminated)
        ended = terminated | truncated
        self._state = torch.where(ended, self._initial_states(), arrived)
        self._elapsed = self._elapsed.masked_fill(ended, 0)
        return Step(self._state, reward, terminated, truncated, arrived)

    def _require_admissible(self, action: Tensor, state: Tensor) -> None:
        missing = ~self.mdp.admissible[state, action]
        if missing.any():
            raise ValueError(f"action {int(action[missing][0])} is not admissible in state {int(state[missing][0])}")


def _thresholds(probabilities: Tensor) -> Tensor:
    """Cumulative probabilities in float32; the last outcome that is possible takes what rounding leaves."""
    cumulative = probabilities.cumsum(dim=-1)
    return torch.where(cumulative >= cumulative[..., -1:], 2.0, cumulative).to(torch.float32)
