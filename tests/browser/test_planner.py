"""The gridworld planner in the page computes what rlkit computes: after every step, on changed maps, to 1e-10."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from rlkit.dynamic_programming import bellman_optimality_operator, error_bound, evaluate_policy, greedy_policy
from rlkit.gridworld import Gridworld
from rlkit.planning import policy_iteration, value_iteration
from tests.browser.conftest import ROOT

pytestmark = pytest.mark.browser

SCRIPT = ROOT / "book" / "_static" / "gridworld-planner.js"
MAP = ("....G", ".##..", "..P#.", ".#...", "S....")
SMALL = ("...G", ".#.P", "S...")
SETTINGS = [(0.9, 0.0, 0.0), (0.9, 0.2, -0.04), (0.5, 0.3, 0.1), (0.99, 1.0, -0.1), (0.0, 0.1, 0.0)]
TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def page(browser) -> Iterator:
    """A page with a planner and nothing else, on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


def planner(page, rows: tuple[str, ...], discount: float, slip: float, step_reward: float):
    """Put a fresh planner into the page and return it."""
    page.set_content(
        f'<gridworld-planner map="{"|".join(rows)}" discount="{discount}" slip="{slip}" step-reward="{step_reward}">'
        "<p>Needs JavaScript.</p></gridworld-planner>"
    )
    page.add_script_tag(path=SCRIPT)
    return page.locator("gridworld-planner")


def model(rows: tuple[str, ...], discount: float, slip: float, step_reward: float) -> Gridworld:
    """Return the same world in rlkit."""
    return Gridworld(list(rows), slip=slip, step_reward=step_reward, discount=discount)


def values(element, gridworld: Gridworld) -> torch.Tensor:
    """Read the planner's values in the order of the states."""
    grid = element.evaluate("planner => planner.values")
    return torch.tensor([grid[row][column] for row, column in gridworld.cells], dtype=torch.float64)


def policy(element, gridworld: Gridworld) -> torch.Tensor:
    """Read the planner's policy, shape (S, A)."""
    grid = element.evaluate("planner => planner.policy")
    return torch.tensor([grid[row][column] for row, column in gridworld.cells], dtype=torch.float64)


def largest_difference(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).abs().max())


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_sweep_of_value_iteration_is_that_of_rlkit(page, setting: tuple[float, float, float]) -> None:
    element, gridworld = planner(page, MAP, *setting), model(MAP, *setting)
    mdp = gridworld.mdp()
    expected = torch.zeros(mdp.num_states, dtype=torch.float64)
    for _ in range(12):
        page.get_by_role("button", name="Sweep").click()
        expected = bellman_optimality_operator(mdp, expected)
        assert largest_difference(values(element, gridworld), expected) < TOLERANCE
    assert element.evaluate("planner => planner.bound") == pytest.approx(error_bound(mdp, expected), abs=TOLERANCE)
    actions_of = policy(element, gridworld)[~mdp.terminal]
    assert largest_difference(actions_of, greedy_policy(mdp, expected)[~mdp.terminal]) == 0


@pytest.mark.parametrize("setting", SETTINGS)
def test_value_iteration_converges_to_the_same_values(page, setting: tuple[float, float, float]) -> None:
    element, gridworld = planner(page, MAP, *setting), model(MAP, *setting)
    element.evaluate("planner => { while (planner.bound > 1e-11 && planner.steps < 5000) planner.sweep(); }")
    expected = value_iteration(gridworld.mdp(), tolerance=1e-12).state_values
    assert largest_difference(values(element, gridworld), expected) < TOLERANCE


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_evaluation_and_improvement_is_that_of_rlkit(page, setting: tuple[float, float, float]) -> None:
    element, gridworld = planner(page, MAP, *setting), model(MAP, *setting)
    mdp = gridworld.mdp()
    page.get_by_label("policy iteration").check()
    expected_policy = torch.full((mdp.num_states, 4), 0.25, dtype=torch.float64)
    for _ in range(20):
        page.get_by_role("button", name="Evaluate").click()
        expected = evaluate_policy(mdp, expected_policy)
        assert largest_difference(values(element, gridworld), expected) < TOLERANCE
        page.get_by_role("button", name="Improve").click()
        expected_policy = greedy_policy(mdp, expected)
        given = policy(element, gridworld)
        assert largest_difference(given[~mdp.terminal], expected_policy[~mdp.terminal]) == 0
        if element.evaluate("planner => planner.stable"):
            break
    assert largest_difference(values(element, gridworld), policy_iteration(mdp).state_values) < TOLERANCE
    assert "it is optimal" in element.locator("[role=status]").inner_text()


def test_a_wall_is_toggled_by_click_and_by_keyboard(page) -> None:
    element = planner(page, SMALL, 0.9, 0.2, 0.0)
    cells = element.get_by_role("gridcell")
    page.get_by_role("button", name="Sweep").click()
    cells.nth(1).get_by_role("button").click()
    assert element.evaluate("planner => [planner.map[0][1], planner.steps]") == ["#", 0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert element.evaluate("planner => planner.map[1][2]") == "#"
    changed = (".#.G", ".##P", "S...")
    gridworld = model(changed, 0.9, 0.2, 0.0)
    element.evaluate("planner => { for (let k = 0; k < 7; k += 1) planner.sweep(); }")
    expected = torch.zeros(len(gridworld.cells), dtype=torch.float64)
    for _ in range(7):
        expected = bellman_optimality_operator(gridworld.mdp(), expected)
    assert largest_difference(values(element, gridworld), expected) < TOLERANCE
    page.keyboard.press("Enter")
    assert element.evaluate("planner => planner.map[1][2]") == "."
    page.get_by_role("button", name="Reset").click()
    assert element.evaluate("planner => planner.map.map(row => row.join(''))") == list(SMALL)


def test_goal_pit_and_start_cannot_become_walls(page) -> None:
    element = planner(page, SMALL, 0.9, 0.0, 0.0)
    for index in (3, 7, 8):
        element.get_by_role("gridcell").nth(index).get_by_role("button").click()
    assert element.evaluate("planner => planner.map.map(row => row.join(''))") == list(SMALL)


def test_sliders_change_the_model_and_start_again(page) -> None:
    element = planner(page, SMALL, 0.9, 0.0, 0.0)
    page.get_by_role("button", name="Sweep").click()
    for label, value in (("γ", "0.5"), ("slip", "0.3"), ("step reward", "-0.05")):
        page.get_by_label(label).fill(value)
    assert element.evaluate("planner => [planner.discount, planner.slip, planner.stepReward]") == [0.5, 0.3, -0.05]
    assert element.evaluate("planner => planner.steps") == 0
    page.get_by_role("button", name="Sweep").click()
    gridworld = model(SMALL, 0.5, 0.3, -0.05)
    expected = bellman_optimality_operator(gridworld.mdp(), torch.zeros(len(gridworld.cells), dtype=torch.float64))
    assert largest_difference(values(element, gridworld), expected) < TOLERANCE


def test_run_goes_on_until_it_has_converged_and_says_so(page) -> None:
    element = planner(page, SMALL, 0.9, 0.2, 0.0)
    page.get_by_role("button", name="Run").click()
    status = element.locator("[role=status]")
    stopped = "planner => !planner.timer && planner.steps > 0"
    page.wait_for_function(stopped, arg=element.element_handle(), timeout=20_000)
    assert "Converged" in status.inner_text()
    assert status.get_attribute("aria-live") == "polite"


def test_every_cell_says_in_words_what_it_is(page) -> None:
    element = planner(page, SMALL, 0.9, 0.0, 0.0)
    element.evaluate("planner => { while (!planner.done) planner.sweep(); }")
    buttons = element.get_by_role("gridcell").get_by_role("button").all()
    labels = [button.get_attribute("aria-label") for button in buttons]
    assert labels[2] == "row 1, column 3: value 1.00, go right"
    assert labels[3] == "row 1, column 4: goal"
    assert labels[5] == "row 2, column 2: wall"
    assert labels[8] == "row 3, column 1: start, value 0.66, go up or right"


def test_the_script_is_small_and_waits_for_no_framework() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.encode()) <= 15_000
    assert "import" not in text.split("*/", 1)[1] and "http" not in text
