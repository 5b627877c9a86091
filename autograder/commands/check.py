"""The command `check`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "check a notebook from the shell, as its own cells would"
EXAMPLES = """\
  python -m autograder check bellman.ipynb"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("notebook", type=Path, help="the notebook to check; it is not changed")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Check a student's notebook; the course is not needed."""
    from autograder.check_notebook import check_notebook, print_notebook_report

    return print_notebook_report(check_notebook(chosen.notebook))
