"""What became of every file and every student of a download: a table for the screen and a CSV file for the records."""

from __future__ import annotations

import csv
import io
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.course import Course
from autograder.spreadsheets import guarded


class Outcome(StrEnum):
    """What became of a file or a student."""

    TAKEN = "taken in"
    REPLACED = "taken in, the former one kept"
    UNCHANGED = "taken in before"
    BLANK = "unreadable, counts as blank"
    OLDER = "older, kept"
    UNREADABLE = "could not be read"
    SKIPPED = "not taken in"
    MISSING = "nothing handed in"
    ABSENT = "not in this download"
    CLASS_LIST = "class list"


ONLY_COUNTED = (Outcome.MISSING, Outcome.ABSENT, Outcome.OLDER)


@dataclass
class Line:
    """One file of a student, or a student without one."""

    student: str
    file: str
    status: Outcome
    note: str = ""


def write_outcomes(course: Course, assignment: str, lines: Iterable[Line]) -> Path:
    """Write all lines to ``course/intake/<assignment>.csv``, safe to be opened in a spreadsheet."""
    path = course.data / "intake" / f"{assignment}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow([field.name for field in fields(Line)])
    writer.writerows([guarded(str(value)) for value in astuple(line)] for line in lines)
    path.write_text(content.getvalue(), encoding="utf-8-sig", newline="")  # Excel needs the mark to show accents
    return path


def print_outcomes(lines: list[Line], assignment: str) -> None:
    """Print a row for whatever an instructor should look at, and how many there are of each kind."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    odd = [line for line in lines if line.note and line.status not in ONLY_COUNTED]
    if odd:
        table = Table(title=f"{assignment}: what was not as expected", title_justify="left")
        for name in ("student", "file", "status", "note"):
            table.add_column(name, overflow="fold")
        for line in odd:
            table.add_row(*(escape(_printable(str(value))) for value in astuple(line)))
        console.print(table)
    for status, count in sorted(Counter(line.status for line in lines).items()):
        names = ", ".join(line.student for line in lines if line.status is status)
        named = f": {names}" if status is Outcome.MISSING else ""
        print("\n".join(textwrap.wrap(f"{count:4} {status}{named}", 116, subsequent_indent=" " * 8)))


def _printable(text: str) -> str:
    """Return *text* without what could move the cursor or turn the direction of writing on a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
