import numpy as np
import pytest
import scipy.sparse
import torch
from quantecon.markov import DiscreteDP

from rlkit.dynamic_programming import action_values, bellman_optimality_operator, evaluate_policy
from rlkit.grid_backup import GridBackup
from rlkit.gridworld import Gridworld, slippery_grid
from rlkit.planning import iterate_policy_evaluation, modified_policy_iteration, policy_iteration, value_iteration
from rlkit.toy_text import mdp_from_gymnasium
from tests.rlkit.problems import puterman_two_states, random_mdp, random_policy

MAZE = "....G\n.##..\n..P#.\n.#...\nS...."
SOLVERS = [
    lambda mdp: value_iteration(mdp, 1e-9).state_values,
    lambda mdp: modified_policy_iteration(mdp, 1e-9).state_values,
    lambda mdp: policy_iteration(mdp).state_values,
]


def quantecon_solution(mdp, method, epsilon=1e-8):
    """QuantEcon's answer, an implementation that shares no code with ours."""
    states, actions = mdp.admissible.nonzero(as_tuple=True)
    if mdp.next_states is None:
        rows = mdp.transition_probabilities[states, actions].numpy()
    else:
        targets = mdp.next_states[states, actions].numpy()
        chances = mdp.transition_probabilities[states, actions].numpy()
        pairs = np.repeat(np.arange(len(states)), targets.shape[1])
        shape = (len(states), mdp.num_states)
        rows = scipy.sparse.csr_matrix((chances.ravel(), (pairs, targets.ravel())), shape=shape)
    rewards = mdp.expected_rewards[states, actions].numpy()
    problem = DiscreteDP(rewards, rows, mdp.discount, states.numpy(), actions.numpy())
    return torch.from_numpy(problem.solve(method=method, epsilon=epsilon, max_iter=100_000).v)


def largest_difference(first, second):
    return float((first - second).abs().max())


@pytest.mark.parametrize("solve", SOLVERS)
def test_puterman_in_closed_form(solve):
    assert solve(puterman_two_states()).tolist() == pytest.approx([-60 / 7, -20], abs=1e-8)
    impatient = puterman_two_states(discount=0.5)  # V*(1) = -2; staying 4.5 / 0.75 = 6, leaving 10 - 1 = 9
    assert solve(impatient).tolist() == pytest.approx([9, -2], abs=1e-8)


@pytest.mark.parametrize(
    "mdp",
    [
        puterman_two_states(),
        mdp_from_gymnasium("FrozenLake-v1", 0.99),
        mdp_from_gymnasium("Taxi-v4", 0.9),
        Gridworld(MAZE, slip=0.2, step_reward=-0.02).mdp(),
        random_mdp(seed=0, num_states=30),
    ],
    ids=["puterman", "frozen lake", "taxi", "maze", "random"],
)
def test_all_solvers_agree_with_quantecon(mdp):
    expected = quantecon_solution(mdp, "modified_policy_iteration", epsilon=1e-9)
    for solve in SOLVERS:
        assert largest_difference(solve(mdp), expected) < 1e-8


def test_a_slippery_grid_of_90000_states_equals_the_exact_solution_and_quantecon():
    grid = slippery_grid(300)
    mdp = grid.mdp()
    found = value_iteration(grid, 1e-9)
    # Exact: policy iteration with sparse direct solves, from the policy found, until no action improves.
    states, exact, residual = torch.arange(mdp.num_states), found.state_values, 1.0
    while residual > 1e-12:
        actions = action_values(mdp, exact).argmax(1)
        targets, chances = mdp.next_states[states, actions], mdp.transition_probabilities[states, actions]
        rows = np.repeat(np.arange(mdp.num_states), 3)
        chain = scipy.sparse.csr_matrix((chances.numpy().ravel(), (rows, targets.numpy().ravel())))
        system = (scipy.sparse.identity(mdp.num_states) - mdp.discount * chain).tocsc()
        exact = torch.from_numpy(scipy.sparse.linalg.spsolve(system, mdp.expected_rewards[states, actions].numpy()))
        residual = largest_difference(bellman_optimality_operator(mdp, exact), exact)
    assert largest_difference(found.state_values, exact) < 1e-8
    peer = quantecon_solution(mdp, "modified_policy_iteration", epsilon=1e-4)
    assert largest_difference(peer, exact) < 5e-5
    table = value_iteration(mdp, 5e-5)
    assert largest_difference(table.state_values, exact) < 5e-5


@pytest.mark.parametrize("slip", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_sweeping_a_grid_without_tables_is_the_same_mdp(monkeypatch, slip, block):
    monkeypatch.setattr("rlkit.grid_backup.BLOCK_ELEMENTS", block)
    world = Gridworld(MAZE, slip=slip, step_reward=-0.02, discount=0.95, goal_reward=3, pit_reward=-2)
    exact = policy_iteration(world.mdp()).state_values
    assert largest_difference(value_iteration(world, 1e-10).state_values, exact) < 1e-9


def test_a_grid_with_discount_zero_looks_one_step_ahead():
    world = Gridworld(["S.G"], discount=0.0, step_reward=-0.1)
    assert value_iteration(world, 1e-9).state_values.tolist() == pytest.approx([-0.1, 0.9, 0])


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4])
def test_the_guaranteed_error_is_kept(tolerance):
    world = Gridworld(MAZE, slip=0.2, step_reward=-0.02, discount=0.99)
    exact = policy_iteration(world.mdp()).state_values
    for found in (
        value_iteration(world, tolerance),
        value_iteration(world.mdp(), tolerance),
        modified_policy_iteration(world.mdp(), tolerance),
    ):
        assert found.converged and found.error_bound <= tolerance
        assert largest_difference(found.state_values, exact) <= found.error_bound + 1e-12


def test_iterated_evaluation_keeps_its_guarantee():
    mdp = random_mdp(seed=2, discount=0.95)
    policy = random_policy(2, mdp)
    found = iterate_policy_evaluation(mdp, policy, 1e-6)
    assert largest_difference(found.state_values, evaluate_policy(mdp, policy)) <= found.error_bound <= 1e-6


def test_good_initial_values_save_sweeps():
    world = Gridworld(MAZE, slip=0.2, discount=0.99)
    cold = value_iteration(world, 1e-8)
    warm = value_iteration(world, 1e-8, initial_values=cold.state_values)
    assert warm.num_iterations < cold.num_iterations / 2


def test_a_limit_of_sweeps_is_reported_not_hidden():
    found = value_iteration(Gridworld(MAZE, discount=0.99), 1e-9, max_sweeps=3)
    assert not found.converged and found.num_iterations == 3 and found.error_bound > 1e-9


def test_policy_iteration_stops_where_actions_are_tied():
    tied = Gridworld(["...", ".G.", "..."], slip=0.2, discount=0.99).mdp()
    assert policy_iteration(tied).converged


def test_policy_iteration_needs_no_discount_where_episodes_end():
    cliff = mdp_from_gymnasium("CliffWalking-v1", 1.0)
    assert policy_iteration(cliff).state_values[36].item() == pytest.approx(-13)


@pytest.mark.parametrize("solve", [value_iteration, modified_policy_iteration])
def test_without_discount_there_is_no_guarantee_to_stop_on(solve):
    with pytest.raises(ValueError, match="discount is 1, where no error bound exists; use policy_iteration"):
        solve(mdp_from_gymnasium("CliffWalking-v1", 1.0), 1e-6)


@pytest.mark.parametrize("tolerance", [0, -1.0, float("nan")])
def test_a_tolerance_that_cannot_be_met_is_refused(tolerance):
    with pytest.raises(ValueError, match="expected a number above 0"):
        value_iteration(random_mdp(seed=0), tolerance)


def test_values_that_are_not_finite_stop_the_sweeps():
    mdp = random_mdp(seed=0)
    with pytest.raises(ValueError, match="the values became nan in sweep 1"):
        value_iteration(mdp, 1e-6, initial_values=torch.full((mdp.num_states,), torch.nan, dtype=torch.float64))


def test_float32_sweeps_agree_to_their_precision():
    world = Gridworld(MAZE, slip=0.2, discount=0.9)
    single = value_iteration(GridBackup(world, dtype=torch.float32), 1e-4).state_values
    assert single.dtype == torch.float32
    assert largest_difference(single.double(), policy_iteration(world.mdp()).state_values) < 2e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_grid_on_cuda_equals_the_same_grid_on_the_cpu():
    world = slippery_grid(50)
    there = value_iteration(GridBackup(world, device="cuda"), 1e-8).state_values.cpu()
    assert largest_difference(there, value_iteration(world, 1e-8).state_values) < 1e-7
