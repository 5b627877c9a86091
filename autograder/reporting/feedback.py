"""Write what goes back to each student: a page and the same as JSON.

The page begins with points, messages and misconceptions by exercise and ends with the student's notebook. It needs no
other file and asks no host for anything. It holds no source of a hidden check, and nothing of a student's runs in it.
nbgrader's own `generate_feedback` writes its page to the same place (made safe in configuration.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils
from tqdm import tqdm

from autograder.course import Course
from autograder.errors import CourseError
from autograder.files import write_whole
from autograder.grading.deadlines import read_deadlines
from autograder.grading.late_policy import refresh_penalties
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.outputs import PICTURES, plain
from autograder.grading.scores import Status
from autograder.reporting.feedback_data import StudentFeedback, feedback_on, message_only
from autograder.reporting.pages import write_page

LOG = logging.getLogger("autograder")
MOST_MARKDOWN = 200_000


@dataclass
class Feedback:
    """The pages that were written, and what to know about some of them."""

    pages: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def write_feedback(course: Course, assignment: str, students: Sequence[str] = (), progress: bool = True) -> Feedback:
    """Write feedback for everyone who handed in: also to say that written answers wait, or that grading failed."""
    course.release_notebook(assignment)
    collected, result, deadlines = course.students(assignment), Feedback(), read_deadlines(course)
    unknown = sorted(set(students) - set(collected))
    if unknown:
        raise CourseError(f"nothing was collected from {', '.join(unknown)} for {assignment!r}")
    with course.gradebook() as gradebook:
        # Points given in formgrader since then may have changed what lateness costs.
        refresh_penalties(course, gradebook, assignment)
        for student in tqdm(sorted(students) or collected, desc="feedback", unit="student", disable=not progress):
            try:
                feedback, score = feedback_on(course, gradebook, student, assignment, deadlines)
                result.pages.append(write_one(course, feedback))
            except Exception as error:
                LOG.error("no feedback for %s, %s: %s", student, assignment, error, exc_info=error)
                result.problems.append(f"{student}: the page only has a message, {error}")
                result.pages.append(write_one(course, message_only(student, assignment, Status.FAILED)))
                continue
            if score.status is Status.PENDING:
                result.problems.append(f"{student}: written answers are shown with 0 points until they are graded")
            elif not feedback.graded:
                result.problems.append(f"{student}: the page only has a message, {score.status}")
    return result


def write_one(course: Course, feedback: StudentFeedback) -> Path:
    """Write one student's page and JSON file; return the page."""
    page = course.feedback(feedback.student, feedback.assignment)
    notebook = graded_notebook(course, feedback.student, feedback.assignment) if feedback.graded else None
    write_whole(page.with_suffix(".json"), json.dumps(asdict(feedback), indent=1, ensure_ascii=False).encode())
    write_page(page, "feedback.html.j2", feedback=feedback, cells=list(shown_cells(notebook)) if notebook else [])
    return page


def shown_cells(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    """The cells of a student's notebook for the page, without the tests: what they found stands above."""
    rendered = 0
    for cell in notebook.cells:
        if utils.is_grade(cell) and not utils.is_solution(cell):
            continue
        code = cell.source if cell.cell_type == "code" else None
        prose = cell.source if cell.cell_type == "markdown" else ""
        rendered += len(prose)
        outputs = [_shown(output) for output in cell.get("outputs", [])]
        if rendered > MOST_MARKDOWN:  # no notebook has so much to say; rendering it could take minutes
            prose, outputs = "", [{"kind": "", "picture": "", "text": plain(prose)}]
        yield {"code": code, "prose": prose, "outputs": outputs}


def _shown(output: NotebookNode) -> dict[str, str]:
    """One output as a picture or text; the examiner keeps nothing else (see outputs.py)."""
    data = output.get("data", {})
    kind = next((kind for kind in PICTURES if kind in data), "")
    if kind:
        return {"kind": kind, "picture": "".join(str(data[kind]).split()), "text": ""}
    if output.output_type == "error":
        return {"kind": "", "picture": "", "text": plain("\n".join(output.traceback))}
    return {"kind": "", "picture": "", "text": plain(output.get("text", "") or data.get("text/plain", ""))}
