"""The widgets of chapters 4 to 11 compute what rlkit computes, and can be used without a mouse and on a phone."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch import Tensor

from rlkit.advantages import generalized_advantage_estimate, returns_to_go
from rlkit.dpo import dpo_loss, implicit_reward
from rlkit.group_objective import group_advantages
from rlkit.mdp import FiniteMDP
from rlkit.policies import categorical_entropy, categorical_log_probability
from rlkit.policy_gradient import expected_return, policy_gradient
from rlkit.ppo import clipped_surrogate
from rlkit.reinforce import policy_gradient_loss
from rlkit.reward_model import bradley_terry_loss
from rlkit.seeding import make_generator
from rlkit.tabular import q_learning_target, sarsa_target
from tests.browser.conftest import ROOT, served
from tests.browser.test_pages import AXE

pytestmark = pytest.mark.browser

STATIC = ROOT / "book" / "_static"
NAMES = (
    "cliff-walking",
    "clipped-surrogate",
    "frame-player",
    "gae-dial",
    "group-advantages",
    "policy-simplex",
    "preference-dial",
)
TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def page(browser) -> Iterator:
    """A page on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


def widget(page, html: str):
    """Put a fresh widget into the page and return it."""
    name = re.match(r"<([a-z-]+)", html).group(1)
    page.set_content(f"<!doctype html><body>{html}</body>")
    page.add_script_tag(path=STATIC / f"{name}.js")
    return page.locator(name)


def status(element) -> str:
    return element.locator("[role=status]").inner_text()


def largest_difference(left: object, right: Tensor) -> float:
    return float((torch.as_tensor(left, dtype=torch.float64) - right).abs().max())


# The cliff ------------------------------------------------------------------------------------------------------

TARGETS = {"q": q_learning_target, "sarsa": sarsa_target}


def replay(method: str, transitions: list, alpha: float, discount: float, table: Tensor) -> tuple[Tensor, Tensor]:
    """Learn from transitions one after the other with rlkit's targets; return the table and the targets."""
    table, targets = table.clone(), []
    for state, action, reward, following, next_action, terminated in transitions:
        value = table[following] if method == "q" else table[following, next_action]
        reward, terminated = torch.tensor(reward, dtype=torch.float64), torch.tensor(bool(terminated))
        targets.append(TARGETS[method](reward, value, terminated, discount))
        table[state, action] += alpha * (targets[-1] - table[state, action])
    return table, torch.stack(targets)


def test_the_cliff_is_that_of_gymnasium(page) -> None:
    element = widget(page, "<cliff-walking></cliff-walking>")
    given = element.evaluate(
        "cliff => [...Array(48).keys()].map(s => [0, 1, 2, 3].map(a => cliff.constructor.transition(s, a)))"
    )
    table = gymnasium.make("CliffWalking-v1").unwrapped.P
    for state in [*range(37)]:  # the others are the cliff and the goal, where no step begins
        for action in range(4):
            ((_, following, reward, terminated),) = table[state][action]
            assert given[state][action] == [reward, following, terminated], (state, action)


@pytest.mark.parametrize("method", TARGETS)
@pytest.mark.parametrize(("alpha", "discount"), [(0.5, 1.0), (0.1, 0.9), (1.0, 0.99)])
def test_a_run_over_given_transitions_is_that_of_rlkit(page, method: str, alpha: float, discount: float) -> None:
    element = widget(page, "<cliff-walking></cliff-walking>")
    generator, count = make_generator(7, "transitions"), 3000
    draw = functools.partial(torch.randint, size=(count,), generator=generator)
    columns = [draw(48), draw(4), torch.randn(count, generator=generator).double(), draw(48), draw(4), draw(8) == 0]
    transitions = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    initial = torch.randn(48, 4, generator=generator).double()
    given = element.evaluate(
        "(cliff, [method, ...rest]) => cliff.constructor.learn(method, ...rest)",
        [method, transitions, alpha, discount, initial.tolist()],
    )
    table, targets = replay(method, transitions, alpha, discount, initial)
    assert largest_difference(given["targets"], targets) < TOLERANCE
    assert largest_difference(given["table"], table) < TOLERANCE


@pytest.mark.parametrize("method", TARGETS)
def test_what_the_widget_learns_in_its_own_episodes_is_that_of_rlkit(page, method: str) -> None:
    element = widget(page, "<cliff-walking></cliff-walking>")
    seen = element.evaluate(
        """(cliff, method) => {
            const type = cliff.constructor, transitions = [], table = type.learn(method, [], 0).table;
            const random = type.generator(3);
            for (let k = 0; k < 150; k++) type.episode(method, table, 0.1, 0.5, random, step => transitions.push(step));
            return { transitions, table };
        }""",
        method,
    )
    assert len(seen["transitions"]) > 3000
    table, _ = replay(method, seen["transitions"], 0.5, 1.0, torch.zeros(48, 4, dtype=torch.float64))
    assert largest_difference(seen["table"], table) < TOLERANCE
    steps = seen["transitions"]
    for (_, _, _, following, next_action, terminated), (state, action, *_) in itertools.pairwise(steps):
        assert state == (36 if terminated else following)
        if method == "sarsa" and not terminated:
            assert action == next_action  # what SARSA has learned from is what it then does


def test_exploration_has_the_probabilities_of_epsilon_greedy(page) -> None:
    element = widget(page, "<cliff-walking></cliff-walking>")
    counts = element.evaluate(
        """cliff => {
            const { choose, generator } = cliff.constructor, random = generator(0), counts = [0, 0, 0, 0];
            for (let k = 0; k < 40000; k++) counts[choose([1, 2, 2, 0], 0.2, random)]++;
            return counts;
        }"""
    )
    expected = torch.tensor([0.05, 0.45, 0.45, 0.05], dtype=torch.float64)
    spread = (expected * (1 - expected) / 40000).sqrt()
    shares = torch.tensor(counts, dtype=torch.float64) / 40000
    assert bool(((shares - expected).abs() < 5 * spread).all()), shares


def test_the_buttons_run_episodes_and_the_same_seed_gives_the_same_run(page) -> None:
    tables = "cliff => [cliff.learners.q.table, cliff.learners.sarsa.table]"
    element = widget(page, '<cliff-walking seed="5"></cliff-walking>')
    for _ in range(10):
        element.get_by_role("button", name="10 episodes").click()
    once = element.evaluate(tables)
    element.get_by_role("button", name="Reset").click()
    assert "No episode" in status(element)
    element.get_by_role("button", name="100 episodes").focus()
    page.keyboard.press("Enter")
    assert element.evaluate(tables) == once
    element.get_by_role("button", name="1 episode", exact=True).click()
    assert status(element).startswith("101 episodes. Average return of the last 100")
    assert element.evaluate(tables) != once
    assert widget(page, '<cliff-walking seed="6"></cliff-walking>').evaluate("cliff => cliff.seed") == 6


def test_q_learning_finds_the_shorter_path_and_earns_less_while_it_explores(page) -> None:
    element = widget(page, "<cliff-walking></cliff-walking>")
    for _ in range(5):
        element.get_by_role("button", name="100 episodes").click()
    average = element.evaluate("cliff => [cliff.average('q'), cliff.average('sarsa')]")
    # 100 seeds gave -50.6 and -28.0 over 500 episodes; the mean of 100 episodes of one seed lies around them.
    assert -75 < average[0] < -35 and -40 < average[1] < -18
    returns = element.evaluate("cliff => cliff.learners.q.returns.slice(-100)")
    assert average[0] == pytest.approx(sum(returns) / 100)
    assert element.get_by_role("img", name="Q-learning: greedy path up 1, right 11, down 1").count() == 1
    text = status(element)
    assert "the path of Q-learning takes 13 steps" in text and "that of SARSA takes 17 steps" in text
    assert f"Q-learning −{-average[0]:.1f}" in text
    # The same tables with no exploration: SARSA then follows its own greedy policy, and moves to the edge.
    element.get_by_label("exploration").fill("0")
    for _ in range(5):
        element.get_by_role("button", name="100 episodes").click()
    assert element.evaluate("cliff => cliff.average('q')") == -13
    assert element.evaluate("cliff => cliff.learners.q.returns.length") == 1000


# The clipped surrogate --------------------------------------------------------------------------------------------


def test_value_and_gradient_are_those_of_rlkit(page) -> None:
    element = widget(page, "<clipped-surrogate></clipped-surrogate>")
    generator = make_generator(1, "surrogate")
    clip_ranges = [0.0, 0.1, 0.2, 0.5, 1.5]
    log_ratio = torch.randn(1000, generator=generator).double() / 2
    advantage = torch.randn(1000, generator=generator).double()
    advantage[::50] = 0.0
    for clip_range in clip_ranges:
        old = torch.randn(1000, generator=generator).double()
        new = (old + log_ratio).requires_grad_()
        expected = clipped_surrogate(new, old, advantage, clip_range)
        (slope,) = torch.autograd.grad(expected.sum(), new)
        ratio = (new - old).exp().detach()
        given = element.evaluate(
            """(element, [ratios, advantages, clip]) => ["value", "gradient"].map(
                name => ratios.map((ratio, k) => element.constructor[name](ratio, advantages[k], clip)))""",
            [ratio.tolist(), advantage.tolist(), clip_range],
        )
        assert largest_difference(given[0], expected.detach()) < TOLERANCE
        assert largest_difference(given[1], slope / ratio) < TOLERANCE  # d/d log r = r d/dr
        assert 0 < int((slope == 0).sum()) < 1000


@pytest.mark.parametrize(
    ("ratio", "advantage", "words"),
    [
        (1.3, 1.0, "The advantage is positive and the ratio is already above 1.20: the gradient is zero."),
        (1.1, 1.0, "between 0.80 and 1.20: nothing is clipped. The gradient is 1.00 and makes the action more likely."),
        (0.5, 1.0, "below 0.80, the wrong way: the minimum takes w A, which is not clipped. The gradient is 1.00"),
        (0.5, -1.0, "The advantage is negative and the ratio is already below 0.80: the gradient is zero."),
        (1.0, -0.5, "nothing is clipped. The gradient is −0.50 and makes the action less likely."),
        (1.5, -1.0, "above 1.20, the wrong way: the minimum takes w A, which is not clipped. The gradient is −1.00"),
        (1.5, 0.0, "The advantage is zero: the gradient is zero"),
    ],
)
def test_the_sentence_says_whether_the_gradient_is_on(page, ratio: float, advantage: float, words: str) -> None:
    element = widget(page, "<clipped-surrogate></clipped-surrogate>")
    page.get_by_label("ratio w").fill(str(ratio))
    page.get_by_label("advantage A").fill(str(advantage))
    assert words in status(element)
    assert element.evaluate("element => [element.ratio, element.advantage]") == [ratio, advantage]
    off = element.evaluate("element => element.gradient") == 0
    assert off == ("gradient is zero" in status(element))
    drawn = element.evaluate("element => Number(element.shadowRoot.querySelector('circle').getAttribute('cy'))")
    assert drawn == pytest.approx(10 + (3 - element.evaluate("element => element.value")) / 6 * (280 - 10 - 44))


def test_the_ratio_can_be_set_by_keyboard_and_on_the_picture(page) -> None:
    element = widget(page, '<clipped-surrogate ratio="1.2" advantage="1" clip-range="0.2"></clipped-surrogate>')
    assert "nothing is clipped" in status(element)  # on the bound the gradient is still on, as in torch
    page.get_by_label("ratio w").focus()
    page.keyboard.press("ArrowRight")
    assert "already above 1.20" in status(element)
    box = element.locator(".plot").bounding_box()
    page.mouse.click(box["x"] + 42 + (box["width"] - 52) / 4, box["y"] + 100)
    assert element.evaluate("element => element.ratio") == pytest.approx(0.5, abs=0.02)
    assert page.get_by_label("ratio w").input_value() == str(element.evaluate("element => element.ratio"))


# The dial ---------------------------------------------------------------------------------------------------------


def make_trajectory(length: int, seed: int, ends: float) -> dict[str, list]:
    """Return a made-up trajectory with endings of both kinds; where it goes on, the next value is the next row's."""
    generator = make_generator(seed, "trajectory")
    numbers = {name: torch.randn(length, generator=generator).double() for name in ("rewards", "values", "next_values")}
    flags = {name: torch.rand(length, generator=generator) < ends for name in ("terminated", "truncated")}
    goes_on = ~(flags["terminated"] | flags["truncated"])[:-1]
    numbers["next_values"][:-1][goes_on] = numbers["values"][1:][goes_on]
    return {name: each.tolist() for name, each in {**numbers, **flags}.items()}


def dial(page, trajectory: dict, attributes: str = ""):
    """Put a dial into the page."""
    data = f'<script type="application/json">{json.dumps(trajectory)}</script>'
    return widget(page, f"<gae-dial {attributes}>{data}<p>Needs JavaScript.</p></gae-dial>")


def columns(trajectory: dict) -> list[Tensor]:
    names = ("rewards", "values", "next_values", "terminated", "truncated")
    kinds = {"terminated": torch.bool, "truncated": torch.bool}
    return [torch.tensor(trajectory[name], dtype=kinds.get(name, torch.float64)) for name in names]


@pytest.mark.parametrize(("length", "seed", "ends"), [(1, 0, 0.0), (40, 1, 0.0), (40, 2, 0.1), (500, 3, 0.3)])
def test_every_advantage_is_that_of_rlkit(page, length: int, seed: int, ends: float) -> None:
    trajectory = make_trajectory(length, seed, ends)
    element = dial(page, trajectory)
    for gae_lambda, discount in [(0.0, 0.99), (1.0, 0.99), (0.95, 0.99), (0.5, 0.0), (1.0, 1.0), (0.9, 1.0)]:
        page.get_by_label("λ", exact=True).fill(str(gae_lambda))
        page.get_by_label("discount γ").fill(str(discount))
        expected = generalized_advantage_estimate(*columns(trajectory), discount, gae_lambda)
        assert largest_difference(element.evaluate("element => element.advantages"), expected) < TOLERANCE


def test_the_bars_drawn_are_the_advantages_and_the_outlines_both_ends_of_the_dial(page) -> None:
    trajectory = make_trajectory(12, 4, 0.3)
    element = dial(page, trajectory, 'gae-lambda="0.8" discount="0.9"')
    heights = (
        "(element, kind) => [...element.shadowRoot.querySelectorAll('.plot rect.' + kind)]"
        ".map(each => +each.getAttribute('height'))"
    )
    rewards, values, next_values, terminated, truncated = columns(trajectory)
    targets = {
        "bar": generalized_advantage_estimate(*columns(trajectory), 0.9, 0.8),
        "zero": rewards + 0.9 * next_values.masked_fill(terminated, 0.0) - values,
        "one": returns_to_go(rewards, next_values, terminated, truncated, 0.9) - values,
    }
    drawn = {kind: torch.tensor(element.evaluate(heights, kind), dtype=torch.float64) for kind in targets}
    scale = drawn["bar"].max() / targets["bar"].abs().max()
    for kind, expected in targets.items():
        assert largest_difference(drawn[kind], scale * expected.abs()) < 1e-9, kind
    ended = int((terminated | truncated).sum())
    assert ended > 0
    assert element.locator(".plot line.terminated, .plot line.truncated").count() == ended


def test_given_returns_are_shown_at_their_own_discount_only(page) -> None:
    trajectory = make_trajectory(20, 5, 0.1)
    rewards, values, next_values, terminated, truncated = columns(trajectory)
    trajectory["returns"] = returns_to_go(rewards, next_values, terminated, truncated, 0.9).tolist()
    element = dial(page, trajectory, 'gae-lambda="1" discount="0.9"')
    assert "On average they are 0.00 away from the circles" in status(element)
    assert element.locator(".plot circle").count() == 20
    page.get_by_label("λ", exact=True).fill("0")
    advantages = generalized_advantage_estimate(*columns(trajectory), 0.9, 0.0)
    away = float((advantages - (torch.tensor(trajectory["returns"]) - values)).abs().mean())
    assert f"On average they are {away:.2f} away" in status(element)
    page.get_by_label("discount γ").fill("0.8")
    assert "belong to γ = 0.9 and are not shown" in status(element)
    assert element.locator(".plot circle").count() == 0
    element.locator("summary").click()
    assert element.get_by_role("row").count() == 21


def test_the_trajectory_may_stand_in_an_attribute(page) -> None:
    trajectory = make_trajectory(5, 6, 0.0)
    element = widget(page, f"<gae-dial trajectory='{json.dumps(trajectory)}'></gae-dial>")
    assert len(element.evaluate("element => element.advantages")) == 5


# Advantages of a group ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("size", [2, 8, 12])
def test_group_advantages_are_those_of_rlkit(page, baseline: str, divide: bool, size: int) -> None:
    element = widget(page, "<group-advantages></group-advantages>")
    drawn = torch.rand(200, size, generator=make_generator(size, "rewards"), dtype=torch.float64)
    drawn[::4] = drawn[::4].round()
    drawn[::20] = 0.9  # groups without a difference, where rounding must not be divided
    given = element.evaluate(
        "(element, [groups, ...rest]) => groups.map(rewards => element.constructor.advantages(rewards, ...rest))",
        [drawn.tolist(), divide, baseline],
    )
    ids = torch.arange(200).repeat_interleave(size)
    expected = group_advantages(drawn.reshape(-1), ids, divide, baseline).reshape(200, size)
    assert largest_difference(given, expected) < TOLERANCE
    assert given[0] == [0] * size


def test_the_sliders_switches_and_buttons_of_a_group_are_followed(page) -> None:
    element = widget(page, '<group-advantages rewards="1 0 0 1"></group-advantages>')
    now = lambda: element.evaluate("e => e.advantages")  # noqa: E731
    assert now() == pytest.approx([0.8658754, -0.8658754, -0.8658754, 0.8658754])  # 0.5 / (0.5774 + 0.0001)
    page.get_by_label("divide by the deviation").uncheck()
    assert now() == pytest.approx([0.5, -0.5, -0.5, 0.5])
    page.get_by_label("baseline").select_option("leave_one_out")
    assert now() == pytest.approx([2 / 3, -2 / 3, -2 / 3, 2 / 3])
    page.get_by_label("reward of answer 2").focus()
    page.keyboard.press("End")
    assert element.evaluate("e => e.rewards") == [1, 1, 0, 1]
    assert "belongs to answer 3 alone" in status(element)
    page.get_by_role("button", name="all alike").click()
    assert now() == [0, 0, 0, 0]
    assert "every advantage is exactly 0" in status(element)
    page.get_by_role("button", name="one right").click()
    assert element.evaluate("e => e.rewards") == [1, 0, 0, 0]
    heights = element.evaluate(
        "e => [...e.shadowRoot.querySelectorAll('.plot rect')].map(r => +r.getAttribute('height'))"
    )
    assert heights[0] == pytest.approx(3 * heights[1])


# The triangle of policies --------------------------------------------------------------------------------------------


def three_arms(rewards: Tensor) -> FiniteMDP:
    """Return the bandit as an MDP: state 0 is the choice, state 1 the end."""
    pay, start = torch.stack([rewards, torch.zeros_like(rewards)]), torch.tensor([1.0, 0.0], dtype=torch.float64)
    return FiniteMDP(torch.ones(2, 3, 1, dtype=torch.float64), pay, 1.0, torch.ones(2, 3, 1, dtype=torch.int64), start)


def objective_and_gradient(logits: Tensor, rewards: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
    """Return the expected reward with its entropy bonus, and its gradient, by autograd through rlkit."""
    free = logits.clone().requires_grad_()
    both = torch.stack([free, torch.zeros_like(free)])
    value = expected_return(three_arms(rewards), both) + entropy_weight * categorical_entropy(free)
    return value.detach(), torch.autograd.grad(value, free)[0]


def one_sample(logits: Tensor, rewards: Tensor, entropy_weight: float, with_baseline: bool, arm: int) -> Tensor:
    """Return the estimate of the gradient from one arm that was drawn: minus the gradient of rlkit's loss."""
    free = logits.clone().requires_grad_()
    log_probability = categorical_log_probability(free, torch.tensor(arm))
    baseline = objective_and_gradient(logits, rewards, entropy_weight)[0] if with_baseline else 0.0
    advantage = rewards[arm] - entropy_weight * log_probability.detach() - baseline
    return -torch.autograd.grad(policy_gradient_loss(log_probability, advantage), free)[0]


def draw_bandits(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = make_generator(seed, "bandits")
    logits, rewards = torch.randn(2, count, 3, generator=generator, dtype=torch.float64).mul(2)
    rewards[0] = 1.5  # all arms alike
    return logits, rewards


@pytest.mark.parametrize("entropy_weight", [0.0, 0.3])
def test_objective_gradient_and_variance_of_the_triangle_are_those_of_rlkit(page, entropy_weight: float) -> None:
    element = widget(page, "<policy-simplex></policy-simplex>")
    logits, rewards = draw_bandits(60, 11)
    given = element.evaluate(
        """({ constructor: own }, bandits) => bandits.map(each => [own.objective(...each), ...own.gradient(...each),
            own.variance(...each, false), own.variance(...each, true)])""",
        [[theta, reward, entropy_weight] for theta, reward in zip(logits.tolist(), rewards.tolist(), strict=True)],
    )
    expected = []
    for theta, reward in zip(logits, rewards, strict=True):
        value, gradient = objective_and_gradient(theta, reward, entropy_weight)
        policy, spreads = theta.softmax(dim=-1), []
        for with_baseline in (False, True):
            samples = torch.stack([one_sample(theta, reward, entropy_weight, with_baseline, arm) for arm in range(3)])
            assert largest_difference(policy @ samples, gradient) < TOLERANCE  # a baseline changes no mean
            spreads.append(policy @ (samples - gradient).square().sum(dim=-1))
        if entropy_weight == 0:
            exact = policy_gradient(three_arms(reward), torch.stack([theta, torch.zeros(3).double()]))[0]
            assert largest_difference(exact, gradient) < TOLERANCE
        expected.append(torch.stack([value, *gradient, *spreads]))
    assert largest_difference(given, torch.stack(expected)) < TOLERANCE


@pytest.mark.parametrize("entropy_weight", [0.0, 0.2])
def test_the_exact_path_follows_the_gradient_of_rlkit(page, entropy_weight: float) -> None:
    attributes = f'rewards="2 1 -1" start="0.1 0.2 0.7" step-size="0.5" entropy="{entropy_weight}"'
    element = widget(page, f"<policy-simplex {attributes}></policy-simplex>")
    element.get_by_role("button", name="100 steps").click()
    theta = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64).log()
    rewards, path = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64), [theta]
    for _ in range(100):
        path.append(path[-1] + 0.5 * objective_and_gradient(path[-1], rewards, entropy_weight)[1])
    assert largest_difference(element.evaluate("e => e.exact"), torch.stack(path)) < TOLERANCE
    shown = element.locator("table tr:nth-child(2) td").first.inner_text()
    assert shown == f"{float(path[-1].softmax(dim=-1)[0]):.3f}"
    # With the entropy the best policy is proportional to exp(r / c), and nothing moves there; without it, a corner.
    goal = torch.tensor(element.evaluate("e => e.goal"), dtype=torch.float64)
    if entropy_weight:
        assert float(objective_and_gradient(goal.log(), rewards, entropy_weight)[1].abs().max()) < TOLERANCE
    else:
        assert goal.tolist() == [1, 0, 0]


@pytest.mark.parametrize("with_baseline", [False, True])
def test_every_sampled_step_is_that_of_rlkit_for_the_arm_that_was_drawn(page, with_baseline: bool) -> None:
    element = widget(page, '<policy-simplex rewards="3 2 1" step-size="0.3" entropy="0.1" seed="4"></policy-simplex>')
    if with_baseline:
        page.get_by_label("baseline").check()
    for _ in range(3):
        page.get_by_role("button", name="10 steps").click()
    runs, rewards = element.evaluate("e => e.runs"), torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    assert len(runs) == 5 and len({tuple(run["arms"]) for run in runs}) == 5
    for run in runs:
        theta = torch.full((3,), 1 / 3, dtype=torch.float64).log()
        assert len(run["arms"]) == 30
        for k, arm in enumerate(run["arms"], start=1):
            theta = theta + 0.3 * one_sample(theta, rewards, 0.1, with_baseline, arm)
            assert largest_difference(run["path"][k], theta) < TOLERANCE


def test_the_arms_are_drawn_with_the_probabilities_of_the_policy(page) -> None:
    element = widget(page, "<policy-simplex></policy-simplex>")
    arms = element.evaluate(
        "e => e.constructor.sampled([0.2, 0.3, 0.5].map(Math.log), [0, 0, 0], 0, 0, false, 20000,"
        " e.constructor.generator(1)).arms"
    )
    expected = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    shares = torch.tensor(arms).bincount(minlength=3) / len(arms)
    assert bool(((shares - expected).abs() < 5 * (expected * (1 - expected) / len(arms)).sqrt()).all()), shares


def test_the_same_number_added_to_all_rewards_changes_the_samples_only(page) -> None:
    element = widget(page, '<policy-simplex rewards="1 0.5 0"></policy-simplex>')
    read = "e => [e.exact, e.shadowRoot.querySelector('.field').getAttribute('d'), e.runs.map(run => run.path)]"
    page.get_by_role("button", name="100 steps").click()
    before = element.evaluate(read)
    page.get_by_role("button", name="all + 1").click()
    after = element.evaluate(read)
    assert largest_difference(before[0], torch.tensor(after[0], dtype=torch.float64)) < TOLERANCE
    assert before[2] != after[2]
    page.get_by_label("baseline").check()
    with_baseline = element.evaluate(read)[2]
    page.get_by_role("button", name="all − 1").click()
    shifted_back = torch.tensor(element.evaluate(read)[2], dtype=torch.float64)
    assert largest_difference(with_baseline, shifted_back) < 1e-8  # a baseline takes the shift out of every sample


def test_the_numbers_of_the_chapter_and_the_plateau_are_named(page) -> None:
    element = widget(page, '<policy-simplex rewards="1 0.5 0" step-size="1" seed="5"></policy-simplex>')
    assert "variance 0.222 without and 0.056 with the baseline" in status(element)
    page.get_by_role("button", name="all + 1").click()
    assert "variance 1.556 without and 0.056 with the baseline" in status(element)
    likeliest = "e => e.runs.map(run => run.path.at(-1)).map(theta => theta.indexOf(Math.max(...theta)) + 1)"
    for _ in range(3):
        page.get_by_role("button", name="10 steps").click()
    assert sorted(element.evaluate(likeliest)) == [1, 2, 2, 2, 2]
    page.get_by_label("baseline").check()
    assert element.evaluate(likeliest) == [1] * 5
    page.get_by_label("baseline").uncheck()
    page.get_by_role("button", name="restart").click()
    page.get_by_label("start").select_option("near arm 3")
    assert "A plateau: arm 3 has nearly all of the probability" in status(element)
    page.get_by_role("button", name="all alike").click()
    assert "the gradient is zero everywhere, and yet the sampled runs move" in status(element)
    page.get_by_role("button", name="100 steps").click()
    page.get_by_role("button", name="restart").click()
    assert element.evaluate("e => e.steps") == 0
    page.get_by_label("reward of arm 2").focus()
    page.keyboard.press("End")
    assert element.evaluate("e => e.rewards[1]") == 5


def test_a_click_in_the_triangle_sets_the_start(page) -> None:
    element = widget(page, "<policy-simplex></policy-simplex>")
    box = element.locator("svg").bounding_box()
    side = box["width"] - 28
    page.mouse.click(box["x"] + 14 + side * (0.3 + 0.5 / 2), box["y"] + 26 + side * math.sqrt(0.75) * 0.5)
    assert element.evaluate("e => e.start") == pytest.approx([0.5, 0.2, 0.3], abs=0.01)
    assert page.get_by_label("start").input_value() == "where you clicked"


# Preferences -----------------------------------------------------------------------------------------------------


def test_two_rewards_give_the_loss_and_the_pull_of_rlkit(page) -> None:
    element = widget(page, "<preference-dial></preference-dial>")
    better, worse = 3 * torch.randn(2, 500, generator=make_generator(3, "rewards"), dtype=torch.float64)
    better.requires_grad_()
    losses = bradley_terry_loss(better, worse)
    (slope,) = torch.autograd.grad(losses.sum(), better)
    given = element.evaluate(
        """(element, pairs) => pairs.map(([better, worse]) => {
            Object.assign(element, { better, worse });
            return [element.loss, element.pull];
        })""",
        torch.stack([better.detach(), worse], dim=1).tolist(),
    )
    assert largest_difference(given, torch.stack([losses.detach(), -slope], dim=1)) < TOLERANCE


def test_a_policy_gives_the_implicit_rewards_loss_and_pull_of_rlkit(page) -> None:
    element = widget(page, '<preference-dial kind="policy"></preference-dial>')
    generator = make_generator(4, "policies")
    policy, reference = torch.randn(2, 500, 3, generator=generator, dtype=torch.float64).mul(2).log_softmax(-1)
    beta = torch.rand(500, generator=generator, dtype=torch.float64).mul(4).add(0.01)
    rows = torch.cat([policy[:, :2].exp(), reference[:, :2].exp(), beta[:, None]], dim=1)
    given = element.evaluate(
        """(element, rows) => rows.map(([chosen, rejected, before, beforeRejected, beta]) => {
            Object.assign(element, { chosen, rejected, beta, before: { chosen: before, rejected: beforeRejected } });
            return [...element.rewards, element.loss, element.pull];
        })""",
        rows.tolist(),
    )
    expected = []
    for k in range(500):
        of_chosen = policy[k, 0].clone().requires_grad_()
        loss = dpo_loss(of_chosen, policy[k, 1], reference[k, 0], reference[k, 1], float(beta[k]))
        (slope,) = torch.autograd.grad(loss, of_chosen)
        implied = implicit_reward(policy[k, :2], reference[k, :2], float(beta[k]))
        expected.append(torch.stack([*implied, loss.detach(), -slope]))
    assert largest_difference(given, torch.stack(expected)) < TOLERANCE


def test_displacement_is_named_and_the_probabilities_stay_a_distribution(page) -> None:
    element = widget(page, '<preference-dial kind="policy" beta="0.5" chosen="0.2" rejected="0.3"></preference-dial>')
    assert "The loss is 0.693" in status(element)
    page.get_by_role("button", name="both down").click()
    assert element.evaluate("e => e.loss") < math.log(2)
    assert element.evaluate("e => e.chosen") < 0.2
    assert "likelihood displacement" in status(element)
    page.get_by_role("button", name="push apart").click()
    assert "has gained on the rejected one" in status(element)
    page.get_by_label("policy: chosen").focus()
    page.keyboard.press("End")
    page.get_by_label("policy: rejected").focus()
    page.keyboard.press("End")
    chosen, rejected = element.evaluate("e => [e.chosen, e.rejected]")
    assert 0 < chosen and 0 < rejected and chosen + rejected <= 1
    assert "The rejected answer has gained on the chosen one" in status(element)
    page.get_by_role("button", name="as the reference").click()
    assert element.evaluate("e => [e.chosen, e.rejected, e.margin]") == [0.2, 0.3, 0]
    page.get_by_label("β").fill("0")
    assert element.evaluate("e => e.beta") == 1


def test_a_shift_of_both_rewards_changes_nothing(page) -> None:
    element = widget(page, '<preference-dial better="1" worse="-0.5"></preference-dial>')
    before = element.evaluate("e => e.loss")
    page.get_by_role("button", name="both + 1").click()
    assert element.evaluate("e => [e.better, e.worse]") == [2, 0.5]
    assert element.evaluate("e => e.loss") == before
    page.get_by_role("button", name="swap").click()
    assert element.evaluate("e => e.margin") == -1.5
    assert "The order is wrong" in status(element)


# The player of films ----------------------------------------------------------------------------------------------

STRIP = """<figure id="fig-strip"><svg viewBox="0 0 400 50" role="img" width="300">
<rect id="a" x="0" y="0" width="100" height="50"></rect><rect x="100" width="100" height="50"></rect></svg></figure>"""


def player(page, options: str = 'frames="4"'):
    """Put a player of a strip with four frames into the page."""
    page.set_content(f'<!doctype html><body>{STRIP}<frame-player figure="fig-strip" {options}><p>x</p></frame-player>')
    page.add_script_tag(path=STATIC / "frame-player.js")
    return page.locator("frame-player")


def test_the_player_shows_one_frame_at_a_time_and_nothing_moves_before_it_is_asked(page) -> None:
    element = player(page)
    offset = (
        "e => e.strip.getBoundingClientRect().left - e.shadowRoot.querySelector('.window').getBoundingClientRect().left"
    )
    size = "e => [e.shadowRoot.querySelector('.window'), e.strip].map(n => n.getBoundingClientRect().width)"
    window, strip = element.evaluate(size)
    assert strip == pytest.approx(4 * window)
    page.wait_for_timeout(800)
    assert element.evaluate("e => e.frame") == 1
    for frame in (3, 1, 4):
        page.get_by_label("frame").fill(str(frame))
        assert element.evaluate(offset) == pytest.approx(-(frame - 1) * window, abs=0.01)
        assert element.locator("output").inner_text() == f"{frame} of 4"


def test_the_player_names_the_rows_and_leaves_the_margin_of_the_figure_out(page) -> None:
    element = player(page, 'frames="3" margin="25" rows="before | after"')
    boxes = """e => [".window", ".rows"].map(n => e.shadowRoot.querySelector(n).getBoundingClientRect())
        .concat(e.strip.getBoundingClientRect()).map(b => [b.left, b.right, b.width])"""
    for frame in (1, 3):
        page.get_by_label("frame").fill(str(frame))
        (left, _, width), (_, end_of_rows, _), (start, _, whole) = element.evaluate(boxes)
        assert whole * 0.75 == pytest.approx(3 * width)
        assert left - start == pytest.approx(0.25 * whole + (frame - 1) * width, abs=0.01)
        assert end_of_rows <= left
    assert element.locator(".rows span").all_inner_texts() == ["before", "after"]
    assert element.evaluate("e => e.clientWidth - e.shadowRoot.querySelector('.view').scrollWidth") >= 0


def test_the_player_plays_to_the_end_and_can_be_paused(page) -> None:
    element = player(page)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").click()
    paused = element.evaluate("e => e.frame")
    page.wait_for_timeout(800)
    assert element.evaluate("e => e.frame") == paused < 4
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").wait_for()  # it stops by itself
    assert element.evaluate("e => e.frame") == 4
    assert page.locator("figure svg").count() == 1  # the strip itself stays where it was


# In a page of the book ------------------------------------------------------------------------------------------------

CONFIGURATION = """
import sys
sys.path.insert(0, {extensions!r})
extensions = ["myst_parser", "offline_assets", "planner_widget", "widgets"]
html_theme = "sphinx_book_theme"
html_static_path = [{static!r}]
html_js_files = {scripts!r}
html_favicon = {static!r} + "/favicon.svg"
html_css_files = ["course.css"]
html_context = {{"default_mode": "auto"}}
project = title = "Fixture"
language = "en"
"""
FENCES = {
    "cliff-walking": ":epsilon: 0.2\n:alpha: 0.3\n:seed: 123456789",
    "clipped-surrogate": ":ratio: 0.9\n:advantage: -1\n:clip-range: 0.3",
    "frame-player": ":figure: fig-strip\n:frames: 3\n:margin: 25\n:rows: before | after",
    "gae-dial": ":file: trajectory.json\n:gae-lambda: 0.9\n:discount: 0.95",
    "group-advantages": ":rewards: 1 0 0.5 1",
    "policy-simplex": ":rewards: 2 1 -0.5\n:start: 0.2 0.3 0.5\n:step-size: 0.7\n:entropy: 0.1\n:seed: 3",
    "preference-dial": ":kind: policy\n:beta: 0.3\n:chosen: 0.1\n:rejected: 0.4\n:reference-chosen: 0.2",
    "gridworld-planner": ":map: ..G|S.P\n:discount: 0.5",
}


def directive(name: str, options: str) -> str:
    return f"```{{{name}}}\n{options}\n\nWith JavaScript, this box shows *{name}*.\n```\n"


@pytest.fixture(scope="module")
def small_book(tmp_path_factory) -> Iterator[str]:
    """A book of one page a widget and one page without, built and served."""
    folder = tmp_path_factory.mktemp("book")
    scripts = [path.name for path in sorted(STATIC.glob("*.js"))]
    settings = {"extensions": str(ROOT / "book" / "_ext"), "static": str(STATIC), "scripts": scripts}
    (folder / "conf.py").write_text(CONFIGURATION.format(**settings), encoding="utf-8")
    (folder / "trajectory.json").write_text(json.dumps(make_trajectory(24, 8, 0.1)), encoding="utf-8")
    pages = {name: f"# A page\n\n## With {name}\n\n{directive(name, options)}" for name, options in FENCES.items()}
    pages["frame-player"] += f"\n```{{raw}} html\n{STRIP.replace('<svg', '<svg aria-label=strip')}\n```\n"
    pages["index"] = f"# Index\n\n## Contents\n\n```{{toctree}}\n{chr(10).join(FENCES)}\n```\n"
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    site = build(folder)
    assert site.returncode == 0, site.stderr
    with served(folder / "site") as address:
        yield address


def build(folder: Path) -> subprocess.CompletedProcess:
    """Build the small book; warnings are errors."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", str(folder), str(folder / "site")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_in_a_page_a_widget_is_accessible_and_fits_a_phone(browser, small_book, name, scheme) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{small_book}/{name}.html", wait_until="networkidle")
    if name == "cliff-walking":
        page.get_by_role("button", name="100 episodes").click()
    if name == "gae-dial":
        page.locator("gae-dial summary").click()
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(80)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        wider = page.locator(name).evaluate(
            "e => [...e.shadowRoot.querySelectorAll('svg, button, label, p, li')]"
            ".filter(n => !n.closest('.window'))"
            ".filter(n => n.getBoundingClientRect().right > e.getBoundingClientRect().right).map(n => n.outerHTML)"
        )
        assert not wider, (width, wider)
        if width != 768:
            violations = Axe().run(page, context=name, options=AXE[scheme]).response["violations"]
            assert not violations, [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in violations]
    assert not errors, errors
    context.close()


def test_a_page_loads_the_scripts_of_its_own_widgets_only(browser, small_book) -> None:
    page = browser.new_page()
    for name in ("index", *FENCES):
        page.goto(f"{small_book}/{name}.html")
        loaded = page.eval_on_selector_all("script[src]", "nodes => nodes.map(node => node.src)")
        found = {each for each in FENCES if any(f"/{each}.js" in script for script in loaded)}
        assert found == ({name} & set(FENCES)), name
    page.close()


def test_the_options_of_a_directive_become_attributes(browser, small_book) -> None:
    page = browser.new_page()
    page.goto(f"{small_book}/cliff-walking.html")
    read = "e => [e.epsilon, e.alpha, e.seed]"
    assert page.locator("cliff-walking").evaluate(read) == [0.2, 0.3, 123456789]
    page.goto(f"{small_book}/clipped-surrogate.html")
    read = "e => [e.ratio, e.advantage, e.clipRange]"
    assert page.locator("clipped-surrogate").evaluate(read) == [0.9, -1, 0.3]
    page.goto(f"{small_book}/gae-dial.html")
    assert page.locator("gae-dial").evaluate("e => [e.gaeLambda, e.discount]") == [0.9, 0.95]
    page.goto(f"{small_book}/group-advantages.html")
    assert page.locator("group-advantages").evaluate("e => e.rewards") == [1, 0, 0.5, 1]
    page.goto(f"{small_book}/policy-simplex.html")
    read = "e => [...e.rewards, ...e.start, e.alpha, e.entropy, e.seed]"
    assert page.locator("policy-simplex").evaluate(read) == [2, 1, -0.5, 0.2, 0.3, 0.5, 0.7, 0.1, 3]
    page.goto(f"{small_book}/preference-dial.html")
    read = "e => [e.ofPolicy, e.beta, e.chosen, e.rejected, e.before.chosen, e.before.rejected]"
    assert page.locator("preference-dial").evaluate(read) == [True, 0.3, 0.1, 0.4, 0.2, 0.4]
    page.close()


def test_without_javascript_the_fallback_is_read(browser, small_book) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for name in NAMES:
        page.goto(f"{small_book}/{name}.html")
        assert page.locator(name).inner_text().strip() == f"With JavaScript, this box shows {name}."
    context.close()


WRONG_TRAJECTORIES = {
    "not an object": [1, 2],
    "a list is missing": {"rewards": [1.0]},
    "another length": {**make_trajectory(3, 0, 0.0), "values": [1.0]},
    "numbers for flags": {**make_trajectory(1, 0, 0.0), "terminated": [0]},
    "flags for numbers": {**make_trajectory(1, 0, 0.0), "rewards": [True]},
    "not finite": {**make_trajectory(1, 0, 0.0), "rewards": [math.nan]},
    "empty": make_trajectory(0, 0, 0.0),
    "a name misspelt": {**make_trajectory(1, 0, 0.0), "return": [1.0]},
}


@pytest.mark.parametrize("reason", WRONG_TRAJECTORIES)
def test_a_wrong_trajectory_is_refused_at_build_time(reason: str) -> None:
    from trajectories import what_is_wrong

    assert what_is_wrong(WRONG_TRAJECTORIES[reason])
    assert what_is_wrong({**make_trajectory(3, 0, 0.5), "returns": [1, 2, 3], "returns_label": "measured"}) == ""


REFUSED = {
    ":rewards: 1 0": "policy-simplex: :rewards: is '1 0', expected 3 numbers from -5 to 5",
    ":rewards: 1 0 nan": "policy-simplex: :rewards: is '1 0 nan', expected 3 numbers from -5 to 5",
    ":rewards: 1 one 0": "policy-simplex: :rewards: is '1 one 0', expected 3 numbers from -5 to 5",
    ":start: 0.5 0.5 0": "policy-simplex: :start: is '0.5 0.5 0', expected 3 numbers from 0.001 to 1",
    ":start: 0.5 0.4 0.2": "policy-simplex: :start: sums to 1.1, expected probabilities that sum to 1",
    ":step-size: 3": "policy-simplex: :step-size: is 3, expected 0.05 to 2",
    ":entropy: -0.1": "policy-simplex: :entropy: is -0.1, expected 0 to 1",
    ":entropy: much": "could not convert string to float: 'much'",
    ":baseline: on": "['baseline'] (allowed:",
}


def test_wrong_options_are_refused_with_what_was_expected(tmp_path: Path) -> None:
    settings = {"extensions": str(ROOT / "book" / "_ext"), "static": str(STATIC), "scripts": []}
    (tmp_path / "conf.py").write_text(CONFIGURATION.format(**settings), encoding="utf-8")
    text = "\n".join(directive("policy-simplex", options) for options in REFUSED)
    (tmp_path / "index.md").write_text(f"# Wrong\n\n{text}", encoding="utf-8")
    complaints = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", str(tmp_path), str(tmp_path / "site")], capture_output=True, text=True
    ).stderr
    for options, message in REFUSED.items():
        assert message in complaints, (options, complaints)


@pytest.mark.parametrize("name", NAMES)
def test_the_scripts_are_small_and_wait_for_no_framework(name: str) -> None:
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    assert len(text.encode()) <= 15_000
    assert "import" not in text.split("*/", 1)[1] and "http" not in text
