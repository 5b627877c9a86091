import itertools

import pytest
import torch

from rlkit.environments import TableEnvironment
from rlkit.policy_gradient import expected_return, policy_gradient, sample_policy_gradients
from rlkit.prediction import (
    lambda_target,
    learn_values,
    monte_carlo_target,
    n_step_target,
    play_episodes,
    temporal_difference_target,
)
from rlkit.small_problems import random_walk, two_alike
from rlkit.toy_text import mdp_from_gymnasium
from tests.rlkit.problems import random_mdp

DRIFT = torch.ones(21, 1, dtype=torch.float64)
TRUE_VALUES = torch.arange(-9, 10, dtype=torch.float64) / 10


def walks(num_runs=40, num_episodes=30):
    return play_episodes(TableEnvironment(random_walk(), (num_runs,), seed=0), DRIFT, num_episodes, seed=0)


def test_the_walk_has_the_values_of_its_closed_form():
    from rlkit.dynamic_programming import evaluate_policy

    values = evaluate_policy(random_walk(), DRIFT)
    assert values[:19].tolist() == pytest.approx(TRUE_VALUES.tolist())


def test_one_episode_moves_only_its_visited_states_and_td0_only_the_last_one():
    episode = walks(num_runs=5, num_episodes=1)
    values = learn_values(episode, 21, temporal_difference_target, 0.1, 1.0)[1]
    last = [int(states[playing][-1]) for states, playing in zip(episode[0].states.T, episode[0].playing.T, strict=True)]
    for run, state in enumerate(last):
        assert values[run].nonzero().flatten().tolist() == [state]
        assert values[run, state].item() == pytest.approx(0.1 if state == 18 else -0.1)


def test_extreme_methods_agree_with_their_names():
    episodes = walks(num_runs=6, num_episodes=4)
    learn = lambda target: learn_values(episodes, 21, target, 0.2, 1.0)  # noqa: E731
    assert torch.allclose(learn(n_step_target(1)), learn(temporal_difference_target))
    assert torch.allclose(learn(lambda_target(0.0)), learn(temporal_difference_target))
    assert torch.allclose(learn(n_step_target(10_000)), learn(monte_carlo_target))
    assert torch.allclose(learn(lambda_target(1.0)), learn(monte_carlo_target))


EPISODES = walks(num_runs=60, num_episodes=100)


@pytest.mark.parametrize(
    "target", [monte_carlo_target, temporal_difference_target, n_step_target(4), lambda_target(0.8)]
)
def test_every_method_comes_near_the_true_values(target):
    values = learn_values(EPISODES, 21, target, 0.1, 1.0)[-1]
    # The last returns count most: a value varies by about sqrt(0.1 / 2) between runs, five standard errors are 0.14.
    assert (values[:, :19].mean(0) - TRUE_VALUES).abs().max() < 0.15


def test_the_policy_gradient_theorem_is_the_derivative_of_the_objective():
    for mdp in (mdp_from_gymnasium("FrozenLake-v1", 0.95), random_mdp(seed=3), two_alike()):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(mdp.num_states, mdp.num_actions, generator=generator, dtype=torch.float64)
        logits.requires_grad_()
        expected_return(mdp, logits).backward()
        assert torch.allclose(policy_gradient(mdp, logits), logits.grad, atol=1e-12)


def test_the_estimators_mean_is_the_exact_gradient_within_its_interval():
    """Each component within 4.5 standard errors: 180 numbers, chance of failure below 1 in 800; the seed is fixed."""
    mdp = mdp_from_gymnasium("FrozenLake-v1", 0.95)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(mdp.num_states, 4, generator=generator, dtype=torch.float64) / 2
    exact = policy_gradient(mdp, logits)
    baseline = torch.randn(mdp.num_states, generator=generator, dtype=torch.float64) * 0.1
    for chosen in (None, baseline, "leave_one_out"):
        estimates = sample_policy_gradients(mdp, logits, 100, 300, 150, seed=0, baseline=chosen)
        error = (estimates.mean(0) - exact).abs()
        standard_error = estimates.std(0) / 10
        assert (error <= 4.5 * standard_error + 1e-6).all()


def test_dropping_the_discount_factor_estimates_something_else_even_in_sign():
    """Two steps that look alike, +1 and then -1.5 at discount 0.5: the gradient says act, the estimate says do not.

    By hand, acting with probability p: J = p (1 - 0.75). Without the factor the second step counts in full, 1 - 1.5.
    """
    mdp, logits = two_alike(), torch.zeros(3, 2, dtype=torch.float64)
    right = policy_gradient(mdp, logits).sum(0)
    wrong = policy_gradient(mdp, logits, keep_discount_factor=False).sum(0)
    assert right.tolist() == pytest.approx([-0.25 * 0.25, 0.25 * 0.25])
    assert wrong.tolist() == pytest.approx([0.5 * 0.25, -0.5 * 0.25])
    for keep, exact in ((True, right), (False, wrong)):
        estimates = sample_policy_gradients(mdp, logits, 50, 400, 2, seed=0, keep_discount_factor=keep).sum(1)
        assert (estimates.mean(0) - exact).abs().max() < 5 * (estimates.std(0) / 50**0.5).max()


def test_an_enumeration_of_all_trajectories_gives_the_same_gradient():
    mdp = two_alike(discount=0.8, first_reward=2.0, second_reward=-0.3)
    logits = torch.tensor([[0.3, -0.2], [0.9, 0.1], [0.0, 0.0]], dtype=torch.float64)
    policy = logits.softmax(-1)
    expected = torch.zeros_like(logits)
    for first, second in itertools.product(range(2), repeat=2):
        probability = policy[0, first] * policy[1, second]
        total = mdp.rewards[0, first] + 0.8 * mdp.rewards[1, second]
        for state, action in ((0, first), (1, second)):
            expected[state] += probability * total * (torch.eye(2, dtype=torch.float64)[action] - policy[state])
    assert torch.allclose(policy_gradient(mdp, logits), expected)


def test_an_unknown_baseline_is_refused():
    mdp = two_alike()
    with pytest.raises(ValueError, match="baseline is 'mean', expected a tensor of shape"):
        sample_policy_gradients(mdp, torch.zeros(3, 2, dtype=torch.float64), 1, 2, 2, 0, baseline="mean")
