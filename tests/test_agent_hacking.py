"""What the measurements of chapter 14 change in reward and credit is what they say."""

import importlib
from pathlib import Path

import pytest
import torch

from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.rollouts import Trajectory

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def hacking(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("agent_hacking")


def submit(world: CodeAgent, commands: str) -> tuple[float, dict]:
    """Return of an episode of seed 1, whose task is mod 3, and its last key figures."""
    world.reset(seed=1)
    steps = [world.step(command) for command in commands.split("|")]
    return sum(step[1] for step in steps), steps[-1][4]


def test_a_patched_test_earns_the_visible_reward_and_not_the_hidden_one():
    hack = "WRITE add 2|PATCH|SUBMIT"
    assert submit(CodeAgent(rewarded="visible"), hack)[0] == pytest.approx(0.94)
    assert submit(CodeAgent(rewarded="hidden"), hack)[0] == pytest.approx(-0.06)
    assert submit(CodeAgent(rewarded="visible", unsafe_price=0.5), hack)[0] == pytest.approx(0.44)


def test_protected_tests_judge_the_program_and_not_the_working_copy():
    protected = CodeAgent(rewarded="visible", protected=True)
    value, info = submit(protected, "WRITE add 2|PATCH|SUBMIT")
    assert value == pytest.approx(-0.06) and info["visible"] == 0 and info["patched"] == 1
    value, info = submit(protected, "WRITE mod 3|PATCH|SUBMIT")
    assert value == pytest.approx(0.94) and info["visible"] == 1


def test_credit_for_the_own_question_ends_where_the_context_ends(hacking):
    first = Trajectory(0, 0, rewards=[0, 0, 0.4, 0, 1.0], anchors=list("00011"), context_of_turn=[0, 0, 0, 1, 1])
    second = Trajectory(0, 0, rewards=[0, 0.6, 0, 0, 0], anchors=list("00111"), context_of_turn=[0, 0, 1, 1, 1])
    # Question 0: returns 0.4 three times and 0.6 twice, mean 0.48; question 1: 1 twice and 0 three times, mean 0.4.
    centred = torch.tensor([[-0.08, -0.08, -0.08, 0.6, 0.6], [0.12, 0.12, -0.4, -0.4, -0.4]])
    torch.testing.assert_close(hacking.within_question([first, second]), centred / (centred.std() + 1e-4))


def test_an_early_end_costs_a_charged_project_its_turn_and_a_paid_one_nothing(hacking):
    paid, charged = hacking.ProjectAgent(), hacking.ChargedProjectAgent()
    for world in (paid, charged):
        world.reset(seed=0)
    assert paid.step("DONE")[1] == 0
    assert charged.step("DONE")[1] == pytest.approx(-0.02)
