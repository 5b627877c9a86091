r"""Formulas of group-relative policy optimisation and its relatives: one advantage, one loss, and their switches.

The advantage of a completion is its reward beside the others' of the same prompt,
:math:`\hat A_i = (r_i - \bar r) / (s + 10^{-4})`.
The loss of each token is PPO's clipped surrogate with its sign turned, plus a penalty for leaving the reference policy:

.. math::
   \ell_{i,t} = -\min\big( w_{i,t} \hat A_i, \;
   \mathrm{clip}(w_{i,t}, 1 - \varepsilon_\text{low}, 1 + \varepsilon_\text{high}) \hat A_i \big) + \beta\, k_3.

============  ==================================  ==================  =========================
name          ``aggregation``                     ``divide_by_std``   other switches
============  ==================================  ==================  =========================
GRPO          ``"sequence_mean"``                 True
DAPO          ``"token_mean"``                    True                ``clip_high`` > ``clip_low``, no KL
Dr. GRPO      ``"fixed_length"``                  False               no KL
GSPO          ``"sequence_mean"``                 True                ``ratio="sequence"``, clips near 3e-4
RLOO          ``"fixed_length"``                  False               ``baseline="leave_one_out"``, one step
============  ==================================  ==================  =========================

References
----------
Shao et al. (2024), "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models", equations 3
and 4. Liu et al. (2025), "Understanding R1-Zero-Like Training: A Critical Perspective" (Dr. GRPO). Yu et al. (2025),
"DAPO: An Open-Source LLM Reinforcement Learning System at Scale". Zheng et al. (2025), "Group Sequence Policy
Optimization". Ahmadian et al. (2024), "Back to Basics: Revisiting REINFORCE Style Optimization" (RLOO).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.lm.divergence import kl_estimate
from rlkit.validation import require_boolean, require_finite, require_shapes

STD_OFFSET = 1e-4
AGGREGATIONS = ("sequence_mean", "token_mean", "fixed_length")


def group_advantages(rewards: Tensor, group_ids: Tensor, divide_by_std: bool = True, baseline: str = "mean") -> Tensor:
    r"""Reward of each completion relative to its group.

    A group whose rewards are all equal gets exactly 0, whatever rounding makes of their mean.

    Parameters
    ----------
    rewards : Tensor, shape (B,)
    group_ids : LongTensor, shape (B,)
        Completions of one prompt share an id; they need not stand together.
    divide_by_std : bool
        Divide by the group's standard deviation (of a sample: n - 1) plus 1e-4.
    baseline : {"mean", "leave_one_out"}
        The mean over the group, or over its other members.

    Returns
    -------
    Tensor, shape (B,)
    """
    require_shapes(rewards="B", group_ids="B", given=locals())
    require_finite(rewards=rewards)
    if baseline not in ("mean", "leave_one_out"):
        raise ValueError(f"baseline is {baseline!r}, expected 'mean' or 'leave_one_out'")
    _, group = group_ids.unique(return_inverse=True)
    groups = int(group.max()) + 1
    zeros = rewards.new_zeros(groups)
    count = zeros.index_add(0, group, torch.ones_like(rewards))
    mean = zeros.index_add(0, group, rewards) / count
    centred = rewards - mean[group]
    largest = zeros.scatter_reduce(0, group, rewards, "amax", include_self=False)
    smallest = zeros.scatter_reduce(0, group, rewards, "amin", include_self=False)
    centred = centred.masked_fill((largest == smallest)[group], 0.0)
    if baseline == "leave_one_out":
        # r - (sum - r) / (n - 1) = (r - mean) * n / (n - 1)
        centred = centred * (count / (count - 1).clamp_min(1))[group]
    if not divide_by_std:
        return centred
    squares = zeros.index_add(0, group, (rewards - mean[group]).square())
    deviation = (squares / (count - 1).clamp_min(1)).sqrt()
    return centred / (deviation[group] + STD_OFFSET)


def overlong_penalty(lengths: Tensor, max_length: int, buffer: int) -> Tensor:
    """Soft penalty for long completions: 0 up to ``max_length - buffer``, falling to -1 at ``max_length``.

    Equation 13 of the DAPO paper. Lengths (...) to float32 (...).
    """
    if not 0 < buffer <= max_length:
        raise ValueError(f"buffer is {buffer!r}, expected 1 to max_length = {max_length}")
    return ((max_length - buffer - lengths).float() / buffer).clamp(-1.0, 0.0)


def importance_ratio(log_probabilities: Tensor, old_log_probabilities: Tensor, mask: Tensor, ratio: str) -> Tensor:
    r"""Probability ratio of each token, or of each sequence to the power of one over its length.

    Parameters
    ----------
    log_probabilities, old_log_probabilities : Tensor, shape (..., L)
    mask : BoolTensor, shape (..., L)
    ratio : {"token", "sequence"}

    Returns
    -------
    Tensor, shape (..., L)
        1 where the mask is False; with ``"sequence"`` the same for all tokens of a sequence.
    """
    difference = (log_probabilities - old_log_probabilities).masked_fill(~mask, 0.0)
    if ratio == "token":
        return difference.exp()
    if ratio == "sequence":
        mean = difference.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp_min(1)
        return mean.exp().expand_as(difference)
    raise ValueError(f"ratio is {ratio!r}, expected 'token' or 'sequence'")


def aggregate(losses: Tensor, mask: Tensor, aggregation: str, normaliser: float | None = None) -> Tensor:
    """Reduce losses of tokens (..., B, L) to one number for each leading index.

    Parameters
    ----------
    losses : Tensor, shape (..., B, L)
    mask : BoolTensor, shape (..., B, L)
    aggregation : {"sequence_mean", "token_mean", "fixed_length"}
        Mean over each sequence's tokens, then over sequences; mean over all tokens; sum over all tokens divided by
        B times a length that no sequence influences (L, if ``normaliser`` is not given: pad to the limit then).
    normaliser : float, optional
        Divisor in place of B, of the number of tokens, or of B times L. Parts of a batch, each divided by the
        whole batch's normaliser, sum to the whole batch's loss.
    """
    losses = losses.masked_fill(~mask, 0.0)
    if aggregation == "sequence_mean":
        total = (losses.sum(-1) / mask.sum(-1).clamp_min(1)).sum(-1)
        default: float | Tensor = losses.shape[-2]
    elif aggregation in ("token_mean", "fixed_length"):
        total = losses.sum((-2, -1))
        size = losses.shape[-2] * losses.shape[-1]
        default = mask.sum((-2, -1)).clamp_min(1) if aggregation == "token_mean" else size
    else:
        raise ValueError(f"aggregation is {aggregation!r}, expected one of {', '.join(AGGREGATIONS)}")
    return total / (default if normaliser is None else normaliser)


def grpo_loss(
    log_probabilities: Tensor,
    old_log_probabilities: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    aggregation: str = "token_mean",
    ratio: str = "token",
    reference_log_probabilities: Tensor | None = None,
    kl_coefficient: float = 0.0,
    normaliser: float | None = None,
) -> Tensor:
    r"""Loss of a batch of completions, to be minimised.

    Parameters
    ----------
    log_probabilities, old_log_probabilities : Tensor, shape (..., B, L)
        Of the tokens, under the policy that is trained and under the one that sampled.
    advantages : Tensor, shape (..., B) or (..., B, L)
    mask : BoolTensor, shape (..., B, L)
        True for tokens that the policy chose; nothing else may influence the loss.
    clip_low, clip_high : float
        :math:`\varepsilon_\text{low}` and :math:`\varepsilon_\text{high}`, at least 0.
    aggregation, ratio, normaliser
        As in :func:`aggregate` and :func:`importance_ratio`.
    reference_log_probabilities : Tensor, shape (..., B, L), optional
        Needed when ``kl_coefficient`` is not 0.
    kl_coefficient : float
        :math:`\beta`.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(log_probabilities="... B L", old_log_probabilities="... B L", mask="... B L", given=locals())
    require_boolean(mask=mask)
    if advantages.shape == mask.shape[:-1]:
        advantages = advantages[..., None]
    elif advantages.shape != mask.shape:
        raise ValueError(f"advantages has shape {tuple(advantages.shape)}, expected {tuple(mask.shape[:-1])}")
    if not (clip_low >= 0 and clip_high >= 0):
        raise ValueError(f"clip_low is {clip_low!r} and clip_high {clip_high!r}, expected numbers of at least 0")
    weight = importance_ratio(log_probabilities, old_log_probabilities, mask, ratio)
    clipped = weight.clamp(1 - clip_low, 1 + clip_high)
    losses = -torch.minimum(weight * advantages, clipped * advantages)
    if kl_coefficient:
        if reference_log_probabilities is None:
            raise ValueError("reference_log_probabilities is missing, and kl_coefficient is not 0")
        # Masked before the exponential: infinity times zero would poison the gradient.
        policy, reference = (
            values.masked_fill(~mask, 0.0) for values in (log_probabilities, reference_log_probabilities)
        )
        losses = losses + kl_coefficient * kl_estimate(policy, reference, "k3")
    return aggregate(losses, mask, aggregation, normaliser)


def clip_fraction(weight: Tensor, advantages: Tensor, mask: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """Share of the tokens whose gradient the clip removed: the ratio has left the range on the advantage's side."""
    advantages = advantages[..., None] if advantages.ndim < weight.ndim else advantages
    gone = ((weight > 1 + clip_high) & (advantages > 0)) | ((weight < 1 - clip_low) & (advantages < 0))
    return (gone & mask).sum() / mask.sum().clamp_min(1)
