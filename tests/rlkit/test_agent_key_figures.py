"""What is read from a log of episodes: intervals against closed forms, counted coverage, and no success at all."""

import math

import matplotlib.pyplot as plt
import pytest
import torch
from scipy.stats import binomtest

from rlkit.agents import key_figures
from rlkit.agents.figures import plot_front, plot_key_figures
from rlkit.agents.key_figures import Estimate, cost_per_success, mean_with_interval, report, wilson_interval

NAMES = ("success", "cost_per_success", "latency", "unsafe")


def episodes(successes, costs, latency=3.0, unsafe=0.0):
    return [
        {"success": float(won), "cost": float(cost), "latency": latency, "unsafe": unsafe, "turns": 3}
        for won, cost in zip(successes, costs, strict=True)
    ]


@pytest.fixture
def axes():
    figure, panels = plt.subplots(1, len(NAMES))
    yield panels
    plt.close(figure)


# Intervals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 40), (1, 40), (7, 40), (20, 40), (39, 40), (40, 40)])
def test_wilsons_interval_is_scipys(count, total):
    theirs = binomtest(count, total).proportion_ci(0.95, method="wilson")
    ours = wilson_interval(count, total)
    assert ours == pytest.approx((count / total, theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("count", "total"), [(3, 17), (390, 400)])
def test_wilsons_limits_are_the_shares_that_a_test_would_just_not_reject(count, total):
    share, low, high = wilson_interval(count, total)
    for limit in (low, high):
        assert abs(share - limit) == pytest.approx(key_figures.Z * math.sqrt(limit * (1 - limit) / total))


def test_wilsons_interval_without_a_success_in_closed_form():
    share, low, high = wilson_interval(0, 400)
    assert (share, low) == (0.0, 0.0)
    assert high == pytest.approx(key_figures.Z**2 / (400 + key_figures.Z**2))


@pytest.mark.parametrize(("count", "total"), [(-1, 4), (5, 4), (0, 0)])
def test_impossible_counts_are_refused(count, total):
    with pytest.raises(ValueError, match="expected 0 <= count <= total and at least one episode"):
        wilson_interval(count, total)


def test_cost_per_success_counts_what_failures_cost():
    costs, successes = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert cost_per_success(costs, successes).value == 12 / 2
    assert cost_per_success(costs, torch.ones(4)).value == costs.mean()


def test_the_ratios_interval_covers_the_truth_about_as_often_as_it_says():
    """500 logs of 200 episodes, success 0.6 and dearer where it failed: true ratio (0.6 * 0.2 + 0.4 * 0.5) / 0.6.

    At a true coverage of 0.95 a count below 0.92 has probability 0.2%; percentile intervals of 200 episodes have a
    little less than 0.95.
    """
    generator, truth, inside = torch.Generator().manual_seed(0), (0.6 * 0.2 + 0.4 * 0.5) / 0.6, 0
    for log in range(500):
        won = (torch.rand(200, generator=generator) < 0.6).double()
        noise = torch.rand(200, generator=generator)
        costs = 2 * noise * torch.where(won > 0, 0.2, 0.5)
        found = cost_per_success(costs, won, seed=log)
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 500 <= 0.98


def test_an_interval_shrinks_with_the_root_of_the_number_of_episodes():
    values = torch.rand(6_400, generator=torch.Generator().manual_seed(1))
    few, many = mean_with_interval(values[:400]), mean_with_interval(values)
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.15)


def test_drawing_in_parts_gives_intervals_of_the_same_size(monkeypatch):
    values = torch.rand(500, generator=torch.Generator().manual_seed(2))
    whole = mean_with_interval(values)
    monkeypatch.setattr(key_figures, "LARGEST_DRAW", 1_700)
    parts = mean_with_interval(values)
    assert parts.value == whole.value
    assert parts.high - parts.low == pytest.approx(whole.high - whole.low, rel=0.1)


# No success -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [0.3, 0.0])
def test_without_a_success_a_success_costs_infinitely_much_even_if_nothing_was_spent(cost):
    found = cost_per_success(torch.full((30,), cost), torch.zeros(30))
    assert found == (math.inf, math.inf, math.inf)


def test_with_one_success_the_interval_has_no_upper_end_and_is_no_nan():
    """Without the one success in it, which happens to a draw with probability 0.36, a resample has none."""
    found = cost_per_success(torch.full((30,), 0.5), torch.eye(30)[0])
    assert found.value == pytest.approx(15)
    assert found.high == math.inf
    assert 0 < found.low < 15


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_report_has_no_nan_and_each_value_lies_in_its_interval(count, share):
    won = [k < share * count for k in range(count)]
    figures = key_figures.key_figures(episodes(won, [0.2] * count))
    for name, (value, low, high) in figures.items():
        assert low <= value + 1e-12, name
        assert value <= high + 1e-12, name
        assert low >= 0, name
    assert "nan" not in report(figures)
    # With one success among several episodes some resamples have none; with fifteen of thirty none has.
    assert ("inf" in report(figures)) == (sum(won) < min(count, 2))


def test_a_session_that_succeeds_by_a_fraction_gets_a_mean():
    figures = key_figures.key_figures(episodes([0.5, 1.0, 0.0, 0.5], [0.1] * 4))
    assert figures["success"].value == pytest.approx(0.5)
    assert figures["cost_per_success"].value == pytest.approx(0.2)


def test_an_empty_log_is_refused_with_a_question():
    with pytest.raises(ValueError, match="has anything been logged"):
        key_figures.key_figures([])
    with pytest.raises(ValueError, match="has anything been logged"):
        cost_per_success(torch.zeros(0), torch.zeros(0))


def test_a_cost_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="expected finite numbers"):
        key_figures.key_figures(episodes([1, 1], [0.1, math.nan]))


# Pictures -------------------------------------------------------------------------------------------------------


def test_a_picture_shows_every_value_and_its_interval(axes):
    reports = {
        name: key_figures.key_figures(episodes([k < wins for k in range(50)], [0.2 + 0.01 * k for k in range(50)]))
        for name, wins in (("before", 10), ("after", 45))
    }
    plot_key_figures(axes, reports, NAMES)
    for panel, name in zip(axes, NAMES, strict=True):
        lines = panel.get_lines()
        for place, one in enumerate(figures[name] for figures in reports.values()):
            assert list(lines[2 * place].get_xdata()) == [one.low, one.high]
            assert list(lines[2 * place + 1].get_xdata()) == [one.value]
            assert one.high <= panel.get_xlim()[1]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["before", "after"]


def test_a_picture_without_a_success_marks_what_is_infinite(axes):
    none = key_figures.key_figures(episodes([0] * 20, [0.2] * 20))
    plot_key_figures(axes, {"none": none}, NAMES)
    plot_key_figures(axes, {"none": none, "some": key_figures.key_figures(episodes([1] * 20, [0.2] * 20))}, NAMES)
    axes[0].figure.canvas.draw()
    assert [text.get_text() for text in axes[1].texts] == ["∞", "∞"]
    assert all(math.isfinite(edge) for panel in axes for edge in panel.get_xlim())


def test_the_front_draws_a_cross_for_each_policy(axes):
    points = {
        "base": (Estimate(0.1, 0.08, 0.12), Estimate(0.3, 0.25, 0.35)),
        "after": (Estimate(0.2, 0.19, 0.22), Estimate(0.9, 0.88, 0.95)),
    }
    plot_front(axes[0], points)
    across, up, point = axes[0].get_lines()[3:]
    assert list(across.get_xdata()) == [0.19, 0.22]
    assert list(up.get_ydata()) == [0.88, 0.95]
    assert (*point.get_xdata(), *point.get_ydata()) == (0.2, 0.9)
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["base", "after"]
