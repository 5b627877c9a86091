"""The scores of a class, read from nbgrader's gradebook and the examiner's records, and shown as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nbgrader.api import Grade, Gradebook, MissingEntry
from rich.console import Console
from rich.table import Table

from autograder.course import Course
from autograder.grading.deadlines import Deadlines, read_deadlines
from autograder.grading.late_policy import lateness
from autograder.grading.records import read_record
from autograder.receiving.intake import receipt


class Status(StrEnum):
    """How far a student's work has come."""

    GRADED = "graded"
    PENDING = "waits for manual grading"
    NOT_GRADED = "handed in, not graded"
    MISSING = "nothing handed in"
    FAILED = "grading failed"


@dataclass
class Score:
    """One student's score on one assignment.

    Attributes
    ----------
    earned, possible : float
        Points given so far, by checks and by hand, and the points of the whole assignment.
    pending : float
        Points of written answers that still wait for a hand.
    problem : str
        What the instructor should know: intake's notes, or why grading failed.
    penalty : float
        Points taken off because the work was late.
    late : str
        How late it was and what that costs, empty if it was in time.
    """

    student: str
    assignment: str
    status: Status
    earned: float = 0.0
    possible: float = 0.0
    pending: float = 0.0
    misconceptions: tuple[str, ...] = ()
    problem: str = ""
    penalty: float = 0.0
    late: str = ""

    @property
    def final(self) -> float:
        """The points that count: earned, less the penalty for lateness, never below 0."""
        return max(0.0, round(self.earned - self.penalty, 6))


def read_score(
    course: Course, gradebook: Gradebook, student: str, assignment: str, deadlines: Deadlines | None = None
) -> Score:
    """Return a student's score as it stands now; who reads many gives the *deadlines*, which are else read again."""
    possible = gradebook.find_assignment(assignment).max_score
    if not course.submitted(student, assignment).is_file():
        return Score(student, assignment, Status.MISSING, possible=possible)
    record = read_record(course, student, assignment)
    try:
        submission = gradebook.find_submission(assignment, student)
    except MissingEntry:
        return Score(student, assignment, Status.NOT_GRADED, possible=possible)
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    if record is None or all(grade.auto_score is None and grade.manual_score is None for grade in grades):
        return Score(student, assignment, Status.NOT_GRADED, possible=possible)
    waiting = [grade for grade in grades if grade.needs_manual_grade]
    late = lateness(deadlines or read_deadlines(course), submission)
    return Score(
        student,
        assignment,
        Status.PENDING if waiting else Status.GRADED,
        earned=submission.score,
        possible=possible,
        pending=sum(grade.max_score for grade in waiting),
        misconceptions=tuple(record.misconceptions),
        problem="; ".join([*_oddities(receipt(course, student, assignment), waiting), *record.errors]),
        penalty=late.penalty,
        late=late.reason,
    )


def _oddities(known: dict[str, Any], waiting: Sequence[Grade]) -> Iterator[str]:
    """What an instructor should know about a submission and its manual grades."""
    notes = len(known.get("notes", []))
    if notes:
        yield f"{notes} {'note' if notes == 1 else 'notes'} at intake"
    if known.get("late mark") and not known.get("handed in"):
        yield "marked as late; when it was handed in is not known, so nothing was taken off"
    for grade in waiting:
        if grade.manual_score is not None:
            what = "the checks' result" if grade.cell_type == "code" else "the answer"
            yield f"{what} of {grade.name} changed since it was graded by hand"


def score_table(scores: Iterable[Score], title: str) -> Table:
    """Lay scores out as a table, one row a student."""
    scores = list(scores)
    late = any(score.late for score in scores)
    table = Table(title=title, title_justify="left")
    table.add_column("student", no_wrap=True)
    for column in ("earned", *(("late", "final") if late else ()), "possible", "by hand"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("status", "misconceptions named", "to look at"):
        table.add_column(column, overflow="fold")
    for score in scores:
        known = score.status in (Status.GRADED, Status.PENDING)
        reduced = (f"-{score.penalty:g}" if score.late else "", f"{score.final:g}" if known else "") if late else ()
        table.add_row(
            score.student,
            f"{score.earned:g}" if known else "",
            *reduced,
            f"{score.possible:g}",
            f"{score.pending:g}" if score.pending else "",
            str(score.status),
            "\n".join(f"- {name}" for name in score.misconceptions),
            "; ".join(filter(None, (score.late, score.problem))),
        )
    return table


def print_scores(scores: Iterable[Score], title: str) -> None:
    """Print the table, wide enough to be read where the output is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(score_table(scores, title))
