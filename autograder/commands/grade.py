"""The command `grade`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "grade what was collected; run again, it grades only what is new or has changed"
EXAMPLES = """\
  python -m autograder grade bellman
  python -m autograder grade bellman --student ada --force
  python -m autograder grade bellman --solutions private/solutions"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")
    parser.add_argument("--student", action="append", default=[], help="only this student; can be given several times")
    parser.add_argument("--force", action="store_true", help="grade again what has not changed")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Grade and print the score table."""
    from autograder.grade import grade
    from autograder.scores import Status, print_scores

    scores = grade(course, chosen.assignment, chosen.student, chosen.force)
    print_scores(scores, chosen.assignment)
    print(f"gradebook.db, graded notebooks in autograded/, and autograder.log: {course.data}")
    return 1 if any(score.status is Status.FAILED for score in scores) else 0
