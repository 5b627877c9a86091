"""Hidden checks of the assignment *mdp*, with references written as plain loops in float64."""

import torch

from autograder.checks import Exam, Failed, close, numbers, raises

exam = Exam("mdp", hidden=True)

MOVES = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}


def reference_slippery_transitions(rows, slip):
    """The rules of the map, one cell, one action and one direction at a time."""
    cells = [(i, j) for i in range(len(rows)) for j in range(len(rows[0])) if rows[i][j] != "#"]
    P = torch.zeros(len(cells), 4, len(cells), dtype=torch.float64)
    for s, (i, j) in enumerate(cells):
        for a in range(4):
            for turn in (-1, 0, 1):
                chance = slip / 2 if turn else 1 - slip
                di, dj = MOVES[(a + turn) % 4]
                landed = (i + di, j + dj) if (i + di, j + dj) in cells else (i, j)
                if rows[i][j] == "G" or rows[i][j] == "P":
                    landed = (i, j)
                P[s, a, cells.index(landed)] += chance
    return P


def reference_occupancy(P, policy, start, discount, steps=2_000):
    """The sum over time, step by step."""
    where, total = start.clone(), torch.zeros_like(start)
    for t in range(steps):
        total += discount**t * where
        following = torch.zeros_like(where)
        for s in range(len(where)):
            for a in range(policy.shape[1]):
                following += where[s] * policy[s, a] * P[s, a]
        where = following
    return total


def random_problem(random, num_states=5, num_actions=3):
    """Return P, r, policy and start with some zeros."""

    def rows(*shape):
        weights = torch.rand(*shape, generator=random, dtype=torch.float64)
        weights = weights * (weights > 0.25)
        weights[..., 0] += 0.1
        return weights / weights.sum(dim=-1, keepdim=True)

    rewards = torch.randn(num_states, num_actions, generator=random, dtype=torch.float64)
    return rows(num_states, num_actions, num_states), rewards, rows(num_states, num_actions), rows(num_states)


def _pair(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Failed(f"expected two results, got {type(answer).__name__}")
    return answer


@exam.add("slippery_transitions", points=1, message="a larger map with walls, goals and pits")
def larger_map(transitions):
    rows = ["..#.G", ".#..P", "S...#", "#..#."]
    for slip in (0.0, 0.25, 1.0):
        close(transitions(rows, slip), reference_slippery_transitions(rows, slip))


@exam.add("slippery_transitions", points=1, message="maps of one row and of one column, with a random slip")
def thin_maps(transitions):
    slip = float(torch.rand((), generator=exam.random(), dtype=torch.float64))
    for rows in (["S..G"], ["S", ".", "#", "P"]):
        close(transitions(rows, slip), reference_slippery_transitions(rows, slip))


@exam.add("expected_rewards", points=1, message="random problems of several sizes")
def random_rewards(expected):
    random = exam.random()
    for size in ((5, 3), (1, 2), (4, 1)):
        P, _, _, _ = random_problem(random, *size)
        R = torch.randn(P.shape, generator=random, dtype=torch.float64)
        sums = [
            [sum(float(P[s, a, t] * R[s, a, t]) for t in range(size[0])) for a in range(size[1])]
            for s in range(size[0])
        ]
        close(expected(P, R), sums)


@exam.add("validate_mdp", points=1, message="shapes that do not belong together")
def shapes(validate):
    P, r, _, _ = random_problem(exam.random())
    validate(P, r, 0.9)  # who refuses everything earns nothing
    raises(validate, P[:, :, :4], r, 0.9)
    raises(validate, P[0], r, 0.9)
    raises(validate, P, r[:, :2], 0.9)
    raises(validate, P, r[0], 0.9)


@exam.add("validate_mdp", points=1, message="discounts and rewards out of range, and good random problems pass")
def ranges(validate):
    P, r, _, _ = random_problem(exam.random())
    validate(P, r, 0.97)
    for discount in (-0.1, 1.0001, float("nan")):
        raises(validate, P, r, discount)
    for value in (torch.inf, -torch.inf):
        bad = r.clone()
        bad[2, 1] = value
        raises(validate, P, bad, 0.97)
    late = P.clone()
    late[4, 2] *= 1.01
    # Not the sum: how it prints depends on how it was added up.
    raises(validate, late, r, 0.97, mentions=("state 4", "action 2"))


@exam.add("make_absorbing", points=1, message="random problems; the tables that were given stay as they were")
def absorbing_at_random(make_absorbing):
    P, r, _, _ = random_problem(exam.random())
    terminal = torch.tensor([True, False, False, True, False])
    expected_P, expected_r = P.clone(), r.clone()
    for s in (0, 3):
        expected_r[s] = 0
        for a in range(3):
            expected_P[s, a] = torch.tensor([float(t == s) for t in range(5)])
    found_P, found_r = _pair(make_absorbing(P, r, terminal))
    close(found_P, expected_P)
    close(found_r, expected_r)


@exam.add("induced_chain", points=1, message="random problems of several sizes")
def chains_at_random(induced_chain):
    random = exam.random()
    for S, A in ((5, 3), (1, 2), (4, 1)):
        P, r, policy, _ = random_problem(random, S, A)
        chain, rewards = _pair(induced_chain(P, r, policy))
        close(chain, [[sum(float(policy[s, a] * P[s, a, t]) for a in range(A)) for t in range(S)] for s in range(S)])
        close(rewards, [sum(float(policy[s, a] * r[s, a]) for a in range(A)) for s in range(S)])


@exam.add("occupancy", points=1, message="random problems, against the sum over time")
def occupancy_at_random(occupancy):
    P, _, policy, start = random_problem(exam.random())
    close(occupancy(P, policy, start, 0.97), reference_occupancy(P, policy, start, 0.97), tolerance=1e-7)


@exam.add("occupancy", points=1, message="occupancy times rewards is the value of the start")
def duality(occupancy):
    P, r, policy, start = random_problem(exam.random())
    found = numbers(occupancy(P, policy, start, 0.9), (5,))
    values = torch.zeros(5, dtype=torch.float64)
    for _ in range(600):  # 0.9^600 is 3e-28
        values = sum(policy[:, a] * (r[:, a] + 0.9 * P[:, a] @ values) for a in range(3))
    close((found * (policy * r).sum(dim=1)).sum(), (start * values).sum(), tolerance=1e-8)


@exam.add(
    "sample_trajectories", points=1, message="states of a random problem at every time, against the exact distribution"
)
def states_over_time(sample):
    # 8,000 trajectories, 6 times, 5 states, 6 standard errors of at most 0.5 / sqrt(8000): 30 comparisons with a tail
    # of 2e-9 each, so a right answer fails less than once in ten million.
    P, _, policy, start = random_problem(exam.random())
    answer = sample(P, policy, start, 6, 8000, exam.random())
    states = numbers(_pair(answer)[0], (8000, 6)).long()
    where = start
    for t in range(6):
        found = torch.bincount(states[:, t].clamp(0, 4), minlength=5).double() / 8000
        if float((found - where).abs().max()) > 3 / 8000**0.5:
            raise Failed(f"states at time {t}: expected frequencies near {where.tolist()}, got {found.tolist()}")
        where = sum(where[s] * policy[s, a] * P[s, a] for s in range(5) for a in range(3))
