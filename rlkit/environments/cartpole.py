"""The pole on a cart of Barto, Sutton and Anderson (1983), as in gymnasium's CartPole-v1, many at once.

The equations of motion are those of Florian (2007), "Correct equations for the dynamics of the cart-pole
system", without friction, integrated by Euler's method. A push left or right of 10 N every 0.02 s; reward 1 a
step; *terminated* where the cart is more than 2.4 m from the middle or the pole more than 12 degrees from the
vertical; *truncated* at the step limit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rlkit.device import choose_device
from rlkit.environments.base import Seeded, Step, require_actions, require_batch_shape, require_step_limit

GRAVITY = 9.8  # m/s^2
POLE_MASS, TOTAL_MASS = 0.1, 1.1  # kg
HALF_LENGTH = 0.5  # m, of the pole
FORCE = 10.0  # N
TIME_STEP = 0.02  # s
POSITION_LIMIT = 2.4  # m
ANGLE_LIMIT = 12 * 2 * math.pi / 360  # rad


def cartpole_dynamics(state: Tensor, action: Tensor) -> Tensor:
    """State after 0.02 s.

    Parameters
    ----------
    state : Tensor, shape (..., 4)
        Position (m), velocity (m/s), angle (rad), angular velocity (rad/s).
    action : LongTensor, shape (...)
        0 pushes left, 1 pushes right.

    Returns
    -------
    Tensor, shape (..., 4)
    """
    _, velocity, angle, angular_velocity = state.unbind(-1)
    force = action.to(state.dtype) * (2 * FORCE) - FORCE
    cosine, sine = angle.cos(), angle.sin()
    pull = (force + POLE_MASS * HALF_LENGTH * angular_velocity.square() * sine) / TOTAL_MASS
    inertia = HALF_LENGTH * (4 / 3 - POLE_MASS * cosine.square() / TOTAL_MASS)
    angular_acceleration = (GRAVITY * sine - cosine * pull) / inertia
    acceleration = pull - POLE_MASS * HALF_LENGTH * angular_acceleration * cosine / TOTAL_MASS
    change = torch.stack([velocity, acceleration, angular_velocity, angular_acceleration], dim=-1)
    return state + TIME_STEP * change


class CartPole(Seeded):
    """Many independent poles.

    Parameters
    ----------
    batch_size : int or tuple of int
        The batch axes, for example ``(seeds, environments)``.
    seed : int
    step_limit : int or None
        500, as in CartPole-v1; None never truncates.
    device : str, torch.device or None
        As in :func:`rlkit.device.choose_device`.
    dtype : torch.dtype
        Gymnasium computes in float64 and reports float32.
    """

    observation_shape = (4,)
    num_actions = 2
    action_size = 0

    def __init__(
        self,
        batch_size: int | tuple[int, ...],
        seed: int,
        step_limit: int | None = 500,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.batch_shape = require_batch_shape(batch_size)
        require_step_limit(step_limit)
        self.device, self.step_limit = choose_device(device), step_limit
        self.reseed(seed)
        self.state = torch.empty(*self.batch_shape, 4, device=self.device, dtype=dtype)
        self.elapsed = torch.zeros(self.batch_shape, dtype=torch.int64, device=self.device)
        self._started = False

    def _initial_states(self) -> Tensor:
        return torch.empty_like(self.state).uniform_(-0.05, 0.05, generator=self._generator)

    def reset(self) -> Tensor:
        """Start every episode near the upright position; return the states, shape ``(*batch, 4)``."""
        self.state, self._started = self._initial_states(), True
        self.elapsed = torch.zeros_like(self.elapsed)
        return self.state

    def step(self, action: Tensor) -> Step:
        """Push each cart left (0) or right (1); ``action`` has the batch's shape.

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
        arrived = cartpole_dynamics(self.state, action)
        self.elapsed = self.elapsed + 1
        terminated = (arrived[..., 0].abs() > POSITION_LIMIT) | (arrived[..., 2].abs() > ANGLE_LIMIT)
        truncated = self.elapsed >= self.step_limit if self.step_limit else torch.zeros_like(terminated)
        ended = terminated | truncated
        self.state = torch.where(ended[..., None], self._initial_states(), arrived)
        self.elapsed = torch.where(ended, 0, self.elapsed)
        return Step(self.state, torch.ones_like(arrived[..., 0]), terminated, truncated, arrived)
