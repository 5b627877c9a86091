"""Public checks of the assignment *mdp*. Small tables of numbers and properties; no solution is in here."""

import torch

from autograder.checks import Exam, Failed, close, holds, numbers, raises

exam = Exam("mdp")

exam.asks_for("slippery_transitions", "rlkit.gridworld.Gridworld")
exam.asks_for("validate_mdp", "rlkit.mdp.FiniteMDP", "rlkit.validation.require_distribution")
exam.asks_for("induced_chain", "rlkit.dynamic_programming.induced_chain")
exam.asks_for("occupancy", "rlkit.dynamic_programming.occupancy")
exam.asks_for("sample_trajectories", "rlkit.exploration.sample", "rlkit.environments.table.TableEnvironment")


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


# Two states. Action 0 stays, action 1 goes to the other state.
STAY_OR_GO = table([[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
TWO_REWARDS = table([1.0, 2.0], [3.0, 4.0])


def random_problem(random, num_states=4, num_actions=3):
    """Return random transition probabilities (S, A, S), rewards (S, A), a policy (S, A), a start (S,)."""

    def rows(*shape):
        weights = torch.rand(*shape, generator=random, dtype=torch.float64) + 0.05
        return weights / weights.sum(dim=-1, keepdim=True)

    rewards = torch.randn(num_states, num_actions, generator=random, dtype=torch.float64)
    return rows(num_states, num_actions, num_states), rewards, rows(num_states, num_actions), rows(num_states)


# ---- slippery_transitions


@exam.add(
    "slippery_transitions", points=1, message="the map ['..', '.G'] with slip 0.2", hint="the worked numbers above"
)
def two_by_two(transitions):
    P = numbers(transitions(["..", ".G"], 0.2), (4, 4, 4))
    close(P[0, 1], [0.1, 0.8, 0.1, 0.0])
    close(P[0, 2], [0.1, 0.1, 0.8, 0.0])
    close(P[1, 3], [0.8, 0.1, 0.0, 0.1])


@exam.add(
    "slippery_transitions",
    points=1,
    message="walls are not states, and stop a step",
    hint="number the cells that are not walls",
)
def around_a_wall(transitions):
    P = numbers(transitions(["..", "#."], 0.0), (3, 4, 3))
    close(P[0], [[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]])
    close(P[2], [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])


@exam.add("slippery_transitions", points=1, message="rows sum to 1, and goals and pits are absorbing")
def rows_and_ends(transitions):
    P = numbers(transitions(["S.G", ".#P"], 0.3), (5, 4, 5))
    close(P.sum(dim=2), [[1.0] * 4] * 5)
    for state in (2, 4):
        close(P[state, :, state], [1.0] * 4)


@exam.probe("slippery_transitions")
def probe_transitions(transitions, random):
    slip = 0.1 + 0.5 * float(torch.rand((), generator=random))
    return [transitions(["..G", ".#.", "S.P"], slip), transitions(["...", "..."], slip)]


# ---- expected_rewards


@exam.add("expected_rewards", points=0.5, message="earns 1 with probability 0.8 and -1 with 0.2", hint="0.8 - 0.2")
def one_gamble(expected):
    P = table([[0.8, 0.2]], [[0.0, 1.0]])
    R = table([[1.0, -1.0]], [[5.0, 0.0]])
    close(expected(P, R), [[0.6], [0.0]])


@exam.add(
    "expected_rewards",
    points=0.5,
    message="an impossible transition's reward does not count",
    hint="its probability is 0",
)
def impossible_reward(expected):
    R = table([[1.0, 100.0], [100.0, 2.0]], [[100.0, 3.0], [4.0, 100.0]])
    close(expected(STAY_OR_GO, R), [[1.0, 2.0], [3.0, 4.0]])


@exam.probe("expected_rewards")
def probe_rewards(expected, random):
    P, _, _, _ = random_problem(random, 3, 3)
    return expected(P, torch.randn(3, 3, 3, generator=random, dtype=torch.float64))


# ---- validate_mdp


@exam.add("validate_mdp", points=0.5, message="a good MDP passes, and nothing is returned", hint="do not raise")
def good_numbers(validate):
    holds(validate(STAY_OR_GO, TWO_REWARDS, 0.9) is None, "expected None for a valid MDP")
    validate(STAY_OR_GO, TWO_REWARDS, 1.0)
    thirds = torch.full((3, 1, 3), 1 / 3, dtype=torch.float64)
    validate(thirds, torch.zeros(3, 1, dtype=torch.float64), 0.0)


@exam.add(
    "validate_mdp", points=0.5, message="a row that sums to 0.98, named with its place", hint="state, action and sum"
)
def a_short_row(validate):
    validate(STAY_OR_GO, TWO_REWARDS, 0.9)  # who refuses everything earns nothing
    P = STAY_OR_GO.clone()
    P[1, 0, 1] = 0.98
    raises(validate, P, TWO_REWARDS, 0.9, mentions=("state 1", "action 0", "0.98"))


@exam.add(
    "validate_mdp",
    points=0.5,
    message="a negative probability in a row that sums to 1",
    hint="the sum alone is not enough",
)
def a_negative_probability(validate):
    validate(STAY_OR_GO, TWO_REWARDS, 0.9)  # who refuses everything earns nothing
    P = STAY_OR_GO.clone()
    P[0, 1] = table(1.5, -0.5)
    raises(validate, P, TWO_REWARDS, 0.9)


@exam.add("validate_mdp", points=0.5, message="NaN, in P and in the rewards", hint="comparisons with NaN are false")
def not_a_number(validate):
    validate(STAY_OR_GO, TWO_REWARDS, 0.9)  # who refuses everything earns nothing
    P, r = STAY_OR_GO.clone(), TWO_REWARDS.clone()
    P[0, 0, 0] = torch.nan
    r[1, 1] = torch.nan
    raises(validate, P, TWO_REWARDS, 0.9)
    raises(validate, STAY_OR_GO, r, 0.9)


@exam.probe("validate_mdp")
def probe_validation(validate, random):
    short, negative, nan, reward = STAY_OR_GO.clone(), STAY_OR_GO.clone(), STAY_OR_GO.clone(), TWO_REWARDS.clone()
    short[1, 0, 1] = 0.98
    negative[0, 1] = table(1.5, -0.5)
    nan[0, 0, 0] = reward[0, 0] = torch.nan
    rounded = torch.full((3, 1, 3), 1 / 3, dtype=torch.float64) + 1e-9
    columns = torch.tensor([[[0.5, 0.5]], [[0.5, 0.5]]], dtype=torch.float64) * table([[1.5]], [[0.5]])
    cases = [
        (STAY_OR_GO, TWO_REWARDS, 0.9), (short, TWO_REWARDS, 0.9), (negative, TWO_REWARDS, 0.9), (nan, TWO_REWARDS, 0.9),
        (STAY_OR_GO, reward, 0.9), (STAY_OR_GO, TWO_REWARDS, 1.5), (STAY_OR_GO, TWO_REWARDS[:, :1], 0.9),
        (rounded, torch.zeros(3, 1, dtype=torch.float64), 1.0), (columns, TWO_REWARDS[:, :1], 0.9),
        (STAY_OR_GO, TWO_REWARDS, float("nan")),
    ]  # fmt: skip
    return [str(validate(*case)) for case in cases]


# ---- make_absorbing


@exam.add(
    "make_absorbing",
    points=1,
    message="state 1 becomes the end: it stays, at reward 0",
    hint="rows and rewards of that state",
)
def the_end(make_absorbing):
    P, r = pair(make_absorbing(STAY_OR_GO, TWO_REWARDS, torch.tensor([False, True])))
    close(P, [[[1, 0], [0, 1]], [[0, 1], [0, 1]]])
    close(r, [[1, 2], [0, 0]])


@exam.add(
    "make_absorbing", points=1, message="nothing is terminal: nothing changes", hint="arriving at an end may still pay"
)
def no_end(make_absorbing):
    P, r = pair(make_absorbing(STAY_OR_GO, TWO_REWARDS, torch.tensor([False, False])))
    close(P, STAY_OR_GO)
    close(r, TWO_REWARDS)


def pair(answer):
    """Check that there are two results."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Failed(f"expected two results, got {type(answer).__name__}")
    return answer


@exam.probe("make_absorbing")
def probe_absorbing(make_absorbing, random):
    P, r, _, _ = random_problem(random, 3, 3)
    return make_absorbing(P, r, torch.tensor([False, True, False]))


# ---- induced_chain


@exam.add("induced_chain", points=1, message="a coin toss between staying and going", hint="half of each row")
def coin(induced_chain):
    chain, rewards = pair(induced_chain(STAY_OR_GO, TWO_REWARDS, table([0.5, 0.5], [0.5, 0.5])))
    close(chain, [[0.5, 0.5], [0.5, 0.5]])
    close(rewards, [1.5, 3.5])


@exam.add(
    "induced_chain", points=1, message="another policy in each state; rows sum to 1", hint="which axis is summed?"
)
def uneven(induced_chain):
    chain, rewards = pair(induced_chain(STAY_OR_GO, TWO_REWARDS, table([0.75, 0.25], [0.0, 1.0])))
    close(chain, [[0.75, 0.25], [1.0, 0.0]])
    close(rewards, [1.25, 4.0])


@exam.probe("induced_chain")
def probe_chain(induced_chain, random):
    P, r, policy, _ = random_problem(random, 3, 3)
    return induced_chain(P, r, policy)


# ---- occupancy


@exam.add(
    "occupancy", points=1, message="start in 0, move to 1, stay there, discount 0.5", hint="(1, 0.5 + 0.25 + ...)"
)
def move_and_stay(occupancy):
    policy = table([0.0, 1.0], [1.0, 0.0])
    close(occupancy(STAY_OR_GO, policy, table(1.0, 0.0), 0.5), [1.0, 1.0])


@exam.add(
    "occupancy", points=1, message="the sum is 1 / (1 - discount)", hint="a probability for every time step, discounted"
)
def mass(occupancy):
    P, _, policy, start = random_problem(exam.random())
    found = numbers(occupancy(P, policy, start, 0.9), (4,))
    close(found.sum(), 10.0)
    holds(bool((found > 0).all()), "some occupancy is negative or zero")


@exam.probe("occupancy")
def probe_occupancy(occupancy, random):
    P, _, policy, start = random_problem(random, 3, 3)
    return occupancy(P, policy, start, 0.8)


# ---- sample_trajectories


@exam.add(
    "sample_trajectories", points=1, message="where nothing is random, the path is known", hint="0, then 1, then 1 ..."
)
def known_path(sample):
    policy = table([0.0, 1.0], [1.0, 0.0])
    states, actions = pair(sample(STAY_OR_GO, policy, table(1.0, 0.0), 4, 3, exam.random()))
    close(states, [[0, 1, 1, 1]] * 3)
    close(actions, [[1, 0, 0, 0]] * 3)


@exam.add("sample_trajectories", points=1, message="first states, actions and next states have their frequencies")
def frequencies(sample):
    # 4,000 trajectories of 3 steps. A frequency of n draws lies within 6 standard errors (at most 3 / sqrt(n)); the
    # normal tail beyond 6 is 2e-9, and 2 + 4 + 8 frequencies are compared: a right answer fails less than once in 3e7.
    P = table([[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]])
    policy, start = table([0.25, 0.75], [0.6, 0.4]), table(0.7, 0.3)
    states, actions = (
        numbers(part, (4000, 3)).long() for part in pair(sample(P, policy, start, 3, 4000, exam.random()))
    )
    near("first states", states[:, 0], start)
    for s in range(2):
        here = states[:, :2] == s
        near(f"actions in state {s}", actions[:, :2][here], policy[s])
        for a in range(2):
            taken = here & (actions[:, :2] == a)
            near(f"next states of state {s}, action {a}", states[:, 1:][taken], P[s, a])


def near(what, drawn, probabilities):
    """Fail unless frequencies are within six standard errors of probabilities."""
    if len(drawn) < 50:
        raise Failed(f"{what}: only {len(drawn)} draws among 4000 trajectories")
    found = torch.bincount(drawn, minlength=len(probabilities)).double() / len(drawn)
    allowed = 3 / len(drawn) ** 0.5
    if len(found) != len(probabilities) or float((found - probabilities).abs().max()) > allowed:
        raise Failed(f"{what}: expected frequencies near {probabilities.tolist()}, got {found.tolist()}")


@exam.probe("sample_trajectories", tolerance=0.05)
def probe_sampling(sample, random):
    # Frequencies of 20,000 trajectories; their standard errors are at most 0.0036, the tolerance is 14 of these.
    P = table([[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]])
    answer = sample(P, table([0.1, 0.9], [0.6, 0.4]), table(0.8, 0.2), 3, 20_000, random)
    if isinstance(answer, str):
        return answer
    states, actions = (torch.as_tensor(part).double() for part in answer)
    if tuple(states.shape) != (20_000, 3):
        return [list(states.shape)]
    together = states[:, :2] * actions[:, :2]
    return [states.mean(dim=0), actions.mean(dim=0), together.mean(dim=0), (actions[:, 0] * states[:, 1]).mean()]
