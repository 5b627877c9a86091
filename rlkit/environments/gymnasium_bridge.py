"""Gymnasium's environments as batched tensor environments, and the other way round.

Both directions keep gymnasium's "same step" automatic reset: a step that ends an episode already returns the
first observation of the next one, and the observation at the end is ``final_observation`` here and
``infos["final_obs"]`` there.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from rlkit.device import choose_device
from rlkit.environments.base import Environment, Step, require_actions, require_batch_shape
from rlkit.environments.cartpole import CartPole
from rlkit.environments.table import TableEnvironment
from rlkit.toy_text import mdp_from_gymnasium


def make_environment(
    name: str,
    batch_size: int | tuple[int, ...],
    seed: int,
    device: str | torch.device | None = None,
    native: bool = True,
    **keywords: Any,
) -> Environment:
    """Make a batch of any registered gymnasium environment.

    Parameters
    ----------
    name : str
        A gymnasium id.
    batch_size : int or tuple of int
    seed : int
    device : str, torch.device or None
    native : bool
        Where rlkit has the same dynamics as tensors (CartPole-v1 and the toy-text tables), use them: thousands
        of times faster in a batch. ``False`` steps gymnasium's own, one after the other.
    **keywords
        Passed to ``gymnasium.make``.

    Raises
    ------
    ValueError
        If the id is unknown, or its observations or actions are of a kind that no learner here takes.
    """
    try:
        spec = gymnasium.spec(name)
        single = gymnasium.make(name, **keywords)
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.DependencyNotInstalled) as error:
        raise ValueError(f"gymnasium cannot make {name!r}: {error}") from error
    limit = keywords.get("max_episode_steps", spec.max_episode_steps)
    if native and spec.id == "CartPole-v1" and set(keywords) <= {"max_episode_steps"}:
        return CartPole(batch_size, seed, limit, device)
    if native and hasattr(single.unwrapped, "P"):
        return TableEnvironment(mdp_from_gymnasium(single, discount=0.99), batch_size, seed, limit, device)
    single.close()
    return GymnasiumEnvironment(name, batch_size, seed, device, **keywords)


class GymnasiumEnvironment:
    """A batch of gymnasium environments, stepped one after the other.

    Parameters
    ----------
    name : str
        A gymnasium id.
    batch_size : int or tuple of int
    seed : int
    device : str, torch.device or None
        Where observations are put.
    **keywords
        Passed to ``gymnasium.make``.

    Raises
    ------
    ValueError
        If observations are neither discrete nor a box, or actions neither discrete nor a vector.
    """

    def __init__(
        self,
        name: str,
        batch_size: int | tuple[int, ...],
        seed: int,
        device: str | torch.device | None = None,
        **keywords: Any,
    ) -> None:
        self.batch_shape, self.device = require_batch_shape(batch_size), choose_device(device)
        count = math.prod(self.batch_shape)
        makers = [lambda: gymnasium.make(name, **keywords)] * count
        self.vector = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        self.observation_shape, self.num_observations = _read_observations(name, self.vector.single_observation_space)
        self.num_actions, self.action_size = _read_actions(name, self.vector.single_action_space)
        self._action_shape = self.vector.single_action_space.shape or ()
        self._first_action = int(getattr(self.vector.single_action_space, "start", 0))
        self._seeds: list[int | None] | None = np.random.SeedSequence(seed).generate_state(count).tolist()

    def _tensor(self, values: np.ndarray) -> Tensor:
        kind = torch.int64 if self.observation_shape == () else torch.float32
        tensor = torch.as_tensor(np.asarray(values), device=self.device).to(kind)
        return tensor.reshape(*self.batch_shape, *self.observation_shape)

    def _batch(self, values: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(values, dtype=dtype, device=self.device).reshape(self.batch_shape)

    def reset(self) -> Tensor:
        """Start every episode anew; return the first observations."""
        observation, _ = self.vector.reset(seed=self._seeds)
        self._seeds = None  # only the first reset seeds, as gymnasium asks
        return self._tensor(observation)

    def step(self, action: Tensor) -> Step:
        """Take one action in each environment."""
        count = math.prod(self.batch_shape)
        if self.num_actions:
            require_actions(action, self.batch_shape, self.num_actions)
            plain = action.reshape(count).cpu().numpy() + self._first_action
        else:
            plain = action.detach().reshape(count, *self._action_shape).cpu().numpy()
        observation, reward, terminated, truncated, infos = self.vector.step(plain)
        final = np.array(observation)
        for index in np.flatnonzero(terminated | truncated):
            final[index] = infos["final_obs"][index]
        return Step(
            self._tensor(observation),
            self._batch(reward, torch.float32),
            self._batch(terminated, torch.bool),
            self._batch(truncated, torch.bool),
            self._tensor(final),
        )


def _read_observations(name: str, space: Space) -> tuple[tuple[int, ...], int]:
    if isinstance(space, Discrete) and space.start == 0:
        return (), int(space.n)
    if isinstance(space, Box):
        return (math.prod(space.shape),), 0
    raise ValueError(f"{name} observes {space}, expected Discrete states from 0 or a Box (flatten it with a wrapper)")


def _read_actions(name: str, space: Space) -> tuple[int, int]:
    if isinstance(space, Discrete):
        return int(space.n), 0
    if isinstance(space, Box):
        return 0, math.prod(space.shape)
    raise ValueError(f"{name} takes actions from {space}, expected Discrete actions or a Box")


class _TensorVectorEnv(VectorEnv):
    """A batched tensor environment behind gymnasium's vector interface."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.num_envs = math.prod(environment.batch_shape)
        if environment.observation_shape == ():
            self.single_observation_space: Space = Discrete(environment.num_observations)
        else:
            self.single_observation_space = Box(-np.inf, np.inf, environment.observation_shape, np.float32)
        self.single_action_space: Space = Discrete(environment.num_actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def _plain(self, values: Tensor, shape: tuple[int, ...] = ()) -> np.ndarray:
        return values.reshape(self.num_envs, *shape).cpu().numpy()

    def _observed(self, values: Tensor) -> np.ndarray:
        return self._plain(values, self.environment.observation_shape).astype(self.observation_space.dtype)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        if seed is not None:
            self.environment.reseed(seed)
        return self._observed(self.environment.reset()), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        action = torch.as_tensor(np.asarray(actions), dtype=torch.int64, device=self.environment.device)
        step = self.environment.step(action.reshape(self.environment.batch_shape))
        terminated, truncated = self._plain(step.terminated), self._plain(step.truncated)
        infos: dict[str, Any] = {}
        ended = terminated | truncated
        if ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            arrived = self._observed(step.final_observation)
            for index in np.flatnonzero(ended):
                final[index] = arrived[index]
            infos = {"final_obs": final, "_final_obs": ended}
        reward = self._plain(step.reward).astype(np.float64)
        return self._observed(step.observation), reward, terminated, truncated, infos


def as_gymnasium_vector(environment: Environment) -> VectorEnv:
    """Return the environment behind gymnasium's vector interface, its batch axes flattened to one.

    Wrappers such as ``gymnasium.wrappers.vector.RecordEpisodeStatistics`` and other libraries' learners then
    take it as any other vector environment.
    """
    return _TensorVectorEnv(environment)
