"""Catch: a ball falls, a paddle moves left, stays or moves right (bsuite, Osband et al. 2020).

The board has 10 rows and 5 columns. The ball starts in a random column of the top row and falls one row a
step; the paddle starts in the middle of the bottom row. When the ball reaches the bottom row the episode
terminates with reward +1 (caught) or -1 (missed); every other reward is 0. An episode has 9 steps. The
observation is the board as a vector, 1 at the ball and at the paddle.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from rlkit.device import choose_device
from rlkit.environments.base import Seeded, Step, require_actions, require_batch_shape


class Catch(Seeded):
    """Many independent boards.

    Parameters
    ----------
    batch_size : int or tuple of int
        The batch axes, for example ``(seeds, environments)``.
    seed : int
    rows, columns : int
    device : str, torch.device or None
        As in :func:`rlkit.device.choose_device`.
    """

    num_actions = 3
    action_size = 0

    def __init__(
        self,
        batch_size: int | tuple[int, ...],
        seed: int,
        rows: int = 10,
        columns: int = 5,
        device: str | torch.device | None = None,
    ) -> None:
        self.batch_shape = require_batch_shape(batch_size)
        if rows < 2 or columns < 1:
            raise ValueError(f"the board is {rows} x {columns}, expected at least 2 rows and 1 column")
        self.rows, self.columns, self.device = rows, columns, choose_device(device)
        self.observation_shape = (rows * columns,)
        self.reseed(seed)
        self._started = False

    def _drop(self) -> Tensor:
        return torch.randint(self.columns, self.batch_shape, generator=self._generator, device=self.device)

    def reset(self) -> Tensor:
        """Drop a ball on every board; return the boards, shape ``(*batch, rows * columns)``."""
        self.ball_column, self._started = self._drop(), True
        self.ball_row = torch.zeros_like(self.ball_column)
        self.paddle = torch.full_like(self.ball_column, self.columns // 2)
        return self._observation()

    def _observation(self) -> Tensor:
        cells = self.rows * self.columns
        ball = one_hot(self.ball_row * self.columns + self.ball_column, cells)
        paddle = one_hot((self.rows - 1) * self.columns + self.paddle, cells)
        return (ball | paddle).to(torch.float32)

    def step(self, action: Tensor) -> Step:
        """Move each paddle left (0), not at all (1) or right (2); ``action`` has the batch's shape.

        Raises
        ------
        RuntimeError
            If ``reset`` has not been called.
        ValueError
            If actions have the wrong shape or type, or do not exist.
        """
        if not self._started:
            raise RuntimeError("step was called before reset; call reset() first to get the first observation")
        require_actions(action, self.batch_shape, self.num_actions)
        self.paddle = (self.paddle + action - 1).clamp(0, self.columns - 1)
        self.ball_row = self.ball_row + 1
        terminated = self.ball_row == self.rows - 1
        caught = torch.where(self.paddle == self.ball_column, 1.0, -1.0)
        reward = torch.where(terminated, caught, torch.zeros_like(caught))
        arrived = self._observation()
        self.ball_row = torch.where(terminated, 0, self.ball_row)
        self.ball_column = torch.where(terminated, self._drop(), self.ball_column)
        self.paddle = torch.where(terminated, self.columns // 2, self.paddle)
        return Step(self._observation(), reward, terminated, torch.zeros_like(terminated), arrived)
