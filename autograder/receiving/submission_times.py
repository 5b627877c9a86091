"""When students handed in, from what platforms and instructors write down."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from dateutil import parser as dates

from autograder.errors import CourseError
from autograder.spreadsheets import read_table


def moodle_time(text: str, zone: tzinfo | None = None) -> datetime | None:
    """Read a time such as ``Wednesday, 10 June 2026, 2:14 PM``; None where there is none or it is not in English."""
    if len(text) < 8 or not any(letter.isdigit() for letter in text):
        return None
    try:
        when = dates.parse(text)
    except (ValueError, OverflowError):
        return None
    return in_zone(when, zone)


def in_zone(when: datetime, zone: tzinfo | None) -> datetime:
    """Return a time with its zone: its own, else *zone*, else this machine's."""
    if when.tzinfo is not None:
        return when
    return when.astimezone() if zone is None else when.replace(tzinfo=zone)


def read_times(path: Path, zone: tzinfo | None = None) -> dict[str, datetime]:
    """Read when students handed in: a CSV file with the columns ``student`` and ``timestamp`` (ISO 8601).

    A time without a zone is in *zone*, else in this machine's.
    """
    table = read_table(path, "list of submission times", "the columns student and timestamp")
    student, timestamp = (table.needed(name, "is needed beside the other") for name in ("student", "timestamp"))
    times, wrong = {}, []
    for place, row in enumerate(table.rows):
        try:
            times[row[student].strip()] = in_zone(datetime.fromisoformat(row[timestamp].strip()), zone)
        except ValueError:
            wrong.append(f"row {place + 2}: {row[timestamp]!r}")
    if wrong:
        raise CourseError(f"{path}: expected times such as 2026-06-10T14:14:00+02:00; {'; '.join(wrong[:10])}")
    return times


def named_zone(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Vienna``."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, or not a name of one
        raise CourseError(f"there is no time zone {name!r}; expected a name such as Europe/Vienna or UTC") from None
