"""The command `release`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "compile the assignments and write what students get"
EXAMPLES = """\
  python -m autograder release              every assignment in solutions/
  python -m autograder release bellman      only this one"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="all if none is named")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Compile and release assignments."""
    from autograder.authoring.release import release

    for one in release(course, chosen.assignments):
        print(
            f"{one.assignment}: {one.exercises} exercises, {one.automatic:g} points by checks and {one.by_hand:g} by "
            f"hand; {one.folder} and {one.archive.name}"
        )
    print(f"notebooks for students: {course.release}")
    return 0
