"""Write scores as a table for spreadsheets; for learning platforms see learning_platforms.py."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import read_deadlines
from autograder.grading.scores import Score, Status, read_score
from autograder.spreadsheets import guarded

COLUMNS = ["assignment", "student", "last_name", "first_name", "email", "score", "possible", "pending", "status"]


def export_scores(course: Course, path: Path, assignments: Sequence[str] = ()) -> int:
    """Write one row per student and assignment, for everyone in the gradebook.

    The score is empty unless it is final: while written answers wait, grading failed or nothing was handed in, the
    columns ``pending`` and ``status`` say so.

    Returns
    -------
    int
        The number of rows.
    """
    deadlines = read_deadlines(course)
    with course.gradebook() as gradebook:
        for assignment in assignments:
            checked_assignment(gradebook, assignment)
        rows = []
        for assignment in assignments or [assignment.name for assignment in gradebook.assignments]:
            for student in sorted(gradebook.students, key=lambda student: (student.last_name or "", student.id)):
                score = read_score(course, gradebook, student.id, assignment, deadlines)
                names = map(guarded, (student.id, student.last_name, student.first_name, student.email))
                numbers = [final_points(score), f"{score.possible:g}", f"{score.pending:g}"]
                rows.append([guarded(assignment), *names, *numbers, str(score.status)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


def checked_assignment(gradebook: Gradebook, assignment: str) -> None:
    """Raise `CourseError` unless the gradebook knows the assignment."""
    known = [assignment.name for assignment in gradebook.assignments]
    if assignment not in known:
        raise CourseError(f"no assignment {assignment} in the gradebook; it has: {', '.join(known) or 'none'}")


def final_points(score: Score) -> str:
    """Return the points that count, lateness included, as text with a decimal point; empty unless they are final."""
    return f"{round(score.final, 4):.12g}" if score.status is Status.GRADED else ""
