"""Right answers to *bellman* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("q_from_v")
def q_by_loops(P, r, discount, values):
    """Plain loops and Python lists."""
    S, A = len(P), len(P[0])
    return [
        [float(r[s, a]) + discount * sum(float(P[s, a, t]) * float(values[t]) for t in range(S)) for a in range(A)]
        for s in range(S)
    ]


@alternative("q_from_v")
def q_by_numpy(P, r, discount, values):
    """NumPy in, NumPy out."""
    return r.numpy() + discount * np.einsum("sat,t->sa", P.numpy(), values.numpy())


@alternative("expectation_backup")
def expectation_by_chain(P, r, discount, policy, values):
    """First the induced chain, then one product."""
    chain = (policy[:, :, None] * P).sum(1)
    return (policy * r).sum(1) + discount * chain.mv(values)


@alternative("expectation_backup")
def expectation_by_loops(P, r, discount, policy, values):
    """Plain loops."""
    S, A = policy.shape
    out = torch.zeros(S, dtype=torch.float64)
    for s in range(S):
        for a in range(A):
            out[s] += policy[s, a] * (r[s, a] + discount * torch.dot(P[s, a], values))
    return out


@alternative("optimality_backup")
def optimality_by_max(P, r, discount, values):
    """`max` returns values and indices."""
    best, _ = torch.max(r + discount * torch.matmul(P, values), dim=-1)
    return best


@alternative("optimality_backup")
def optimality_by_lists(P, r, discount, values):
    """Lists."""
    return [max(float(r[s, a] + discount * (P[s, a] * values).sum()) for a in range(r.shape[1])) for s in range(len(r))]


@alternative("evaluate_policy")
def evaluation_by_inverse(P, r, discount, policy):
    """The inverse, which is less accurate and still right."""
    chain = torch.bmm(policy[:, None, :], P).squeeze(1)
    return torch.linalg.inv(torch.eye(len(r)).double() - discount * chain) @ (policy * r).sum(-1)


@alternative("evaluate_policy")
def evaluation_by_numpy(P, r, discount, policy):
    """NumPy."""
    pi, p, rewards = policy.numpy(), P.numpy(), r.numpy()
    chain = np.einsum("sa,sat->st", pi, p)
    return np.linalg.solve(np.eye(len(rewards)) - discount * chain, (pi * rewards).sum(1))


@alternative("advantages")
def advantages_by_unsqueeze(P, r, discount, values):
    """Another spelling of the axis."""
    return r + discount * P @ values - values.unsqueeze(-1)


@alternative("advantages")
def advantages_by_loops(P, r, discount, values):
    """Lists."""
    return [
        [float(r[s, a] + discount * (P[s, a] @ values) - values[s]) for a in range(r.shape[1])] for s in range(len(r))
    ]


@alternative("greedy_policy")
def greedy_by_loops(action_values, tolerance):
    """Lists."""
    rows = []
    for row in action_values.tolist():
        best = [value for value in row if value >= max(row) - tolerance]
        rows.append([1 / len(best) if value >= max(row) - tolerance else 0.0 for value in row])
    return rows


@alternative("greedy_policy")
def greedy_in_float32(action_values, tolerance):
    """A policy of float32."""
    gap = action_values.max(dim=1, keepdim=True).values - action_values
    best = (gap <= tolerance).float()
    return best / best.sum(1, keepdim=True)


@alternative("value_iteration")
def iteration_by_number_of_sweeps(P, r, discount, epsilon):
    """Enough sweeps computed in advance: the error falls by the discount every sweep."""
    values = torch.zeros(len(r), dtype=torch.float64)
    error = float(r.abs().max()) / (1 - discount)
    while error > epsilon:
        values = (r + discount * P @ values).amax(1)
        error *= discount
    return values


@alternative("value_iteration")
def iteration_in_place(P, r, discount, epsilon):
    """Gauss-Seidel: each state uses the newest values; the same bound holds."""
    S, A = r.shape
    p, rewards, values = P.numpy(), r.numpy(), np.zeros(S)
    while True:
        change = 0.0
        for s in range(S):
            new = (rewards[s] + discount * p[s] @ values).max()
            change = max(change, abs(new - values[s]))
            values[s] = new
        if change * discount / (1 - discount) <= epsilon:
            return values.tolist()


@alternative("policy_iteration")
def improvement_by_linear_search(P, r, discount):
    """Change one state at a time (the simplex method's rule)."""
    S, A = r.shape
    actions = [A - 1] * S
    while True:
        chain, rewards = P[range(S), actions], r[range(S), actions]
        values = torch.linalg.solve(torch.eye(S).double() - discount * chain, rewards)
        gain = r + discount * P @ values - values[:, None]
        if gain.max() < 1e-9:
            return torch.eye(A).double()[actions], values
        place = int(gain.argmax())
        actions[place // A] = place % A


@alternative("policy_iteration")
def improvement_with_shared_ties(P, r, discount):
    """Ties shared within a tolerance: such a policy does repeat."""
    policy = torch.full(r.shape, 1 / r.shape[1], dtype=torch.float64)
    while True:
        chain, rewards = torch.einsum("sa,sat->st", policy, P), (policy * r).sum(1)
        values = torch.linalg.solve(torch.eye(len(r)).double() - discount * chain, rewards)
        action_values = r + discount * P @ values
        best = (action_values >= action_values.amax(1, keepdim=True) - 1e-9).double()
        improved = best / best.sum(1, keepdim=True)
        if torch.equal(improved, policy):
            return policy, values
        policy = improved


@alternative("policy_iteration")
def value_iteration_first(P, r, discount):
    """Find the policy by very long value iteration, then evaluate it exactly."""
    values = torch.zeros(len(r), dtype=torch.float64)
    for _ in range(5_000):
        values = (r + discount * P @ values).amax(1)
    policy = torch.nn.functional.one_hot((r + discount * P @ values).argmax(1), r.shape[1]).double()
    chain = (policy[:, :, None] * P).sum(1)
    return policy, torch.linalg.solve(torch.eye(len(r)).double() - discount * chain, (policy * r).sum(1))
