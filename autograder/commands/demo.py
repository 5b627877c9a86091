"""The command `demo`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from autograder.errors import CourseError

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "grade a class of three made-up students: right, half right, hostile"
EXAMPLES = """\
  python -m autograder demo
  python -m autograder demo bellman"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment", nargs="?", help="default: bellman, or the first released one")
    parser.add_argument("--no-sandbox", action="store_true", help="run the hostile student's code without a sandbox")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Grade the demo class."""
    from autograder.authoring.demo import run as run_demo

    return run_demo(course, chosen.assignment, sandbox=not chosen.no_sandbox and _sandbox_is_there())


def _sandbox_is_there() -> bool:
    """Whether there is one; the demo's own answers may run without, which no real submission may."""
    from autograder.sandboxing.sandbox import bubblewrap

    try:
        bubblewrap()
    except CourseError as error:
        print(f"The made-up class is graded without the sandbox; real submissions would be refused:\n  {error}")
        return False
    return True
