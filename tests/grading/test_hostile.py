"""Hostile and broken submissions get what their honest part earns: not a point more, and not a point less."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course import Course
from autograder.grading.grade import grade
from autograder.grading.records import Record, read_record
from autograder.grading.scores import Status
from autograder.receiving.collect import collect
from tests.grading.attacks import VALUES, Attack, answers, named
from tests.grading.attacks_on_kernels import KERNELS, PROCESSES
from tests.grading.course_writer import hand_in, points, submission


def graded(course: Course, inbox: Path, assignment: str, attacks: list[Attack], first: str | None = None) -> Record:
    """Hand in all attacks in one notebook and grade it."""
    notebook = submission(course.release_notebook(assignment), answers(attacks, assignment), first)
    hand_in(inbox, "mallory", assignment, notebook)
    collect(course, inbox, assignment, progress=False)
    (score,) = grade(course, assignment, ["mallory"], progress=False)
    assert score.status is Status.GRADED, score.problem
    record = read_record(course, "mallory", assignment)
    assert record is not None
    assert score.earned == sum(cell.points for cell in record.cells), "the gradebook has what the examiner found"
    return record


def unexpected(record: Record, assignment: str, attacks: list[Attack]) -> list[str]:
    """The attacks that earned something else than their honest part."""
    earned = points(record)
    return [
        f"{attack.name}: {earned[exercise]:g} points, expected {attack.earns:g}"
        for exercise, attack in named(attacks, assignment).items()
        if earned[exercise] != attack.earns
    ]


@pytest.mark.parametrize(
    ("assignment", "attacks"), [("values", VALUES), ("processes", PROCESSES), ("kernels", KERNELS)]
)
@pytest.mark.timeout(300)
def test_no_attack_earns_more_or_less_than_its_honest_part(
    course: Course, inbox: Path, assignment: str, attacks: list[Attack]
) -> None:
    record = graded(course, inbox, assignment, attacks)
    assert unexpected(record, assignment, attacks) == []
    assert len(record.cells) == 2 * len(attacks), "every submission ends with a score for every cell"


def test_there_are_many_attacks() -> None:
    assert len({attack.name for attack in [*VALUES, *PROCESSES, *KERNELS]}) >= 50


@pytest.mark.timeout(200)
def test_a_prologue_that_rewrites_python_reaches_nothing_outside_its_kernel(course: Course, inbox: Path) -> None:
    prologue = """
import builtins, json, os, sys, types
import torch
builtins.abs = builtins.round = lambda *arguments: 0
torch.Tensor.numpy = torch.Tensor.detach = lambda self: self
for name in [name for name in sys.modules if name.startswith(("autograder", "nbgrader"))]:
    sys.modules[name] = types.ModuleType(name)
os.environ["AUTOGRADER_SOLUTIONS"] = "/nowhere"
check = exam = type("Check", (), {"__call__": lambda *arguments, **options: 2.0, "__float__": lambda self: 2.0})()
"""
    wrong = {name: f"{name} = lambda values: values" for name in ("one", "two", "three")}
    hand_in(inbox, "mallory", "doubling", submission(course.release_notebook("doubling"), wrong, prologue))
    honest = {name: f"def {name}(values):\n    return 2 * values" for name in ("one", "two", "three")}
    hand_in(inbox, "nina", "doubling", submission(course.release_notebook("doubling"), honest))
    collect(course, inbox, "doubling", progress=False)
    earned = {score.student: score.earned for score in grade(course, "doubling", ["mallory", "nina"], progress=False)}
    assert earned == {"mallory": 0, "nina": 6}
