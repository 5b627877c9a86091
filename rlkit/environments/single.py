"""A finite MDP as one gymnasium environment, for loops that are written against gymnasium's own interface."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch

from rlkit.environments.table import TableEnvironment
from rlkit.mdp import FiniteMDP
from rlkit.small_problems import stay_or_quit


class TableGymnasium(gymnasium.Env):
    """One episode at a time of a finite MDP; states and actions are plain integers.

    Limits are not its business: wrap it in ``gymnasium.wrappers.TimeLimit``.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        self.mdp = mdp
        self.observation_space = gymnasium.spaces.Discrete(mdp.num_states)
        self.action_space = gymnasium.spaces.Discrete(mdp.num_actions)
        self._table = TableEnvironment(mdp, 1, seed=0, device="cpu")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict]:
        """Start an episode; the first seed that is given decides all that follows."""
        super().reset(seed=seed)
        if seed is not None:
            self._table.reseed(seed)
        return int(self._table.reset()), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict]:
        """Take an action; returns gymnasium's five values, truncated always false."""
        step = self._table.step(torch.tensor([int(action)]))
        return int(step.final_observation), float(step.reward), bool(step.terminated), False, {}


def stay_or_quit_environment(limit: int = 10, quit_reward: float = 30.0) -> gymnasium.Env:
    """Return :func:`rlkit.small_problems.stay_or_quit`, watched for ``limit`` steps at a time."""
    game = TableGymnasium(stay_or_quit(quit_reward=quit_reward))
    return gymnasium.wrappers.TimeLimit(game, max_episode_steps=limit)
