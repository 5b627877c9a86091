"""The command `verify`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "prove that every exercise accepts right answers and rejects and names wrong ones"
EXAMPLES = """\
  python -m autograder verify
  python -m autograder verify bellman"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="all if none is named")
    parser.add_argument("--seeds", type=int, default=1, help="random inputs per answer (default: 1)")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Verify assignments."""
    from autograder.authoring.release import assignment_folders
    from autograder.authoring.verify import print_verification, verify

    return print_verification(verify(assignment_folders(course, chosen.assignments), chosen.seeds))
