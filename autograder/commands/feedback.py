"""The command `feedback`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "write the pages that go back to students"
EXAMPLES = """\
  python -m autograder feedback bellman
  python -m autograder feedback bellman --student ada

Writes course/feedback/STUDENT/bellman/bellman.html, a page that needs no other file, and bellman.json, the same for a
program; autograder/feedback_schema.json describes its fields. Whoever could not be graded gets a message."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")
    parser.add_argument("--student", action="append", default=[], help="only this student; can be given several times")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Write feedback pages."""
    from autograder.reporting.feedback import write_feedback

    result = write_feedback(course, chosen.assignment, chosen.student)
    for problem in result.problems:
        print(problem)
    print(f"{len(result.pages)} pages in {course.data / 'feedback'}")
    return 0 if result.pages else 1
