"""What every batched environment offers, and how an episode ends.

Episodes end in two ways, as in gymnasium. *terminated*: the world ended the episode. *truncated*: we stopped
watching, at a step limit. A step that ends an episode resets it at once (gymnasium's "same step" mode):
``observation`` then belongs to the next episode, and ``final_observation`` is what the step arrived at.
Values are bootstrapped from ``final_observation``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from rlkit.seeding import make_generator


class Step(NamedTuple):
    """Result of one step of a batch; every field has the batch axes first."""

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_observation: Tensor


class Environment(Protocol):
    """Many independent episodes side by side.

    ``batch_shape`` is usually (K seeds, N environments). ``observation_shape`` is () where an observation is
    the index of one of ``num_observations`` states, and (D,) where it is a vector. ``num_actions`` is the
    number of discrete actions; where actions are vectors it is 0 and ``action_size`` is their length.
    """

    device: torch.device

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The batch axes."""

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Axes of one observation."""

    @property
    def num_actions(self) -> int:
        """Number of discrete actions, or 0."""

    @property
    def action_size(self) -> int:
        """Length of an action vector, or 0."""

    def reset(self) -> Tensor:
        """Start every episode anew; return the first observations, shape ``(*batch, *observation)``."""

    def step(self, action: Tensor) -> Step:
        """Take one action in each episode."""


class Seeded:
    """An environment with one generator, which ``reseed`` starts anew."""

    device: torch.device
    _generator: torch.Generator

    def reseed(self, seed: int) -> None:
        """Draw from now on as a new environment with this seed would."""
        self._generator = make_generator(seed, "environment", self.device)


def require_batch_shape(batch_size: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch axes as a tuple; raise ``ValueError`` unless all of them are positive."""
    shape = (batch_size,) if isinstance(batch_size, int) else tuple(batch_size)
    if not shape or min(shape) < 1:
        raise ValueError(f"batch_size is {batch_size!r}, expected a positive integer or a tuple of them")
    return shape


def require_step_limit(step_limit: int | None) -> None:
    """Raise ``ValueError`` unless the limit is at least 1 or left out."""
    if step_limit is not None and step_limit < 1:
        raise ValueError(f"step_limit is {step_limit!r}, expected at least 1 or None")


def require_actions(action: Tensor, batch_shape: tuple[int, ...], num_actions: int) -> None:
    """Raise ``ValueError`` unless actions have the batch's shape, are int64 and exist."""
    if tuple(action.shape) != batch_shape or action.dtype != torch.int64:
        raise ValueError(
            f"action has shape {tuple(action.shape)} and dtype {action.dtype}, expected {batch_shape} and torch.int64"
        )
    # One look at the extremes: on the CPU two reductions cost less than a mask, on CUDA it is one wait.
    lowest, highest = torch.aminmax(action)
    if bool((lowest < 0) | (highest >= num_actions)):
        wrong = int(highest if highest >= num_actions else lowest)
        raise ValueError(f"action {wrong} does not exist, expected 0..{num_actions - 1}")


class LimitAsEnding:
    """An environment that reports its limits as endings of the world: the mistake that chapter 4 is about.

    Everything else is passed through unchanged.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def __getattr__(self, name: str) -> Any:
        return getattr(self.environment, name)

    def step(self, action: Tensor) -> Step:
        """As the environment, with truncations reported as terminations."""
        result = self.environment.step(action)
        ended = result.terminated | result.truncated
        return result._replace(terminated=ended, truncated=torch.zeros_like(ended))
