"""Prove of every exercise that it accepts right answers, and that it rejects and names wrong ones.

For each exercise: the solution gets full marks; the blank that students start from gets 0; every misconception loses
marks and is named as itself, with fresh inputs and from the released data; every alternative gets full marks; and every
function of the public checks, handed in as the answer, gets 0.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autograder.assignment import Assignment, load_assignment
from autograder.author import Outline, blanked, compile_notebook, solution_cells
from autograder.checks import HOME_KEY, Misconception
from autograder.diagnosis import compile_misconceptions, name_from_release, name_of
from autograder.errors import CourseError
from autograder.limits import alarm
from autograder.subject import Subject, subject_of

FEWEST_MISCONCEPTIONS = 3
FEWEST_ALTERNATIVES = 2


@dataclass
class Verification:
    """What was shown and what was not."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    points: dict[str, float] = field(default_factory=dict)

    def expect(self, condition: bool, kind: str, problem: str) -> None:
        """Count one thing shown, or note the problem."""
        self.counts[kind] += 1
        if not condition:
            self.problems.append(problem)


@dataclass
class Exercise:
    """One exercise with everything that is needed to judge answers to it."""

    assignment: Assignment
    name: str

    def points(self, answer: Subject | Callable, key: bytes) -> tuple[float, list[str]]:
        """Points for an answer over visible and hidden checks, and what failed."""
        earned, failed = 0.0, []
        for exam in (self.assignment.visible, self.assignment.hidden):
            exam.limit = alarm
            result = exam.run(self.name, subject_of(answer), key)
            earned += result.points
            failed += [f"{check.message}: {check.problem}" for check in result.checks if not check.passed]
        return earned, failed

    @property
    def possible(self) -> float:
        """Points of all checks."""
        exams = (self.assignment.visible, self.assignment.hidden)
        return sum(check.points for exam in exams for check in exam.checks.get(self.name, []))

    @property
    def misconceptions(self) -> list[Misconception]:
        """Wrong answers to this exercise."""
        return [one for one in self.assignment.misconceptions if one.exercise == self.name]


def run_cells(sources: Sequence[str], name: str) -> dict[str, Any]:
    """Run cells one after another; return what they define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for source in sources:
        exec(compile(source, f"<{name}>", "exec"), namespace)
    return namespace


def solution_namespace(notebook: Any, name: str) -> dict[str, Any]:
    """Run the code cells of a source notebook, checks and locked cells left out."""
    kept = []
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and not marks.get("locked"):
            kept.append(cell.source)
    return run_cells(kept, name)


def check_author_rules(assignment: Assignment, outline: Outline, report: Verification) -> None:
    """Points agree, and every exercise has what it must have."""
    for exam, cells, kind in (
        (assignment.visible, outline.visible, "visible"),
        (assignment.hidden, outline.hidden, "hidden"),
    ):
        for name in cells.keys() | exam.checks.keys():
            due, have = cells.get(name), sum(check.points for check in exam.checks.get(name, []))
            text = f"{assignment.name}/{name}: the {kind} cell has {due} points, its checks sum to {have:g}"
            report.expect(due is not None and abs(due - have) < 1e-9, "cells whose points agree", text)
    for name in outline.visible:
        wrong = [one for one in assignment.misconceptions if one.exercise == name]
        right = [one for one in assignment.alternatives if one.exercise == name]
        where = f"{assignment.name}/{name}"
        report.expect(
            len(wrong) >= FEWEST_MISCONCEPTIONS and all(one.hint for one in wrong),
            "exercises with misconceptions and hints",
            f"{where}: {len(wrong)} misconceptions, expected at least {FEWEST_MISCONCEPTIONS}, each with a hint",
        )
        report.expect(
            len(right) >= FEWEST_ALTERNATIVES,
            "exercises with alternatives",
            f"{where}: {len(right)} alternatives, expected at least {FEWEST_ALTERNATIVES}",
        )
        report.expect(name in assignment.visible.probes, "exercises with a probe", f"{where}: no probe in checks.py")
    known = set(outline.visible)
    for one in [*assignment.misconceptions, *assignment.alternatives]:
        where = f"{assignment.name}: {type(one).__name__} {one.name!r}"
        report.expect(one.exercise in known, "answers to a known exercise", f"{where} answers {one.exercise!r}")
    report.expect(bool(outline.written), "assignments with a written answer", f"{assignment.name}: no written answer")


def verify_exercise(
    exercise: Exercise, solutions: dict[str, Any], blank: str, key: bytes, report: Verification
) -> None:
    """Try the solution, the blank, all wrong and all other right answers."""
    where, name = f"{exercise.assignment.name}/{exercise.name}", exercise.name
    earned, failed = exercise.points(solutions[name], key)
    report.expect(earned == exercise.possible, "solutions with full marks", f"{where}: the solution fails {failed}")
    unfinished = run_cells([*PREAMBLE, blank], name).get(name)
    earned = exercise.points(unfinished, key)[0] if unfinished is not None else 0.0
    report.expect(earned == 0, "blanks with 0", f"{where}: the blank gets {earned:g} points")
    for other in (one for one in exercise.assignment.alternatives if one.exercise == name):
        earned, failed = exercise.points(other.function, key)
        text = f"{where}: the alternative {other.name!r} fails {failed}"
        report.expect(earned == exercise.possible, "alternatives with full marks", text)
    compiled = compile_misconceptions(exercise.assignment.visible, exercise.misconceptions)
    for wrong in exercise.misconceptions:
        verify_misconception(exercise, wrong, compiled, key, report)


PREAMBLE = ["import numpy as np", "import torch", "import gymnasium"]


def verify_misconception(
    exercise: Exercise, wrong: Misconception, compiled: dict, key: bytes, report: Verification
) -> None:
    """One wrong answer: loses marks, is named when graded, is named at home."""
    where = f"{exercise.assignment.name}/{exercise.name}: the misconception {wrong.name!r}"
    exam, subject = exercise.assignment.visible, subject_of(wrong.function)
    exam.limit = alarm
    earned, _ = exercise.points(subject, key)
    report.expect(earned < exercise.possible, "misconceptions rejected", f"{where} gets full marks")
    graded = name_of(exam, exercise.name, subject, exercise.misconceptions, key)
    home = name_from_release(exam, exercise.name, subject, compiled)
    for named, place in ((graded, "when grading"), (home, "at home")):
        text = f"{where} is named {named[0] if named else 'nothing'!r} {place}"
        report.expect(named is not None and named[0] == wrong.name, f"misconceptions named {place}", text)


def verify_public_functions(assignment: Assignment, report: Verification) -> None:
    """No function of the released checks is a solution to anything."""
    public = [
        function
        for _, function in inspect.getmembers(assignment.checks_module, inspect.isfunction)
        if function.__module__ == assignment.checks_module.__name__
    ]
    for name in assignment.visible.checks:
        for function in public:
            earned, _ = Exercise(assignment, name).points(function, HOME_KEY)
            text = f"{assignment.name}/{name}: {function.__name__} of checks.py gets {earned:g} points as the answer"
            report.expect(earned == 0, "functions of public checks with 0", text)


def verify(folders: Sequence[Path], seeds: int = 1, progress: bool = True) -> Verification:
    """Verify assignments; with more than one seed, with as many different secret inputs."""
    report = Verification()
    for folder in folders:
        try:
            assignment = load_assignment(folder)
            notebook, outline = compile_notebook(folder / f"{folder.name}.py")
            solutions = solution_namespace(notebook, folder.name)
        except CourseError as error:
            report.problems.append(str(error))
            continue
        report.points[folder.name] = outline.automatic + outline.by_hand
        check_author_rules(assignment, outline, report)
        verify_public_functions(assignment, report)
        blanks = {name: blanked(source) for name, source in solution_cells(notebook).items()}
        complete = [
            name for name in outline.visible if name in assignment.visible.checks and name in assignment.hidden.checks
        ]
        for name in tqdm(complete, desc=f"verifying {folder.name}", unit="exercise", disable=not progress):
            report.counts["exercises"] += 1
            for key in keys(seeds):
                verify_exercise(Exercise(assignment, name), solutions, blanks[name], key, report)
    return report


def keys(count: int) -> Iterator[bytes]:
    """Keys for the secret inputs; the first is the one of home."""
    yield HOME_KEY
    for number in range(1, count):
        yield hashlib.sha256(f"verify {number}".encode()).digest()


def print_verification(report: Verification) -> int:
    """Print counts and problems; return the exit status."""
    print()
    for kind, count in report.counts.items():
        print(f"{count:6d}  {kind}")
    for name, points in report.points.items():
        print(f"{points:6g}  points in {name}")
    for problem in report.problems:
        print(f"WRONG   {problem}")
    print("everything holds" if not report.problems else f"{len(report.problems)} problems")
    return 1 if report.problems else 0
