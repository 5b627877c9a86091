"""Environments that step many episodes at once as tensors, with gymnasium's meaning of the end of an episode."""

from rlkit.environments.base import Environment, LimitAsEnding, Step
from rlkit.environments.cartpole import CartPole
from rlkit.environments.catch import Catch
from rlkit.environments.gymnasium_bridge import GymnasiumEnvironment, as_gymnasium_vector, make_environment
from rlkit.environments.table import TableEnvironment

__all__ = [
    "CartPole", "Catch", "Environment", "GymnasiumEnvironment", "LimitAsEnding", "Step", "TableEnvironment",
    "as_gymnasium_vector", "make_environment",
]  # fmt: skip
