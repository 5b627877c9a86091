"""Class lists: our own CSV file, Canvas's gradebook, or Moodle's grading worksheet.

Canvas: Grades, Export. The header begins ``Student, ID, SIS User ID, SIS Login ID, Section``, or ``LastName, FirstName,
ID, …``; ``ID`` is Canvas's user id, which the names of downloaded files carry. There may be a row of posting policies,
there is one of points possible, and the last is the test student's.

Moodle: the assignment's "Download grading worksheet". The header begins ``Identifier, Full name, Email address, Status,
Grade``; ``Identifier`` is ``Participant 1234567``, with the number that the names of downloaded files carry. It also
knows when each student handed in.

The student's id in the course is Canvas's ``SIS Login ID`` (else ``SIS User ID``) or Moodle's ``Email address``, unless
another column is named. Canvas's user ids are kept in the gradebook, so later downloads need no class list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

from autograder.course import Course, checked_student_name
from autograder.errors import CourseError
from autograder.receiving.submission_names import Platform, alike
from autograder.receiving.submission_times import moodle_time
from autograder.spreadsheets import Table, read_table

EXPECTED = (
    "the header of our own class list (id, first_name, last_name, email), of a Canvas gradebook "
    "(Student, ID, SIS Login ID, …) or of a Moodle grading worksheet in English (Identifier, Full name, …)"
)
CANVAS_IDS = ("SIS Login ID", "SIS User ID")
MOODLE_ID = "Email address"


@dataclass(frozen=True)
class Enrolled:
    """One student of a class list.

    Attributes
    ----------
    student : str
        The id in this course.
    number : str
        Canvas's user id or Moodle's participant number, empty in our own class list.
    shown : str
        The full name as the platform shows it.
    handed_in : datetime or None
        When the student last handed in, where the class list says so.
    late : bool
        Whether the class list says that the submission was late.
    row : int
        Where the student stands among the table's rows.
    """

    student: str
    number: str = ""
    shown: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    handed_in: datetime | None = None
    late: bool = False
    row: int = 0


@dataclass
class Roster:
    """A class list, and the rows of it that could not be used."""

    platform: Platform
    table: Table
    students: list[Enrolled] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def by_number(self) -> dict[str, Enrolled]:
        """Students by the platform's number."""
        return {one.number: one for one in self.students if one.number}


def read_roster(path: Path, id_column: str | None = None, zone: tzinfo | None = None) -> Roster:
    """Read a class list of any of the three kinds.

    Parameters
    ----------
    id_column : str, optional
        The column that holds the students' ids in this course.
    zone : tzinfo, optional
        The time zone of Moodle's times; this machine's if not given.
    """
    table = read_table(path, "class list", EXPECTED)
    platform = _kind(table)
    id_place = _id_column(table, platform, id_column)
    roster = Roster(platform, table)
    reader = {Platform.CANVAS: _canvas, Platform.MOODLE: _moodle, Platform.PLAIN: _plain}[platform]
    seen: dict[str, int] = {}
    for enrolled in reader(table, id_place, zone):
        try:
            checked_student_name(enrolled.student)
        except CourseError as error:
            roster.problems.append(f"row {enrolled.row + 2} ({enrolled.shown or enrolled.email}): {error}")
            continue
        if alike(enrolled.student) in seen:
            roster.problems.append(
                f"row {enrolled.row + 2}: {enrolled.student} stands in row {seen[alike(enrolled.student)]} already"
            )
            continue
        seen[alike(enrolled.student)] = enrolled.row + 2
        roster.students.append(enrolled)
    return roster


def enter(course: Course, roster: Roster) -> int:
    """Enter a class list into the gradebook; return the number of its students."""
    with course.gradebook() as gradebook:
        named = {student.id for student in gradebook.students if student.last_name}
        for one in roster.students:
            names: tuple[str, ...] = ("first_name", "last_name", "email")
            if roster.platform is Platform.MOODLE and one.student in named:
                names = ("email",)  # where a full name is to be divided was only guessed
            # An empty text would be written over what is known.
            details = {name: value for name in names if (value := getattr(one, name))}
            if roster.platform is Platform.CANVAS:
                details["lms_user_id"] = one.number
            gradebook.update_or_create_student(one.student, **details)
    return len(roster.students)


def add_students(course: Course, path: Path, id_column: str | None = None) -> int:
    """Enter a class list of any kind into the gradebook; return the number of its students."""
    return enter(course, read_roster(path, id_column))


def _kind(table: Table) -> Platform:
    if table.column("Identifier") is not None and table.column("Full name", "Status", "Grade") is not None:
        return Platform.MOODLE
    if table.column("Student", "LastName") is not None and table.column("Section", *CANVAS_IDS) is not None:
        return Platform.CANVAS
    if table.column("id") is not None:
        return Platform.PLAIN
    raise CourseError(f"{table.path} has the columns {', '.join(table.header)}; expected {EXPECTED}")


def _id_column(table: Table, platform: Platform, chosen: str | None) -> int:
    purpose = "identifies students in this course"
    if chosen:
        return table.needed(chosen, purpose)
    if platform is Platform.MOODLE:
        if table.column(MOODLE_ID) is None:
            raise CourseError(
                f"{table.path} has no column {MOODLE_ID!r}, which {purpose}; name another with --student-id, such as "
                f"Identifier: {', '.join(table.header)}"
            )
        return table.needed(MOODLE_ID, purpose)
    if platform is Platform.PLAIN:
        return table.needed("id", purpose)
    place = table.column(*CANVAS_IDS)
    if place is None:
        raise CourseError(
            f"{table.path} has neither {' nor '.join(map(repr, CANVAS_IDS))}, one of which {purpose}; name another "
            f"with --student-id, such as ID: {', '.join(table.header)}"
        )
    return place


def _plain(table: Table, id_place: int, _: tzinfo | None) -> Iterator[Enrolled]:
    for place, row in enumerate(table.rows):
        first, last, email = (table.value(row, name) for name in ("first_name", "last_name", "email"))
        yield Enrolled(row[id_place].strip(), "", f"{first} {last}".strip(), first, last, email, row=place)


def _canvas(table: Table, id_place: int, _: tzinfo | None) -> Iterator[Enrolled]:
    number = table.needed("ID", "holds Canvas's user ids")
    for place, row in enumerate(table.rows):
        if not row[number].strip() or is_test_student(table, row):
            continue
        name = table.value(row, "Student")
        last, _comma, first = (part.strip() for part in name.partition(","))
        last, first = table.value(row, "LastName") or last, table.value(row, "FirstName") or first
        login = table.value(row, "SIS Login ID")
        email = login if "@" in login else ""
        yield Enrolled(
            row[id_place].strip(), row[number].strip(), name or f"{last}, {first}", first, last, email, row=place
        )


def is_test_student(table: Table, row: list[str]) -> bool:
    """Whether a row of a Canvas gradebook is that of the test student, who has no sign-in name of their own."""
    name = table.value(row, "Student") or f"{table.value(row, 'LastName')}, {table.value(row, 'FirstName')}"
    return name == "Student, Test"


def _moodle(table: Table, id_place: int, zone: tzinfo | None) -> Iterator[Enrolled]:
    identifier = table.needed("Identifier", "holds the participants' numbers")
    for place, row in enumerate(table.rows):
        number = participant_number(row[identifier])
        student = participant_number(row[id_place]) if id_place == identifier else row[id_place].strip()
        shown, email = table.value(row, "Full name"), table.value(row, MOODLE_ID)
        first, _space, last = shown.rpartition(" ")
        when = moodle_time(table.value(row, "Last modified (submission)"), zone)
        late = bool(re.search(r"\blate\b", table.value(row, "Status"), re.IGNORECASE))
        yield Enrolled(student, number, shown, first, last, email, when, late, place)


def participant_number(identifier: str) -> str:
    """Return the number at the end of ``Participant 1234567``, whatever the language of the word."""
    found = re.search(r"(\d+)\s*$", identifier)
    return found[1] if found else ""
