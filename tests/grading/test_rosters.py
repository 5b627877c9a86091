"""Class lists of three kinds, as people really save them, and whom a download belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pytest

from autograder.__main__ import main
from autograder.course import Course
from autograder.errors import CourseError
from autograder.receiving.collect import Collection, collect
from autograder.receiving.intake import receipt, refresh
from autograder.receiving.outcomes import Outcome
from autograder.receiving.rosters import add_students, enter, read_roster
from autograder.receiving.submission_names import Platform
from autograder.receiving.submission_times import moodle_time
from autograder.spreadsheets import read_table, write_table
from tests.grading.simulated_downloads import (
    canvas_download,
    canvas_gradebook,
    class_of_fifty,
    moodle_download,
    moodle_worksheet,
    write_zip,
)
from tests.grading.small_notebook import content, released

PEOPLE = class_of_fifty()


@pytest.fixture(scope="module")
def listed_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with one released notebook; every test has students of its own."""
    course = Course.at(tmp_path_factory.mktemp("rosters") / "autograder")
    folder = course.release / "doubling"
    folder.mkdir(parents=True)
    nbformat.write(released(), folder / "doubling.ipynb")
    return course


def taken(course: Course, path: Path, roster: Path | None = None, **options: Any) -> Collection:
    return collect(course, path, "doubling", progress=False, roster=read_roster(roster) if roster else None, **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_our_own_list_is_read_however_a_spreadsheet_saves_it(
    tmp_path: Path, delimiter: str, encoding: str, line_end: str
) -> None:
    rows = [
        ["id", "First_Name ", "last_name"],
        ["zoë", '"Zoë, called ""Zo"""', "Müller"],
        ["", "", ""],
        ["ben", "", ""],
    ]
    path = tmp_path / "class.csv"
    path.write_bytes((line_end.join(map(delimiter.join, rows)) + line_end).encode(encoding))
    roster = read_roster(path)
    assert roster.platform is Platform.PLAIN
    assert [(one.student, one.first_name, one.last_name) for one in roster.students] == [
        ("zoë", 'Zoë, called "Zo"', "Müller"),
        ("ben", "", ""),
    ]


def test_excels_line_about_the_separator_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_text("sep=;\nid;email\nada;a@x\n")
    assert read_roster(tmp_path / "class.csv").students[0].email == "a@x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a CSV file with the header of our own class list"),
        ("\n\n", "is empty"),
        ("name,email\nada,a\n", "has the columns name, email; expected"),
        ("id,email\nada,a,b,c\n", "'ada,a,b,c' has 4 fields, the header 2; put quotes around"),
        ('id,email\n"ada,a\n', "is no proper CSV file"),
        ("Student,ID,Section\n", "has neither 'SIS Login ID' nor 'SIS User ID', .*--student-id"),
        ("Identifier,Status,Grade\n", "no column 'Email address', .*--student-id, such as Identifier"),
    ],
)
def test_a_list_that_cannot_be_used_says_what_it_has_and_what_was_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "class.csv").write_text(text)
    with pytest.raises(CourseError, match=message):
        read_roster(tmp_path / "class.csv")


def test_rows_that_cannot_be_used_are_listed_and_the_others_entered(listed_course: Course, tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_text("id,first_name\nlist-ada,Ada\n../escape,Eve\nLIST-ADA,Ada\n,Nobody\nlist-o'brien+rl@x.edu,Pat\n")
    assert add_students(listed_course, path) == 2
    problems = read_roster(path).problems
    assert [problem.split(" ")[1] for problem in problems] == ["3", "4:", "5"]
    assert "stands in row 2 already" in problems[1]
    (tmp_path / "inbox").mkdir()
    lines = taken(listed_course, tmp_path / "inbox", path).lines
    assert sum(line.status is Outcome.CLASS_LIST for line in lines) == 3


def test_a_list_never_writes_nothing_over_a_name(listed_course: Course, tmp_path: Path) -> None:
    ours, worksheet = tmp_path / "class.csv", moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE[21:22])
    ours.write_text(f"id,first_name,last_name\n{PEOPLE[21].email},Anna,van der Berg\n")
    for path in (ours, worksheet):
        add_students(listed_course, path)
    with listed_course.gradebook() as gradebook:
        student = gradebook.find_student(PEOPLE[21].email)
        assert (student.first_name, student.last_name) == ("Anna", "van der Berg")


def test_a_table_is_written_as_it_was_read(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(b'\xef\xbb\xbf Student ;ID;"a;b"\r\n"M\xc3\xbcller; J";1;"two\r\nlines"\r\n')
    table = read_table(source, "table", "anything")
    write_table(table, tmp_path / "copy.csv")
    assert table.header == ["Student", "ID", "a;b"]
    assert (tmp_path / "copy.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wednesday, 10 June 2026, 2:14 PM", datetime(2026, 6, 10, 12, 14, tzinfo=UTC)),
        ("Wednesday, January 7, 2026, 9:00 AM", datetime(2026, 1, 7, 8, 0, tzinfo=UTC)),
        ("-", None),
        ("", None),
        ("Mittwoch, 10. Juni 2026, 14:14", None),
    ],
)
def test_moodles_times_are_in_the_time_zone_given(text: str, expected: datetime | None) -> None:
    found = moodle_time(text, ZoneInfo("Europe/Vienna"))
    assert (found and found.astimezone(UTC)) == expected


def test_the_time_zone_comes_from_the_option_or_the_deadlines(
    listed_course: Course, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE[:3])
    path = moodle_download(tmp_path / "a.zip", released(), PEOPLE[:3])
    arguments = ["--assignment", "doubling", "--roster", str(worksheet), "--course", str(listed_course.folder)]
    deadlines = listed_course.data / "deadlines.toml"
    deadlines.write_text('time_zone = "Asia/Kolkata"\n')
    try:
        for options, expected in (([], "07:30:00"), (["--time-zone", "America/New_York"], "17:00:00")):
            assert main(["collect", str(path), *arguments, *options]) == 0
            assert receipt(listed_course, PEOPLE[0].email, "doubling")["handed in"] == f"2026-06-10 {expected} UTC"
    finally:
        deadlines.unlink()
    assert main(["collect", str(path), *arguments, "--time-zone", "Vienna"]) == 2
    assert "there is no time zone 'Vienna'; expected a name such as Europe/Vienna" in capsys.readouterr().err


def test_the_numbers_of_one_platform_are_never_looked_up_among_the_others(
    listed_course: Course, tmp_path: Path
) -> None:
    gradebook = canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE)
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE)
    enter(listed_course, read_roster(gradebook))
    moodle = moodle_download(tmp_path / "moodle.zip", released(), PEOPLE)
    canvas = canvas_download(tmp_path / "canvas.zip", released(), PEOPLE)
    for path, roster in ((moodle, gradebook), (moodle, None), (canvas, worksheet)):
        with pytest.raises(CourseError, match=r"download names students by .* give "):
            taken(listed_course, path, roster)


def test_the_platform_can_be_forced(listed_course: Course, tmp_path: Path, answered: Any) -> None:
    path = write_zip(tmp_path / "class.zip", [("group_1_2_doubling.ipynb", content(answered))])
    with pytest.raises(CourseError, match="user ids"):
        taken(listed_course, path, moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE))
    collection = taken(listed_course, path, platform=Platform.PLAIN)
    assert [received.student for received in collection.received] == ["group_1_2"]


def test_who_is_not_in_the_class_list_is_taken_in_and_said(
    listed_course: Course, tmp_path: Path, answered: Any
) -> None:
    (tmp_path / "class.csv").write_text("id\nsaid-ada\nsaid-ben\n")
    path = write_zip(
        tmp_path / "class.zip", [(f"{who}_doubling.ipynb", content(answered)) for who in ("said-ada", "said-bne")]
    )
    lines = {line.student: line for line in taken(listed_course, path, tmp_path / "class.csv").lines}
    assert lines["said-ada"].note == "" and lines["said-bne"].note == "not in the class list"
    assert lines["said-ben"].status is Outcome.MISSING


def test_what_nbgraders_own_collecting_took_in_keeps_its_time(listed_course: Course, answered: Any) -> None:
    path = listed_course.submitted("exchange-ada", "doubling")
    path.parent.mkdir(parents=True)
    path.write_bytes(content(answered))
    path.with_name("timestamp.txt").write_text("2015-02-02 15:58:23.948203 America/Los_Angeles")
    refresh(listed_course, "exchange-ada", "doubling")
    assert receipt(listed_course, "exchange-ada", "doubling")["handed in"] == "2015-02-02 23:58:23 UTC"
