r"""Planning in a known MDP: Bellman operators, exact evaluation, and solvers with a guaranteed error.

For a policy :math:`\pi` and for the best one,

.. math::
    (T_\pi V)(s) &= \sum_a \pi(a \mid s) \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a) V(s') \Big] \\
    (T V)(s) &= \max_a \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a) V(s') \Big].

Both are :math:`\gamma`-contractions in the maximum norm, so :math:`V_\pi = T_\pi V_\pi` and
:math:`V^* = T V^*` have one solution each, and for any :math:`V`

.. math:: \| V - V^* \|_\infty \le \frac{\| T V - V \|_\infty}{1 - \gamma}.

The solvers of ``rlkit.planning`` stop on that bound. It holds in exact arithmetic; rounding adds about machine
epsilon times :math:`\max |V| / (1 - \gamma)`.

References
----------
Puterman (1994), sections 6.1 to 6.5. Sutton and Barto (2018), chapter 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.mdp import FiniteMDP
from rlkit.validation import require_distribution

LARGEST_DENSE_SOLVE = 5_000


def action_values(mdp: FiniteMDP, state_values: Tensor) -> Tensor:
    r"""One-step lookahead :math:`Q(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a) V(s')`.

    Parameters
    ----------
    mdp : FiniteMDP
    state_values : Tensor, shape (S,)

    Returns
    -------
    Tensor, shape (S, A)
        Minus infinity for actions that are not admissible.
    """
    values = mdp.expected_rewards + mdp.discount * mdp.expected_next_values(state_values)
    return values if mdp.every_action_is_admissible else values.masked_fill(~mdp.admissible, -torch.inf)


def bellman_expectation_operator(mdp: FiniteMDP, policy: Tensor, state_values: Tensor) -> Tensor:
    r"""Apply :math:`T_\pi` once.

    Parameters
    ----------
    mdp : FiniteMDP
    policy : Tensor, shape (S, A)
        :math:`\pi(a \mid s)`.
    state_values : Tensor, shape (S,)

    Returns
    -------
    Tensor, shape (S,)
    """
    require_policy(mdp, policy)
    # Actions outside the policy may have value minus infinity, and 0 times infinity is NaN.
    return torch.where(policy > 0, policy * action_values(mdp, state_values), 0.0).sum(dim=1)


def bellman_optimality_operator(mdp: FiniteMDP, state_values: Tensor) -> Tensor:
    """Apply :math:`T` once: the best one-step lookahead in every state.

    Parameters
    ----------
    mdp : FiniteMDP
    state_values : Tensor, shape (S,)

    Returns
    -------
    Tensor, shape (S,)
    """
    return action_values(mdp, state_values).amax(dim=1)


def greedy_policy(mdp: FiniteMDP, state_values: Tensor, tolerance: float = 1e-9) -> Tensor:
    """Policy that takes the best one-step lookahead; actions within ``tolerance`` of it share equally.

    Returns
    -------
    Tensor, shape (S, A)
    """
    values = action_values(mdp, state_values)
    best = values >= values.amax(dim=1, keepdim=True) - tolerance
    return best.to(values.dtype) / best.sum(dim=1, keepdim=True)


def induced_chain(mdp: FiniteMDP, policy: Tensor) -> tuple[Tensor, Tensor]:
    r"""Markov chain and expected reward under a policy.

    Returns
    -------
    Tensor, shape (S, S)
        :math:`P_\pi(s' \mid s) = \sum_a \pi(a \mid s) P(s' \mid s, a)`.
    Tensor, shape (S,)
        :math:`r_\pi(s) = \sum_a \pi(a \mid s) r(s, a)`.
    """
    require_policy(mdp, policy)
    if mdp.num_states > LARGEST_DENSE_SOLVE:
        raise ValueError(
            f"a dense chain of {mdp.num_states} states needs {mdp.num_states**2 * 8 / 1e9:.0f} GB, "
            f"expected at most {LARGEST_DENSE_SOLVE} states; use iterate_policy_evaluation"
        )
    if mdp.next_states is None:
        chain = (policy[..., None] * mdp.transition_probabilities).sum(dim=1)
    else:
        weights = (policy[..., None] * mdp.transition_probabilities).flatten(1)
        chain = policy.new_zeros(mdp.num_states, mdp.num_states).scatter_add_(1, mdp.next_states.flatten(1), weights)
    return chain, (policy * mdp.expected_rewards).sum(dim=1)


def evaluate_policy(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    r"""Exact values of a policy from the linear system :math:`(I - \gamma P_\pi) V = r_\pi`.

    Returns
    -------
    Tensor, shape (S,)

    Raises
    ------
    ValueError
        If the discount is 1 and the policy never ends from some state: the system is singular.
    """
    chain, rewards = _chain_until_the_end(mdp, policy)
    identity = torch.eye(len(chain), dtype=chain.dtype, device=chain.device)
    return torch.linalg.solve(identity - mdp.discount * chain, rewards)


def occupancy(mdp: FiniteMDP, policy: Tensor, initial_distribution: Tensor | None = None) -> Tensor:
    r"""Discounted time spent in each state, :math:`\rho_\pi(s) = \sum_t \gamma^t \Pr(s_t = s)`.

    Solves :math:`(I - \gamma P_\pi^\top) \rho = \mu`. The sum over states is :math:`1 / (1 - \gamma)`.
    With discount 1 it is the expected number of visits, where a terminal state counts its arrival only.

    Parameters
    ----------
    mdp : FiniteMDP
    policy : Tensor, shape (S, A)
    initial_distribution : Tensor, shape (S,), optional
        :math:`\mu`; the MDP's own if left out.

    Returns
    -------
    Tensor, shape (S,)
    """
    chain, _ = _chain_until_the_end(mdp, policy)
    start = mdp.initial_distribution if initial_distribution is None else initial_distribution
    identity = torch.eye(len(chain), dtype=chain.dtype, device=chain.device)
    return torch.linalg.solve(identity - mdp.discount * chain.T, start)


def advantages(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    r""":math:`A_\pi(s, a) = Q_\pi(s, a) - V_\pi(s)`, shape (S, A)."""
    state_values = evaluate_policy(mdp, policy)
    return action_values(mdp, state_values) - state_values[:, None]


def error_bound(mdp: FiniteMDP, state_values: Tensor) -> float:
    r"""Upper bound on :math:`\| V - V^* \|_\infty`: the Bellman residual divided by :math:`1 - \gamma`."""
    residual = (bellman_optimality_operator(mdp, state_values) - state_values).abs().max().item()
    return residual / (1 - mdp.discount) if mdp.discount < 1 else torch.inf


def require_policy(mdp: FiniteMDP, policy: Tensor) -> None:
    """Raise ``ValueError`` unless a policy has shape (S, A), rows that sum to 1, and admissible actions only."""
    expected = (mdp.num_states, mdp.num_actions)
    if not isinstance(policy, Tensor) or tuple(policy.shape) != expected:
        given = tuple(policy.shape) if isinstance(policy, Tensor) else type(policy).__name__
        raise ValueError(f"policy has shape {given}, expected {expected}: a probability for each action in each state")
    require_distribution(policy, "action probabilities of state {0}")
    forbidden = (policy > 0) & ~mdp.admissible
    if forbidden.any():
        state, action = forbidden.nonzero()[0].tolist()
        raise ValueError(f"the policy takes action {action} in state {state}, where it is not admissible")


def _chain_until_the_end(mdp: FiniteMDP, policy: Tensor) -> tuple[Tensor, Tensor]:
    """Chain and rewards in which a terminal state leads nowhere; refuses a policy that may go on for ever."""
    chain, rewards = induced_chain(mdp, policy)
    if mdp.discount < 1:
        return chain, rewards
    chain = chain.masked_fill(mdp.terminal[:, None], 0.0)
    ends, grown = torch.zeros_like(mdp.terminal), mdp.terminal
    while not torch.equal(ends, grown):
        ends, grown = grown, grown | ((chain > 0) & grown).any(dim=1)
    if not ends.all():
        raise ValueError(
            f"discount is 1 and under this policy state {int((~ends).nonzero()[0])} never reaches a terminal state, "
            "so its value is not defined; use a discount below 1 or a policy that ends"
        )
    return chain, rewards
