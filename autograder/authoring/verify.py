"""Prove of every exercise that it accepts right answers, and that it rejects and names wrong ones.

For each exercise: the solution gets full marks, also where the functions that it asks for refuse to be called; the
blank that students start from gets 0; every misconception loses marks and is named as itself, with fresh inputs and
from the released data; every alternative gets full marks and is named as no mistake; and every function of the public
checks, handed in as the answer, gets 0.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autograder.assignment import Assignment, collect, load_assignment, told_with_place
from autograder.authoring.author import Outline, blanked, compile_notebook, points_problems, solution_cells
from autograder.authoring.trial import Trial, forget_what_is_printed
from autograder.authoring.verification import Row, Verification, print_verification
from autograder.candidate import allow_again, forbid
from autograder.checks import HOME_KEY, Alternative, Misconception
from autograder.errors import CourseError

__all__ = ["Verification", "print_verification", "verify"]

FEWEST_MISCONCEPTIONS = 3
FEWEST_ALTERNATIVES = 2


def verify(folders: Sequence[Path], seeds: int = 1, progress: bool = True) -> Verification:
    """Verify assignments with the inputs of home, and with *seeds* different secret inputs."""
    os.environ.setdefault("MPLBACKEND", "agg")  # a notebook's figures open no window
    report = Verification()
    for folder in folders:
        try:
            _verify_assignment(folder, seeds, progress, report)
        except CourseError as error:
            report.problems.append(str(error))
        except Exception as error:
            report.problems.append(told_with_place(error, folder))
    return report


def _verify_assignment(folder: Path, seeds: int, progress: bool, report: Verification) -> None:
    assignment = load_assignment(folder)
    notebook, outline = compile_notebook(folder / f"{folder.name}.py")
    report.points[folder.name] = outline.automatic + outline.by_hand
    check_author_rules(assignment, outline, report)
    with forbidden(assignment):
        namespace = run_notebook(notebook, folder.name)
        # Loaded again, so that even a function imported by name is one that refuses.
        alternatives = [one for one in collect(folder / "alternatives.py") if isinstance(one, Alternative)]
    verify_public_functions(assignment, report)
    blanks = {name: blanked(source) for name, source in solution_cells(notebook).items()}
    complete = [name for name in outline.visible if name in assignment.visible.checks and name in outline.hidden]
    complete = [name for name in complete if name in assignment.hidden.checks and name in assignment.visible.probes]
    for name in tqdm(complete, desc=f"verifying {folder.name}", unit="exercise", disable=not progress):
        report.counts["exercises"] += 1
        row = Row(f"{folder.name}/{name}", (outline.visible[name], outline.hidden[name]), _checks(assignment, name))
        report.rows.append(row)
        before = len(report.problems)
        trial = Trial(assignment, name, namespace, blanks[name], alternatives, report)
        with forget_what_is_printed():
            with forbidden(assignment):
                trial.right_answers_call_nothing_forbidden()
            for key in keys(seeds):
                trial.run(key, row)
        row.holds = len(report.problems) == before


def _checks(assignment: Assignment, name: str) -> tuple[int, int]:
    return len(assignment.visible.checks[name]), len(assignment.hidden.checks[name])


def keys(count: int) -> Iterator[bytes]:
    """The key of the inputs at home, then keys of secret inputs."""
    yield HOME_KEY
    for number in range(count):
        yield hashlib.sha256(f"verify {number}".encode()).digest()


@contextlib.contextmanager
def forbidden(assignment: Assignment) -> Iterator[None]:
    """Let the functions of rlkit that an assignment asks for refuse, as in a student's notebook."""
    replaced = forbid(assignment.visible.forbidden)
    try:
        yield
    finally:
        allow_again(replaced)


def run_notebook(notebook: Any, name: str) -> dict[str, Any]:
    """Run the code cells of a source notebook, checks and locked cells left out; return what they define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.metadata.get("nbgrader", {}).get("locked"):
            continue
        try:
            with forget_what_is_printed():
                exec(compile(cell.source, f"<{name}>", "exec"), namespace)
        except Exception as error:
            first = next(iter(cell.source.strip().splitlines()), "")
            raise CourseError(
                f"{name}.py: the cell beginning {first!r} fails: {type(error).__name__}: {error}"
            ) from error
    return namespace


def check_author_rules(assignment: Assignment, outline: Outline, report: Verification) -> None:
    """Points agree, and every exercise has what it must have."""
    path = assignment.folder / f"{assignment.name}.py"
    for exam, cells in ((assignment.visible, outline.visible), (assignment.hidden, outline.hidden)):
        problems = list(points_problems(outline, exam, path))
        report.problems += problems
        report.counts["cells whose points agree"] += len(cells) - len(problems)
    for name in outline.visible:
        wrong = [one for one in assignment.misconceptions if one.exercise == name]
        right = [one for one in assignment.alternatives if one.exercise == name]
        where = f"{assignment.name}/{name}"
        report.expect(
            len(wrong) >= FEWEST_MISCONCEPTIONS and all(one.hint.strip() and one.name.strip() for one in wrong),
            "exercises with misconceptions and hints",
            f"{where}: {len(wrong)} misconceptions, expected at least {FEWEST_MISCONCEPTIONS}, each with name and hint",
        )
        names = [one.name for one in wrong]
        twice = sorted({name for name in names if names.count(name) > 1})
        report.expect(
            not twice,
            "exercises whose misconceptions have names of their own",
            f"{where}: two misconceptions have the same name: {', '.join(map(repr, twice))}",
        )
        report.expect(
            len(right) >= FEWEST_ALTERNATIVES,
            "exercises with alternatives",
            f"{where}: {len(right)} alternatives, expected at least {FEWEST_ALTERNATIVES}",
        )
        report.expect(name in assignment.visible.probes, "exercises with a probe", f"{where}: no probe in checks.py")
    known = set(outline.visible)
    answers: list[Misconception | Alternative] = [*assignment.misconceptions, *assignment.alternatives]
    for one in answers:
        where = f"{assignment.name}: {type(one).__name__} {one.name!r}"
        report.expect(one.exercise in known, "answers to a known exercise", f"{where} answers {one.exercise!r}")
    report.expect(bool(outline.written), "assignments with a written answer", f"{assignment.name}: no written answer")
    for function, exercise in list(assignment.visible.forbidden.items()):
        exists = exercise in known and _exists(function)
        text = f"{assignment.name}: asks_for({exercise!r}, {function!r}) names an unknown exercise or function"
        report.expect(exists, "functions of rlkit that refuse", text)
        if not exists:
            del assignment.visible.forbidden[function]  # it has been reported


def _exists(path: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        return callable(getattr(importlib.import_module(module), name, None))
    except (ImportError, ValueError):
        return False


def verify_public_functions(assignment: Assignment, report: Verification) -> None:
    """No function of the released checks is a solution to anything."""
    public = [
        function
        for _, function in inspect.getmembers(assignment.checks_module, inspect.isfunction)
        if function.__module__ == assignment.checks_module.__name__
    ]
    for name in assignment.visible.checks:
        trial = Trial(assignment, name, {}, "", [], report)
        for function in public:
            earned = trial.points(function, HOME_KEY).total
            text = f"{assignment.name}/{name}: {function.__name__} of checks.py gets {earned:g} points as the answer"
            report.expect(earned == 0, "functions of public checks with 0", text)
