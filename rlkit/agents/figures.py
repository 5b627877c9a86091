"""Pictures of key figures: several reports side by side, and success over cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from rlkit.agents.key_figures import Estimate
from rlkit.plotting import PALETTE

COLOURS = tuple(PALETTE[name] for name in ("blue", "orange", "green", "purple", "sky", "yellow"))
MARKS = ("o", "s", "^", "D", "v", "P")
TITLES = {"cost_per_success": "cost per success", "latency": "seconds", "unsafe": "unsafe share"}
ROOM = 1.25  # free space beyond the largest value, in which what is infinite is drawn


def plot_key_figures(
    panels: Sequence[Axes], reports: Mapping[str, Mapping[str, Estimate]], names: Sequence[str]
) -> None:
    """Draw one panel for each figure, in it a point with its interval for each report.

    Parameters
    ----------
    panels : sequence of matplotlib Axes
        As many as names, best side by side.
    reports : mapping of str to mapping
        Label to what :func:`rlkit.agents.key_figures.key_figures` returned.
    names : sequence of str
        Of figures. An infinite value is marked ∞ at the right edge, an interval without end goes on to it.
    """
    for axes, name in zip(panels, names, strict=True):
        estimates = [report[name] for report in reports.values()]
        edge = ROOM * max([value for one in estimates for value in one if math.isfinite(value)], default=1.0) or 1.0
        for place, (one, colour, mark) in enumerate(zip(estimates, COLOURS, MARKS, strict=False)):
            _draw_point(axes, one, place, edge, colour, mark)
        axes.set(title=TITLES.get(name, name), xlim=(0, edge), ylim=(len(estimates) - 0.5, -0.5))
        axes.set_yticks(range(len(estimates)), list(reports) if axes is panels[0] else [""] * len(estimates))
        axes.grid(False, axis="y")


def _draw_point(axes: Axes, one: Estimate, place: float, edge: float, colour: str, mark: str) -> None:
    """Draw an estimate at a height, with what is infinite at the edge."""
    low, high = min(one.low, edge), min(one.high, edge)
    axes.plot([low, high], [place, place], color=colour, linestyle="-", solid_capstyle="butt")
    if math.isfinite(one.value):
        axes.plot([one.value], [place], mark, color=colour, markersize=5)
    else:
        axes.text(edge, place - 0.08, "∞", color=colour, ha="right", va="bottom")


def plot_front(axes: Axes, points: Mapping[str, tuple[Estimate, Estimate]]) -> None:
    """Draw success over cost, a cross of two intervals for each policy: better is further up and to the left.

    Parameters
    ----------
    axes : matplotlib Axes
    points : mapping of str to pair of Estimate
        Label to cost of an episode and share of successes.
    """
    for number, (label, (cost, success)) in enumerate(points.items()):
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        axes.plot([cost.low, cost.high], [success.value] * 2, color=colour, linestyle="-", linewidth=1.2)
        axes.plot([cost.value] * 2, [success.low, success.high], color=colour, linestyle="-", linewidth=1.2)
        axes.plot([cost.value], [success.value], mark, color=colour, label=label)
    axes.set(xlabel="cost of an episode", ylabel="success", xlim=(0, None), ylim=(0, 1.05))
    axes.legend(loc="lower right")
