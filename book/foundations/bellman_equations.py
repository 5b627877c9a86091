"""What the bound equations of bellman.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import dynamic_programming, planning
from rlkit.mdp import FiniteMDP

S, A, GAMMA, TOLERANCE = 5, 3, 0.9, 1e-3
ROUNDING = 1e-12  # the guarantee can hold with equality: once the changes are equal in all states, it is the error


def problem(random: np.random.Generator):
    """Return P (S, A, S), r (S, A), a policy (S, A), values (S,), and the MDP as rlkit sees it."""
    P = random.dirichlet(np.ones(S), size=(S, A))
    r = random.normal(size=(S, A))
    pi = random.dirichlet(np.ones(A), size=S)
    V = random.normal(size=S)
    return P, r, pi, V, FiniteMDP(torch.from_numpy(P), torch.from_numpy(r), GAMMA)


def lookahead(P, r, V):
    """Return r(s, a) + γ Σ_s' P(s' | s, a) V(s'), written out."""
    return np.array([[r[s, a] + GAMMA * sum(P[s, a, t] * V[t] for t in range(S)) for a in range(A)] for s in range(S)])


def solve(P, r, pi):
    """Return (I − γ P_π)⁻¹ r_π."""
    P_pi = np.einsum("sa,sat->st", pi, P)
    r_pi = (pi * r).sum(axis=1)
    return np.linalg.inv(np.eye(S) - GAMMA * P_pi) @ r_pi


@equation(
    "eq-action-values",
    latex="1d2f3425f191",
    function="rlkit.dynamic_programming.action_values",
)
def _(random: np.random.Generator):
    P, r, _pi, V, mdp = problem(random)
    yield lookahead(P, r, V), dynamic_programming.action_values(mdp, torch.from_numpy(V))


@equation(
    "eq-bellman-expectation",
    latex="c211275190a0",
    function="rlkit.dynamic_programming.bellman_expectation_operator",
)
def _(random: np.random.Generator):
    P, r, pi, V, mdp = problem(random)
    Q = lookahead(P, r, V)
    expected = [sum(pi[s, a] * Q[s, a] for a in range(A)) for s in range(S)]
    policy, values = torch.from_numpy(pi), torch.from_numpy(V)
    yield expected, dynamic_programming.bellman_expectation_operator(mdp, policy, values)


@equation(
    "eq-exact-evaluation",
    latex="9439ca8382a4",
    function="rlkit.dynamic_programming.evaluate_policy",
)
def _(random: np.random.Generator):
    P, r, pi, _V, mdp = problem(random)
    yield solve(P, r, pi), dynamic_programming.evaluate_policy(mdp, torch.from_numpy(pi))


@equation(
    "eq-advantage",
    latex="3110034acfcd",
    function="rlkit.dynamic_programming.advantages",
)
def _(random: np.random.Generator):
    P, r, pi, _V, mdp = problem(random)
    V_pi = solve(P, r, pi)
    yield lookahead(P, r, V_pi) - V_pi[:, None], dynamic_programming.advantages(mdp, torch.from_numpy(pi))


@equation(
    "eq-bellman-optimality",
    latex="0fed14678536",
    function="rlkit.dynamic_programming.bellman_optimality_operator",
)
def _(random: np.random.Generator):
    P, r, _pi, V, mdp = problem(random)
    expected = [max(row) for row in lookahead(P, r, V)]
    yield expected, dynamic_programming.bellman_optimality_operator(mdp, torch.from_numpy(V))


@equation(
    "eq-greedy",
    latex="136d17f34f74",
    function="rlkit.dynamic_programming.greedy_policy",
)
def _(random: np.random.Generator):
    P, r, _pi, V, _mdp = problem(random)
    P[:, 1], r[:, 1] = P[:, 0], r[:, 0]  # two actions that always tie
    mdp = FiniteMDP(torch.from_numpy(P), torch.from_numpy(r), GAMMA)
    Q = lookahead(P, r, V)
    best = [[a for a in range(A) if np.isclose(Q[s, a], max(Q[s]), rtol=0, atol=1e-10)] for s in range(S)]
    expected = [[(a in best[s]) / len(best[s]) for a in range(A)] for s in range(S)]
    yield expected, dynamic_programming.greedy_policy(mdp, torch.from_numpy(V))


@equation(
    "eq-policy-iteration",
    latex="252aabec0de8",
    function="rlkit.planning.policy_iteration",
)
def _(random: np.random.Generator):
    P, r, _pi, _V, mdp = problem(random)
    policy = np.full((S, A), 1 / A)
    for _step in range(A**S):
        V = solve(P, r, policy)
        improved = np.eye(A)[lookahead(P, r, V).argmax(axis=1)]
        if np.array_equal(improved, policy):
            break
        policy = improved
    solution = planning.policy_iteration(mdp)
    yield V, solution.state_values
    yield policy, solution.policy


@equation(
    "eq-certificate",
    latex="7b91b5841b64",
    function="rlkit.dynamic_programming.error_bound",
)
def _(random: np.random.Generator):
    P, r, _pi, V, mdp = problem(random)
    optimum = planning.policy_iteration(mdp).state_values.numpy()
    right_side = np.abs(lookahead(P, r, V).max(axis=1) - V).max() / (1 - GAMMA)
    bound = dynamic_programming.error_bound(mdp, torch.from_numpy(V))
    yield right_side, bound
    yield True, bool(np.abs(V - optimum).max() <= bound + ROUNDING)


@equation(
    "eq-stopping",
    latex="2fd6c324165e",
    function="rlkit.planning.value_iteration",
)
def _(random: np.random.Generator):
    P, r, _pi, _V, mdp = problem(random)
    optimum = planning.policy_iteration(mdp).state_values.numpy()
    V, bound = np.zeros(S), np.inf
    while bound > TOLERANCE:
        before, V = V, lookahead(P, r, V).max(axis=1)
        bound = GAMMA / (1 - GAMMA) * np.abs(V - before).max()
    solution = planning.value_iteration(mdp, TOLERANCE)
    yield V, solution.state_values
    yield bound, solution.error_bound
    yield True, bool(np.abs(solution.state_values.numpy() - optimum).max() <= solution.error_bound + ROUNDING)


@equation(
    "eq-iterative-evaluation",
    latex="89237d95b356",
    function="rlkit.planning.iterate_policy_evaluation",
)
def _(random: np.random.Generator):
    P, r, pi, _V, mdp = problem(random)
    V, bound = np.zeros(S), np.inf
    while bound > TOLERANCE:
        before, V = V, (pi * lookahead(P, r, V)).sum(axis=1)
        bound = GAMMA / (1 - GAMMA) * np.abs(V - before).max()
    solution = planning.iterate_policy_evaluation(mdp, torch.from_numpy(pi), TOLERANCE)
    yield V, solution.state_values
    yield bound, solution.error_bound
    yield True, bool(np.abs(solution.state_values.numpy() - solve(P, r, pi)).max() <= solution.error_bound + ROUNDING)


@equation(
    "eq-modified-policy-iteration",
    latex="c49ff5501c6d",
    function="rlkit.planning.modified_policy_iteration",
)
def _(random: np.random.Generator):
    P, r, _pi, _V, mdp = problem(random)
    m, V = 3, np.zeros(S)
    while True:
        Q = lookahead(P, r, V)
        greedy, W = Q.argmax(axis=1), Q.max(axis=1)
        bound = GAMMA / (1 - GAMMA) * np.abs(W - V).max()
        if bound <= TOLERANCE:
            break
        V = W
        for _sweep in range(m):
            V = lookahead(P, r, V)[np.arange(S), greedy]
    solution = planning.modified_policy_iteration(mdp, TOLERANCE, evaluation_sweeps=m)
    yield W, solution.state_values
    yield bound, solution.error_bound
