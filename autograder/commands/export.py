"""The command `export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "write scores as CSV; a score stays empty until every written answer has been graded"
EXAMPLES = """\
  python -m autograder export
  python -m autograder export --assignment bellman --output bellman.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("--assignment", action="append", default=[], help="all if none is named")
    parser.add_argument("--output", type=Path, help="the file to write (default: grades.csv in the course)")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Write the scores as CSV."""
    from autograder.export import export_scores

    path = chosen.output or course.data / "grades.csv"
    print(f"{export_scores(course, path, chosen.assignment)} rows in {path}")
    return 0
