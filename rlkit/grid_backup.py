r"""Bellman optimality sweeps over a gridworld without tables.

On a grid the four neighbours of every cell are four shifted views of one padded array, so a sweep is a dozen
elementwise operations and no gather. With slip :math:`\sigma`, up and down share their sideways part, as do
left and right:

.. math::
    \max_a \mathbb{E}[X \mid a] = \max \{ (1 - \sigma) \max(u, d) + \tfrac{\sigma}{2} (l + r), \;
                                          (1 - \sigma) \max(l, r) + \tfrac{\sigma}{2} (u + d) \},

where :math:`X` is :math:`\gamma V` in free cells and the arrival reward in terminal ones. Only the few cells
beside a wall need a gather. The sweep works in blocks of rows that fit the cache and updates in place
(Gauss-Seidel between blocks). That operator, too, is a :math:`\gamma`-contraction in the maximum norm with
fixed point :math:`V^*`, so the usual error bound holds for its change.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.gridworld import Gridworld

BLOCK_ELEMENTS = 16_384


class GridBackup:
    """Sweeps of the optimality operator over one gridworld.

    Parameters
    ----------
    gridworld : Gridworld
    device : str, torch.device or None
        CPU if left out. On a GPU the whole grid is one block.
    dtype : torch.dtype

    Raises
    ------
    ValueError
        If the discount is 0: the padded array holds the discounted values, which would all vanish.
    """

    def __init__(
        self,
        gridworld: Gridworld,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if gridworld.discount == 0:
            raise ValueError("discount is 0, expected above 0; plan with gridworld.mdp() instead")
        self.gridworld, self.discount = gridworld, gridworld.discount
        height, width = gridworld.shape
        self._padded = torch.zeros(height + 2, width + 2, dtype=dtype, device=device)
        device = self._padded.device
        self._free = (gridworld.state_index >= 0).to(device)
        self.num_states = int(self._free.sum())
        self._ends = (gridworld.letter("G") | gridworld.letter("P")).to(device)
        self._arrival = gridworld.arrival_rewards.to(device, dtype)
        rows = height if device.type != "cpu" else max(1, BLOCK_ELEMENTS // width)
        self._blocks = [self._prepare(top, min(top + rows, height)) for top in range(0, height, rows)]
        self._largest_change = torch.zeros((), dtype=dtype, device=device)

    def _prepare(self, top: int, bottom: int) -> dict[str, Tensor]:
        """Views, buffers and index lists of the rows from ``top`` to before ``bottom``."""
        padded, width = self._padded, self._padded.shape[1] - 2
        inside = padded[top + 1 : bottom + 1, 1:-1]
        block = {
            "own": inside,
            "up": padded[top:bottom, 1:-1],
            "right": padded[top + 1 : bottom + 1, 2:],
            "down": padded[top + 2 : bottom + 2, 1:-1],
            "left": padded[top + 1 : bottom + 1, :-2],
            "first": torch.empty_like(inside, memory_format=torch.contiguous_format),
            "second": torch.empty_like(inside, memory_format=torch.contiguous_format),
        }
        pinned = (~self._free | self._ends)[top:bottom]
        block["pinned"] = pinned.flatten().nonzero().flatten()
        block["pinned_values"] = self._arrival[top:bottom][pinned]
        # Cells beside a wall: flat padded indices of the cell itself and of where each direction leads.
        blocked = torch.nn.functional.pad(~self._free, (1, 1, 1, 1))
        stride = width + 2
        offsets = torch.tensor([-stride, 1, stride, -1], device=padded.device)
        row, column = torch.nonzero(~pinned, as_tuple=True)
        here = (row + top + 1) * stride + column + 1
        there = here[:, None] + offsets
        bumps = blocked.flatten()[there]
        beside = bumps.any(dim=1)
        block["beside"] = (row * width + column)[beside]
        block["leads_to"] = torch.where(bumps, here[:, None], there)[beside]
        return block

    def load(self, state_values: Tensor | None) -> None:
        """Set the values, shape (S,); zero if None."""
        inside = self._padded[1:-1, 1:-1]
        inside.zero_()
        if state_values is not None:
            inside[self._free] = state_values.to(inside) * self.discount
        inside[self._ends] = self._arrival[self._ends]

    def sweep(self, reverse: bool = False) -> None:
        """Update every cell once, block by block."""
        self._fill_border()
        for block in reversed(self._blocks) if reverse else self._blocks:
            self._update(block)

    def change_of_a_sweep(self) -> float:
        """Sweep once and return the largest change of a value."""
        self._fill_border()
        largest = self._largest_change.zero_()
        for block in self._blocks:
            before = block["own"].clone()
            self._update(block)
            torch.maximum(largest, before.sub_(block["own"]).abs_().max(), out=largest)
        return largest.item() / self.discount

    def _fill_border(self) -> None:
        """Copy the outer cells outwards: whoever bumps into the edge finds their own value there."""
        padded = self._padded
        padded[0], padded[-1] = padded[1], padded[-2]
        padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]

    def _update(self, block: dict[str, Tensor]) -> None:
        first, second = block["first"], block["second"]
        main, side = 1 - self.gridworld.slip, self.gridworld.slip / 2
        beside = self._beside_walls(block) if len(block["beside"]) else None
        torch.maximum(block["up"], block["down"], out=first)
        first.mul_(main).add_(block["left"], alpha=side).add_(block["right"], alpha=side)
        torch.maximum(block["left"], block["right"], out=second)
        second.mul_(main).add_(block["up"], alpha=side).add_(block["down"], alpha=side)
        torch.maximum(first, second, out=first)
        if beside is not None:
            first.view(-1)[block["beside"]] = beside
        first.add_(self.gridworld.step_reward).mul_(self.discount)
        first.view(-1)[block["pinned"]] = block["pinned_values"]
        block["own"].copy_(first)

    def _beside_walls(self, block: dict[str, Tensor]) -> Tensor:
        up, right, down, left = self._padded.view(-1)[block["leads_to"]].unbind(dim=1)
        main, side = 1 - self.gridworld.slip, self.gridworld.slip / 2
        vertical = torch.maximum(up, down) * main + (left + right) * side
        horizontal = torch.maximum(left, right) * main + (up + down) * side
        return torch.maximum(vertical, horizontal)

    def state_values(self) -> Tensor:
        """Values of all states, shape (S,); 0 in terminal states."""
        values = self._padded[1:-1, 1:-1] / self.discount
        return values.masked_fill(self._ends, 0.0)[self._free]
