r"""What is a given policy worth? Monte Carlo, TD(0), n-step and TD(:math:`\lambda`) as one rule with four targets.

After each episode every visited state moves towards a target,

.. math:: V(s_t) \leftarrow V(s_t) + \alpha \, [\, y_t - V(s_t) \,],

all targets of the episode computed with the values before it (the *offline* form of Sutton and Barto 2018,
section 12.1). Monte Carlo waits for the whole return, TD(0) looks one step ahead, the others are in between.

References
----------
Sutton (1988), "Learning to Predict by the Methods of Temporal Differences". Sutton and Barto (2018), chapters 5,
6, 7 and 12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.advantages import generalized_advantage_estimate, returns_to_go
from rlkit.environments.table import TableEnvironment
from rlkit.exploration import sample
from rlkit.seeding import make_generator
from rlkit.validation import require_boolean, require_discount, require_shapes


def n_step_return(
    rewards: Tensor, next_values: Tensor, terminated: Tensor, truncated: Tensor, discount: float, num_steps: int
) -> Tensor:
    r"""Rewards of the next n steps and the value after them, fewer where the episode ends before.

    .. math:: G^{(n)}_t = r_t + \gamma (1 - d_t) \, G^{(n-1)}_{t+1}, \qquad G^{(0)}_{t+1} = V(s_{t+1})

    A truncation, and the last row, end the sum with the value of the final observation.

    Parameters
    ----------
    rewards, next_values : Tensor, shape (T, ...)
        ``next_values`` at the *final* observation of each step.
    terminated, truncated : BoolTensor, shape (T, ...)
    discount : float
    num_steps : int
        n, at least 1. With n >= T this is :func:`rlkit.advantages.returns_to_go`.

    Returns
    -------
    Tensor, shape (T, ...)
    """
    require_shapes(rewards="T ...", next_values="T ...", terminated="T ...", truncated="T ...", given=locals())
    require_boolean(terminated=terminated, truncated=truncated)
    require_discount(discount)
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps!r}, expected at least 1")
    stops = truncated.clone()
    stops[-1:] = True
    values = torch.where(terminated, torch.zeros_like(next_values), next_values)
    returns = rewards + discount * values
    for _ in range(min(num_steps, len(rewards)) - 1):
        following = torch.cat([returns[1:], values[-1:]])
        rest = torch.where(terminated, torch.zeros_like(values), torch.where(stops, values, following))
        returns = rewards + discount * rest
    return returns


class Episode(NamedTuple):
    """One episode in each of K runs, time first; rows where ``playing`` is false lie behind the end."""

    states: Tensor
    final_states: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    playing: Tensor


def play_episodes(environment: TableEnvironment, policy: Tensor, num_episodes: int, seed: int) -> list[Episode]:
    """Follow a policy for so many episodes in each of K runs.

    Parameters
    ----------
    environment : TableEnvironment
        With batch axes (K,).
    policy : Tensor, shape (S, A)
    num_episodes : int
    seed : int
        For the actions.
    """
    choices = make_generator(seed, "actions", environment.device)
    episodes = []
    for _ in range(num_episodes):
        state, rows = environment.reset(), []
        playing = torch.ones(environment.batch_shape, dtype=torch.bool, device=environment.device)
        while playing.any():
            step = environment.step(sample(policy[state], choices))
            rows.append((state, step.final_observation, step.reward, step.terminated, step.truncated, playing))
            playing, state = playing & ~(step.terminated | step.truncated), step.observation
        episodes.append(Episode(*(torch.stack(column) for column in zip(*rows, strict=True))))
    return episodes


def temporal_difference_target(episode: Episode, values: Tensor, next_values: Tensor, discount: float) -> Tensor:
    """TD(0): one step, then the value; shape (T, K)."""
    flags = (episode.terminated, episode.truncated)
    return n_step_return(episode.rewards, next_values, *flags, discount, num_steps=1)


def monte_carlo_target(episode: Episode, values: Tensor, next_values: Tensor, discount: float) -> Tensor:
    """The whole return; shape (T, K)."""
    return returns_to_go(episode.rewards, next_values, episode.terminated, episode.truncated, discount)


def n_step_target(num_steps: int) -> Callable[..., Tensor]:
    """Target of the n-step method, for :func:`learn_values`."""

    def target(episode: Episode, values: Tensor, next_values: Tensor, discount: float) -> Tensor:
        flags = (episode.terminated, episode.truncated)
        return n_step_return(episode.rewards, next_values, *flags, discount, num_steps)

    return target


def lambda_target(trace_decay: float) -> Callable[..., Tensor]:
    r"""Target of TD(:math:`\lambda`): the :math:`\lambda`-return, values plus generalized advantage estimates."""

    def target(episode: Episode, values: Tensor, next_values: Tensor, discount: float) -> Tensor:
        flags = (episode.terminated, episode.truncated)
        return values + generalized_advantage_estimate(
            episode.rewards, values, next_values, *flags, discount, trace_decay
        )

    return target


def learn_values(
    episodes: list[Episode],
    num_states: int,
    target: Callable[..., Tensor],
    learning_rate: float,
    discount: float,
    initial_value: float = 0.0,
) -> Tensor:
    """Learn state values from episodes in their order.

    Parameters
    ----------
    episodes : list of Episode
        From :func:`play_episodes`; methods can be compared on the same ones.
    num_states : int
    target : callable
        ``(episode, values (T, K), next_values (T, K), discount) -> (T, K)``.
    learning_rate : float
        The step size of each visit.
    discount : float
    initial_value : float

    Returns
    -------
    Tensor, shape (E + 1, K, S)
        Values before the first episode and after each one.
    """
    first = episodes[0].rewards
    values = first.new_full((first.shape[1], num_states), initial_value)
    history = [values]
    for episode in episodes:
        now = values.gather(1, episode.states.T).T
        then = values.gather(1, episode.final_states.T).T
        targets = target(episode, now, then, discount)
        values = values.clone()
        # Visit by visit: a state that was visited five times takes five steps of the learning rate, not one of five.
        for state, goal, playing in zip(episode.states, targets, episode.playing, strict=True):
            error = (goal - values.gather(1, state[:, None]).squeeze(1)) * playing
            values.scatter_add_(1, state[:, None], learning_rate * error[:, None])
        history.append(values)
    return torch.stack(history)
