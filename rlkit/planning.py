r"""Solvers for a known MDP that say how far their answer can be from the optimum.

* Value iteration applies :math:`T` until the guaranteed error is small enough.
* Policy iteration solves :math:`V_\pi` exactly and takes the greedy policy, until that policy is stable.
* Modified policy iteration does a few sweeps of :math:`T_\pi` instead of the exact solve.

After a step :math:`W = T V` the guaranteed error of :math:`W` is

.. math:: \| W - V^* \|_\infty \le \frac{\gamma}{1 - \gamma} \| W - V \|_\infty .

Stopping as soon as :math:`\| W - V \|_\infty` is below the tolerance would promise only
:math:`\gamma / (1 - \gamma)` times the tolerance: 99 times as much at :math:`\gamma = 0.99`.

References
----------
Puterman (1994), sections 6.3 to 6.5. Sutton and Barto (2018), sections 4.3, 4.4 and 4.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from rlkit.dynamic_programming import (
    action_values,
    bellman_expectation_operator,
    bellman_optimality_operator,
    evaluate_policy,
    greedy_policy,
    require_policy,
)
from rlkit.grid_backup import GridBackup
from rlkit.gridworld import Gridworld
from rlkit.mdp import FiniteMDP
from rlkit.neighbours import neighbour_matrix

SWEEPS_BETWEEN_CHECKS = 10


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found and how it ended.

    Attributes
    ----------
    state_values : Tensor, shape (S,)
    policy : Tensor, shape (S, A) or None
        Greedy for ``state_values``, ties shared; None where the solver worked on a grid without tables.
    error_bound : float
        Guaranteed bound on the largest distance of ``state_values`` from the optimal values (for an
        evaluation: from the values of the policy), rounding aside.
    num_iterations : int
        Sweeps of value iteration, improvement steps of policy iteration.
    converged : bool
        Whether the tolerance was met before the limit of iterations.
    residuals : list of float
        Largest change of each sweep or step that was measured.
    """

    state_values: Tensor
    policy: Tensor | None
    error_bound: float
    num_iterations: int
    converged: bool
    residuals: list[float] = field(repr=False)


def value_iteration(
    model: FiniteMDP | Gridworld | GridBackup,
    tolerance: float = 1e-6,
    initial_values: Tensor | None = None,
    max_sweeps: int = 1_000_000,
    progress: bool = False,
) -> Solution:
    """Apply the optimality operator until the guaranteed error is at most ``tolerance``.

    Parameters
    ----------
    model : FiniteMDP, Gridworld or GridBackup
        A grid is swept without tables, in float64 on the CPU; give a ``GridBackup`` for another device or type.
    tolerance : float
        Largest allowed distance from the optimal values, in units of value.
    initial_values : Tensor, shape (S,), optional
        Zero if left out.
    max_sweeps : int
        Give up after so many sweeps; the solution then says that it did not converge.
    progress : bool
        Show a progress bar of sweeps.

    Raises
    ------
    ValueError
        If the discount is 1, where there is no such guarantee; use ``policy_iteration`` there.
    """
    _require_guarantee(model.discount, tolerance)
    if isinstance(model, Gridworld):
        model = GridBackup(model) if model.discount > 0 else model.mdp()
    if isinstance(model, GridBackup):
        return _grid_value_iteration(model, tolerance, initial_values, max_sweeps, progress)
    values = model.rewards.new_zeros(model.num_states) if initial_values is None else initial_values
    residuals: list[float] = []
    bound = torch.inf
    bar = tqdm(total=max_sweeps, desc="value iteration", unit="sweep", disable=not progress)
    while bound > tolerance and len(residuals) < max_sweeps:
        improved = bellman_optimality_operator(model, values)
        bound = _record_change(residuals, values, improved, model.discount)
        values = improved
        bar.update()
    bar.close()
    policy = greedy_policy(model, values)
    return Solution(values, policy, bound, len(residuals), bound <= tolerance, residuals)


def _grid_value_iteration(
    backup: GridBackup, tolerance: float, initial_values: Tensor | None, max_sweeps: int, progress: bool
) -> Solution:
    backup.load(initial_values)
    residuals: list[float] = []
    bound, sweeps = torch.inf, 0
    bar = tqdm(total=max_sweeps, desc="value iteration", unit="sweep", disable=not progress)
    while bound > tolerance and sweeps < max_sweeps:
        unmeasured = min(SWEEPS_BETWEEN_CHECKS, max_sweeps - sweeps) - 1
        for index in range(unmeasured):
            backup.sweep(reverse=index % 2 == 0)
        residuals.append(backup.change_of_a_sweep())
        _stop_on_nan(residuals)
        bound = backup.discount / (1 - backup.discount) * residuals[-1]
        sweeps += unmeasured + 1
        bar.update(unmeasured + 1)
    bar.close()
    return Solution(backup.state_values(), None, bound, sweeps, bound <= tolerance, residuals)


def policy_iteration(mdp: FiniteMDP, initial_policy: Tensor | None = None, max_steps: int = 1_000) -> Solution:
    """Alternate exact evaluation and greedy improvement until no state can improve.

    Parameters
    ----------
    mdp : FiniteMDP
        At most a few thousand states: each evaluation solves a dense linear system.
    initial_policy : Tensor, shape (S, A), optional
        Uniform over admissible actions if left out, so that with discount 1 it ends wherever an end can be reached.
    max_steps : int

    Returns
    -------
    Solution
        With ``error_bound`` from the Bellman residual of the last values (0 up to rounding).
    """
    policy = initial_policy
    if policy is None:
        policy = mdp.admissible.to(mdp.rewards.dtype) / mdp.admissible.sum(dim=1, keepdim=True)
    require_policy(mdp, policy)
    residuals: list[float] = []
    while True:
        values = evaluate_policy(mdp, policy)
        lookahead = action_values(mdp, values)
        residuals.append(float((lookahead.amax(dim=1) - values).abs().max()))
        # Without a margin for rounding, two equally good actions could take turns for ever.
        margin = 1e3 * torch.finfo(values.dtype).eps * max(1.0, float(values.abs().max()))
        if residuals[-1] <= margin or len(residuals) == max_steps:
            break
        improves = lookahead.amax(dim=1) > values + margin
        best = torch.nn.functional.one_hot(lookahead.argmax(dim=1), mdp.num_actions).to(policy.dtype)
        policy = torch.where(improves[:, None], best, policy)
    bound = residuals[-1] / (1 - mdp.discount) if mdp.discount < 1 else residuals[-1]
    return Solution(values, greedy_policy(mdp, values), bound, len(residuals), residuals[-1] <= margin, residuals)


def modified_policy_iteration(
    mdp: FiniteMDP,
    tolerance: float = 1e-6,
    evaluation_sweeps: int = 20,
    initial_values: Tensor | None = None,
    max_steps: int = 100_000,
) -> Solution:
    """Improve greedily, then evaluate by a few sweeps, until the guaranteed error is at most ``tolerance``.

    Parameters
    ----------
    mdp : FiniteMDP
    tolerance : float
        Largest allowed distance from the optimal values.
    evaluation_sweeps : int
        Sweeps of :math:`T_\\pi` after each improvement; 0 is value iteration.
    initial_values : Tensor, shape (S,), optional
        Zero if left out.
    max_steps : int
        Largest number of improvements.
    """
    _require_guarantee(mdp.discount, tolerance)
    values = mdp.rewards.new_zeros(mdp.num_states) if initial_values is None else initial_values
    residuals: list[float] = []
    states = torch.arange(mdp.num_states, device=values.device)
    while True:
        improved, actions = action_values(mdp, values).max(dim=1)
        bound = _record_change(residuals, values, improved, mdp.discount)
        values = improved
        if bound <= tolerance or len(residuals) == max_steps:
            break
        # One action per state: each sweep touches (S, K) numbers, not (S, A, K).
        rewards = mdp.expected_rewards[states, actions]
        chain = mdp.discount * mdp.transition_probabilities[states, actions]
        if mdp.next_states is not None:
            chain = neighbour_matrix(chain, mdp.next_states[states, actions], mdp.num_states)
        for _ in range(evaluation_sweeps):
            values = torch.mv(chain, values).add_(rewards)
    return Solution(values, greedy_policy(mdp, values), bound, len(residuals), bound <= tolerance, residuals)


def iterate_policy_evaluation(
    mdp: FiniteMDP, policy: Tensor, tolerance: float = 1e-6, max_sweeps: int = 1_000_000
) -> Solution:
    r"""Apply :math:`T_\pi` until the guaranteed error of :math:`V_\pi` is at most ``tolerance``."""
    _require_guarantee(mdp.discount, tolerance)
    values = mdp.rewards.new_zeros(mdp.num_states)
    residuals: list[float] = []
    bound = torch.inf
    while bound > tolerance and len(residuals) < max_sweeps:
        updated = bellman_expectation_operator(mdp, policy, values)
        bound = _record_change(residuals, values, updated, mdp.discount)
        values = updated
    return Solution(values, policy, bound, len(residuals), bound <= tolerance, residuals)


def _record_change(residuals: list[float], before: Tensor, after: Tensor, discount: float) -> float:
    residuals.append(float((after - before).abs().max()))
    _stop_on_nan(residuals)
    return discount / (1 - discount) * residuals[-1]


def _stop_on_nan(residuals: list[float]) -> None:
    if not residuals[-1] < torch.inf:
        raise ValueError(f"the values became {residuals[-1]} in sweep {len(residuals)}; are the initial values finite?")


def _require_guarantee(discount: float, tolerance: float) -> None:
    if discount == 1:
        raise ValueError("discount is 1, where no error bound exists; use policy_iteration, which solves exactly")
    if not tolerance > 0:
        raise ValueError(f"tolerance is {tolerance!r}, expected a number above 0")
