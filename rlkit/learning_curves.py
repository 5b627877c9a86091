r"""Statistics of several seeds: interquartile mean and bootstrap interval.

The interquartile mean is the mean of the middle half of the seeds: it resists one lucky or failed run, and
uses more of the data than the median. The interval resamples whole seeds with replacement and takes
percentiles of the statistic (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", section 4). Because it ignores a quarter at each end, report failed seeds beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.seeding import make_generator
from rlkit.validation import require_finite


class Summary(NamedTuple):
    """Centre and interval of curves, each of shape (...)."""

    centre: Tensor
    low: Tensor
    high: Tensor


def interquartile_mean(samples: Tensor) -> Tensor:
    """Mean of the middle half along the first axis.

    Parameters
    ----------
    samples : Tensor, shape (K, ...)
        One entry per seed. Where K is not a multiple of 4 the two outermost kept samples count by the
        fraction that lies inside the middle half, so that exactly half of the weight is used.

    Returns
    -------
    Tensor, shape (...)
    """
    count = len(samples)
    if count == 0:
        raise ValueError("samples is empty, expected one entry per seed")
    # Sample i of the sorted ones covers the interval [i, i + 1]; its weight is the part in [K/4, 3K/4].
    edges = torch.arange(count, dtype=torch.float64)
    weights = (edges + 1).clamp_max(0.75 * count) - edges.clamp_min(0.25 * count)
    weights = weights.clamp_min(0).to(samples.device, samples.dtype)
    ordered = samples.movedim(0, -1).sort(dim=-1).values
    return ordered @ (weights / weights.sum())


def bootstrap_interval(
    samples: Tensor,
    statistic: Callable[[Tensor], Tensor] = interquartile_mean,
    level: float = 0.95,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Percentile bootstrap interval of a statistic over seeds.

    Parameters
    ----------
    samples : Tensor, shape (K, ...)
    statistic : callable
        (K, ...) -> (...).
    level : float
        Coverage in (0, 1).
    num_resamples : int
    seed : int
        Of the resampling, so that a figure is the same every time.

    Returns
    -------
    low, high : Tensor, shape (...)

    Raises
    ------
    ValueError
        If there are fewer than two seeds, or values are not finite.
    """
    if len(samples) < 2:
        raise ValueError(f"samples has {len(samples)} seeds, expected at least 2 for an interval")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}, expected a number between 0 and 1")
    require_finite(samples=samples)
    generator = make_generator(seed, "bootstrap")
    picks = torch.randint(len(samples), (num_resamples, len(samples)), generator=generator).to(samples.device)
    resampled = torch.stack([statistic(samples[pick]) for pick in picks])
    tail = (1 - level) / 2
    ordered = resampled.sort(dim=0).values
    return ordered[int(tail * (num_resamples - 1))], ordered[-1 - int(tail * (num_resamples - 1))]


def summarise(samples: Tensor, level: float = 0.95, num_resamples: int = 2_000, seed: int = 0) -> Summary:
    """Interquartile mean with its bootstrap interval, for curves of shape (K, ...)."""
    low, high = bootstrap_interval(samples, interquartile_mean, level, num_resamples, seed)
    return Summary(interquartile_mean(samples), low, high)


def smooth(curves: Tensor, window: int) -> Tensor:
    """Mean over the last ``window`` entries of the last axis (fewer at the start), shape unchanged."""
    if window < 1:
        raise ValueError(f"window is {window!r}, expected at least 1")
    total = torch.nn.functional.pad(curves.cumsum(dim=-1), (1, 0))
    ends = torch.arange(1, curves.shape[-1] + 1, device=curves.device)
    starts = (ends - window).clamp_min(0)
    return (total[..., ends] - total[..., starts]) / (ends - starts)
