r"""Returns-to-go and advantage estimates from recorded steps, with both kinds of ending.

All arguments are time-first: row :math:`t` is step :math:`t` of every environment of the batch. Steps of
several episodes may follow each other. Two rules hold everywhere:

* a sum over future steps is cut where an episode ended, whether it *terminated* or was *truncated*: the next
  row belongs to another episode;
* the value of the final observation, ``next_values``, is left out only where the episode terminated. A
  truncated episode would have gone on, and that value stands for the rest of it.

References
----------
Schulman, Moritz, Levine, Jordan and Abbeel (2016), "High-Dimensional Continuous Control Using Generalized
Advantage Estimation". Pardo, Tavakoli, Levdik and Kormushev (2018), "Time Limits in Reinforcement Learning".
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.validation import require_boolean, require_discount, require_probability, require_shapes


def returns_to_go(
    rewards: Tensor, next_values: Tensor, terminated: Tensor, truncated: Tensor, discount: float
) -> Tensor:
    r"""Discounted rewards from each step to the end of its episode, :math:`G_t = r_t + \gamma G_{t+1}`.

    Where the episode was truncated, and in the last row if its episode goes on, the rest is replaced by the
    value of the final observation: :math:`G_t = r_t + \gamma V(s_{t+1})`.

    Parameters
    ----------
    rewards : Tensor, shape (T, ...)
    next_values : Tensor, shape (T, ...)
        :math:`V(s_{t+1})` at the *final* observation of step t. Used only at truncations and in the last row;
        zeros leave the rest out.
    terminated, truncated : BoolTensor, shape (T, ...)
    discount : float
        :math:`\gamma` in [0, 1].

    Returns
    -------
    Tensor, shape (T, ...)

    Raises
    ------
    ValueError
        If there is no step, shapes disagree, a flag is not boolean, or the discount lies outside [0, 1].
    """
    require_shapes(rewards="T ...", next_values="T ...", terminated="T ...", truncated="T ...", given=locals())
    _require_steps(rewards)
    require_boolean(terminated=terminated, truncated=truncated)
    require_discount(discount)
    nothing = torch.zeros_like(rewards[:1]).squeeze(0)
    returns: list[Tensor] = []
    for t in reversed(range(len(rewards))):
        rest = torch.where(truncated[t], next_values[t], returns[-1]) if returns else next_values[t]
        returns.append(rewards[t] + discount * torch.where(terminated[t], nothing, rest))
    return torch.stack(returns[::-1])


def generalized_advantage_estimate(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    r"""Generalized advantage estimate, :math:`\hat A_t = \delta_t + \gamma\lambda (1 - e_t) \hat A_{t+1}`.

    Here :math:`\delta_t = r_t + \gamma (1 - d_t) V(s_{t+1}) - V(s_t)` with :math:`d_t` true at a termination, and
    :math:`e_t` true where the episode ended in either way (equation 16 of the paper, with endings).
    :math:`\lambda = 0` gives the TD error, :math:`\lambda = 1` the return-to-go minus the value.
    ``values + advantages`` is the :math:`\lambda`-return.

    Parameters
    ----------
    rewards, values, next_values : Tensor, shape (T, ...)
        ``next_values`` belongs to the *final* observation of each step, not to the first one after a reset.
    terminated, truncated : BoolTensor, shape (T, ...)
    discount : float
        :math:`\gamma` in [0, 1].
    gae_lambda : float
        :math:`\lambda` in [0, 1].

    Returns
    -------
    Tensor, shape (T, ...)

    Raises
    ------
    ValueError
        If there is no step, shapes disagree, a flag is not boolean, or a number lies outside [0, 1].
    """
    require_shapes(
        rewards="T ...", values="T ...", next_values="T ...", terminated="T ...", truncated="T ...", given=locals()
    )
    _require_steps(rewards)
    require_boolean(terminated=terminated, truncated=truncated)
    require_discount(discount)
    require_probability(gae_lambda=gae_lambda)
    # torch.where and not a product: a next value that must not count may be NaN or infinite.
    bootstrap = torch.where(terminated, torch.zeros_like(next_values), next_values)
    temporal_difference = rewards + discount * bootstrap - values
    kept = discount * gae_lambda * (~(terminated | truncated)).to(rewards.dtype)
    advantages = [temporal_difference[-1]]
    for t in reversed(range(len(rewards) - 1)):
        advantages.append(temporal_difference[t] + kept[t] * advantages[-1])
    return torch.stack(advantages[::-1])


def _require_steps(rewards: Tensor) -> None:
    if len(rewards) == 0:
        raise ValueError(f"rewards has shape {tuple(rewards.shape)}, expected at least one step (an empty episode?)")
