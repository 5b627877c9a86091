r"""Numbers that tell how an actor and its critic are doing, none of which is trained on.

References
----------
Schulman (2020), "Approximating KL Divergence". Huang et al. (2022), "The 37 Implementation Details of Proximal
Policy Optimization", detail 12.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.policies import CategoricalPolicy, GaussianPolicy
from rlkit.validation import require_shapes


def approximate_kl(log_probabilities: Tensor, old_log_probabilities: Tensor) -> Tensor:
    r"""Estimate of :math:`\mathrm{KL}(\pi_\text{old} \| \pi_\theta)` from actions of the old policy, per action.

    :math:`(w - 1) - \log w`: never negative, and its mean over the old policy's actions is the divergence.

    Parameters
    ----------
    log_probabilities, old_log_probabilities : Tensor, shape (...)

    Returns
    -------
    Tensor, shape (...)
    """
    log_ratio = log_probabilities - old_log_probabilities
    return log_ratio.expm1() - log_ratio


def clip_fraction(log_probabilities: Tensor, old_log_probabilities: Tensor, clip_range: float) -> Tensor:
    r"""Share of the last axis whose ratio lies outside the clipping range, shape (..., B) to (...)."""
    ratio = (log_probabilities - old_log_probabilities).exp()
    return ((ratio - 1).abs() > clip_range).to(ratio.dtype).mean(dim=-1)


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    r"""Share of the returns' variance that the values account for, :math:`1 - \mathrm{Var}(G - V) / \mathrm{Var}(G)`.

    1 is perfect, 0 no better than a constant, below 0 worse. NaN where the returns do not vary.

    Parameters
    ----------
    values, returns : Tensor, shape (..., B)

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(values="... B", returns="... B", given=locals())
    spread = returns.var(dim=-1, correction=0)
    unexplained = (returns - values).var(dim=-1, correction=0)
    return torch.where(spread > 0, 1 - unexplained / spread, torch.nan)


def diagnose(
    policy: CategoricalPolicy | GaussianPolicy, batch: dict[str, Tensor], clip_range: float
) -> dict[str, Tensor]:
    """How far the policy has moved from the one that acted, and how good the values were, each of shape (K,)."""
    old = batch["log_probabilities"]
    with torch.no_grad():
        log_probabilities, entropy = policy.evaluate(batch["inputs"], batch["actions"])
    return {
        "approximate_kl": approximate_kl(log_probabilities, old).mean(dim=1),
        "clip_fraction": clip_fraction(log_probabilities, old, clip_range),
        "explained_variance": explained_variance(batch["values"], batch["value_targets"]),
        "entropy": entropy.mean(dim=1),
    }
