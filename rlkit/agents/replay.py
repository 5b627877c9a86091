r"""Learning from logged episodes: who is imitated, which pairs are compared, how logged tokens are weighted.

A log was written by a policy :math:`\pi_\text{old}` that is no longer the one that learns. For a token
:math:`y_{i,l}` of episode i the ratio

.. math:: w_{i,l} = \exp\big( \log \pi_\theta(y_{i,l} \mid \cdot) - \log \pi_\text{old}(y_{i,l} \mid \cdot) \big)

turns means over the log into means under :math:`\pi_\theta`, if the second term is the number *noted while sampling*.
For a whole episode the weight is the product of its tokens' ratios. How many episodes the weighted log is worth is

.. math:: n_\text{eff} = \frac{\big( \sum_i W_i \big)^2}{\sum_i W_i^2}.

References
----------
Kong (1992), "A Note on Importance Sampling using Standardized Weights", for the effective sample size. Precup, Sutton
and Singh (2000), "Eligibility Traces for Off-Policy Policy Evaluation", for weights of episodes. Zelikman et al.
(2022), "STaR: Bootstrapping Reasoning With Reasoning", for imitating one's own successes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.agents.batches import TokenBatch, token_batch, turn_rewards
from rlkit.agents.rollouts import Trajectory
from rlkit.dpo import dpo_loss
from rlkit.lm.scoring import score_sequences
from rlkit.lm.tokens import masked_mean
from rlkit.validation import require_boolean, require_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EPISODES_AT_ONCE = 256


def importance_weights(log_probabilities: Tensor, logged_log_probabilities: Tensor, mask: Tensor) -> Tensor:
    r"""Ratio of the present policy's probability of each logged token to the logged one.

    Parameters
    ----------
    log_probabilities : Tensor, shape (..., L)
        Under the policy that learns; may carry a gradient.
    logged_log_probabilities : Tensor, shape (..., L)
        As noted in the log while sampling. Computed anew they would be those of another policy, and all ratios 1.
    mask : BoolTensor, shape (..., L)
        True for the tokens that the policy wrote.

    Returns
    -------
    Tensor, shape (..., L)
        1 where the mask is False, whatever stands there.
    """
    return _log_ratios(log_probabilities, logged_log_probabilities, mask).exp()


def episode_log_weights(log_probabilities: Tensor, logged_log_probabilities: Tensor, mask: Tensor) -> Tensor:
    r"""Logarithm of an episode's weight, the sum of its tokens' log-ratios; (..., L) to (...)."""
    return _log_ratios(log_probabilities, logged_log_probabilities, mask).sum(-1)


def _log_ratios(log_probabilities: Tensor, logged_log_probabilities: Tensor, mask: Tensor) -> Tensor:
    """Log-ratios with the arguments checked, 0 where the mask is False."""
    require_shapes(log_probabilities="... L", logged_log_probabilities="... L", mask="... L", given=locals())
    require_boolean(mask=mask)
    # Masked before the subtraction: infinity less infinity would poison the gradient.
    present, logged = (part.masked_fill(~mask, 0.0) for part in (log_probabilities, logged_log_probabilities))
    return present - logged


def effective_sample_size(log_weights: Tensor) -> Tensor:
    r"""Number of equally weighted samples that would be worth as much, :math:`(\sum W)^2 / \sum W^2`.

    Taken from logarithms, so that weights too large or too small for a float do no harm.

    Parameters
    ----------
    log_weights : Tensor, shape (..., B)
        Up to a constant; minus infinity for a weight of 0.

    Returns
    -------
    Tensor, shape (...)
        From 1 (one sample has all the weight) to B (all weights equal).

    Raises
    ------
    ValueError
        If there is no sample, or a log-weight is NaN or plus infinity, or all weights are 0.
    """
    require_shapes(log_weights="... B", given=locals())
    if log_weights.shape[-1] == 0 or not bool((log_weights.amax(-1).abs() < torch.inf).all()):
        raise ValueError(f"log_weights is {log_weights}, expected numbers (or -inf), one of each row finite")
    return (2 * log_weights.logsumexp(-1) - (2 * log_weights).logsumexp(-1)).exp()


def rejection_sampling(
    trajectories: Sequence[Trajectory], safe_only: bool = False, smallest_success: float = 1.0
) -> list[Trajectory]:
    """Select the episodes that succeeded; with ``safe_only`` those without an unsafe action among them."""
    return [one for one in trajectories if _may_be_copied(one, safe_only, smallest_success)]


def preference_pairs(
    trajectories: Sequence[Trajectory], margin: float = 0.15, safe_only: bool = False, smallest_success: float = 1.0
) -> list[tuple[Trajectory, Trajectory]]:
    """Pair successes with episodes of the same group that returned less.

    The best of a group is paired with the worst, the second best with the second worst, and so on to the middle; no
    episode stands in two pairs.

    Parameters
    ----------
    trajectories : sequence of Trajectory
    margin : float
        By how much the returns of a pair must differ at least; above 0.
    safe_only : bool
        The preferred episode has no unsafe action.
    smallest_success : float
        What the preferred episode's ``success`` must be at least.

    Returns
    -------
    list of (Trajectory, Trajectory)
        Preferred, rejected.
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin!r}, expected a number above 0: a pair of equals prefers nothing")
    groups: dict[int, list[tuple[float, Trajectory]]] = {}
    for one in trajectories:
        groups.setdefault(one.group, []).append((sum(one.rewards), one))
    pairs = []
    for members in groups.values():
        ordered = sorted(members, key=lambda member: -member[0])
        # An episode that may not be copied can still be the worse one, so it is taken out of the upper side alone.
        better = [member for member in ordered if _may_be_copied(member[1], safe_only, smallest_success)]
        # One side's returns fall and the other's rise: after the first pair that is too close all are.
        for (high, chosen), (low, rejected) in zip(better, reversed(ordered), strict=False):
            if high - low < margin:
                break
            pairs.append((chosen, rejected))
    return pairs


def _may_be_copied(one: Trajectory, safe_only: bool, smallest_success: float) -> bool:
    """Whether an episode succeeded, and safely if that is asked for."""
    return one.info["success"] >= smallest_success and not (safe_only and one.info["unsafe"] > 0)


def episode_sums(values: Tensor, trajectories: Sequence[Trajectory]) -> Tensor:
    """Sum what belongs to the tokens of contexts, (C, L), over each episode's contexts, (B,)."""
    rows = torch.tensor([row for row, one in enumerate(trajectories) for _ in one.contexts], device=values.device)
    return values.new_zeros(len(trajectories)).index_add(0, rows, values.sum(-1))


def imitation_loss(
    model: PreTrainedModel, episodes: Sequence[Trajectory], pad_id: int, temperature: float = 1.0
) -> Tensor:
    """Negative log-likelihood of a token that the policy wrote, the mean over all of them."""
    scores, batch = _scores(model, episodes, pad_id, temperature)
    return -masked_mean(scores, batch.mask)


def pair_loss(
    model: PreTrainedModel,
    reference: PreTrainedModel,
    pairs: Sequence[tuple[Trajectory, Trajectory]],
    pad_id: int,
    beta: float,
    temperature: float = 1.0,
) -> Tensor:
    """DPO's loss on whole episodes: the log-probability of one is the sum over all tokens that the policy wrote."""
    episodes = [one for side in zip(*pairs, strict=True) for one in side]

    def sums(some: PreTrainedModel) -> Tensor:
        scores, batch = _scores(some, episodes, pad_id, temperature)
        return episode_sums(scores.masked_fill(~batch.mask, 0.0), episodes).reshape(2, len(pairs))

    with torch.no_grad():
        fixed = sums(reference)
    chosen, rejected = sums(model)
    return dpo_loss(chosen, rejected, fixed[0], fixed[1], beta).mean()


@torch.no_grad()
def logged_episode_log_weights(
    model: PreTrainedModel, trajectories: Sequence[Trajectory], pad_id: int, temperature: float = 1.0
) -> Tensor:
    """Log-weight of each logged episode under a model, (B,), for :func:`effective_sample_size`."""
    found = []
    for start in range(0, len(trajectories), EPISODES_AT_ONCE):
        part = trajectories[start : start + EPISODES_AT_ONCE]
        scores, batch = _scores(model, part, pad_id, temperature)
        found.append(episode_sums(_log_ratios(scores, batch.log_probabilities, batch.mask), part))
    return torch.cat(found)


def _scores(
    model: PreTrainedModel, episodes: Sequence[Trajectory], pad_id: int, temperature: float
) -> tuple[Tensor, TokenBatch]:
    """Log-probabilities of all tokens of some episodes, (C, L), and the batch that they stand in."""
    batch = token_batch(episodes, torch.zeros_like(turn_rewards(episodes)[0]), pad_id, model.device)
    return score_sequences(model, batch.ids, batch.real, temperature), batch
