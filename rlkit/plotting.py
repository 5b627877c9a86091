"""One plotting style for the course: colours that survive colour blindness, grey print and dark mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from rlkit.gridworld import Gridworld
from rlkit.learning_curves import summarise

PALETTE = {
    "ink": "#1f2933",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#8f4a8c",
    "sky": "#56b4e9",
    "yellow": "#b08900",
}
# Lines differ in dash as well as in colour, so that a figure printed in grey can be read.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
LARGEST_NUMBER_OF_POINTS = 100
ARROWS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # column and row step of up, right, down, left


def use_course_style() -> None:
    """Set matplotlib's defaults: transparent background, quiet axes, the course's colours."""
    colours = [PALETTE[name] for name in ("blue", "orange", "green", "purple", "sky", "yellow")]
    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=colours) + cycler(linestyle=DASHES),
            "axes.edgecolor": PALETTE["ink"],
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": PALETTE["ink"],
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "figure.figsize": (5.6, 3.2),
            "font.size": 11,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "savefig.facecolor": "none",
            "svg.fonttype": "path",
            "svg.hashsalt": "mastering-rl",
            "text.color": PALETTE["ink"],
            "xtick.color": PALETTE["ink"],
            "ytick.color": PALETTE["ink"],
        }
    )


def plot_curves(axes: Axes, x: Sequence[float] | Tensor, curves: Mapping[str, Tensor]) -> None:
    """Draw interquartile means with their 95% bootstrap intervals.

    Parameters
    ----------
    axes : matplotlib Axes
    x : sequence, length T
    curves : mapping of str to Tensor, shape (K, T)
        Label to one curve per seed. At most a hundred evenly spaced points of each are drawn.
    """
    picks = torch.linspace(0, len(x) - 1, min(len(x), LARGEST_NUMBER_OF_POINTS)).round().long()
    shown = torch.as_tensor(x)[picks]
    for label, samples in curves.items():
        centre, low, high = (part.cpu() for part in summarise(samples[:, picks.to(samples.device)]))
        (line,) = axes.plot(shown, centre, label=label)
        axes.fill_between(shown, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    if len(curves) > 1:
        axes.legend()


def plot_gridworld(
    gridworld: Gridworld,
    state_values: Tensor | None = None,
    policy: Tensor | None = None,
    axes: Axes | None = None,
    number_format: str = "{:.2f}",
) -> Axes:
    """Draw a map with values as numbers and shades, and a policy as arrows.

    Parameters
    ----------
    gridworld : Gridworld
    state_values : Tensor, shape (S,), optional
    policy : Tensor, shape (S, A), optional
        An arrow for each action, its length in proportion to the probability.
    axes : matplotlib Axes, optional
        A new figure if left out.
    number_format : str
    """
    height, width = gridworld.shape
    if axes is None:
        _, axes = plt.subplots(figsize=(0.85 * width + 0.4, 0.85 * height + 0.4))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    shades = torch.zeros(gridworld.shape)
    if state_values is not None:
        grid = gridworld.as_grid(state_values.detach().cpu().double())
        shades = (grid / grid.nan_to_num().abs().max().clamp_min(1e-12)).nan_to_num()
    for row in range(height):
        for column in range(width):
            _draw_cell(axes, row, column, gridworld.rows[row][column], float(shades[row, column]))
    names = {"G": f"{gridworld.goal_reward:+g}", "P": f"{gridworld.pit_reward:+g}"}
    for state, (row, column) in enumerate(gridworld.cells):
        letter = gridworld.rows[row][column]
        text = names.get(letter, "" if state_values is None else number_format.format(state_values[state].item()))
        text = "S" if letter == "S" and state_values is None else text
        axes.text(
            column,
            row + (0.3 if policy is not None and letter not in names else 0),
            text,
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold" if letter in names else "normal",
        )
        if policy is not None and letter not in names:
            _draw_arrows(axes, row - 0.12, column, policy[state].tolist())
    return axes


def _draw_cell(axes: Axes, row: int, column: int, letter: str, shade: float) -> None:
    colour = PALETTE["blue"] if shade >= 0 else PALETTE["orange"]
    alpha = 0.45 * abs(shade)
    if letter == "#":
        colour, alpha = PALETTE["ink"], 0.55
    elif letter in "GP":
        colour, alpha = PALETTE["green" if letter == "G" else "orange"], 0.6
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=alpha, linewidth=0))
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=PALETTE["ink"], linewidth=0.6))


def _draw_arrows(axes: Axes, row: float, column: float, probabilities: Sequence[float]) -> None:
    for probability, (right, down) in zip(probabilities, ARROWS, strict=True):
        if probability > 0.01:
            reach = 0.26 * max(probability, 0.35)
            axes.annotate(
                "",
                xy=(column + right * reach, row + down * reach),
                xytext=(column, row),
                arrowprops={"arrowstyle": "->", "color": PALETTE["ink"], "lw": 1.3},
            )
