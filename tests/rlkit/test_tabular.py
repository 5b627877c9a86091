import pytest
import torch

from rlkit import dynamic_programming, tabular
from rlkit.environments import CartPole, LimitAsEnding, TableEnvironment, make_environment
from rlkit.mdp import FiniteMDP
from rlkit.planning import value_iteration
from rlkit.small_problems import random_walk, stay_or_quit, tempting_noise
from rlkit.tabular import TabularConfig, train
from rlkit.toy_text import mdp_from_gymnasium
from tests.rlkit.problems import random_mdp

REWARD, TERMINATED = torch.tensor([1.0, 1.0]), torch.tensor([False, True])
NEXT, OTHER = torch.tensor([[5.0, 9.0], [5.0, 9.0]]), torch.tensor([[2.0, 3.0], [2.0, 3.0]])


def targets(discount=0.5, reward=REWARD, terminated=TERMINATED, following=NEXT, other=OTHER):
    probabilities = torch.full_like(following, 0.5)
    return {
        "q": tabular.q_learning_target(reward, following, terminated, discount),
        "sarsa": tabular.sarsa_target(reward, following[..., 0], terminated, discount),
        "expected": tabular.expected_sarsa_target(reward, following, probabilities, terminated, discount),
        "double": tabular.double_q_target(reward, following, other, terminated, discount),
    }


def test_targets_by_hand():
    assert {name: value.tolist() for name, value in targets().items()} == {
        "q": [5.5, 1.0],
        "sarsa": [3.5, 1.0],
        "expected": [4.5, 1.0],
        "double": [2.5, 1.0],
    }


def test_targets_take_any_leading_axes_and_carry_no_gradient():
    generator = torch.Generator().manual_seed(0)
    reward = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    following, other = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    terminated = torch.rand(3, 4, generator=generator) < 0.3
    batch = targets(0.9, reward, terminated, following, other)
    for row in range(3):
        one = targets(0.9, reward[row], terminated[row], following[row], other[row])
        for name, value in one.items():
            assert torch.equal(value, batch[name][row]) and value.dtype == torch.float64
            assert not value.requires_grad


def test_targets_are_exact_in_float64_and_ignore_what_follows_an_end():
    """0.9 must not be rounded to float32 on the way, and a NaN after the end of an episode must not spread."""
    reward, terminated = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([False, True])
    following = torch.tensor([[1.0, 1.0], [torch.nan, torch.nan]], dtype=torch.float64)
    for name, value in targets(0.9, reward, terminated, following, following).items():
        assert value.tolist() == [0.9, 1.0], name


def test_targets_refuse_bad_input():
    with pytest.raises(ValueError, match=r"shapes disagree.*next_action_values \(2, 2\)"):
        tabular.q_learning_target(torch.ones(3), NEXT, torch.zeros(3, dtype=torch.bool), 0.9)
    with pytest.raises(ValueError, match=r"terminated has dtype torch\.float32"):
        tabular.sarsa_target(REWARD, REWARD, TERMINATED.float(), 0.9)


def test_one_step_of_each_method_is_the_update_rule():
    """A single transition at learning rate 0.5 from tables that are all 2: Q moves half-way to 1 + 0.9 * 2."""
    for method in tabular.TARGETS:
        environment = TableEnvironment(stay_or_quit(quit_reward=1.0), (4, 1), seed=0)
        config = TabularConfig(method=method, num_steps=1, discount=0.9, learning_rate=0.5, initial_value=2.0)
        values = train(environment, config).action_values
        moved = (values != 2.0).nonzero()
        assert moved[:, :2].tolist() == [[seed, 0] for seed in range(4)]
        half = 0.5 if method == "double_q_learning" else 1.0  # one of two tables moved, and this is their mean
        for seed, _, action in moved.tolist():
            goal = 1 + 0.9 * 2.0 if action == 0 else 1.0
            assert values[seed, 0, action].item() == pytest.approx(2 + half * 0.5 * (goal - 2))


def test_environments_that_meet_in_a_cell_move_it_to_the_mean_of_their_targets_at_most():
    mdp = tempting_noise(num_actions=2)
    environment = TableEnvironment(mdp, (1, 4_000), seed=0)
    config = TabularConfig(num_steps=2, discount=1.0, learning_rate=1.0, epsilon=1.0, initial_value=0.0)
    values = train(environment, config).action_values[0]
    # About 500 gambles of standard deviation 1 each in state 1: five standard errors.
    assert values[1].tolist() == pytest.approx([-0.1, -0.1], abs=0.25)


def test_a_limit_is_no_ending_and_what_happens_if_it_is_taken_for_one():
    """Stay or quit: staying is worth 100, quitting 30. With the limit as an ending its value hovers below 30."""
    config = TabularConfig(num_steps=10_000, discount=0.99, learning_rate=0.1, epsilon=0.1)
    right = train(TableEnvironment(stay_or_quit(), (20, 1), 0, step_limit=10), config).action_values[:, 0]
    wrong = train(LimitAsEnding(TableEnvironment(stay_or_quit(), (20, 1), 0, step_limit=10)), config)
    assert right.mean(0).tolist() == pytest.approx([100.0, 30.0], abs=0.1)
    assert (wrong.action_values[:, 0].argmax(-1) == 1).sum() >= 16  # a few may stand just above 30
    assert 26 < wrong.action_values[:, 0, 0].mean() < 30


@pytest.mark.parametrize("method", ["sarsa", "expected_sarsa"])
def test_on_policy_methods_learn_the_values_of_the_policy_that_they_follow(method):
    """With epsilon 1 that policy is uniform; its exact action values come from a linear solve."""
    mdp = random_mdp(seed=1, num_states=4, num_actions=2, discount=0.7)
    config = TabularConfig(
        method, num_steps=8_000, discount=0.7, learning_rate=1.0, learning_rate_power=0.8, epsilon=1.0
    )
    values = train(TableEnvironment(mdp, (6, 16), seed=0, step_limit=30), config).action_values
    uniform = torch.full((4, 2), 0.5, dtype=torch.float64)
    exact = dynamic_programming.action_values(mdp, dynamic_programming.evaluate_policy(mdp, uniform))
    assert (values - exact).abs().max() < 0.1


@pytest.mark.parametrize("method", ["q_learning", "double_q_learning"])
def test_off_policy_methods_learn_the_optimal_values_while_acting_at_random(method):
    mdp = random_mdp(seed=1, num_states=4, num_actions=2, discount=0.7)
    config = TabularConfig(
        method, num_steps=8_000, discount=0.7, learning_rate=1.0, learning_rate_power=0.8, epsilon=1.0
    )
    values = train(TableEnvironment(mdp, (6, 16), seed=0, step_limit=30), config).action_values
    exact = dynamic_programming.action_values(mdp, value_iteration(mdp, tolerance=1e-8).state_values)
    assert (values - exact).abs().max() < 0.08


def within_one_percent(name, num_environments, **settings):
    """How many of 20 seeds end with a greedy policy within 1% of the exact optimum, by exact evaluation."""
    discount = settings.get("discount", 0.99)
    mdp = mdp_from_gymnasium(name, discount)
    environment = make_environment(name, (20, num_environments), seed=1)
    result = train(environment, TabularConfig(**settings))
    start = mdp.initial_distribution
    best = -13.0 if discount == 1 else (start @ value_iteration(mdp, tolerance=1e-6).state_values).item()
    good = 0
    for values in result.action_values:
        policy = torch.nn.functional.one_hot(values.argmax(-1), mdp.num_actions).double()
        # A policy that walks in circles has no value without discounting; 0.9999 tells it apart as well.
        judge = mdp.with_discount(min(discount, 0.9999))
        good += (start @ dynamic_programming.evaluate_policy(judge, policy)).item() >= best - 0.01 * abs(best)
    return good


def test_cliff_walking_is_solved_on_all_of_twenty_seeds():
    assert within_one_percent("CliffWalking-v1", 1, num_steps=8_000, discount=1.0, learning_rate=0.5) == 20


def test_taxi_is_solved_on_all_of_twenty_seeds():
    assert within_one_percent("Taxi-v4", 64, num_steps=3_000, learning_rate=1.0, epsilon=0.3) == 20


def test_frozen_lake_is_solved_on_all_of_twenty_seeds():
    settings = {"learning_rate": 1.0, "learning_rate_power": 0.6, "initial_value": 1.0}
    assert within_one_percent("FrozenLake8x8-v1", 64, num_steps=40_000, record_every=10_000, **settings) == 20


def test_runs_repeat_and_seeds_differ():
    runs = [train(TableEnvironment(random_walk(), (3, 2), s), TabularConfig(num_steps=500, seed=s)) for s in (0, 0, 1)]
    assert torch.equal(runs[0].action_values, runs[1].action_values)
    assert not torch.equal(runs[0].action_values, runs[2].action_values)
    assert not torch.equal(runs[0].action_values[0], runs[0].action_values[1])


def test_a_students_target_trains_the_agent():
    def always_seven(reward, next_action_values, terminated, discount):
        return torch.full_like(reward, 7.0)

    environment = TableEnvironment(stay_or_quit(), (2, 1), seed=0)
    values = train(environment, TabularConfig(num_steps=2_000, epsilon=1.0), target=always_seven).action_values
    assert values[:, 0].flatten().tolist() == pytest.approx([7.0] * 4, abs=1e-3)


def test_what_a_table_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"CartPole has observations of shape \(4,\).*needs discrete states"):
        train(CartPole((1, 1), seed=0))
    with pytest.raises(ValueError, match="method is 'q', expected one of q_learning, sarsa"):
        TabularConfig(method="q")
    with pytest.raises(ValueError, match=r"batch axes \(3,\), expected \(seeds, environments\)"):
        train(TableEnvironment(stay_or_quit(), 3, seed=0))
    with pytest.raises(ValueError, match="learning_rate is 0"):
        TabularConfig(learning_rate=0)


def test_a_diverging_target_is_named_with_seed_and_step_and_what_was_learned_is_kept():
    calls = []

    def explodes(reward, next_action_values, terminated, discount):
        calls.append(1)
        result = reward.clone()
        if len(calls) == 30:
            result[1] = torch.inf
        return result

    environment = TableEnvironment(stay_or_quit(), (2, 1), seed=0)
    with pytest.warns(UserWarning, match="training stopped early"):
        result = train(environment, TabularConfig(num_steps=100, record_every=10), target=explodes)
    assert result.ended == "diverged: temporal-difference error of seed 1 is inf at step 30"
    assert result.history["steps"].tolist() == [10, 20]


def test_an_interrupted_run_keeps_its_history():
    calls = []

    def interrupt(reward, next_action_values, terminated, discount):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return reward

    with pytest.warns(UserWarning, match="interrupted"):
        result = train(
            TableEnvironment(stay_or_quit(), (1, 1), 0), TabularConfig(num_steps=99, record_every=10), interrupt
        )
    assert result.ended == "interrupted in iteration 24 of 99"
    assert result.history["return"].shape == (2, 1)


def test_an_environment_whose_episodes_would_have_no_step_is_refused():
    mdp, half = stay_or_quit(), torch.tensor([0.5, 0.5], dtype=torch.float64)
    ending = FiniteMDP(mdp.transition_probabilities, mdp.rewards, 0.9, mdp.next_states, half)
    with pytest.raises(ValueError, match="may start in the terminal state 1: they would have no step"):
        TableEnvironment(ending, 1, seed=0)
