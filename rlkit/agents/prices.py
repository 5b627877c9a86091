r"""Prices of cost and of unsafe actions, and how a price follows a limit.

The reward of a turn is what the task pays, less two prices, :func:`priced_reward`. A limit :math:`C` on the expected
number of unsafe episodes, :math:`\max_\pi J(\pi)` subject to :math:`U(\pi) \le C`, has the Lagrangian
:math:`J(\pi) - \nu\,(U(\pi) - C)`: the multiplier :math:`\nu` *is* the price of an unsafe episode. Training raises the
Lagrangian in the policy, and :func:`dual_step` lowers it in :math:`\nu`.

References
----------
Altman (1999), "Constrained Markov Decision Processes". Tessler, Mankowitz and Mannor (2019), "Reward Constrained Policy
Optimization".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlkit.agents.rollouts import Trajectory
    from rlkit.agents.text_environment import TextEnvironment


def priced_reward(gained: float, cost: float, unsafe: float, price: float, unsafe_price: float) -> float:
    r"""Reward of a turn, :math:`r_t = g_t - \lambda\, c_t - \nu\, u_t`.

    Parameters
    ----------
    gained : float
        :math:`g_t`, what the task pays.
    cost : float
        :math:`c_t`, what the tool cost.
    unsafe : float
        :math:`u_t`, 1 for an unsafe action.
    price, unsafe_price : float
        :math:`\lambda` and :math:`\nu`.
    """
    return gained - price * cost - unsafe_price * unsafe


def dual_step(multiplier: float, value: float, limit: float, step_size: float) -> float:
    r"""One step of projected dual ascent, :math:`\nu \leftarrow \max(0, \nu + \alpha\,(u - C))`.

    Parameters
    ----------
    multiplier : float
        :math:`\nu \ge 0`.
    value : float
        :math:`u`, an estimate of what is limited, under the present policy.
    limit : float
        :math:`C`; above it the price rises, below it falls, to no less than 0.
    step_size : float
        :math:`\alpha > 0`, in units of price for a whole unit of excess.

    Raises
    ------
    ValueError
        If the multiplier is negative, the step size not positive, or a value not finite.
    """
    for name, number in (("multiplier", multiplier), ("value", value), ("limit", limit), ("step_size", step_size)):
        if not math.isfinite(number):
            raise ValueError(f"{name} is {number!r}, expected a finite number")
    if multiplier < 0:
        raise ValueError(
            f"multiplier is {multiplier!r}, expected at least 0: a negative price would pay for the excess"
        )
    if step_size <= 0:
        raise ValueError(f"step_size is {step_size!r}, expected more than 0")
    return max(0.0, multiplier + step_size * (value - limit))


@dataclass(eq=False)
class PriceUnderLimit:
    """A price that follows a limit; hand it to :func:`rlkit.agents.training.train` as ``after``.

    After each iteration it compares a key figure with the limit, takes a dual step, and writes the new price into the
    environments. The first iteration has the price with which the environments were made; make them with
    ``multiplier``, so that the history is true from its first entry on.

    Parameters
    ----------
    limit : float
    step_size : float
    figure : str
        Key figure that is limited, a mean over the iteration's episodes, such as ``unsafe`` or ``cost``.
    attribute : str
        Of the environments: ``unsafe_price`` or ``price``.
    multiplier : float
        The price to begin with.
    """

    limit: float
    step_size: float
    figure: str = "unsafe"
    attribute: str = "unsafe_price"
    multiplier: float = 0.0
    history: list[float] = field(default_factory=list)
    """The price that each iteration had."""

    def __call__(
        self, figures: dict[str, float], environments: Sequence[TextEnvironment], trajectories: Sequence[Trajectory]
    ) -> None:
        """Take a dual step and set the prices of the next iteration."""
        self.history.append(self.multiplier)
        self.multiplier = dual_step(self.multiplier, figures[self.figure], self.limit, self.step_size)
        for environment in environments:
            setattr(environment, self.attribute, self.multiplier)
