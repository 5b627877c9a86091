"""Public checks of the assignment *bellman*. Small tables of numbers and properties; no solution is in here."""

import torch

from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("bellman")

exam.asks_for("q_from_v", "rlkit.dynamic_programming.action_values")
exam.asks_for("expectation_backup", "rlkit.dynamic_programming.bellman_expectation_operator")
exam.asks_for("optimality_backup", "rlkit.dynamic_programming.bellman_optimality_operator")
exam.asks_for("evaluate_policy", "rlkit.dynamic_programming.evaluate_policy", "rlkit.dynamic_programming.induced_chain")
exam.asks_for("advantages", "rlkit.dynamic_programming.advantages")
exam.asks_for("greedy_policy", "rlkit.dynamic_programming.greedy_policy")
exam.asks_for("value_iteration", "rlkit.planning.value_iteration", "rlkit.planning.modified_policy_iteration")
exam.asks_for("policy_iteration", "rlkit.planning.policy_iteration")


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


# The press (Puterman 1994, section 3.1, the worn press with its one action written twice): run gently (earn 5, may stay in order) or hard (earn 10, worn out); a worn press costs 1 a day for ever.
PRESS = table([[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]])
PRESS_REWARDS = table([5.0, 10.0], [-1.0, -1.0])
COIN = table([0.5, 0.5], [0.5, 0.5])
# A corridor of three cells; action 0 steps towards cell 2, where the episode ends, action 1 stays. A step costs 1.
CORRIDOR = table(
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
)
CORRIDOR_REWARDS = table([-1.0, -1.0], [-1.0, -1.0], [0.0, 0.0])


def random_problem(random, num_states=4, num_actions=3):
    """Return random transition probabilities (S, A, S) and rewards (S, A); every entry of both differs."""
    weights = torch.rand(num_states, num_actions, num_states, generator=random, dtype=torch.float64) + 0.05
    rewards = torch.randn(num_states, num_actions, generator=random, dtype=torch.float64)
    return weights / weights.sum(dim=2, keepdim=True), rewards


def random_policy(random, num_states=4, num_actions=3):
    """Return a random policy (S, A)."""
    weights = torch.rand(num_states, num_actions, generator=random, dtype=torch.float64) + 0.05
    return weights / weights.sum(dim=1, keepdim=True)


def random_values(random, num_states=4):
    """Return random state values (S,)."""
    return 3 * torch.randn(num_states, generator=random, dtype=torch.float64)


def frozen_lake():
    """The table of gymnasium's FrozenLake-v1, actions in the order left, down, right, up: each may turn either way."""
    cells, moves = "SFFFFHFHFFFHHFFG", ((0, -1), (1, 0), (0, 1), (-1, 0))
    P = torch.zeros(16, 4, 16, dtype=torch.float64)
    for state, letter in enumerate(cells):
        for action in range(4):
            for turn in (-1, 0, 1):
                down, right = moves[(action + turn) % 4] if letter in "SF" else (0, 0)
                row, column = min(max(state // 4 + down, 0), 3), min(max(state % 4 + right, 0), 3)
                P[state, action, 4 * row + column] += 1 / 3
    rewards = P[:, :, 15].clone()
    rewards[15] = 0.0
    return P, rewards


def twins(random, num_states=6, num_actions=4):
    """Several copies of one chain; an action decides in which copy the next state is, so all actions are equally good.

    A value is the same in every copy but for rounding, which changes with the policy that is evaluated.
    """
    chain, reward = random_problem(random, num_states, 1)
    size = num_states * num_actions
    P = torch.zeros(size, num_actions, size, dtype=torch.float64)
    for action in range(num_actions):
        arrival = slice(action * num_states, (action + 1) * num_states)
        P[:, action, arrival] = chain[:, 0].repeat(num_actions, 1)
    return P, reward.repeat(num_actions, num_actions)


# A loop that waits until the policy repeats goes on for ever on 0.59 to 0.99 of the twins, as it is written (measured,
# 240 problems): the chance that it ends on all eight is below 0.41^8 = 0.0008. On the lake it depends on the machine's
# rounding. A right answer never fails here: it ends, whatever the rounding.
LAKE, TWINS = {0.95: 0.180472, 0.97: 0.292260, 0.98: 0.387292, 0.99: 0.542026}, 8  # discount: V*(start)


# ---- q_from_v


@exam.add("q_from_v", points=0.5, message="the press, looked ahead from V = (2, -20)", hint="the worked numbers above")
def q_of_the_press(q_from_v):
    close(q_from_v(PRESS, PRESS_REWARDS, 0.5, table(2.0, -20.0)), [[0.5, 0.0], [-11.0, -11.0]])


@exam.add(
    "q_from_v", points=0.5, message="a corridor, where the two directions of P differ", hint="the last axis of P is s'"
)
def q_of_the_corridor(q_from_v):
    values = q_from_v(CORRIDOR, CORRIDOR_REWARDS, 0.9, table(10.0, 20.0, 0.0))
    close(values, [[17.0, 8.0], [-1.0, 17.0], [0.0, 0.0]])


@exam.probe("q_from_v")
def probe_q(q_from_v, random):
    P, r = random_problem(random, 3, 3)
    return q_from_v(P, r, 0.7, random_values(random, 3))


# ---- expectation_backup


@exam.add("expectation_backup", points=0.5, message="the press under a coin toss", hint="average 0.5 and 0")
def expectation_of_the_press(backup):
    close(backup(PRESS, PRESS_REWARDS, 0.5, COIN, table(2.0, -20.0)), [0.25, -11.0])


@exam.add(
    "expectation_backup",
    points=0.5,
    message="a policy that always takes the same action",
    hint="only that action counts",
)
def expectation_of_one_action(backup):
    always_stay = table([0.0, 1.0], [0.0, 1.0], [0.0, 1.0])
    close(backup(CORRIDOR, CORRIDOR_REWARDS, 0.9, always_stay, table(10.0, 20.0, 0.0)), [8.0, 17.0, 0.0])


@exam.add("expectation_backup", points=1, message="differences shrink by the discount: it is a contraction")
def expectation_contracts(backup):
    random = exam.random()
    P, r = random_problem(random)
    policy, first, second = random_policy(random), random_values(random), random_values(random)
    after = numbers(backup(P, r, 0.6, policy, first), (4,))
    gap = after - numbers(backup(P, r, 0.6, policy, second), (4,))
    holds(float(gap.abs().max()) <= 0.6 * float((first - second).abs().max()) + 1e-9, "the operator is no contraction")
    close(numbers(backup(P, r, 0.6, policy, first + 10.0), (4,)) - after, [6.0] * 4)


@exam.probe("expectation_backup")
def probe_expectation(backup, random):
    P, r = random_problem(random, 3, 3)
    return backup(P, r, 0.7, random_policy(random, 3, 3), random_values(random, 3))


# ---- optimality_backup


@exam.add("optimality_backup", points=0.5, message="the press, best action", hint="the larger of 0.5 and 0")
def optimality_of_the_press(backup):
    close(backup(PRESS, PRESS_REWARDS, 0.5, table(2.0, -20.0)), [0.5, -11.0])


@exam.add(
    "optimality_backup",
    points=0.5,
    message="a terminal state stays at 0",
    hint="its reward is 0 and it leads to itself",
)
def optimality_of_the_corridor(backup):
    close(backup(CORRIDOR, CORRIDOR_REWARDS, 0.9, table(10.0, 20.0, 0.0)), [17.0, 17.0, 0.0])


@exam.add("optimality_backup", points=1, message="larger values never give smaller ones: it is monotone")
def optimality_is_monotone(backup):
    random = exam.random()
    P, r = random_problem(random)
    low = random_values(random)
    high = low + torch.rand(4, generator=random, dtype=torch.float64)
    below, above = numbers(backup(P, r, 0.6, low), (4,)), numbers(backup(P, r, 0.6, high), (4,))
    holds(bool((above >= below - 1e-9).all()), "raising V lowered TV in some state")
    close(numbers(backup(P, r, 0.6, low + 10.0), (4,)) - below, [6.0] * 4)


@exam.probe("optimality_backup")
def probe_optimality(backup, random):
    # In 12 states, the action of the best reward is also that of the best future by luck once in 4^12 draws.
    outcomes = []
    for above in (0.0, 50.0):  # the second values must fall
        P, r = random_problem(random, 6, 4)
        outcomes.append(backup(P, r, 0.7, random_values(random, 6) + above))
    return outcomes


# ---- evaluate_policy


@exam.add("evaluate_policy", points=1, message="a worn press, and one run gently", hint="-1 / (1 - 0.95) and -60 / 7")
def value_of_the_press(evaluate):
    gently = table([1.0, 0.0], [1.0, 0.0])
    close(evaluate(PRESS, PRESS_REWARDS, 0.95, gently), [-60 / 7, -20.0])


@exam.add("evaluate_policy", points=1, message="exact also at discount 0.999: V equals its own backup")
def value_far_ahead(evaluate):
    random = exam.random()
    P, r = random_problem(random)
    policy = random_policy(random)
    values = numbers(evaluate(P, r, 0.999, policy), (4,))
    again = (policy * (r + 0.999 * (P * values[None, None, :]).sum(dim=2))).sum(dim=1)
    worst = float((again - values).abs().max())
    holds(worst < 1e-8, f"the values differ from their own backup by {worst:.2g}")


@exam.probe("evaluate_policy", tolerance=1e-5)
def probe_evaluation(evaluate, random):
    P, r = random_problem(random, 3, 3)
    values = evaluate(P, r, 0.95, random_policy(random, 3, 3))
    return "no finite values" if is_without_bound(values) else values


def is_without_bound(values):
    """Whether a system that has no solution was solved: it raises or gives huge numbers, as rounding will have it."""
    if isinstance(values, str):
        return "LinAlgError" in values
    return float(numbers(values).abs().max()) > 1e6


# ---- advantages


@exam.add("advantages", points=0.5, message="two actions worth 3 and 1", hint="the value of a coin toss is 2")
def advantage_of_a_coin(advantages):
    one_state = table([[1.0], [1.0]])
    close(advantages(one_state, table([2.0, 0.0]), 0.5, table(2.0)), [[1.0, -1.0]])


@exam.add("advantages", points=0.5, message="the press at V = (-6, -2)", hint="5 + 0.5 (-4) + 6")
def advantage_of_the_press(advantages):
    close(advantages(PRESS, PRESS_REWARDS, 0.5, table(-6.0, -2.0)), [[9.0, 15.0], [0.0, 0.0]])


@exam.probe("advantages")
def probe_advantages(advantages, random):
    P, r = random_problem(random, 3, 3)
    return advantages(P, r, 0.7, random_values(random, 3))


# ---- greedy_policy


@exam.add("greedy_policy", points=0.5, message="one best action", hint="probability 1 for the largest value")
def greedy_without_ties(greedy):
    close(greedy(table([1.0, 3.0, 2.0], [0.0, -2.0, -1.0]), 1e-9), [[0, 1, 0], [1, 0, 0]])


@exam.add("greedy_policy", points=0.5, message="values (1, 3, 3)", hint="the two best share")
def greedy_with_a_tie(greedy):
    close(greedy(table([1.0, 3.0, 3.0]), 1e-9), [[0, 0.5, 0.5]])


@exam.add("greedy_policy", points=1, message="actions that differ only by rounding are tied", hint="use the tolerance")
def greedy_with_rounding(greedy):
    policy = greedy(table([0.3, 0.1 + 0.2, 0.0], [-5.0, -5.0, -5.0]), 1e-9)
    close(policy, [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])


@exam.probe("greedy_policy")
def probe_greedy(greedy, random):
    values = torch.randn(3, 3, generator=random, dtype=torch.float64)
    tied = values.clone()
    tied[:, 2] = tied[:, 0]
    tied[0, ::2] = tied[0].max() + 1.0  # in one state at least, those tied are the best
    nearly = tied.clone()
    nearly[:, 2] += 1e-12
    return [greedy(values, 1e-9), greedy(tied, 1e-9), greedy(nearly, 1e-9), greedy(-tied, 1e-9)]


# ---- value_iteration


@exam.add("value_iteration", points=1, message="the press at discount 0.5", hint="V* = (9, -2): run it hard")
def iteration_on_the_press(iterate):
    close(iterate(PRESS, PRESS_REWARDS, 0.5, 1e-9), [9.0, -2.0], tolerance=1e-8)


@exam.add(
    "value_iteration",
    points=1,
    message="within epsilon of V* at discount 0.99",
    hint="what does a small change promise?",
)
def iteration_keeps_its_promise(iterate):
    # State 0 earns 1 for ever: V* = 100, and after k sweeps from 0 its value is 100 (1 - 0.99^k). State 1 is terminal.
    forever = table([[1.0, 0.0]], [[0.0, 1.0]])
    for epsilon in (1.0, 0.01):
        values = numbers(iterate(forever, table([1.0], [0.0]), 0.99, epsilon), (2,))
        error = abs(float(values[0]) - 100)
        holds(error <= epsilon * (1 + 1e-9), f"epsilon is {epsilon}, but the value is wrong by {error:.3g}")


@exam.probe("value_iteration", tolerance=1e-4)
def probe_iteration(iterate, random):
    P, r = random_problem(random, 3, 3)
    # Four states that stay where they are; only the first earns anything, so that the mean change is small.
    alone = iterate(torch.eye(4, dtype=torch.float64)[:, None, :], table([1.0], [0.0], [0.0], [0.0]), 0.95, 0.05)
    return [iterate(P, r, 0.95, 0.05), iterate(P, r, 0.5, 1e-9), alone]


# ---- policy_iteration


@exam.add("policy_iteration", points=1, message="the press at discounts 0.95 and 0.5", hint="gently, then hard")
def improvement_on_the_press(improve):
    for discount, action, value in ((0.95, 0, -60 / 7), (0.5, 1, 9.0)):
        policy, values = both(improve(PRESS, PRESS_REWARDS, discount), 2, 2)
        close(policy[0], [1 - action, action])
        close(values, [value, -1 / (1 - discount)])


@exam.add(
    "policy_iteration",
    points=1,
    message="equally good actions do not take turns for ever",
    hint="no answer? Waiting until the policy repeats can take for ever; improve by a margin",
)
def improvement_with_ties(improve):
    for discount, at_start in LAKE.items():
        _, values = both(improve(*frozen_lake(), discount), 16, 4)
        close(values[0], at_start, tolerance=1e-5)
    random = exam.random()
    for _ in range(TWINS):
        _, values = both(improve(*twins(random), 0.99), 24, 4)
        copies = values.reshape(4, 6)
        close(copies - copies[0], [[0.0] * 6] * 4, tolerance=1e-8)


def both(answer, num_states, num_actions):
    """Check that an answer is a policy and its values."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Failed(f"expected two results, (policy, values), got {type(answer).__name__}")
    policy, values = numbers(answer[0], (num_states, num_actions)), numbers(answer[1], (num_states,))
    close(policy.sum(dim=1), [1.0] * num_states)
    return policy, values


@exam.probe("policy_iteration", tolerance=1e-5)
def probe_improvement(improve, random):
    P, r = random_problem(random, 4, 3)
    first = improve(P, r, 0.95)
    second = improve(PRESS, PRESS_REWARDS, 0.95)
    tied = [improve(*frozen_lake(), discount) for discount in LAKE]
    tied += [improve(*twins(random), 0.99) for _ in range(TWINS)]
    return [first, second, next((outcome for outcome in tied if isinstance(outcome, str)), "ended")]
