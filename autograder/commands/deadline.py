"""The command `deadline`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "show due dates, late submissions and extra time, and bring the penalties up to date"
EXAMPLES = """\
  python -m autograder deadline --start                           # write the file of due dates, to be edited
  python -m autograder deadline                                   # what is understood of it
  python -m autograder deadline bellman                           # who was late and what that costs
  python -m autograder deadline bellman --extend ada --hours 48

Due dates and what lateness costs stand in course/deadlines.toml, extra time in course/extensions.csv
(student,assignment,hours). After editing them run this command: grading again is not needed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment", nargs="?", help="all if none is named")
    parser.add_argument("--start", action="store_true", help="write a file of due dates to begin with")
    parser.add_argument("--extend", metavar="STUDENT", help="give a student more time for the assignment")
    parser.add_argument("--hours", help="how much more, from the due date on; 0 takes it back")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Show and apply the deadlines."""
    from rich.console import Console

    from autograder.errors import CourseError
    from autograder.grading.deadlines import extend, start
    from autograder.grading.late_table import apply_deadlines

    if chosen.start:
        print(f"edit {start(course)}, then run `python -m autograder deadline`")
        return 0
    if (chosen.extend is None) != (chosen.hours is None) or (chosen.extend and not chosen.assignment):
        raise CourseError("extra time needs all of it: deadline ASSIGNMENT --extend STUDENT --hours HOURS")
    if chosen.extend:
        extend(course, chosen.assignment, chosen.extend, chosen.hours)
    tables, problems = apply_deadlines(course, [chosen.assignment] if chosen.assignment else [])
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    for table in tables:
        console.print(table)
    for problem in problems:
        print(f"not as expected: {problem}")
    return 1 if problems else 0
