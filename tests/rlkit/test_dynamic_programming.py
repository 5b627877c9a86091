import pytest
import torch

from rlkit.dynamic_programming import (
    action_values,
    advantages,
    bellman_expectation_operator,
    bellman_optimality_operator,
    error_bound,
    evaluate_policy,
    greedy_policy,
    induced_chain,
    occupancy,
)
from rlkit.gridworld import Gridworld
from rlkit.mdp import FiniteMDP
from rlkit.planning import policy_iteration
from tests.rlkit import references
from tests.rlkit.problems import puterman_two_states, random_mdp, random_policy

SEEDS = range(5)


def largest_difference(first, second):
    return float((first - second).abs().max())


def test_puterman_by_hand():
    mdp = puterman_two_states()
    values = torch.tensor([-60 / 7, -20.0], dtype=torch.float64)  # -4.5 / 0.525 and -1 / 0.05
    lookahead = action_values(mdp, values)
    assert lookahead[0].tolist() == pytest.approx([-60 / 7, 10 - 19], abs=1e-12)
    assert lookahead[1, 0].item() == pytest.approx(-20)
    assert lookahead[1, 1].item() == -torch.inf  # the action does not exist
    assert largest_difference(bellman_optimality_operator(mdp, values), values) < 1e-12
    assert greedy_policy(mdp, values).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("seed", SEEDS)
def test_operators_and_solutions_agree_with_independent_loops(seed):
    mdp = random_mdp(seed, num_states=5, num_actions=3)
    policy, values = random_policy(seed, mdp), torch.randn(5, dtype=torch.float64)
    tables = (mdp.dense(), mdp.expected_rewards, mdp.discount)
    loops = references.bellman
    for found, expected in (
        (action_values(mdp, values), loops.reference_lookahead(*tables, values)),
        (
            bellman_expectation_operator(mdp, policy, values),
            loops.reference_expectation_backup(*tables, policy, values),
        ),
        (bellman_optimality_operator(mdp, values), loops.reference_optimality_backup(*tables, values)),
        (evaluate_policy(mdp, policy), loops.reference_policy_values(*tables, policy)),
        (policy_iteration(mdp).state_values, loops.reference_optimal_values(*tables)),
    ):
        assert largest_difference(found, expected) < 1e-10
    visits = references.mdp.reference_occupancy(mdp.dense(), policy, mdp.initial_distribution, mdp.discount)
    assert largest_difference(occupancy(mdp, policy), visits) < 1e-10


@pytest.mark.parametrize("seed", SEEDS)
def test_both_operators_shrink_distances_by_the_discount(seed):
    mdp = random_mdp(seed, discount=0.9)
    policy = random_policy(seed, mdp)
    first, second = torch.randn(2, mdp.num_states, dtype=torch.float64)
    before = largest_difference(first, second)
    for operator in (
        lambda values: bellman_optimality_operator(mdp, values),
        lambda values: bellman_expectation_operator(mdp, policy, values),
    ):
        assert largest_difference(operator(first), operator(second)) <= 0.9 * before + 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exact_evaluation_is_the_fixed_point_and_the_limit_of_iteration(seed):
    mdp = random_mdp(seed)
    policy = random_policy(seed, mdp)
    values = evaluate_policy(mdp, policy)
    assert largest_difference(bellman_expectation_operator(mdp, policy, values), values) < 1e-12
    iterated = torch.zeros_like(values)
    for _ in range(400):
        iterated = bellman_expectation_operator(mdp, policy, iterated)
    assert largest_difference(values, iterated) < 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_occupancy_has_its_mass_and_its_duality(seed):
    mdp = random_mdp(seed)
    policy = random_policy(seed, mdp)
    visits = occupancy(mdp, policy)
    _, rewards = induced_chain(mdp, policy)
    assert float(visits.sum()) == pytest.approx(1 / (1 - mdp.discount))
    values = evaluate_policy(mdp, policy)
    assert float(visits @ rewards) == pytest.approx(float(mdp.initial_distribution @ values))


def test_occupancy_is_the_sum_over_time_of_where_the_chain_is():
    mdp = random_mdp(seed=7, discount=0.5)
    policy = random_policy(7, mdp)
    chain, _ = induced_chain(mdp, policy)
    start = torch.nn.functional.one_hot(torch.tensor(3), mdp.num_states).double()
    where, total = start, torch.zeros_like(start)
    for time in range(80):
        total += 0.5**time * where
        where = where @ chain
    assert largest_difference(occupancy(mdp, policy, start), total) < 1e-12


def test_with_discount_one_occupancy_counts_visits():
    corridor = Gridworld(["S..G"], discount=1.0)
    to_the_right = torch.tensor([[0.0, 1.0, 0.0, 0.0]] * 4, dtype=torch.float64)
    assert occupancy(corridor.mdp(), to_the_right).tolist() == [1, 1, 1, 1]
    assert evaluate_policy(corridor.mdp(), to_the_right).tolist() == [1, 1, 1, 0]


def test_a_policy_that_never_ends_has_no_value_at_discount_one():
    corridor = Gridworld(["S..G"], discount=1.0)
    to_the_left = torch.tensor([[0.0, 0.0, 0.0, 1.0]] * 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="discount is 1 and under this policy state 0 never reaches a terminal state"):
        evaluate_policy(corridor.mdp(), to_the_left)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_advantage_has_mean_zero_under_its_policy(seed):
    mdp = random_mdp(seed)
    policy = random_policy(seed, mdp)
    assert float((policy * advantages(mdp, policy)).sum(1).abs().max()) < 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_greedy_policy_improves_on_its_policy(seed):
    mdp = random_mdp(seed)
    values = evaluate_policy(mdp, random_policy(seed, mdp))
    assert (evaluate_policy(mdp, greedy_policy(mdp, values)) >= values - 1e-12).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_error_bound_holds_for_any_values(seed):
    mdp = random_mdp(seed, discount=0.95)
    best = policy_iteration(mdp).state_values
    for scale in (1e-3, 1.0, 100.0):
        values = best + scale * torch.randn(mdp.num_states, dtype=torch.float64)
        assert largest_difference(values, best) <= error_bound(mdp, values) * (1 + 1e-12)


def test_tied_actions_share_the_greedy_policy():
    symmetric = Gridworld("..G\n...\n...", discount=0.9).mdp()
    best = policy_iteration(symmetric)
    assert best.policy[3].tolist() == [0.5, 0.5, 0, 0]  # up and right are equally short


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (torch.ones(2, 3) / 3, r"policy has shape \(2, 3\), expected \(2, 2\)"),
        (torch.tensor([0, 1]), r"policy has shape \(2,\), expected \(2, 2\): a probability for each action"),
        (torch.tensor([[0.5, 0.4], [1.0, 0.0]]), "action probabilities of state 0 sum to 0.9, expected 1"),
        (torch.tensor([[1.5, -0.5], [1.0, 0.0]]), "action probabilities of state 0 contain -0.5"),
        (torch.tensor([[1.0, 0.0], [0.5, 0.5]]), "takes action 1 in state 1, where it is not admissible"),
        ("right", "policy has shape str"),
    ],
)
def test_a_malformed_policy_is_refused(policy, message):
    with pytest.raises(ValueError, match=message):
        evaluate_policy(puterman_two_states(), policy)


def test_a_chain_too_large_to_be_dense_is_refused_before_memory_is_taken():
    grid = Gridworld(["." * 100] * 51).mdp()
    with pytest.raises(ValueError, match=r"a dense chain of 5100 states needs 0 GB.*use iterate_policy_evaluation"):
        induced_chain(grid, torch.full((5100, 4), 0.25, dtype=torch.float64))


def test_float32_works_to_its_precision():
    mdp = random_mdp(seed=3)
    exact = evaluate_policy(mdp, random_policy(3, mdp))
    single = evaluate_policy(mdp.to(dtype=torch.float32), random_policy(3, mdp).float())
    assert single.dtype == torch.float32
    assert largest_difference(single.double(), exact) < 1e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_the_same_numbers_on_cuda():
    mdp: FiniteMDP = random_mdp(seed=3)
    there = policy_iteration(mdp.to("cuda"))
    assert largest_difference(there.state_values.cpu(), policy_iteration(mdp).state_values) < 1e-10
