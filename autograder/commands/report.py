"""The command `report`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "show points by exercise and the misconceptions found"
EXAMPLES = """\
  python -m autograder report bellman"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Print how the class did."""
    from rich.console import Console

    from autograder.report import class_report

    Console().print(class_report(course, chosen.assignment))
    return 0
