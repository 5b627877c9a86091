"""The command `grade`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "grade what was collected; run again, it grades only what is new or has changed"
EXAMPLES = """\
  python -m autograder grade bellman
  python -m autograder grade bellman --workers 4
  python -m autograder grade bellman --student ada --force
  python -m autograder grade bellman --scheduler tcp://10.0.0.5:8786
  python -m autograder grade bellman --gradebook postgresql://teacher:PASSWORD@db.example.org/course
  python -m autograder grade bellman --solutions private/solutions"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")
    parser.add_argument("--student", action="append", default=[], help="only this student; can be given several times")
    parser.add_argument("--force", action="store_true", help="grade again what has not changed")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes on this computer (default: one for each core)"
    )
    parser.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="grade on the Dask cluster of this scheduler"
    )
    parser.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run student code without a sandbox: it can read and change whatever you can",
    )


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Grade and print the score table."""
    from autograder.grading.grade import grade
    from autograder.grading.scores import Status, print_scores

    scores = grade(
        course,
        chosen.assignment,
        chosen.student,
        chosen.force,
        workers=chosen.workers,
        scheduler=chosen.scheduler,
        sandbox=not chosen.no_sandbox,
    )
    print_scores(scores, chosen.assignment)
    print(f"graded notebooks in autograded/, records/ and autograder.log: {course.data}")
    return 1 if any(score.status is Status.FAILED for score in scores) else 0
