import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats
import torch

from rlkit.bandit import BanditConfig, GaussianBandit, train, update_mean
from rlkit.gridworld import Gridworld
from rlkit.learning_curves import bootstrap_interval, interquartile_mean, smooth, summarise
from rlkit.planning import policy_iteration
from rlkit.plotting import plot_curves, plot_gridworld, use_course_style


def test_the_running_mean_is_the_mean():
    rewards = torch.randn(50, dtype=torch.float64)
    mean = torch.tensor(123.0, dtype=torch.float64)  # ignored: the first reward replaces it
    for count, reward in enumerate(rewards):
        mean = update_mean(mean, torch.tensor(count), reward)
    assert mean.item() == pytest.approx(rewards.mean().item())


def test_estimates_are_the_means_of_what_each_arm_paid():
    result = train(GaussianBandit([0.0, 0.5, 1.0]), BanditConfig(epsilon=0.3, num_steps=400, num_seeds=4))
    for seed in range(4):
        for arm in range(3):
            paid = result.rewards[seed][result.actions[seed] == arm]
            assert result.counts[seed, arm].item() == len(paid)
            assert result.action_values[seed, arm].item() == pytest.approx(paid.mean().item(), abs=1e-4)


def test_adding_seeds_keeps_the_ones_that_are_there_only_if_asked_for_again():
    config = BanditConfig(num_steps=20, num_seeds=3)
    assert torch.equal(train(GaussianBandit([0, 1]), config).rewards, train(GaussianBandit([0, 1]), config).rewards)


def test_without_noise_and_with_optimism_the_best_arm_wins():
    bandit = GaussianBandit([0.1, 0.9, 0.5], standard_deviation=0)
    result = train(bandit, BanditConfig(epsilon=0, initial_value=5.0, num_steps=30, num_seeds=10))
    assert (result.actions[:, -20:] == 1).all() and result.regrets[:, -1].eq(0).all()


def test_a_formula_of_ones_own_is_used():
    def never_explore_second_arm(action_values, epsilon):
        return torch.tensor([1.0, 0.0]).expand_as(action_values)

    result = train(GaussianBandit([0, 9]), BanditConfig(num_steps=10), action_probabilities=never_explore_second_arm)
    assert result.actions.eq(0).all() and result.regrets.eq(9).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianBandit([]), "expected \\(A,\\) with at least one arm"),
        (lambda: GaussianBandit([0.0, float("nan")]), r"means\[1\] is nan"),
        (lambda: GaussianBandit([0.0], standard_deviation=-1), "standard_deviation is -1"),
        (lambda: BanditConfig(epsilon=2), "epsilon is 2"),
        (lambda: BanditConfig(num_seeds=0), "num_seeds is 0, expected at least 1"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("count", [4, 8, 20])
def test_the_interquartile_mean_is_scipys_trimmed_mean(count):
    samples = torch.randn(count, 3, dtype=torch.float64)
    expected = scipy.stats.trim_mean(samples.numpy(), 0.25, axis=0)
    np.testing.assert_allclose(interquartile_mean(samples).numpy(), expected)


def test_with_ten_seeds_the_outermost_kept_two_count_half():
    samples = torch.arange(10.0)
    assert interquartile_mean(samples).item() == pytest.approx((2 * 0.5 + 3 + 4 + 5 + 6 + 7 * 0.5) / 5)
    uneven = torch.tensor([0.0, 1.0, 2.0, 10.0, 1e9, -1e9])  # one and a half samples are cut at each end
    assert interquartile_mean(uneven).item() == pytest.approx((0 * 0.5 + 1 + 2 + 10 * 0.5) / 3)


def test_the_interval_covers_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    studies = torch.randn(20, 600, generator=generator, dtype=torch.float64)  # 600 studies of 20 seeds, true centre 0
    low, high = bootstrap_interval(studies, num_resamples=500)
    covered = ((low <= 0) & (high >= 0)).double().mean().item()
    # A percentile bootstrap of 20 seeds covers a little less than its level; 0.88 to 0.97 holds it to that.
    assert 0.88 < covered < 0.97


def test_curves_keep_their_shape():
    summary = summarise(torch.randn(10, 7, 2))
    assert summary.centre.shape == summary.low.shape == summary.high.shape == (7, 2)
    assert (summary.low <= summary.centre).all() and (summary.centre <= summary.high).all()


def test_intervals_need_seeds_and_finite_numbers():
    with pytest.raises(ValueError, match="samples has 1 seeds, expected at least 2"):
        bootstrap_interval(torch.zeros(1, 5))
    with pytest.raises(ValueError, match=r"samples\[1, 0\] is nan"):
        bootstrap_interval(torch.tensor([[0.0], [torch.nan]]))
    with pytest.raises(ValueError, match="samples is empty"):
        interquartile_mean(torch.zeros(0))


def test_smoothing_is_a_mean_over_the_past():
    assert smooth(torch.tensor([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1, 2, 4, 6]


def test_figures_are_drawn(tmp_path):
    use_course_style()
    figure, axes = plt.subplots()
    plot_curves(axes, range(300), {"one": torch.rand(10, 300), "two": torch.rand(10, 300)})
    assert len(axes.lines) == 2 and len(axes.lines[0].get_xdata()) == 100
    world = Gridworld("..G\n.#P\nS..")
    solved = policy_iteration(world.mdp())
    drawn = plot_gridworld(world, solved.state_values, solved.policy)
    assert {"+1", "-1"} <= {text.get_text() for text in drawn.texts}
    figure.savefig(tmp_path / "curves.svg")
    plt.close("all")
