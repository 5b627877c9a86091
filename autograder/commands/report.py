"""The command `report`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "show how a class did: points by exercise, misconceptions, and a page with everything"
EXAMPLES = """\
  python -m autograder report bellman

Writes course/reports/bellman.html, a page for the instructor that needs no other file: scores, each exercise, checks
that failed, what to look at. It also lists answers that are much alike; bellman-similar.html shows both of a pair."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Print how the class did and write the page."""
    from rich.console import Console

    from autograder.reporting.class_data import class_summary
    from autograder.reporting.class_page import write_class_page
    from autograder.reporting.report import class_report

    summary = class_summary(course, chosen.assignment, progress=True)
    Console().print(class_report(summary))
    print(f"the class: {write_class_page(course, summary)}")
    return 0
