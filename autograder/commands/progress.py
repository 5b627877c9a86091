"""The command `progress`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "show what is done, what is next and the points so far, from what your checks found"
EXAMPLES = """\
  python -m autograder progress                     the notebooks here, or in book/exercises of a clone
  python -m autograder progress Downloads/bellman   those in an unpacked zip
  python -m autograder progress one/ another/       those in several folders, added up"""
IN_A_CLONE = Path("book/exercises")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="folders with notebooks, or with one folder for each assignment (default: this one)",
    )


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Show a student's progress; the course is not needed, and nothing is run."""
    from rich.console import Console

    from autograder.progress import progress_in
    from autograder.progress_table import shown

    here = IN_A_CLONE if IN_A_CLONE.is_dir() else Path()
    Console(highlight=False).print(shown(progress_in(chosen.folders or [here])))
    return 0
