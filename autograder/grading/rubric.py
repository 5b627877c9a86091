"""Read a rubric CSV back: every row is checked before any is entered in the gradebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.errors import CourseError
from autograder.filled_in import Row, number, read_rows
from autograder.grading.course_lock import only_run
from autograder.grading.late_policy import refresh_penalties
from autograder.grading.manual_grading import Answer, written_answers
from autograder.spreadsheets import FORMULA_STARTS

NEEDED = ("student", "exercise", "points", "comment", "version")


@dataclass
class Entered:
    """What reading a rubric did: answers whose points or comment were entered, were the same, or are still blank."""

    entered: list[str] = field(default_factory=list)
    same: int = 0
    blank: int = 0


@dataclass(frozen=True)
class Mark:
    """What a row says about an answer; None for points that were left blank."""

    answer: Answer
    points: float | None
    comment: str


def read_rubric(course: Course, assignment: str, path: Path) -> Entered:
    """Enter points and comments of a rubric CSV; a blank cell changes nothing.

    Raises
    ------
    CourseError
        If any row cannot be right (then nothing has been entered, and every such row is listed with its line), or
        another run holds the course.
    """
    course.release_notebook(assignment)
    rows, result = read_rows(path, "rubric", NEEDED), Entered()
    with only_run(course, f"entering the rubric of {assignment}"), course.gradebook() as gradebook:
        answers = {(one.student, one.exercise): one for one in written_answers(course, gradebook, assignment)}
        marks, problems = check_rows(rows, answers)
        if problems:
            raise CourseError(
                f"{path}: nothing was entered, because {len(problems)} of {len(rows)} rows cannot be right:\n"
                + "\n".join(f"  {problem}" for problem in problems)
            )
        for mark in marks:
            _enter(gradebook, assignment, mark, result)
        gradebook.db.commit()
        refresh_penalties(course, gradebook, assignment)
    return result


def check_rows(rows: list[Row], answers: dict[tuple[str, str], Answer]) -> tuple[list[Mark], list[str]]:
    """Return what the rows say, and what is wrong with which line."""
    students, exercises = ({key[place] for key in answers} for place in (0, 1))
    marks: list[Mark] = []
    problems: list[str] = []
    lines: dict[tuple[str, str], int] = {}
    for row in rows:
        key = unguarded(row["student"]), unguarded(row["exercise"])
        where = f"line {row.line}, {key[0] or 'no student'}"
        if key in lines:
            problems.append(f"{where}: {key[1]} stands in line {lines[key]} already")
        elif key[1] not in exercises:
            problems.append(f"{where}: no written exercise {key[1]!r}; there are {', '.join(sorted(exercises))}")
        elif key[0] not in students:
            problems.append(f"{where}: no graded submission of a student {key[0]!r}")
        elif key not in answers:
            problems.append(f"{where}: has no answer to {key[1]}")
        elif row["version"] != answers[key].version:
            problems.append(f"{where}: the answer to {key[1]} has changed since the rubric was written; write it again")
        else:
            try:
                marks.append(Mark(answers[key], _points(row["points"], answers[key]), unguarded(row["comment"])))
            except ValueError as error:
                problems.append(f"{where}: {error}")
        lines.setdefault(key, row.line)
    return marks, problems


def unguarded(text: str) -> str:
    """Take away what `guarded` puts before a text that a spreadsheet would run as a formula."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA_STARTS) else text


def _points(text: str, answer: Answer) -> float | None:
    if not text:
        return None
    expected = f"expected a number from 0 to {answer.most:g}"
    try:
        points = number(text)
    except ValueError:
        raise ValueError(f"points are {text!r}, {expected}") from None
    if not 0 <= points <= answer.most:
        raise ValueError(f"points are {points:g}, {expected}")
    return points


def _enter(gradebook: Gradebook, assignment: str, mark: Mark, result: Entered) -> None:
    """Enter one row; what stands there already is not written again."""
    answer = mark.answer
    cell, who = answer.cell, (assignment, assignment, answer.student)
    grade = gradebook.find_grade(cell, *who)
    new_points = mark.points is not None and (mark.points != answer.points or grade.needs_manual_grade)
    new_comment = mark.comment not in ("", answer.comment)
    if new_points:
        grade.manual_score, grade.needs_manual_grade = mark.points, False
    if new_comment:
        gradebook.find_comment(cell, *who).manual_comment = mark.comment
    if new_points or new_comment:
        result.entered.append(f"{answer.student}, {answer.exercise}")
    elif mark.points is None:
        result.blank += 1
    else:
        result.same += 1
