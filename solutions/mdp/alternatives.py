"""Right answers to *mdp* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("slippery_transitions")
def transitions_by_matrices(rows, slip):
    """One permutation-like matrix per direction, then mixtures of them."""
    free = np.array([[x != "#" for x in row] for row in rows])
    index = np.where(free, free.cumsum().reshape(free.shape) - 1, -1)
    padded = np.pad(index, 1, constant_values=-1)
    count = int(free.sum())
    own = index[free]
    steps = []
    for di, dj in ((-1, 0), (0, 1), (1, 0), (0, -1)):
        there = padded[1 + di : 1 + di + index.shape[0], 1 + dj : 1 + dj + index.shape[1]][free]
        steps.append(np.eye(count)[np.where(there < 0, own, there)])
    ends = np.array([x in "GP" for row in rows for x in row if x != "#"])
    P = np.stack([(1 - slip) * steps[a] + slip / 2 * (steps[a - 1] + steps[(a + 1) % 4]) for a in range(4)], axis=1)
    P[ends] = np.eye(count)[ends][:, None, :]
    return P


@alternative("slippery_transitions")
def transitions_by_lists(rows, slip):
    """Lists of lists."""
    cells = [(i, j) for i in range(len(rows)) for j in range(len(rows[i])) if rows[i][j] != "#"]
    P = [[[0.0] * len(cells) for _ in range(4)] for _ in cells]
    compass = "URDL"
    offset = {"U": (-1, 0), "R": (0, 1), "D": (1, 0), "L": (0, -1)}
    sides = {"U": "LR", "D": "LR", "L": "UD", "R": "UD"}
    for s, (i, j) in enumerate(cells):
        for a, d in enumerate(compass):
            for direction, chance in [(d, 1 - slip), (sides[d][0], slip / 2), (sides[d][1], slip / 2)]:
                t = (i + offset[direction][0], j + offset[direction][1])
                if t not in cells or rows[i][j] in ("G", "P"):
                    t = (i, j)
                P[s][a][cells.index(t)] += chance
    return P


@alternative("expected_rewards")
def rewards_by_einsum(P, R):
    """Einstein summation."""
    return torch.einsum("sat,sat->sa", P, R)


@alternative("expected_rewards")
def rewards_by_numpy(P, R):
    """NumPy."""
    return np.sum(P.numpy() * R.numpy(), axis=-1)


@alternative("validate_mdp")
def validation_by_loops(P, r, discount):
    """Loops and math."""
    import math

    if P.dim() != 3:
        raise ValueError("P needs three axes")
    S, A, T = P.shape
    if T != S or tuple(r.shape) != (S, A):
        raise ValueError(f"shapes {tuple(P.shape)} and {tuple(r.shape)} do not fit")
    for s in range(S):
        for a in range(A):
            row = P[s, a].tolist()
            if any(math.isnan(p) or p < 0 for p in row):
                raise ValueError(f"state {s}, action {a} has a bad probability")
            if abs(sum(row) - 1) > 1e-6:
                raise ValueError(f"state {s}, action {a}: sum is {sum(row)}")
            if not math.isfinite(r[s, a]):
                raise ValueError(f"state {s}, action {a} has a bad reward")
    if math.isnan(discount) or discount < 0 or discount > 1:
        raise ValueError("bad discount")


@alternative("validate_mdp")
def validation_by_numpy(P, r, discount):
    """NumPy."""
    p, rewards = np.asarray(P), np.asarray(r)
    if p.ndim != 3 or p.shape[0] != p.shape[2] or rewards.shape != p.shape[:2]:
        raise ValueError("shapes")
    if not (p >= 0).all():
        raise ValueError("negative or NaN")
    sums = p.sum(-1)
    bad = np.argwhere(~np.isclose(sums, 1, rtol=0, atol=1e-6))
    if len(bad):
        s, a = bad[0]
        raise ValueError(f"probabilities of state {s}, action {a} sum to {sums[s, a]:.4f}")
    if not np.isfinite(rewards).all() or not (discount >= 0 and discount <= 1):
        raise ValueError("reward or discount")
    return None


@alternative("make_absorbing")
def absorbing_by_loop(P, r, terminal):
    """A loop over states."""
    P, r = P.clone(), r.clone()
    for s, ends in enumerate(terminal):
        if ends:
            P[s] = 0
            P[s, :, s] = 1
            r[s] = 0
    return P, r


@alternative("make_absorbing")
def absorbing_by_arithmetic(P, r, terminal):
    """Masks as numbers."""
    keep = (~terminal).double()
    stay = torch.diag(terminal.double())[:, None, :]
    return [keep[:, None, None] * P + stay, keep[:, None] * r]


@alternative("induced_chain")
def chain_by_einsum(P, r, policy):
    """Einstein summation."""
    return torch.einsum("sa,sat->st", policy, P), torch.einsum("sa,sa->s", policy, r)


@alternative("induced_chain")
def chain_by_bmm(P, r, policy):
    """Batched matrix products."""
    return (policy.unsqueeze(1) @ P).squeeze(1).numpy(), (policy * r).sum(-1).numpy()


@alternative("occupancy")
def occupancy_by_series(P, policy, start, discount):
    """The sum over time, long enough."""
    chain = torch.einsum("sa,sat->st", policy, P)
    total, where = torch.zeros_like(start), start
    for _ in range(3_000):
        total = total + where
        where = discount * (where @ chain)
    return total


@alternative("occupancy")
def occupancy_by_inverse(P, policy, start, discount):
    """A row vector times the inverse."""
    chain = np.einsum("sa,sat->st", policy.numpy(), P.numpy())
    return start.numpy() @ np.linalg.inv(np.eye(len(chain)) - discount * chain)


@alternative("sample_trajectories")
def sampling_by_inverse_distribution(P, policy, start, length, count, generator):
    """Uniform numbers against cumulative sums, drawn all at once."""
    uniform = torch.rand(2 * length + 1, count, 1, generator=generator, dtype=torch.float64)

    def pick(probabilities, u):
        return (probabilities.cumsum(-1) < u).sum(-1).clamp_max(probabilities.shape[-1] - 1)

    state = pick(start.expand(count, -1), uniform[-1])
    states = torch.zeros(count, length, dtype=torch.int64)
    actions = torch.zeros_like(states)
    for t in range(length):
        states[:, t] = state
        actions[:, t] = pick(policy[state], uniform[t])
        state = pick(P[state, actions[:, t]], uniform[length + t])
    return states, actions


@alternative("sample_trajectories")
def sampling_one_by_one(P, policy, start, length, count, generator):
    """NumPy, one trajectory after another, seeded from the generator."""
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    p, pi = P.numpy(), policy.numpy()
    cumulative_p, cumulative_pi = p.cumsum(-1), pi.cumsum(-1)
    first = rng.choice(len(start), size=count, p=start.numpy())
    u = rng.random((count, length, 2))
    states, actions = np.zeros((count, length), dtype=int), np.zeros((count, length), dtype=int)
    for n in range(count):
        s = first[n]
        for t in range(length):
            a = int((cumulative_pi[s] < u[n, t, 0]).sum())
            states[n, t], actions[n, t] = s, a
            s = min(int((cumulative_p[s, a] < u[n, t, 1]).sum()), len(start) - 1)
    return states, actions
