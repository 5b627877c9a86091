r"""Gridworlds from text maps.

::

    ...G        .  free          S  start
    .#.P        #  wall          G  goal: the episode ends, +1 on arrival
    S...                         P  pit: the episode ends, -1 on arrival

Actions are 0 up, 1 right, 2 down, 3 left. With slip :math:`\sigma` the intended direction happens with
probability :math:`1 - \sigma` and each perpendicular one with :math:`\sigma / 2`. Bumping into a wall or the
edge leaves the agent where it is. States are the cells that are not walls, in row-major order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rlkit.mdp import FiniteMDP
from rlkit.validation import require_discount, require_probability

ACTION_NAMES = ("up", "right", "down", "left")
MOVES = torch.tensor([[-1, 0], [0, 1], [1, 0], [0, -1]])
LETTERS = {".": "free", "#": "wall", "S": "start", "G": "goal", "P": "pit"}


@dataclass(frozen=True, eq=False)
class Gridworld:
    r"""A gridworld on a text map.

    Parameters
    ----------
    rows : str or sequence of str
        The map; one string with newlines, or one string a row.
    slip : float
        :math:`\sigma` in [0, 1].
    step_reward : float
        Earned by every step, arrival included.
    discount : float
        :math:`\gamma` in [0, 1].
    goal_reward, pit_reward : float
        Added on arrival.

    Raises
    ------
    ValueError
        If the map is empty, ragged, has an unknown letter or more than one start, or a number is out of range.
    """

    rows: str | Sequence[str]
    slip: float = 0.0
    step_reward: float = 0.0
    discount: float = 0.9
    goal_reward: float = 1.0
    pit_reward: float = -1.0

    def __post_init__(self) -> None:
        rows = self.rows.split() if isinstance(self.rows, str) else list(self.rows)
        object.__setattr__(self, "rows", tuple(rows))
        require_discount(self.discount)
        require_probability(slip=self.slip)
        if not rows or not rows[0]:
            raise ValueError("the map is empty, expected rows of letters such as ['...G', 'S..P']")
        for number, row in enumerate(rows):
            if len(row) != len(rows[0]):
                raise ValueError(f"row {number} of the map has {len(row)} letters, expected {len(rows[0])} as in row 0")
            for column, letter in enumerate(row):
                if letter not in LETTERS:
                    meanings = ", ".join(f"{key} {meaning}" for key, meaning in LETTERS.items())
                    raise ValueError(
                        f"row {number}, column {column} of the map is {letter!r}, expected one of: {meanings}"
                    )
        if "".join(rows).count("S") > 1:
            raise ValueError(f"the map has {''.join(rows).count('S')} starts S, expected at most one")
        if set("".join(rows)) == {"#"}:
            raise ValueError("the map is all walls, expected at least one free cell")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width (H, W)."""
        return len(self.rows), len(self.rows[0])

    def letter(self, letter: str) -> Tensor:
        """Boolean, shape (H, W): where the map has a letter."""
        codes = torch.frombuffer(bytearray("".join(self.rows), "ascii"), dtype=torch.uint8)
        return (codes == ord(letter)).view(self.shape)

    @cached_property
    def state_index(self) -> Tensor:
        """State of each cell, shape (H, W); -1 for walls."""
        free = ~self.letter("#")
        return torch.where(free, free.flatten().cumsum(0).view(self.shape) - 1, -1)

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Row and column of each state."""
        return [(row, column) for row, column in (~self.letter("#")).nonzero().tolist()]

    @property
    def start_state(self) -> int | None:
        """The state of ``S``, or None if the map has none."""
        starts = self.state_index[self.letter("S")]
        return int(starts[0]) if len(starts) else None

    @cached_property
    def arrival_rewards(self) -> Tensor:
        """Reward added on arrival in each cell, shape (H, W), float64."""
        return self.goal_reward * self.letter("G").double() + self.pit_reward * self.letter("P").double()

    def as_grid(self, state_values: Tensor) -> Tensor:
        """Lay values of shape (S,) out on the map, shape (H, W), NaN in walls."""
        grid = torch.full(self.shape, torch.nan, dtype=state_values.dtype, device=state_values.device)
        grid[(self.state_index >= 0).to(grid.device)] = state_values
        return grid

    def mdp(self) -> FiniteMDP:
        """Return the gridworld as an MDP with neighbour lists (K = 3), in float64."""
        height, width = self.shape
        states = (self.state_index >= 0).nonzero()
        moved = states[:, None, :] + MOVES  # (S, 4 directions, 2)
        row, column = moved[..., 0].clamp(0, height - 1), moved[..., 1].clamp(0, width - 1)
        own = torch.arange(len(states))[:, None]
        landed = self.state_index[row, column]
        landed = torch.where(landed < 0, own, landed)  # walls; at the edge the clamp has stayed already
        intended = torch.arange(4)
        directions = torch.stack([intended, (intended + 1) % 4, (intended - 1) % 4], dim=1)  # (A, K)
        next_states = landed[:, directions]  # (S, A, K)
        chances = torch.tensor([1 - self.slip, self.slip / 2, self.slip / 2], dtype=torch.float64)
        rewards = self.step_reward + self.arrival_rewards[self.state_index >= 0][next_states]
        ends = (self.letter("G") | self.letter("P"))[self.state_index >= 0]
        next_states[ends] = own[ends][..., None]
        rewards[ends] = 0.0
        initial = None
        if self.start_state is not None:
            initial = torch.nn.functional.one_hot(torch.tensor(self.start_state), len(states)).double()
        return FiniteMDP(
            chances.expand(next_states.shape).contiguous(),
            rewards,
            self.discount,
            next_states,
            initial,
            state_names=tuple(f"row {r}, column {c}" for r, c in states.tolist()) if len(states) <= 10_000 else (),
            action_names=ACTION_NAMES,
        )


def slippery_grid(size: int, slip: float = 0.2, step_reward: float = -0.01, discount: float = 0.99) -> Gridworld:
    """Return an open square of ``size`` × ``size`` cells with its goal in the last cell, used by the benchmark."""
    rows = ["." * size] * (size - 1) + ["." * (size - 1) + "G"]
    return Gridworld(rows, slip=slip, step_reward=step_reward, discount=discount)
