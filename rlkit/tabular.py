r"""One-step temporal-difference control on tables: Q-learning, SARSA, expected SARSA, double Q-learning.

All four move an action value towards a target built from the next state,

.. math:: Q(s, a) \leftarrow Q(s, a) + \alpha \, [\, y - Q(s, a) \,],

and differ only in the target :math:`y`. Here each of K seeds has one table that N environments fill together.

References
----------
Watkins and Dayan (1992), "Q-learning". Rummery and Niranjan (1994) for SARSA. van Seijen, van Hasselt, Whiteson
and Wiering (2009) for expected SARSA. van Hasselt (2010), "Double Q-learning". Sutton and Barto (2018),
sections 6.4 to 6.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlkit.environments.base import Environment
from rlkit.table_learner import TableLearner, TabularConfig
from rlkit.training import EpisodeTracker, Run, require_converging, stack_history
from rlkit.validation import require_boolean, require_shapes


def q_learning_target(reward: Tensor, next_action_values: Tensor, terminated: Tensor, discount: float) -> Tensor:
    r"""Off-policy target :math:`y = r + \gamma \, (1 - d) \max_{a'} Q(s', a')`.

    Parameters
    ----------
    reward : Tensor, shape (...)
        Any leading axes: a batch, or seeds and a batch.
    next_action_values : Tensor, shape (..., A)
        The current estimate of :math:`Q(s', \cdot)` at the *final* observation of the step, not at the first one
        after an automatic reset.
    terminated : BoolTensor, shape (...)
        :math:`d`: true where the world ended the episode. Where an outer limit cut it (gymnasium's *truncated*),
        the target still bootstraps.
    discount : float
        :math:`\gamma` in [0, 1].

    Returns
    -------
    Tensor, shape (...)
        Carries no gradient.

    Raises
    ------
    ValueError
        If shapes disagree or ``terminated`` is not boolean.
    """
    require_shapes(reward="...", next_action_values="... A", terminated="...", given=locals())
    require_boolean(terminated=terminated)
    return _bootstrap(reward, next_action_values.amax(dim=-1), terminated, discount)


def sarsa_target(reward: Tensor, next_action_value: Tensor, terminated: Tensor, discount: float) -> Tensor:
    r"""On-policy target :math:`y = r + \gamma \, (1 - d) \, Q(s', a')` with the action :math:`a'` taken next.

    Parameters
    ----------
    reward, next_action_value : Tensor, shape (...)
        The second is :math:`Q(s', a')` for the next action of the policy that is followed.
    terminated : BoolTensor, shape (...)
    discount : float

    Returns
    -------
    Tensor, shape (...)
        As :func:`q_learning_target`, with the same errors.
    """
    require_shapes(reward="...", next_action_value="...", terminated="...", given=locals())
    require_boolean(terminated=terminated)
    return _bootstrap(reward, next_action_value, terminated, discount)


def expected_sarsa_target(
    reward: Tensor,
    next_action_values: Tensor,
    next_action_probabilities: Tensor,
    terminated: Tensor,
    discount: float,
) -> Tensor:
    r"""Target :math:`y = r + \gamma \, (1 - d) \sum_{a'} \pi(a' \mid s') \, Q(s', a')`.

    Parameters
    ----------
    reward : Tensor, shape (...)
    next_action_values, next_action_probabilities : Tensor, shape (..., A)
    terminated : BoolTensor, shape (...)
    discount : float

    Returns
    -------
    Tensor, shape (...)
        As :func:`q_learning_target`, with the same errors.
    """
    require_shapes(
        reward="...",
        next_action_values="... A",
        next_action_probabilities="... A",
        terminated="...",
        given=locals(),
    )
    require_boolean(terminated=terminated)
    expected = (next_action_probabilities * next_action_values).sum(dim=-1)
    return _bootstrap(reward, expected, terminated, discount)


def double_q_target(
    reward: Tensor,
    selecting_action_values: Tensor,
    evaluating_action_values: Tensor,
    terminated: Tensor,
    discount: float,
) -> Tensor:
    r"""Target :math:`y = r + \gamma \, (1 - d) \, Q_2(s', \arg\max_{a'} Q_1(s', a'))`.

    One table (or network) chooses the action and the other says what it is worth, so that a value that is too
    high by chance is not both chosen and believed.

    Parameters
    ----------
    reward : Tensor, shape (...)
    selecting_action_values, evaluating_action_values : Tensor, shape (..., A)
        :math:`Q_1(s', \cdot)` and :math:`Q_2(s', \cdot)`.
    terminated : BoolTensor, shape (...)
    discount : float

    Returns
    -------
    Tensor, shape (...)
        As :func:`q_learning_target`, with the same errors.
    """
    require_shapes(
        reward="...",
        selecting_action_values="... A",
        evaluating_action_values="... A",
        terminated="...",
        given=locals(),
    )
    require_boolean(terminated=terminated)
    chosen = selecting_action_values.argmax(dim=-1, keepdim=True)
    value = evaluating_action_values.gather(-1, chosen).squeeze(-1)
    return _bootstrap(reward, value, terminated, discount)


def _bootstrap(reward: Tensor, following: Tensor, terminated: Tensor, discount: float) -> Tensor:
    """Reward plus discounted value of what follows; filled and not multiplied, so that NaN after an end is harmless."""
    return (reward + discount * following.masked_fill(terminated, 0.0)).detach()


DEFAULTS = TabularConfig()
TARGETS: dict[str, Callable[..., Tensor]] = {
    "q_learning": q_learning_target,
    "sarsa": sarsa_target,
    "expected_sarsa": expected_sarsa_target,
    "double_q_learning": double_q_target,
}


@dataclass(frozen=True, eq=False)
class TabularResult:
    """What was learned, and how.

    Attributes
    ----------
    action_values : Tensor, shape (K, S, A)
        For double Q-learning the mean of both tables.
    history : dict of str to Tensor
        ``steps`` (R,) of each environment; ``return`` (R, K), mean undiscounted return of the episodes that ended
        since the last record, NaN if none did; ``action_values`` (R, K, S, A).
    ended : str
        ``"completed"``, or why not.
    """

    action_values: Tensor
    history: dict[str, Tensor]
    ended: str


def train(
    environment: Environment,
    config: TabularConfig = DEFAULTS,
    target: Callable[..., Tensor] | None = None,
    progress: bool = False,
) -> TabularResult:
    """Learn one table per seed, all seeds at once.

    Parameters
    ----------
    environment : Environment
        With batch axes (K seeds, N environments) and discrete observations and actions.
    config : TabularConfig
    target : callable, optional
        Instead of the method's own target, with the same arguments; shapes (K, N) and (K, N, A).
    progress : bool
        Show a progress bar.

    Returns
    -------
    TabularResult

    Raises
    ------
    ValueError
        If observations or actions are not discrete.
    """
    learner = TableLearner(environment, config, target or TARGETS[config.method])
    tracker, records = EpisodeTracker(environment), []
    run = Run(config.num_steps, config.method, progress)
    with run:
        for step in run:
            tracker.record(learner.step(config.epsilon_at(step)))
            if (step + 1) % config.record_every == 0 or step + 1 == config.num_steps:
                values = learner.action_values()
                require_converging("action value", values, step + 1)
                records.append(
                    {"steps": torch.tensor(step + 1), "return": tracker.interval_return(), "action_values": values}
                )
    return TabularResult(learner.action_values(), stack_history(records), run.ended)
