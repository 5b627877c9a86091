"""Grade written answers in a spreadsheet, beside formgrader: a rubric CSV with one row for each student and answer.

Points and comments that a person gave stay when a submission is graded again, as long as the answer is the same. If its
text has changed, the points stay too, but the answer waits for a person once more.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Grade, Gradebook, SubmittedNotebook
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy import Column, MetaData, String, Table, select

from autograder.course import Course
from autograder.grading.outputs import plain
from autograder.spreadsheets import guarded

COLUMNS = ("student", "exercise", "max_points", "points", "comment", "version", "answer")
LONGEST_ANSWER = 30_000  # a spreadsheet's cell holds 32,767 characters


@dataclass(frozen=True)
class Answer:
    """A written answer and what stands in the gradebook about it.

    Attributes
    ----------
    version : str
        Names the text that was graded, so that points for one text never become points for another.
    """

    student: str
    cell: str
    most: float
    points: float | None
    comment: str
    version: str
    text: str

    @property
    def exercise(self) -> str:
        """``written-why`` is the cell of the exercise ``why``."""
        return self.cell.removeprefix("written-")


def version_of(source: str) -> str:
    """Name the text of an answer; begins with a letter, so that no spreadsheet takes it for a number."""
    return "v" + hashlib.sha256(source.strip().encode()).hexdigest()[:12]


def graded_path(course: Course, student: str, assignment: str) -> Path:
    """Where the executed notebook lies."""
    return course.data / "autograded" / student / assignment / f"{assignment}.ipynb"


def graded_notebook(course: Course, student: str, assignment: str) -> NotebookNode | None:
    """The executed notebook that formgrader shows, or None if there is none."""
    path = graded_path(course, student, assignment)
    return nbformat.read(path, as_version=4) if path.is_file() else None


def written_grades(notebook: SubmittedNotebook) -> list[Grade]:
    """The grades of written answers, in the order of their names."""
    return sorted((grade for grade in notebook.grades if grade.cell_type != "code"), key=lambda grade: grade.name)


def written_answers(course: Course, gradebook: Gradebook, assignment: str) -> Iterator[Answer]:
    """All written answers that have been graded automatically, by exercise and student."""
    found = []
    for submission in gradebook.assignment_submissions(assignment):
        student = submission.student_id
        notebook = graded_notebook(course, student, assignment)
        sources = {
            cell.metadata["nbgrader"]["grade_id"]: cell.source
            for cell in (notebook.cells if notebook else [])
            if "nbgrader" in cell.metadata
        }
        for part in submission.notebooks:
            comments = {comment.name: comment.comment or "" for comment in part.comments}
            for grade in written_grades(part):
                if grade.name not in sources:
                    continue
                waits = grade.needs_manual_grade
                source, points = sources[grade.name], None if waits else grade.score
                comment = comments.get(grade.name, "")
                about = student, grade.name, grade.max_score, points, comment
                found.append(Answer(*about, version_of(source), source))
    yield from sorted(found, key=lambda answer: (answer.exercise, answer.student))


def write_rubric(course: Course, assignment: str, path: Path) -> int:
    """Write the rubric CSV; return the number of answers in it."""
    course.release_notebook(assignment)
    with course.gradebook() as gradebook:
        answers = list(written_answers(course, gradebook, assignment))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # the mark by which spreadsheets know UTF-8
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in answers:
            points = "" if one.points is None else f"{one.points:g}"
            row = (one.student, one.exercise, f"{one.most:g}", points, one.comment, one.version, shortened(one.text))
            writer.writerow(map(guarded, row))
    return len(answers)


def shortened(answer: str) -> str:
    """The text of an answer, as much as fits a spreadsheet's cell."""
    answer = plain(answer)
    return answer if len(answer) <= LONGEST_ANSWER else f"{answer[:LONGEST_ANSWER]} [the rest is in formgrader]"


# In nbgrader's database, because it must change in the same transaction as the scores: the text of every written answer
# when it was last graded automatically.
ANSWERS_SEEN = Table(
    "autograder_answer_seen", MetaData(), Column("grade", String(32), primary_key=True), Column("version", String(16))
)


class SaveGrades(SaveAutoGrades):
    """nbgrader's step that saves scores, which would ask for every manual grade again whenever it runs."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Save the scores of one notebook; nbgrader calls this."""
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            ANSWERS_SEEN.create(gradebook.db.connection(), checkfirst=True)
            gradebook.db.commit()
        return super().preprocess(nb, resources)

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        """Leave a manual grade of an unchanged answer as it is."""
        if cell.cell_type != "code":
            name = cell.metadata["nbgrader"]["grade_id"]
            grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
            same = self._see(grade.id, version_of(cell.source))
            if same and grade.manual_score is not None and not grade.needs_manual_grade:
                return
        super()._add_score(cell, resources)

    def _see(self, grade: str, version: str) -> bool:
        """Note the text of an answer and return whether it is the one that was there before; the caller commits."""
        database, this = self.gradebook.db, ANSWERS_SEEN.c.grade == grade
        before = database.execute(select(ANSWERS_SEEN.c.version).where(this)).scalar()
        if before != version:
            database.execute(ANSWERS_SEEN.delete().where(this))
            database.execute(ANSWERS_SEEN.insert().values(grade=grade, version=version))
        return before == version
