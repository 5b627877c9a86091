"""The command `rubric`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "grade written answers in a spreadsheet"
EXAMPLES = """\
  python -m autograder rubric bellman --write rubric.csv
  python -m autograder rubric bellman --read rubric.csv

Fill in the columns points and comment and leave the others as they are. A blank cell changes nothing, so the file can
be read as often as you like while you work on it. If any row cannot be right, every such row is listed and nothing is
entered. formgrader shows the same points."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE", help="write one row for each student and written answer")
    what.add_argument("--read", type=Path, metavar="FILE", help="enter the points and comments of a file")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Write or read the rubric."""
    from autograder.errors import CourseError
    from autograder.grading.manual_grading import write_rubric
    from autograder.grading.rubric import read_rubric

    if chosen.write:
        if chosen.write.exists() and not chosen.force:
            raise CourseError(f"{chosen.write} is there already, perhaps with points in it; add --force to replace it")
        print(f"{write_rubric(course, chosen.assignment, chosen.write)} written answers in {chosen.write}")
        return 0
    result = read_rubric(course, chosen.assignment, chosen.read)
    for entered in result.entered:
        print(f"entered: {entered}")
    print(f"{len(result.entered)} answers entered, {result.same} as they were, {result.blank} not graded yet")
    return 0
