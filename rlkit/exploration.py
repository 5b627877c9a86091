r"""Epsilon-greedy action choice.

With probability :math:`\epsilon` an action is drawn uniformly from all :math:`A` of them, the best one
included; otherwise the best one is taken. The best action therefore has probability
:math:`1 - \epsilon + \epsilon / A` (Sutton and Barto 2018, section 2.2 and 5.4).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.validation import require_probability


def action_probabilities(action_values: Tensor, epsilon: float | Tensor) -> Tensor:
    r"""Probabilities of epsilon-greedy choice; tied best actions share the greedy part equally.

    Parameters
    ----------
    action_values : Tensor, shape (..., A)
    epsilon : float or Tensor
        :math:`\epsilon` in [0, 1]; a tensor must broadcast against ``(..., 1)``.

    Returns
    -------
    Tensor, shape (..., A)
    """
    if not isinstance(epsilon, Tensor):
        require_probability(epsilon=epsilon)
    best = action_values == action_values.amax(dim=-1, keepdim=True)
    greedy = best.to(action_values.dtype) / best.sum(dim=-1, keepdim=True)
    return (1 - epsilon) * greedy + epsilon / action_values.shape[-1]


def epsilon_greedy(action_values: Tensor, epsilon: float | Tensor, generator: torch.Generator) -> Tensor:
    """Draw epsilon-greedy actions.

    Parameters
    ----------
    action_values : Tensor, shape (..., A)
    epsilon : float or Tensor
        As in :func:`action_probabilities`.
    generator : torch.Generator
        On the device of ``action_values``.

    Returns
    -------
    LongTensor, shape (...)
    """
    if not isinstance(epsilon, Tensor):
        require_probability(epsilon=epsilon)
    # The best of random scores among the candidates: the best actions, or all actions where it explores. It has
    # the probabilities of action_probabilities and takes half the time of drawing from them.
    device, shape = action_values.device, action_values.shape
    exploits = torch.rand(*shape[:-1], 1, generator=generator, device=device) >= epsilon
    excluded = exploits & (action_values < action_values.amax(dim=-1, keepdim=True))
    return torch.rand(shape, generator=generator, device=device).masked_fill_(excluded, -1.0).argmax(dim=-1)


def sample(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one index from each distribution of the last axis.

    Parameters
    ----------
    probabilities : Tensor, shape (..., N)
    generator : torch.Generator

    Returns
    -------
    LongTensor, shape (...)
    """
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[..., -1:]
    uniform = torch.rand(total.shape, generator=generator, device=total.device, dtype=total.dtype)
    # Rounding must not lift a draw to the total: that would fall past the last index of positive probability.
    draw = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, draw, right=True).squeeze(-1)
