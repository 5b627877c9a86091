"""The command `export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "write scores as CSV, for a spreadsheet or for Canvas or Moodle; a score stays empty until it is final"
EXAMPLES = """\
  python -m autograder export
  python -m autograder export --assignment bellman --output bellman.csv
  python -m autograder export --assignment bellman --canvas gradebook.csv --column "Bellman (12345)"
  python -m autograder export --assignment bellman --moodle "Grades-Bellman.csv"

gradebook.csv is what Canvas gives by "Export", Grades-Bellman.csv Moodle's "Download grading worksheet". A copy with
the scores in it is written, to be imported there; the file itself is not changed. Without --column the Canvas column
with the assignment's name is taken."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("--assignment", action="append", default=[], help="all if none is named")
    parser.add_argument("--output", type=Path, help="the file to write (default: in the course folder)")
    template = parser.add_mutually_exclusive_group()
    template.add_argument(
        "--canvas", type=Path, metavar="CSV", help="a gradebook exported from Canvas, to be filled in"
    )
    template.add_argument("--moodle", type=Path, metavar="CSV", help="a grading worksheet of Moodle, to be filled in")
    parser.add_argument("--column", help='of Canvas, such as "Bellman (12345)" or 12345')
    parser.add_argument("--student-id", metavar="COLUMN", help="the column that was named when collecting, if any")


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Write the scores as CSV, and list who is missing where."""
    from autograder.errors import CourseError
    from autograder.reporting.export import export_scores
    from autograder.reporting.learning_platforms import export_to_canvas, export_to_moodle

    template = chosen.canvas or chosen.moodle
    if template is None:
        path = chosen.output or course.data / "grades.csv"
        print(f"{export_scores(course, path, chosen.assignment)} rows in {path}")
        return 0
    if len(chosen.assignment) != 1:
        raise CourseError("a platform's file takes the scores of one assignment; name it with --assignment")
    assignment = chosen.assignment[0]
    path = chosen.output or course.data / f"{assignment}-{'canvas' if chosen.canvas else 'moodle'}.csv"
    if chosen.canvas:
        exported = export_to_canvas(course, template, path, assignment, chosen.column, chosen.student_id)
    else:
        exported = export_to_moodle(course, template, path, assignment, chosen.student_id)
    for problem in exported.problems:
        print(f"to look at: {problem}")
    print(f"column {exported.column}: {exported.filled} scores, {exported.empty} empty because not final")
    print(f"import this file: {path}")
    return 0
