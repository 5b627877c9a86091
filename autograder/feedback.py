"""Write the page that goes back to each student: nbgrader's own feedback, made safe.

The page shows the student's notebook with the results of the checks. Test cells are one line each, so no source of a
hidden check can stand in it, and HTML in a student's answer is stripped of scripts (see configuration.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.converters import GenerateFeedback
from tqdm import tqdm

from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.grade import run_converter
from autograder.scores import Status, read_score

LOG = logging.getLogger("autograder")


@dataclass
class Feedback:
    """The pages that were written, and the students who have none and why."""

    pages: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def write_feedback(course: Course, assignment: str, students: Sequence[str] = (), progress: bool = True) -> Feedback:
    """Write feedback for everyone who has been graded, including those whose written answers still wait."""
    course.release_notebook(assignment)
    config, result = load_configuration(course), Feedback()
    for student in tqdm(
        sorted(students) or course.students(assignment), desc="feedback", unit="student", disable=not progress
    ):
        try:
            with course.gradebook() as gradebook:
                status = read_score(course, gradebook, student, assignment).status
            if status not in (Status.GRADED, Status.PENDING):
                result.problems.append(f"{student}: no feedback, {status}")
                continue
            run_converter(GenerateFeedback, config, student, assignment)
            result.pages.append(course.feedback(student, assignment))
            if status is Status.PENDING:
                result.problems.append(f"{student}: written answers are shown with 0 points until they are graded")
        except Exception as error:
            LOG.error("no feedback for %s, %s: %s", student, assignment, error, exc_info=error)
            result.problems.append(f"{student}: no feedback, {error}")
    return result
