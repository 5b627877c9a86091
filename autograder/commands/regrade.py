"""The command `regrade`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "after a check was changed: show what would change, then enter it"
EXAMPLES = """\
  python -m autograder regrade bellman             # shows the differences; in a terminal, asks
  python -m autograder regrade bellman --apply     # enters them; what was examined is not examined again

Only exercises whose checks have changed get another result, and only students whose result differs are written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("assignment")
    parser.add_argument("--student", action="append", default=[], help="only this student; can be given several times")
    parser.add_argument("--apply", action="store_true", help="enter the differences without asking")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    parser.add_argument("--no-sandbox", action="store_true", help="run student code without a sandbox")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Examine, show, and enter if told to."""
    from rich.console import Console

    from autograder.grading.regrade import enter, regrade
    from autograder.grading.regrade_table import difference_table, summary_lines

    name = chosen.assignment
    found = regrade(course, name, chosen.student, workers=chosen.workers, sandbox=not chosen.no_sandbox)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    if found.differences:
        console.print(difference_table(found, f"{name}: what differs"))
    for line in summary_lines(found):
        print(line)
    if not (found.results or found.same):
        return 1 if found.failures else 0
    if not (chosen.apply or not found.results or _asked(len(found.results))):
        print(f"Nothing was written. To enter this: python -m autograder regrade {name} --apply")
        return 1 if found.failures else 0
    before = set(found.failures)
    enter(course, name, found)
    for student in found.failures.keys() - before:
        print(f"{student} was not written: {found.failures[student]}")
    if found.results:
        print(f"Entered for {len(found.results.keys() - found.failures.keys())} students.")
    return 1 if found.failures else 0


def _asked(count: int) -> bool:
    """Ask a person, if there is one."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input(f"Enter this for {count} students? [y/N] ").strip().lower() in ("y", "yes")
