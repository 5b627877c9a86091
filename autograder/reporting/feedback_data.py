"""What goes back to a student, as plain data: the contents of the JSON file and of the page.

Points are the gradebook's (a person may have changed them), everything else is the examiner's record. What a student's
code printed while hidden checks ran is left out: it may hold their inputs.

``feedback_schema.json`` describes the JSON file field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedNotebook

from autograder.course import Course
from autograder.grading.deadlines import Deadlines
from autograder.grading.manual_grading import graded_notebook, written_grades
from autograder.grading.outputs import plain
from autograder.grading.records import CellResult, read_record
from autograder.grading.scores import Score, Status, read_score
from autograder.receiving.intake import receipt

SCHEMA = "mastering-rl feedback 1"
NOT_ANSWERED = "not answered yet"  # what checks.py says of a blank
LOOKED_AT = "This exercise could not be checked completely. That is not your mistake; your instructor can see why."
NOT_GRADED = {
    Status.NOT_GRADED: "Your work has been received and has not been graded, or grading it did not succeed. "
    "Your instructor can see why.",
    Status.FAILED: "Your work has been received, but grading it did not succeed. Your instructor can see why.",
    Status.MISSING: "Nothing was handed in.",
}


@dataclass
class CheckFeedback:
    """One check: what it looked at, and if it failed, what was expected and what came."""

    message: str
    passed: bool
    points: float
    possible: float
    problem: str
    hint: str
    after_handing_in: bool


@dataclass
class ExerciseFeedback:
    """One exercise, its visible and its hidden checks together."""

    exercise: str
    points: float
    possible: float
    answered: bool = True
    by_hand: bool = False
    message: str = ""
    misconception: dict[str, str] | None = None
    comment: str = ""
    printed: str = ""
    traceback: str = ""
    checks: list[CheckFeedback] = field(default_factory=list)

    @property
    def failed(self) -> list[CheckFeedback]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]


@dataclass
class WrittenFeedback:
    """One written answer; points are None until it has been graded."""

    exercise: str
    points: float | None
    possible: float
    answered: bool
    comment: str
    answer: str


@dataclass
class StudentFeedback:
    """All feedback on one submission."""

    schema: str
    student: str
    assignment: str
    status: str
    graded: bool
    message: str
    earned: float
    penalty: float
    final: float
    possible: float
    pending: float
    late: str
    handed_in: str
    notes: list[str] = field(default_factory=list)
    exercises: list[ExerciseFeedback] = field(default_factory=list)
    written: list[WrittenFeedback] = field(default_factory=list)


def feedback_on(
    course: Course, gradebook: Gradebook, student: str, assignment: str, deadlines: Deadlines | None = None
) -> tuple[StudentFeedback, Score]:
    """Return what a student gets to know, also if the work could not be graded; and the score it is about."""
    score = read_score(course, gradebook, student, assignment, deadlines)
    known, graded = receipt(course, student, assignment), score.status in (Status.GRADED, Status.PENDING)
    result = StudentFeedback(
        SCHEMA, student, assignment, str(score.status), graded, NOT_GRADED.get(score.status, ""), score.earned,
        score.penalty, score.final, score.possible, score.pending, score.late, known.get("handed in", ""),
        list(known.get("notes", [])),
    )  # fmt: skip
    record = read_record(course, student, assignment)
    if not graded or record is None:
        return result, score
    notebook = graded_notebook(course, student, assignment)
    cells = marked_cells(notebook) if notebook else {}
    try:
        part = gradebook.find_submission_notebook(assignment, assignment, student)
    except MissingEntry:
        return result, score
    comments = {comment.name: comment.manual_comment or "" for comment in part.comments}
    blank = {comment.name for comment in part.comments if comment.auto_comment}
    result.exercises = _exercises(part, record.cells, comments, cells)
    result.written = [
        WrittenFeedback(
            grade.name.removeprefix("written-"),
            None if grade.needs_manual_grade else grade.score,
            grade.max_score,
            grade.name not in blank,
            comments.get(grade.name, ""),
            cells[grade.name].source if grade.name in cells else "",
        )
        for grade in written_grades(part)
    ]
    return result, score


def message_only(student: str, assignment: str, status: Status) -> StudentFeedback:
    """Feedback on work that could not be graded, or not be read."""
    message = NOT_GRADED[status]
    return StudentFeedback(SCHEMA, student, assignment, str(status), False, message, 0.0, 0.0, 0.0, 0.0, 0.0, "", "")


def marked_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells of a notebook by the name nbgrader knows them by."""
    return {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def _exercises(
    part: SubmittedNotebook, found: list[CellResult], comments: Mapping[str, str], cells: Mapping[str, NotebookNode]
) -> list[ExerciseFeedback]:
    """Put the visible and the hidden cell of each exercise together, in the order of the notebook."""
    grades: dict[str, Grade] = {grade.name: grade for grade in part.grades}
    exercises: dict[str, ExerciseFeedback] = {}
    for cell in found:
        grade = grades.get(cell.cell)
        one = exercises.setdefault(cell.exercise, ExerciseFeedback(cell.exercise, 0.0, 0.0))
        one.points += grade.score if grade else cell.points
        one.possible += grade.max_score if grade else cell.possible
        one.by_hand |= grade is not None and grade.manual_score is not None
        one.message = one.message or (LOOKED_AT if cell.error else "")
        if cell.misconception and one.misconception is None:
            one.misconception = {"name": cell.misconception, "hint": cell.hint}
        one.traceback = one.traceback or cell.traceback
        if not cell.hidden:
            one.printed = cell.printed
        one.checks += [
            CheckFeedback(
                check.message, not check.problem, check.points, check.possible, check.problem, check.hint, cell.hidden
            )
            for check in cell.checks
        ]
    for name, one in exercises.items():
        one.answered = any(check.problem != NOT_ANSWERED for check in one.checks) or not one.checks
        one.comment = comments.get(f"answer-{name}", "")
        printed, failed = own_output(cells.get(f"answer-{name}"))
        one.printed = "\n".join(filter(None, (printed, one.printed)))
        one.traceback = failed or one.traceback
    return list(exercises.values())


def own_output(cell: NotebookNode | None) -> tuple[str, str]:
    """What an answer cell printed when it ran, and its traceback if it failed."""
    outputs: list[Any] = cell.get("outputs", []) if cell else []
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    failed = next((output for output in outputs if output.output_type == "error"), None)
    return plain(printed).strip(), plain("\n".join(failed.traceback)) if failed else ""
