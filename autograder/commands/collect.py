"""The command `collect`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "take in a folder of submissions"
EXAMPLES = """\
  python -m autograder collect downloads/ --assignment bellman
  python -m autograder collect downloads/ --assignment bellman --roster class.csv

The folder holds <student>/bellman.ipynb or <student>_bellman.ipynb files and is not changed.
class.csv has the column id and, if wanted, first_name, last_name and email."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("folder", type=Path, help="folder of submissions; it is not changed")
    parser.add_argument("--assignment", required=True)
    parser.add_argument("--roster", type=Path, help="class list, a CSV file with the column id")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Take in submissions and list every oddity."""
    from autograder.collect import collect
    from autograder.course import add_students

    if chosen.roster:
        print(f"{add_students(course, chosen.roster)} students in the class list")
    collection = collect(course, chosen.folder, chosen.assignment)
    for received in collection.received:
        for note in received.notes:
            print(f"{received.student}: {note}")
    for problem in collection.problems:
        print(f"not as expected: {problem}")
    new = sum(received.changed for received in collection.received)
    print(f"{len(collection.received)} submissions taken in, {new} of them new or changed: {course.data / 'submitted'}")
    return 0 if collection.received else 1
