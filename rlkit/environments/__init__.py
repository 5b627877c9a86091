"""Environments that step many episodes at once as tensors, with gymnasium's meaning of the end of an episode."""

from rlkit.environments.table import Step, TableEnvironment

__all__ = ["Step", "TableEnvironment"]
