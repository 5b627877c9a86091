r"""What to read from a log of episodes: success, cost per success, latency and unsafe episodes, with intervals.

A share of n episodes has Wilson's interval, which is right near 0 and 1 too. Cost per success is the ratio of two
sums, the cost of *all* episodes over the number of successes; its interval is bootstrapped over episodes, as is that
of the latency.

References
----------
Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rlkit.seeding import make_generator
from rlkit.validation import require_finite, require_shapes

Z = 1.959963984540054  # of the normal distribution, for 95%
RESAMPLES = 2_000
LARGEST_DRAW = 4_000_000  # episodes drawn at once, 32 MB


class Estimate(NamedTuple):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


def wilson_interval(count: float, total: int) -> Estimate:
    r"""Share of successes with Wilson's 95% interval.

    It holds the shares :math:`p` that a test at 5% would not reject, those with
    :math:`|\hat p - p| \le z \sqrt{p (1 - p) / n}`. Without a success it still ends above 0, at :math:`z^2/(n + z^2)`.

    Parameters
    ----------
    count : float
        Of successes.
    total : int
        :math:`n`, of episodes.

    Raises
    ------
    ValueError
        If there is no episode, or if there are more successes than episodes.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"count is {count!r} of {total!r}, expected 0 <= count <= total and at least one episode")
    share = count / total
    centre = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))


def cost_per_success(costs: Tensor, successes: Tensor, seed: int = 0) -> Estimate:
    """Sum of all costs over the number of successes, with its bootstrap interval.

    Infinite where nothing succeeded, whatever it cost: more episodes of this kind do not buy a success.

    Parameters
    ----------
    costs, successes : Tensor, shape (N,)
        Of episodes.
    seed : int
        Of the resampling.
    """
    require_shapes(costs="N", successes="N", given=locals())
    return _ratio(costs, successes, seed)


def mean_with_interval(values: Tensor, seed: int = 0) -> Estimate:
    """Mean of (N,) with its bootstrap interval."""
    return _ratio(values, torch.ones_like(values), seed)


def _ratio(above: Tensor, below: Tensor, seed: int) -> Estimate:
    """Ratio of two sums, and its percentile interval over resampled episodes."""
    rows, count = torch.stack([above, below]).double(), len(above)
    if count == 0:
        raise ValueError("no episodes: is the condition right, and has anything been logged?")
    require_finite(rows=rows)
    generator, at_once = make_generator(seed, "bootstrap"), max(1, LARGEST_DRAW // count)
    drawn = [
        rows[:, torch.randint(count, (min(at_once, RESAMPLES - done), count), generator=generator)].sum(-1)
        for done in range(0, RESAMPLES, at_once)
    ]
    # Entries of the sorted list, not values between two of them: between a number and infinity there is none.
    ordered, tail = _divide(*torch.cat(drawn, dim=1)).sort().values, round(0.025 * (RESAMPLES - 1))
    return Estimate(float(_divide(*rows.sum(1))), float(ordered[tail]), float(ordered[-1 - tail]))


def _divide(above: Tensor, below: Tensor) -> Tensor:
    """Quotient, infinite where the divisor is 0."""
    return (above / below).masked_fill(below == 0, math.inf)


def key_figures(episodes: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """Report of episodes, such as :meth:`rlkit.agents.episode_log.EpisodeLog.figures` gives them.

    Returns
    -------
    dict
        ``success`` and ``unsafe`` (shares of episodes), ``cost_per_success``, ``cost``, ``latency`` and ``turns``
        (means).

    Raises
    ------
    ValueError
        If there is no episode.
    """
    if not episodes:
        raise ValueError("no episodes: is the condition right, and has anything been logged?")
    columns = {
        name: torch.tensor([float(one[name]) for one in episodes])
        for name in ("success", "cost", "latency", "unsafe", "turns")
    }
    fractions = bool(((columns["success"] != 0) & (columns["success"] != 1)).any())
    success = columns["success"]
    return {
        # A session of several questions succeeds by a fraction, which is no count of yes and no.
        "success": mean_with_interval(success) if fractions else wilson_interval(float(success.sum()), len(episodes)),
        "cost_per_success": cost_per_success(columns["cost"], success),
        "unsafe": wilson_interval(float((columns["unsafe"] > 0).sum()), len(episodes)),
        **{name: mean_with_interval(columns[name]) for name in ("cost", "latency", "turns")},
    }


def report(figures: Mapping[str, Estimate]) -> str:
    """Return the figures as lines of text."""
    return "\n".join(f"{name:17s} {one.value:8.3f}   [{one.low:.3f}, {one.high:.3f}]" for name, one in figures.items())
