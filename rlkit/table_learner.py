"""The step that all tabular learners share: act, look one step ahead, move the visited cells.

Kept apart from :mod:`rlkit.tabular`, where the targets are, so that each file can be read at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from rlkit.environments.base import Environment, Step
from rlkit.exploration import action_probabilities, epsilon_greedy
from rlkit.seeding import make_generator
from rlkit.training import require_converging
from rlkit.validation import require_discount, require_probability

METHODS = ("q_learning", "sarsa", "expected_sarsa", "double_q_learning")


@dataclass(frozen=True)
class TabularConfig:
    r"""Settings of a tabular learner.

    The step size of a cell is :math:`\alpha\, n^{-\omega}` with :math:`n` its visits so far: ``learning_rate``
    :math:`\alpha` and ``learning_rate_power`` :math:`\omega`. ``num_steps`` counts steps of each environment.
    ``final_epsilon`` lets epsilon fall linearly over the run. ``record_every`` steps a row of history is kept.
    """

    method: str = "q_learning"
    num_steps: int = 10_000
    discount: float = 0.99
    learning_rate: float = 0.1
    learning_rate_power: float = 0.0
    epsilon: float = 0.1
    final_epsilon: float | None = None
    initial_value: float = 0.0
    record_every: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}, expected one of {', '.join(METHODS)}")
        require_discount(self.discount)
        require_probability(epsilon=self.epsilon, final_epsilon=self.final_epsilon or 0.0)
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate is {self.learning_rate!r}, expected a number in (0, 1]")
        for name in ("num_steps", "record_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")

    def epsilon_at(self, step: int) -> float:
        """Epsilon of a step."""
        last = self.epsilon if self.final_epsilon is None else self.final_epsilon
        return self.epsilon + (last - self.epsilon) * step / self.num_steps


class TableLearner:
    """K tables that N environments each fill together.

    Where several environments of a seed visit the same cell in one step, their errors are summed and the cell's
    whole step is limited to 1: it then moves to the mean of its targets and not beyond.
    """

    def __init__(self, environment: Environment, config: TabularConfig, target: Callable[..., Tensor]) -> None:
        if environment.observation_shape != () or not environment.num_actions:
            raise ValueError(
                f"{type(environment).__name__} has observations of shape {environment.observation_shape} and "
                f"{environment.num_actions} discrete actions; a table needs discrete states and actions "
                "(rlkit.deep_q_learning takes vectors)"
            )
        if len(environment.batch_shape) != 2:
            raise ValueError(
                f"the environment has batch axes {environment.batch_shape}, expected (seeds, environments)"
            )
        self._environment, self._config, self._target = environment, config, target
        self._seeds, self._environments = environment.batch_shape
        self._actions = environment.num_actions
        self._states: int = environment.num_observations  # type: ignore[attr-defined]
        device = environment.device
        self._choices = make_generator(config.seed, "actions", device)
        self._coins = make_generator(config.seed, "tables", device)
        num_tables = 2 if config.method == "double_q_learning" else 1
        self._cells = self._seeds * self._states * self._actions
        self._tables = torch.full((num_tables, self._cells), config.initial_value, device=device)
        self._counts = torch.zeros(num_tables * self._cells, device=device)
        self._row = torch.arange(self._seeds, device=device)[:, None] * self._states
        self._observation = environment.reset()
        self._action: Tensor | None = None
        self._taken = 0

    def action_values(self) -> Tensor:
        """Mean of the tables, shape (K, S, A), a copy."""
        return self._tables.mean(dim=0).view(self._seeds, self._states, self._actions)

    def _look_up(self, state: Tensor) -> Tensor:
        """Action values of every table, shape (tables, K, N, A)."""
        rows = self._tables.view(len(self._tables), -1, self._actions)
        return torch.stack([embedding(self._row + state, table) for table in rows])

    def _choose(self, state: Tensor, epsilon: float) -> Tensor:
        values = self._look_up(state)
        return epsilon_greedy(values.mean(dim=0) if len(values) > 1 else values[0], epsilon, self._choices)

    def step(self, epsilon: float) -> Step:
        """Take one step in every environment and learn from it."""
        state, action = self._observation, self._action
        if action is None:
            action = self._choose(state, epsilon)
        step = self._environment.step(action)
        step = step._replace(reward=step.reward.to(torch.float32))
        self._taken += 1
        targets, table = self._targets(step, epsilon)
        cell = (self._row + state) * self._actions + action
        if table is not None:
            cell = cell + table * self._cells
        error = targets - self._tables.take(cell)
        require_converging("temporal-difference error", error, self._taken)
        self._tables.view(-1).index_add_(0, cell.view(-1), (self._step_size(cell) * error).view(-1))
        self._observation = step.observation
        return step

    def _targets(self, step: Step, epsilon: float) -> tuple[Tensor, Tensor | None]:
        """Targets (K, N), and which table to move where there are two."""
        method, discount, terminated = self._config.method, self._config.discount, step.terminated
        values = self._look_up(step.final_observation)
        if method == "q_learning":
            return self._target(step.reward, values[0], terminated, discount), None
        if method == "expected_sarsa":
            probabilities = action_probabilities(values[0], epsilon)
            return self._target(step.reward, values[0], probabilities, terminated, discount), None
        if method == "sarsa":
            following = self._choose(step.final_observation, epsilon)
            value = values[0].gather(-1, following[..., None]).squeeze(-1)
            ended = terminated | step.truncated
            if ended.any():  # the next episode begins elsewhere and needs an action of its own
                following = torch.where(ended, self._choose(step.observation, epsilon), following)
            self._action = following
            return self._target(step.reward, value, terminated, discount), None
        table = torch.randint(2, terminated.shape, generator=self._coins, device=terminated.device)
        first = (table == 0)[..., None]
        selecting = torch.where(first, values[0], values[1])
        evaluating = torch.where(first, values[1], values[0])
        return self._target(step.reward, selecting, evaluating, terminated, discount), table

    def _step_size(self, cell: Tensor) -> Tensor | float:
        """Share of its error by which each visit moves its cell, shape (K, N)."""
        rate: Tensor | float = self._config.learning_rate
        power = self._config.learning_rate_power
        if self._environments == 1 and power == 0:
            return rate
        flat = cell.view(-1)
        ones = torch.ones_like(flat, dtype=torch.float32)
        visits = torch.zeros_like(self._counts).index_add_(0, flat, ones).take(flat)
        if power:
            self._counts.index_add_(0, flat, ones)
            rate = rate * self._counts.take(flat).pow(-power)
        return ((rate * visits).clamp_max(1.0) / visits).view(cell.shape)
