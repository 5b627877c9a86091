"""The command `collect`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.course import Course


PURPOSE = "take in submissions: the zip of Canvas or Moodle, or a folder"
EXAMPLES = """\
  python -m autograder collect downloads/ --assignment bellman --roster class.csv
  python -m autograder collect submissions.zip --assignment bellman --roster gradebook.csv
  python -m autograder collect "Bellman.zip" --assignment bellman --roster "Grades-Bellman.csv"

The first is a folder (or a zip of it) with <student>/bellman.ipynb or <student>_bellman.ipynb files; class.csv has the
column id and, if wanted, first_name, last_name and email. The second is Canvas: the assignment's "Download Submissions"
and the gradebook's "Export". The third is Moodle: "Download all submissions" and "Download grading worksheet".
Whose download it is, is seen from the names of its files. It is not changed and may be collected again at any time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what this command takes."""
    parser.add_argument("path", type=Path, help="folder or zip of submissions; it is not changed")
    parser.add_argument("--assignment", required=True)
    parser.add_argument("--roster", type=Path, help="class list, Canvas gradebook or Moodle grading worksheet (CSV)")
    parser.add_argument(
        "--student-id",
        metavar="COLUMN",
        help='column of the roster with the ids of students in this course (default: id, "SIS Login ID" or '
        '"SIS User ID", "Email address")',
    )
    parser.add_argument("--platform", choices=["canvas", "moodle", "plain"], help="if the names do not tell")
    parser.add_argument("--submitted-times", type=Path, metavar="CSV", help="columns student and timestamp (ISO 8601)")
    parser.add_argument(
        "--time-zone",
        metavar="NAME",
        help="of times without one, such as Europe/Vienna (default: that in deadlines.toml, else this machine's)",
    )


def run(chosen: argparse.Namespace, course: Course) -> int:
    """Take in submissions, and list every oddity on the screen and in a CSV file."""
    from autograder.grading.deadlines import deadlines_file, read_deadlines
    from autograder.receiving.collect import collect
    from autograder.receiving.outcomes import print_outcomes, write_outcomes
    from autograder.receiving.rosters import enter, read_roster
    from autograder.receiving.submission_names import Platform
    from autograder.receiving.submission_times import named_zone, read_times

    known_zone = read_deadlines(course).zone if deadlines_file(course).is_file() else None
    zone = named_zone(chosen.time_zone) if chosen.time_zone else known_zone
    roster = read_roster(chosen.roster, chosen.student_id, zone) if chosen.roster else None
    if roster:
        print(f"{enter(course, roster)} students in the class list")
    collection = collect(
        course,
        chosen.path,
        chosen.assignment,
        platform=Platform(chosen.platform) if chosen.platform else None,
        roster=roster,
        times=read_times(chosen.submitted_times, zone) if chosen.submitted_times else None,
    )
    print_outcomes(collection.lines, chosen.assignment)
    if collection.without_time:
        print(
            f"{collection.without_time} submissions have no time: in a {collection.platform.capitalize()} download "
            "files have the time of the download. Late marks are kept; give exact times with --submitted-times."
        )
    new = sum(received.changed for received in collection.received)
    print(f"{len(collection.received)} submissions taken in, {new} of them new or changed: {course.data / 'submitted'}")
    print(f"every file and student: {write_outcomes(course, chosen.assignment, collection.lines)}")
    return 0 if collection.received else 1
