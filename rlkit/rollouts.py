"""Recorded experience: a fixed number of steps of every environment, time first."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.environments.base import Environment
from rlkit.networks import encode
from rlkit.policies import CategoricalPolicy, GaussianPolicy
from rlkit.training import EpisodeTracker

BLOCK = 10  # steps between two looks at whether every episode has ended: a look makes a GPU wait


class Rollout(NamedTuple):
    """T steps of K x N environments; every field has axes (T, K, N, ...)."""

    observations: Tensor
    final_observations: Tensor
    actions: Tensor
    log_probabilities: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


def collect(
    environment: Environment,
    policy: CategoricalPolicy | GaussianPolicy,
    observation: Tensor,
    num_steps: int,
    generator: torch.Generator,
    tracker: EpisodeTracker | None = None,
) -> tuple[Rollout, Tensor]:
    """Let the policy act; return what happened and the observation after it.

    Parameters
    ----------
    environment : Environment
        With batch axes (K, N).
    policy : CategoricalPolicy or GaussianPolicy
    observation : Tensor, shape (K, N, ...)
        Where to go on; from ``environment.reset()`` or from the call before.
    num_steps : int
    generator : torch.Generator
        For the actions.
    tracker : EpisodeTracker, optional
    """
    rows = []
    with torch.no_grad():
        for _ in range(num_steps):
            action, log_probability = policy.sample(encode(environment, observation), generator)
            step = environment.step(action)
            if tracker is not None:
                tracker.record(step)
            reward = step.reward.to(log_probability.dtype)
            endings = (step.terminated, step.truncated)
            rows.append((observation, step.final_observation, action, log_probability, reward, *endings))
            observation = step.observation
    return Rollout(*(torch.stack(column) for column in zip(*rows, strict=True))), observation


def play_episodes(
    environment: Environment,
    policy: CategoricalPolicy | GaussianPolicy,
    num_steps: int,
    generator: torch.Generator,
) -> tuple[Rollout, Tensor]:
    """Play one episode from a reset in every environment, of at most ``num_steps`` steps.

    Returns
    -------
    Rollout
        Rows after an episode's end belong to another episode, and do not count.
    BoolTensor, shape (T, K, N)
        True for the steps of the first episode.
    """
    observation = environment.reset()
    playing = torch.ones(environment.batch_shape, dtype=torch.bool, device=environment.device)
    parts, masks = [], []
    for start in range(0, num_steps, BLOCK):
        part, observation = collect(environment, policy, observation, min(BLOCK, num_steps - start), generator)
        ended = part.terminated | part.truncated
        # Playing before a step: no end in any step before it.
        before = torch.cat([torch.zeros_like(ended[:1]), ended[:-1]]).cumsum(dim=0) == 0
        masks.append(before & playing)
        playing = playing & ~ended.any(dim=0)
        parts.append(part)
        if not playing.any():
            break
    return Rollout(*(torch.cat(column) for column in zip(*parts, strict=True))), torch.cat(masks)


def seeds_first(values: Tensor) -> Tensor:
    """Axes (T, K, N, ...) to (K, T * N, ...), as networks take them."""
    num_steps, num_seeds, num_environments = values.shape[:3]
    return values.transpose(0, 1).reshape(num_seeds, num_steps * num_environments, *values.shape[3:])


def time_first(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Axes (K, T * N) or (K, T * N, 1) back to ``shape`` (T, K, N), as formulas over time take them."""
    num_steps, num_seeds, num_environments = shape
    return values.reshape(num_seeds, num_steps, num_environments).transpose(0, 1)
