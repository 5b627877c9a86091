"""When assignments are due, what lateness costs, and who has more time: two small files that an instructor edits.

``course/deadlines.toml`` holds due dates and policy; `EXAMPLE` shows every line it may have, and
``python -m autograder deadline --start`` puts it there. ``course/extensions.csv`` has one row for a student and an
assignment with more time: ``student,assignment,hours``. An assignment without a due date in the file has the one that
formgrader shows, if any.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from autograder.course import Course
from autograder.errors import CourseError
from autograder.files import write_whole
from autograder.filled_in import number, read_rows

BASES = ("earned", "possible")
MOST_HOURS = 24 * 366
COLUMNS = ("student", "assignment", "hours")
EXAMPLE = """\
# When assignments are due, and what lateness costs. Change what follows; nothing applies to an assignment without a
# due date. `python -m autograder deadline` shows what is understood.

time_zone = "UTC"               # of all dates below, for example "Europe/Berlin"

[late]                          # for every assignment
percent_per_day = 0             # for each day that has begun after the due date
most_percent = 100              # never more than this
grace_minutes = 0               # this late is not late
of = "earned"                   # percent of the points earned; "possible": percent of the assignment's points

# [assignment.bellman]
# due = 2026-11-02 23:59:00     # or a day alone, which ends at midnight
# percent_per_day = 10          # only for this assignment; so may be the other lines of [late]
"""


@dataclass(frozen=True)
class Policy:
    """What lateness costs on one assignment."""

    percent_per_day: float = 0.0
    most_percent: float = 100.0
    grace_minutes: float = 0.0
    of: str = "earned"


@dataclass(frozen=True)
class Deadlines:
    """Everything in the two files.

    Attributes
    ----------
    due : mapping
        Due dates by assignment, with their time zone.
    extensions : mapping or None
        More time by student and assignment; None if there is no such file.
    """

    zone: tzinfo = UTC
    due: Mapping[str, datetime] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    usual: Policy = Policy()
    extensions: Mapping[tuple[str, str], timedelta] | None = None

    def policy(self, assignment: str) -> Policy:
        """The policy of an assignment."""
        return self.policies.get(assignment, self.usual)


def deadlines_file(course: Course) -> Path:
    """The file with due dates and policy."""
    return course.data / "deadlines.toml"


def extensions_file(course: Course) -> Path:
    """The file with more time for single students."""
    return course.data / "extensions.csv"


def read_deadlines(course: Course) -> Deadlines:
    """Read both files; a course that has none has no due dates.

    Raises
    ------
    CourseError
        With the file and the entry that cannot be right.
    """
    path = deadlines_file(course)
    try:
        tree: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    _known(path, "the file", tree, ("time_zone", "late", "assignment"))
    zone, usual = _zone(path, tree.get("time_zone", "UTC")), _policy(path, "[late]", tree.get("late", {}), Policy())
    due, policies = {}, {}
    for assignment, entry in _table(path, "[assignment]", tree.get("assignment", {})).items():
        place = f"[assignment.{assignment}]"
        entry = dict(_table(path, place, entry))
        if "due" in entry:
            due[assignment] = _moment(path, place, entry.pop("due"), zone)
        policies[assignment] = _policy(path, place, entry, usual)
    return Deadlines(zone, due, policies, usual, _extensions(extensions_file(course)))


def _table(path: Path, place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CourseError(f"{path}: {place} is {value!r}, expected lines below it such as `percent_per_day = 10`")
    return value


def _known(path: Path, place: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise CourseError(f"{path}: {place} has {', '.join(unknown)}; known are {', '.join(names)}")


def _zone(path: Path, name: Any) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise CourseError(f"{path}: time_zone is {name!r}, expected a name such as 'Europe/Berlin' or 'UTC'") from None


def _policy(path: Path, place: str, entry: Any, usual: Policy) -> Policy:
    table = _table(path, place, entry)
    _known(path, place, table, (*Policy.__dataclass_fields__, *(("due",) if place != "[late]" else ())))
    for name, value in table.items():
        if name == "of" and value not in BASES:
            raise CourseError(f"{path}: {place} of is {value!r}, expected one of {', '.join(map(repr, BASES))}")
        if name != "of" and not (type(value) in (int, float) and 0 <= value < float("inf")):
            raise CourseError(f"{path}: {place} {name} is {value!r}, expected a number that is not negative")
    policy = replace(usual, **table)
    if policy.most_percent > 100:
        raise CourseError(f"{path}: {place} most_percent is {policy.most_percent:g}, expected at most 100")
    return policy


def _moment(path: Path, place: str, value: Any, zone: tzinfo) -> datetime:
    """A due date; a day without a time ends at midnight."""
    if type(value) is date:
        value = datetime(value.year, value.month, value.day) + timedelta(days=1)
    if not isinstance(value, datetime):
        raise CourseError(f"{path}: {place} due is {value!r}, expected a date and time such as 2026-11-02 23:59:00")
    return value if value.tzinfo else value.replace(tzinfo=zone)


def _extensions(path: Path) -> dict[tuple[str, str], timedelta] | None:
    """Read the extensions, if there are any, and list every row that cannot be right."""
    if not path.is_file():
        return None
    found: dict[tuple[str, str], timedelta] = {}
    problems = []
    for row in read_rows(path, "table of extra time", COLUMNS):
        who = row["student"], row["assignment"]
        try:
            found_hours = _hours(row["hours"])
        except CourseError as error:
            problems.append(f"line {row.line}: {error}")
            continue
        if not all(who):
            problems.append(f"line {row.line}: a student and an assignment are needed")
        elif who in found:
            problems.append(f"line {row.line}: a second row for {who[0]} and {who[1]}")
        found[who] = timedelta(hours=found_hours)
    if problems:
        raise CourseError(f"{path} cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems))
    return found


def start(course: Course) -> Path:
    """Write the file of due dates to begin with, unless there is one."""
    path = deadlines_file(course)
    if path.exists():
        raise CourseError(f"{path} is there already; edit it")
    write_whole(path, EXAMPLE.encode())
    return path


def extend(course: Course, assignment: str, student: str, hours: str) -> None:
    """Write a student's extra time into the file, in place of what it says of them; the rest of it stays."""
    path = extensions_file(course)
    rows = {key: time for key, time in (_extensions(path) or {}).items() if key != (student, assignment)}
    rows[student, assignment] = timedelta(hours=_hours(hours))
    lines = [
        ",".join(COLUMNS),
        *(f"{who},{what},{time.total_seconds() / 3600:g}" for (who, what), time in rows.items()),
    ]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _hours(text: str) -> float:
    try:
        hours = number(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= MOST_HOURS:
        raise CourseError(f"hours is {text!r}, expected a number from 0 to {MOST_HOURS}")
    return hours
