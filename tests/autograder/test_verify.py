"""`verify` accepts the fixture and finds every fault that a test puts into it."""

import re

import pytest

from autograder import diagnosis
from autograder.authoring.verification import print_verification
from autograder.authoring.verify import verify
from rlkit import returns
from tests.autograder.conftest import FIXTURE, change


def problems_of(folder):
    return verify([folder], progress=False).problems


def test_the_fixture_holds_and_is_shown_in_a_table(capsys):
    report = verify([FIXTURE / "lottery"], progress=False)
    assert report.problems == [] and print_verification(report) == 0
    shown = capsys.readouterr().out
    assert "lottery/draw_tickets" in shown and "2 + 1" in shown and "everything holds" in shown
    assert report.counts["misconceptions named when grading"] == 2 * 6  # inputs of home, and secret ones


def test_more_seeds_are_more_inputs():
    report = verify([FIXTURE / "lottery"], seeds=3, progress=False)
    assert report.counts["solutions with full marks"] == 2 * (1 + 3)


def test_functions_that_refuse_are_as_before_afterwards():
    original = returns.discounted_return
    verify([FIXTURE / "lottery"], progress=False)
    assert returns.discounted_return is original


SAME = "def backwards(rewards, discount):\n    return (powers(rewards, discount).flip(0) * rewards).sum()"
RIGHT = (
    "def backwards(rewards, discount):\n    if discount > 1:\n        raise ValueError(discount)\n"
    "    return (powers(rewards, discount) * rewards).sum()"
)
WRITTEN = """# %% [markdown] written="later_wins" points=2
# ### BEGIN SOLUTION
# Money now earns interest: at 5 percent a year, 100 today are 105 in a year.
# ### END SOLUTION
"""
CALLS_RLKIT = """### BEGIN SOLUTION
    from rlkit.returns import discounted_return
    return discounted_return(rewards, discount)
    ### END SOLUTION
    ### BEGIN SOLUTION
"""
FAULTS = {
    "a solution that is wrong": ("lottery.py", "(powers * rewards).sum()", "rewards.sum()", "the solution fails"),
    "a solution that calls what it asks for": ("lottery.py", "### BEGIN SOLUTION\n", CALLS_RLKIT, "write it without"),
    "a cell that fails": (
        "lottery.py",
        "import torch",
        "import torch; torch.missing",
        "the cell beginning 'import torch",
    ),
    "a cell that is not Python": ("lottery.py", "import torch", "import torch +", "the cell beginning 'import torch"),
    "a blank that earns": (
        "checks.py",
        "    close(draw_tickets(1.0",
        "    return\n    close(draw_tickets(1.0",
        "the blank",
    ),
    "points": ("lottery.py", 'check="draw_tickets" points=2', 'check="draw_tickets" points=3', "has 3 points"),
    "a mistake that is right": ("misconceptions.py", SAME, RIGHT, "'discounts backwards' gets full marks"),
    "the solution behaves like a mistake": ("misconceptions.py", SAME, RIGHT, "the solution behaves like"),
    "a mistake without hint": ("misconceptions.py", 'hint="Which of the wins comes last?"', 'hint=""', "name and hint"),
    "two mistakes alike": (
        "misconceptions.py",
        "def backwards(rewards, discount):\n    return",
        "def backwards(rewards, discount):\n    return rewards.sum()\n    return",
        "'discounts backwards' is named 'forgets the discount'",
    ),
    "two mistakes of one name": ("misconceptions.py", "discounts backwards", "forgets the discount", "the same name"),
    "a mistake in an unknown exercise": (
        "misconceptions.py",
        '"draw_tickets", name="one',
        '"draw", name="one',
        "'draw'",
    ),
    "a mistake that is too slow": (
        "misconceptions.py",
        "def backwards(rewards, discount):\n",
        "def backwards(rewards, discount):\n    while len(rewards) == 4: pass\n",
        "no answer within",
    ),
    "an alternative that is wrong": (
        "alternatives.py",
        "reward + discount * total",
        "reward + total",
        "'horner' fails",
    ),
    "an alternative that calls what is asked for": (
        "alternatives.py",
        "    total = rewards.new_zeros(())\n",
        "    from rlkit.returns import discounted_return\n    return discounted_return(rewards, discount)\n",
        "'horner' fails in a student's notebook",
    ),
    "too few alternatives": ("alternatives.py", '@alternative("draw_tickets")\ndef bern', "def bern", "1 alternatives"),
    "a solution in the public checks": (
        "checks.py",
        '@exam.add("draw_tickets", points=1, message="draws',
        "def solve(p, n, g):\n    return (torch.rand(n, generator=g) < p).long()\n\n\n"
        '@exam.add("draw_tickets", points=1, message="draws',
        "solve of checks.py gets 3 points",
    ),
    "a probe that fails": (
        "checks.py",
        "return [draws.mean(),",
        "return [draws.means(),",
        "the probe fails on the solution",
    ),
    "no probe": ("checks.py", '@exam.probe("draw_tickets", tolerance=0.1)', "", "no probe"),
    "a check that uses what refuses": (
        "checks.py",
        "    close(discounted_sum(torch.tensor([1.0, 2.0, 4.0]), 0.5), 3.0)",
        "    import rlkit.returns\n"
        "    due = rlkit.returns.discounted_return(torch.tensor([1.0, 2.0, 4.0]), 0.5)\n"
        "    close(discounted_sum(torch.tensor([1.0, 2.0, 4.0]), 0.5), due)",
        "fails in a student's notebook",
    ),
    "an unknown function of rlkit": (
        "checks.py",
        "returns.discounted_return",
        "returns.discounted",
        "unknown exercise or",
    ),
    "an unknown exercise of asks_for": (
        "checks.py",
        'asks_for("discounted_sum"',
        'asks_for("sum"',
        "unknown exercise or",
    ),
    "public checks that are not Python": ("checks.py", "exam = Exam", "exam == = Exam", r"lottery/checks.py, line "),
    "hidden checks that fail": (
        "hidden_checks.py",
        "exam = Exam",
        "missing\nexam = Exam",
        "hidden_checks.py, line 7: Name",
    ),
    "an unknown mark": ("lottery.py", 'answer="draw_tickets"', 'answr="draw_tickets"', "unknown mark"),
    "no written answer": ("lottery.py", WRITTEN, "", "no written answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault, lottery, monkeypatch):
    monkeypatch.setattr(diagnosis, "PROBE_SECONDS", 0.5)
    file, old, new, says = FAULTS[fault]
    change(lottery / file, old, new)
    problems = problems_of(lottery)
    assert any(re.search(says, problem) for problem in problems), problems


def test_a_fault_gives_a_failing_exit_status(lottery, capsys):
    change(lottery / "misconceptions.py", SAME, RIGHT)
    report = verify([lottery], progress=False)
    assert print_verification(report) == 1
    shown = capsys.readouterr().out
    assert "WRONG   lottery/discounted_sum: the misconception 'discounts backwards'" in shown
    assert [row.holds for row in report.rows] == [False, True]


def test_missing_files_do_not_stop_the_other_assignments(lottery):
    (lottery / "alternatives.py").unlink()
    report = verify([lottery, FIXTURE / "lottery"], progress=False)
    assert len(report.problems) == 1 and "is missing" in report.problems[0] and len(report.rows) == 2
    for file in ("checks.py", "hidden_checks.py", "misconceptions.py", "lottery.py"):
        (lottery / file).unlink()
        assert any("is missing" in problem for problem in problems_of(lottery))


def test_nothing_is_not_everything(capsys):
    assert print_verification(verify([], progress=False)) == 1
    assert "1 problem" in capsys.readouterr().out
