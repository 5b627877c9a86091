"""Grade written answers in a spreadsheet, beside formgrader: a rubric CSV with one row for each student and answer.

Points and comments that a person gave stay when a submission is graded again, as long as the answer is the same. If its
text has changed, the points stay too, but the answer waits for a person once more.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Grade, Gradebook, SubmittedNotebook
from nbgrader.preprocessors import SaveAutoGrades
from traitlets import Unicode

from autograder.course import Course
from autograder.export import text as shown_as_text
from autograder.outputs import plain
from autograder.records import write_whole

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


def graded_notebook(course: Course, student: str, assignment: str) -> NotebookNode | None:
    """The executed notebook that formgrader shows, or None if there is none."""
    path = course.data / "autograded" / student / assignment / f"{assignment}.ipynb"
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
            writer.writerow(map(shown_as_text, row))
    return len(answers)


def shortened(answer: str) -> str:
    """The text of an answer, as much as fits a spreadsheet's cell."""
    answer = plain(answer)
    return answer if len(answer) <= LONGEST_ANSWER else f"{answer[:LONGEST_ANSWER]} [the rest is in formgrader]"


def answers_seen(course: Course, student: str, assignment: str) -> Path:
    """The file that names the texts of a student's answers when they were last graded automatically."""
    return course.data / "answers" / assignment / f"{student}.json"


class SaveGrades(SaveAutoGrades):
    """nbgrader's step that saves scores, which would ask for every manual grade again whenever it runs."""

    course_folder = Unicode("", help="the folder in which nbgrader's commands run").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Save the scores of one notebook; nbgrader calls this."""
        details = resources["nbgrader"]
        path = answers_seen(Course.at(self.course_folder or None), details["student"], details["assignment"])
        self._seen = _read_versions(path)
        self._now: dict[str, str] = {}
        nb, resources = super().preprocess(nb, resources)
        write_whole(path, json.dumps(self._now, indent=1).encode())
        return nb, resources

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        """Leave a manual grade of an unchanged answer as it is."""
        name = cell.metadata["nbgrader"]["grade_id"]
        if cell.cell_type != "code":
            self._now[name] = version_of(cell.source)
            grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
            settled = grade.manual_score is not None and not grade.needs_manual_grade
            if settled and self._seen.get(name) == self._now[name]:
                return
        super()._add_score(cell, resources)


def _read_versions(path: Path) -> Mapping[str, str]:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
