"""Regrade after a check was changed: only what the change touches, and shown before it is written.

Submissions whose checks have changed are examined aside (see rehearsal.py) and compared with the records. Exercises
whose checks are the same keep the result they had. Entering the differences writes exactly the results that were shown;
whose result is the same is not written at all. Interrupted, both go on where they stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import nbformat
from tqdm import tqdm

from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.files import write_whole
from autograder.grading.course_lock import only_run
from autograder.grading.examine import Examined
from autograder.grading.exercise_digests import EVERYTHING
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.late_policy import refresh_penalties
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.records import (
    CellResult,
    Record,
    digests_of_checks,
    fingerprint,
    present_fingerprint,
    read_record,
    read_same_results,
    same_results_file,
)
from autograder.grading.rehearsal import rehearsal_course, rehearse
from autograder.receiving.intake import refresh
from autograder.reporting.feedback_data import marked_cells


@dataclass(frozen=True)
class Difference:
    """A graded cell whose result is another; None where there was no such cell, or is none any more."""

    student: str
    cell: str
    before: CellResult | None
    after: CellResult | None


@dataclass
class Regrading:
    """What a regrade found.

    Attributes
    ----------
    touched : dict
        By student, the exercises whose checks have changed.
    released_anew : list of str
        Students whose notebook was released anew since: everything of theirs is touched.
    differences : list of Difference
        What would be written, or was.
    same : dict
        Students whose result is the same: the fingerprint of now and the one in their record.
    results : dict
        What would be written, by student.
    for_grade : dict
        Students whom `grade` has to grade first, and why.
    failures : dict
        Students whom it could not examine, and why.
    """

    touched: dict[str, set[str]] = field(default_factory=dict)
    released_anew: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    same: dict[str, tuple[str, str]] = field(default_factory=dict)
    results: dict[str, Examined] = field(default_factory=dict)
    for_grade: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def look(course: Course, assignment: str, students: Sequence[str] = ()) -> Regrading:
    """Find out what changed checks touch."""
    course.release_notebook(assignment)
    found, checks = Regrading(), digests_of_checks(course, assignment)
    for student in sorted(students) or course.students(assignment):
        record = read_record(course, student, assignment)
        if record is None or not record.fingerprint:
            found.for_grade[student] = "not graded yet"
            continue
        if record.fingerprint == fingerprint(course, student, assignment):
            continue
        submission, _, others = record.fingerprint.partition("-")
        now = present_fingerprint(course, student, assignment)
        if submission != now.submission:
            found.for_grade[student] = "handed in again since it was graded"
            continue
        exercises = {cell.exercise for cell in record.cells}
        if others.partition("-")[0] != now.release or not record.checks:
            found.released_anew.append(student)
            found.touched[student] = exercises
            continue
        before, everything = record.checks, (record.checks.get(EVERYTHING), checks.get(EVERYTHING))
        found.touched[student] = {
            name for name in exercises if before.get(name, everything[0]) != checks.get(name, everything[1])
        }
    return found


def regrade(
    course: Course,
    assignment: str,
    students: Sequence[str] = (),
    *,
    workers: int | None = None,
    sandbox: bool = True,
    progress: bool = True,
) -> Regrading:
    """Examine what changed checks touch and compare; the gradebook and the records stay as they are."""
    with only_run(course, f"regrading {assignment}"):
        found = look(course, assignment, students)
        trial = rehearsal_course(course, assignment)
        chosen = [student for student, exercises in found.touched.items() if exercises]
        if chosen:
            found.failures.update(rehearse(course, assignment, chosen, workers, sandbox, progress))
        for student, exercises in found.touched.items():
            if student not in found.failures:
                _compare(course, trial, assignment, student, exercises, found)
    return found


def _compare(
    course: Course, trial: Course, assignment: str, student: str, exercises: set[str], found: Regrading
) -> None:
    """Compare a student's results with those of before, and put together what would be written."""
    before = read_record(course, student, assignment)
    assert before is not None
    if not exercises:
        found.same[student] = str(present_fingerprint(course, student, assignment)), before.fingerprint
        return
    after, notebook = read_record(trial, student, assignment), graded_notebook(trial, student, assignment)
    if after is None or notebook is None or not after.fingerprint:
        problem = after.errors[0] if after and after.errors else "no result"
        found.failures[student] = f"{problem}; run `regrade` again"
        return
    if student not in found.released_anew:
        _keep_untouched(before, after, exercises)
        old = graded_notebook(course, student, assignment)
        kept = marked_cells(old) if old else {}
        for name, cell in marked_cells(notebook).items():
            if cell.cell_type == "code" and name in kept and _exercise(name) not in exercises:
                cell.outputs = kept[name].outputs
    differences = list(differences_between(student, before, after))
    if not differences and student not in found.released_anew:
        found.same[student] = after.fingerprint, before.fingerprint
        return
    found.differences += differences
    found.results[student] = Examined(nbformat.writes(notebook).encode(), after)


def _exercise(cell: str) -> str:
    return CellResult(cell, 0.0, 0.0).exercise


def _keep_untouched(before: Record, after: Record, exercises: set[str]) -> None:
    """Put the results of before in place of new ones, for exercises whose checks are the same."""
    kept = {cell.cell: cell for cell in before.cells if cell.exercise not in exercises}
    after.cells = [kept.get(cell.cell, cell) for cell in after.cells]


def differences_between(student: str, before: Record, after: Record) -> list[Difference]:
    """Cells whose points, messages or misconception differ; output and traceback may, from run to run."""
    old, new = ({cell.cell: cell for cell in record.cells} for record in (before, after))
    return [
        Difference(student, name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if _result(old.get(name)) != _result(new.get(name))
    ]


def _result(cell: CellResult | None) -> CellResult | None:
    return replace(cell, printed="", traceback="") if cell else None


def enter(course: Course, assignment: str, found: Regrading, progress: bool = True) -> None:
    """Write what a regrade found: the results that differ, and whose result is the same.

    Raises
    ------
    CourseError
        If another run holds the course.
    """
    with only_run(course, f"entering the regrading of {assignment}"):
        with GradebookWriter(course, load_configuration(course), assignment) as writer:
            for student, examined in tqdm(found.results.items(), desc="entering", unit="student", disable=not progress):
                refresh(course, student, assignment)
                if str(present_fingerprint(course, student, assignment)) != examined.record.fingerprint:
                    found.failures[student] = "something has changed since it was examined; run `regrade` again"
                    continue
                writer.write(examined)
        same = read_same_results(course, assignment)
        for student, (now, before) in found.same.items():
            same.setdefault(student, {})[now] = before
        for student in found.results:
            same.pop(student, None)
        write_whole(same_results_file(course, assignment), json.dumps(same, indent=1).encode())
        with course.gradebook() as gradebook:
            refresh_penalties(course, gradebook, assignment)
        shutil.rmtree(rehearsal_course(course, assignment).folder, ignore_errors=True)
