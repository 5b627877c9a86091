"""Hidden checks of the assignment *bellman*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests import them.
"""

import torch

from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("bellman", hidden=True)


# ---- references


def reference_lookahead(P, r, discount, values):
    """Q(s, a), one sum at a time."""
    num_states, num_actions = len(P), len(P[0])
    result = torch.zeros(num_states, num_actions, dtype=torch.float64)
    for s in range(num_states):
        for a in range(num_actions):
            expected = 0.0
            for t in range(num_states):
                expected += float(P[s, a, t]) * float(values[t])
            result[s, a] = float(r[s, a]) + discount * expected
    return result


def reference_expectation_backup(P, r, discount, policy, values):
    """Average of the lookahead under the policy."""
    lookahead = reference_lookahead(P, r, discount, values)
    pairs = zip(policy.tolist(), lookahead.tolist(), strict=True)
    return torch.tensor([sum(p * q for p, q in zip(*pair, strict=True)) for pair in pairs], dtype=torch.float64)


def reference_optimality_backup(P, r, discount, values):
    """Maximum of the lookahead."""
    return torch.tensor([max(row) for row in reference_lookahead(P, r, discount, values).tolist()], dtype=torch.float64)


def reference_policy_values(P, r, discount, policy):
    """Values of a policy by Gaussian elimination with exact fractions."""
    from fractions import Fraction

    size, num_actions = len(P), len(P[0])
    rows = []
    for s in range(size):
        weights = [Fraction(float(policy[s, a])) for a in range(num_actions)]
        row = [
            -Fraction(discount) * sum(weights[a] * Fraction(float(P[s, a, t])) for a in range(num_actions))
            for t in range(size)
        ]
        row[s] += 1
        rows.append([*row, sum(weights[a] * Fraction(float(r[s, a])) for a in range(num_actions))])
    for pivot in range(size):
        chosen = max(range(pivot, size), key=lambda index: abs(rows[index][pivot]))
        rows[pivot], rows[chosen] = rows[chosen], rows[pivot]
        for other in range(size):
            if other != pivot and rows[other][pivot]:
                factor = rows[other][pivot] / rows[pivot][pivot]
                rows[other] = [x - factor * y for x, y in zip(rows[other], rows[pivot], strict=True)]
    return torch.tensor([float(rows[s][-1] / rows[s][s]) for s in range(size)], dtype=torch.float64)


def reference_optimal_values(P, r, discount):
    """V* by trying policies: start anywhere and change every state where that helps, evaluated exactly."""
    num_states, num_actions = len(P), len(P[0])
    actions = [0] * num_states
    while True:
        policy = torch.nn.functional.one_hot(torch.tensor(actions), num_actions).double()
        values = reference_policy_values(P, r, discount, policy)
        lookahead = reference_lookahead(P, r, discount, values)
        better = [s for s in range(num_states) if max(lookahead[s].tolist()) > float(values[s]) + 1e-9]
        if not better:
            return values
        for s in better:
            actions[s] = int(lookahead[s].argmax())


# ---- problems


def random_problem(random, num_states=5, num_actions=3):
    """Return random transition probabilities with some zeros, and rewards."""
    weights = -torch.rand(num_states, num_actions, num_states, generator=random, dtype=torch.float64).log()
    weights = weights * (torch.rand(weights.shape, generator=random) < 0.7)
    weights[..., 0] += 0.1
    rewards = torch.randn(num_states, num_actions, generator=random, dtype=torch.float64)
    return weights / weights.sum(dim=2, keepdim=True), rewards


def random_policy(random, num_states=5, num_actions=3):
    """Return a random policy; some actions are never taken."""
    weights = torch.rand(num_states, num_actions, generator=random, dtype=torch.float64)
    weights = weights * (weights > 0.3)
    weights[:, 0] += 0.05
    return weights / weights.sum(dim=1, keepdim=True)


def values_like(random, num_states=5):
    """Return random values."""
    return 5 * torch.randn(num_states, generator=random, dtype=torch.float64)


def map_problem(rows, sideways, prizes, step_reward=0.0):
    """Return the problem of a map, one move at a time.

    A step goes where it was meant to with probability 1 - *sideways*, else to either side; walls `#` and the edge hold
    it back. The letters in *prizes* end the episode and pay on arrival.
    """
    cells = [(i, j) for i, row in enumerate(rows) for j, letter in enumerate(row) if letter != "#"]
    moves = ((-1, 0), (0, 1), (1, 0), (0, -1))
    P = torch.zeros(len(cells), 4, len(cells), dtype=torch.float64)
    r = torch.zeros(len(cells), 4, dtype=torch.float64)
    for s, (i, j) in enumerate(cells):
        for a in range(4):
            if rows[i][j] in prizes:
                P[s, a, s] = 1.0
                continue
            for turn, chance in ((-1, sideways / 2), (0, 1 - sideways), (1, sideways / 2)):
                di, dj = moves[(a + turn) % 4]
                arrival = (i + di, j + dj) if (i + di, j + dj) in cells else (i, j)
                P[s, a, cells.index(arrival)] += chance
                r[s, a] += chance * (step_reward + prizes.get(rows[arrival[0]][arrival[1]], 0.0))
    return P, r


# The table of gymnasium's FrozenLake-v1 (its actions are numbered in another order), and a gridworld with a wall.
FROZEN_LAKE = map_problem(("SFFF", "FHFH", "FFFH", "HFFG"), 2 / 3, {"G": 1.0, "H": 0.0})
SLIPPERY = map_problem(("...G", ".#.P", "S..."), 0.2, {"G": 1.0, "P": -1.0}, step_reward=-0.04)
MAPS = (FROZEN_LAKE, SLIPPERY)
SIZES = ((5, 3), (1, 2), (6, 1))


def problems(random):
    """Random problems of several sizes, among them a single state, and the maps."""
    return [*(random_problem(random, *size) for size in SIZES), *MAPS]


@exam.add("q_from_v", points=1, message="random problems of several sizes, and maps")
def q_on_random_problems(q_from_v):
    random = exam.random()
    for P, r in problems(random):
        values = values_like(random, len(r))
        close(q_from_v(P, r, 0.83, values), reference_lookahead(P, r, 0.83, values))


@exam.add("expectation_backup", points=1, message="random problems and maps, some actions never taken")
def expectation_on_random_problems(backup):
    random = exam.random()
    for P, r in problems(random):
        policy, values = random_policy(random, *r.shape), values_like(random, len(r))
        close(backup(P, r, 0.83, policy, values), reference_expectation_backup(P, r, 0.83, policy, values))


@exam.add("optimality_backup", points=1, message="random problems of several sizes, and maps")
def optimality_on_random_problems(backup):
    random = exam.random()
    for P, r in problems(random):
        values = values_like(random, len(r))
        close(backup(P, r, 0.83, values), reference_optimality_backup(P, r, 0.83, values))


@exam.add("evaluate_policy", points=1, message="random problems and maps, against exact fractions")
def evaluation_on_random_problems(evaluate):
    random = exam.random()
    for P, r in problems(random):
        policy = random_policy(random, *r.shape)
        close(evaluate(P, r, 0.9, policy), reference_policy_values(P, r, 0.9, policy), tolerance=1e-8)


@exam.add("evaluate_policy", points=1, message="exact far ahead: discount 0.999")
def evaluation_far_ahead(evaluate):
    random = exam.random()
    P, r = random_problem(random)
    policy = random_policy(random)
    close(evaluate(P, r, 0.999, policy), reference_policy_values(P, r, 0.999, policy), tolerance=1e-7)


@exam.add(
    "advantages", points=1, message="random problems; the sum under the policy is zero at the policy's own values"
)
def advantages_on_random_problems(advantages):
    random = exam.random()
    P, r = random_problem(random)
    policy = random_policy(random)
    values = reference_policy_values(P, r, 0.9, policy)
    found = numbers(advantages(P, r, 0.9, values), (5, 3))
    lookahead = reference_lookahead(P, r, 0.9, values)
    close(found, [[lookahead[s, a] - values[s] for a in range(3)] for s in range(5)])
    close((policy * found).sum(dim=1), [0.0] * 5)


@exam.add("greedy_policy", points=1, message="random values with planted ties, and another tolerance")
def greedy_on_random_values(greedy):
    random = exam.random()
    values = torch.randn(20, 4, generator=random, dtype=torch.float64)
    values[:10, 3] = values[:10].amax(dim=1)
    expected = []
    for row in values.tolist():
        best = [value >= max(row) - 1e-9 for value in row]
        expected.append([mark / sum(best) for mark in best])
    close(greedy(values, 1e-9), expected)
    close(greedy(torch.tensor([[1.0, 1.4, 0.8]], dtype=torch.float64), 0.5), [[0.5, 0.5, 0.0]])


@exam.add("value_iteration", points=1, message="within epsilon of V* on a random problem and maps at 0.99")
def iteration_on_random_problems(iterate):
    random = exam.random()
    for P, r in (random_problem(random), *MAPS):
        best = reference_optimal_values(P, r, 0.99)
        for epsilon in (1.0, 0.1, 1e-3):
            error = float((numbers(iterate(P, r, 0.99, epsilon), (len(r),)) - best).abs().max())
            holds(error <= epsilon * (1 + 1e-9), f"epsilon is {epsilon}, but some value is wrong by {error:.3g}")


@exam.add("value_iteration", points=1, message="one slow state among many that are finished")
def iteration_with_one_slow_state(iterate):
    # State 0 earns 1 for ever, V* = 100; the other 29 are terminal and never change.
    P = torch.eye(30, dtype=torch.float64)[:, None, :].repeat(1, 2, 1)
    r = torch.zeros(30, 2, dtype=torch.float64)
    r[0] = 1.0
    values = numbers(iterate(P, r, 0.99, 0.01), (30,))
    holds(
        abs(float(values[0]) - 100) <= 0.01 * (1 + 1e-9),
        f"epsilon is 0.01, but V* = 100 and V is {float(values[0]):.4f}",
    )
    close(values[1:], [0.0] * 29)


@exam.add("policy_iteration", points=1, message="optimal on random problems and on a slippery map")
def improvement_on_random_problems(improve):
    random = exam.random()
    for P, r in (random_problem(random), random_problem(random), random_problem(random, 1, 2), SLIPPERY):
        policy, values = _policy_and_values(improve(P, r, 0.95), *r.shape)
        best = reference_optimal_values(P, r, 0.95)
        close(values, best, tolerance=1e-6)
        close(reference_policy_values(P, r, 0.95, policy), best, tolerance=1e-6)


@exam.add(
    "policy_iteration",
    points=1,
    message="equally good actions do not take turns for ever; the result is optimal",
    hint="no answer? Waiting until the policy repeats can take for ever; improve by a margin",
)
def improvement_on_ties(improve):
    for discount in (0.95, 0.99):
        policy, values = _policy_and_values(improve(*FROZEN_LAKE, discount), 16, 4)
        best = reference_optimal_values(*FROZEN_LAKE, discount)
        close(values, best, tolerance=1e-6)
        close(reference_policy_values(*FROZEN_LAKE, discount, policy), best, tolerance=1e-6)
    # Every action of a state does the same, written by different arithmetic, so that values differ by rounding.
    random = exam.random()
    P, r = random_problem(random, 6, 1)
    copies = torch.cat([P, (P * 3) / 3, (P / 7) * 7], dim=1)
    rewards = torch.cat([r, (r * 3) / 3, (r / 7) * 7], dim=1)
    _, values = _policy_and_values(improve(copies, rewards, 0.99), 6, 3)
    close(values, reference_policy_values(P, r, 0.99, torch.ones(6, 1, dtype=torch.float64)), tolerance=1e-6)


def _policy_and_values(answer, num_states, num_actions):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Failed(f"expected two results, (policy, values), got {type(answer).__name__}")
    return numbers(answer[0], (num_states, num_actions)), numbers(answer[1], (num_states,))
