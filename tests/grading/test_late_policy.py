"""What lateness costs, who has more time, and that files which cannot be right are refused with their lines."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.__main__ import main
from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import EXAMPLE, Policy, deadlines_file, extensions_file, read_deadlines
from autograder.grading.examine import Examined
from autograder.grading.grade import grade
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.late_policy import duration, penalty, percent_off
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.records import read_record
from autograder.grading.scores import Score, Status, print_scores, read_score
from tests.grading.example_class import nbgrader

HOUR, DAY = 3600.0, 86_400.0
TEN_A_DAY = Policy(percent_per_day=10, most_percent=35, grace_minutes=15)


def test_each_day_that_has_begun_costs_the_same_up_to_the_most() -> None:
    lost = {seconds: percent_off(TEN_A_DAY, seconds) for seconds in (15 * 60, 15 * 60 + 1, DAY, DAY + 1, 9 * DAY)}
    assert lost == {15 * 60: 0, 15 * 60 + 1: 10, DAY: 10, DAY + 1: 20, 9 * DAY: 35}


@pytest.mark.parametrize(
    ("policy", "earned", "expected"),
    [
        (Policy(10), 8, 0.8), (Policy(10, of="possible"), 8, 2.0), (Policy(10, of="possible"), 0.5, 0.5),
        (Policy(100), 8, 8), (Policy(10), 0.1 + 0.2, 0.03), (Policy(5), 0.1, 0.01), (Policy(), 8, 0),
        (Policy(10), -1, 0),
    ],
)  # fmt: skip
def test_a_penalty_is_in_hundredths_and_never_more_than_was_earned(
    policy: Policy, earned: float, expected: float
) -> None:
    assert penalty(policy, earned, 20, HOUR) == expected


def test_a_final_score_is_never_below_nothing_and_has_no_rounding_noise() -> None:
    assert Score("ada", "x", Status.GRADED, earned=0.3, penalty=0.1).final == 0.2
    assert Score("ada", "x", Status.GRADED, earned=1, penalty=2).final == 0
    assert Score("ada", "x", Status.GRADED, earned=1 / 3).final == pytest.approx(1 / 3, abs=1e-6)


def test_a_duration_is_said_as_people_do() -> None:
    assert [duration(seconds) for seconds in (1, 60, HOUR, 23 * HOUR + 1, DAY, 2 * DAY + 5 * HOUR)] == [
        "1 minute", "1 minute", "1 hour", "23 hours", "1 day", "2 days and 5 hours",
    ]  # fmt: skip


# ---- the two files


def write(course: Course, deadlines: str = "", extensions: str = "") -> Course:
    """Write the course's files."""
    course.data.mkdir(parents=True, exist_ok=True)
    deadlines_file(course).write_text(deadlines, encoding="utf-8")
    if extensions:
        extensions_file(course).write_text(extensions, encoding="utf-8")
    return course


@pytest.fixture
def empty(tmp_path: Path) -> Course:
    """A course folder with nothing in it."""
    return Course.at(tmp_path / "autograder")


def test_a_course_without_files_has_no_due_dates_and_the_example_takes_nothing_off(empty: Course) -> None:
    assert read_deadlines(empty).due == {} and read_deadlines(empty).policy("classwork") == Policy()
    write(empty, EXAMPLE)
    assert read_deadlines(empty).policy("classwork") == Policy()
    everything = EXAMPLE.replace("# [", "[").replace("# due =", "due =").replace("# percent_per_day", "percent_per_day")
    found = read_deadlines(write(empty, everything))
    assert found.due["bellman"] == datetime(2026, 11, 2, 23, 59, tzinfo=UTC)
    assert found.policy("bellman").percent_per_day == 10


def test_a_date_is_meant_in_the_courses_time_zone_also_when_clocks_change(empty: Course) -> None:
    lines = 'time_zone = "Europe/Berlin"\n[assignment]\n'
    days = (
        "a.due = 2026-10-24 23:59:00\nb.due = 2026-10-25 23:59:00\nc.due = 2026-10-25\nd.due = 2026-10-25T12:00:00Z\n"
    )
    due = read_deadlines(write(empty, lines + days)).due
    assert [due[name].astimezone(UTC).hour for name in "abcd"] == [21, 22, 23, 12]
    assert due["c"].date() == date(2026, 10, 26) and due["a"].tzinfo == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("due =", "deadlines.toml cannot be read"),
        ('time_zone = "Berlin"', "time_zone is 'Berlin', expected a name such as"),
        ("time_zone = 3", "time_zone is 3"),
        ('time_zone = "../../etc/passwd"', "time_zone is"),
        ("[late]\npercent = 10", r"\[late\] has percent; known are percent_per_day"),
        ("[late]\npercent_per_day = -1", "percent_per_day is -1, expected a number that is not negative"),
        ('[late]\npercent_per_day = "10"', "percent_per_day is '10'"),
        ("[late]\npercent_per_day = nan", "percent_per_day is nan"),
        ("[late]\nmost_percent = 101", "most_percent is 101, expected at most 100"),
        ('[late]\nof = "everything"', "of is 'everything', expected one of 'earned', 'possible'"),
        ("late = 10", r"\[late\] is 10, expected lines below it"),
        ('[assignment.bellman]\ndue = "tomorrow"', r"\[assignment.bellman\] due is 'tomorrow', expected a date"),
        ("[assignments.bellman]\ndue = 2026-11-02", "the file has assignments; known are"),
        ("[late]\ndue = 2026-11-02", r"\[late\] has due"),
    ],
)
def test_a_file_of_due_dates_that_cannot_be_right_says_where(empty: Course, text: str, message: str) -> None:
    with pytest.raises(CourseError, match=message):
        read_deadlines(write(empty, text))


def test_every_extension_that_cannot_be_right_is_listed_with_its_line(empty: Course) -> None:
    rows = "student;assignment;hours\nada;one;1,5\nada;one;2\nben;one;-1\ncem;one;soon\n;one;1\n"
    with pytest.raises(CourseError) as refused:
        read_deadlines(write(empty, extensions=rows))
    message = str(refused.value)
    for part in (
        "line 3: a second row for ada and one",
        "line 4: hours is '-1'",
        "line 5: hours is 'soon'",
        "line 6: a",
    ):
        assert part in message
    good = read_deadlines(write(empty, extensions="\n".join(rows.splitlines()[:2])))
    assert good.extensions == {("ada", "one"): timedelta(hours=1.5)}


# ---- in the gradebook


def handed_in(course: Course, student: str, when: datetime) -> None:
    """Let a submission have been handed in at a time (UTC)."""
    with course.gradebook() as gradebook:
        gradebook.find_submission("classwork", student).timestamp = when.replace(tzinfo=None)
        gradebook.db.commit()
    course.submitted(student, "classwork").with_name("timestamp.txt").write_text(f"{when:%Y-%m-%d %H:%M:%S} UTC")


def scores(course: Course) -> dict[str, Score]:
    """Scores as they stand."""
    with course.gradebook() as gradebook:
        return {name: read_score(course, gradebook, name, "classwork") for name in ("ada", "ben", "dan")}


def stored_penalty(course: Course, student: str) -> float:
    """The penalty that nbgrader's own tools see."""
    with Gradebook(course.gradebook_url) as gradebook:
        return gradebook.find_submission("classwork", student).late_submission_penalty


POLICY = "[late]\npercent_per_day = 10\ngrace_minutes = 10\n[assignment.classwork]\ndue = 2026-11-02 12:00:00\n"


@pytest.fixture
def late_class(own_class: Course) -> Course:
    """Ada five minutes late, Ben a day and an hour, Dan a day and an hour with 24 hours more time."""
    handed_in(own_class, "ada", datetime(2026, 11, 2, 12, 5, tzinfo=UTC))
    handed_in(own_class, "ben", datetime(2026, 11, 3, 13, 0, tzinfo=UTC))
    handed_in(own_class, "dan", datetime(2026, 11, 3, 13, 0, tzinfo=UTC))
    return write(own_class, POLICY, "student,assignment,hours\ndan,classwork,24\n")


def test_grace_and_extra_time_count_and_lateness_is_taken_off(late_class: Course) -> None:
    found = scores(late_class)
    assert {name: (score.earned, score.final) for name, score in found.items()} == {
        "ada": (6, 6), "ben": (2, 1.6), "dan": (6, 5.4),
    }  # fmt: skip
    assert found["ada"].late == "5 minutes late: no points off"
    assert found["ben"].late == "1 day and 1 hour late: 20 % of the points earned, 0.4 off"
    assert found["dan"].late == "1 hour late: 10 % of the points earned, 0.6 off"


def test_the_command_shows_lateness_and_nbgraders_own_tools_see_it(
    late_class: Course, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deadline", "classwork", "--course", str(late_class.folder)]) == 0
    shown = capsys.readouterr().out
    for part in ("2026-11-02 12:00", "10 % of the points earned for each day begun", "20 % of the points", "24 hours"):
        assert part.replace("24 hours", "1 day") in shown
    assert (stored_penalty(late_class, "ben"), stored_penalty(late_class, "dan")) == (0.4, 0.6)
    assert nbgrader(late_class, "export", "--to", str(tmp_path / "theirs.csv")).returncode == 0
    with (tmp_path / "theirs.csv").open() as file:
        theirs = {row["student_id"]: row for row in csv.DictReader(file)}
    assert float(theirs["ben"]["late_submission_penalty"]) == 0.4 and float(theirs["ben"]["score"]) == 1.6


def test_grading_enters_the_penalty_and_more_time_takes_it_back(
    late_class: Course, capsys: pytest.CaptureFixture[str]
) -> None:
    found = grade(late_class, "classwork", ["ben"], force=True, progress=False)
    assert stored_penalty(late_class, "ben") == 0.4
    print_scores(found, "classwork")
    table = capsys.readouterr().out
    assert "-0.4" in table and "final" in table and "1 day and 1 hour late" in table
    course = ["--course", str(late_class.folder)]
    assert main(["deadline", "classwork", "--extend", "ben", "--hours", "25,5", *course]) == 0
    assert stored_penalty(late_class, "ben") == 0 and scores(late_class)["ben"].final == 2
    assert scores(late_class)["dan"].final == 5.4, "the other rows of the file stay"
    assert main(["deadline", "classwork", "--extend", "ben", "--hours", "0", *course]) == 0
    assert stored_penalty(late_class, "ben") == 0.4


def test_a_due_date_of_formgrader_counts_where_the_file_has_none(late_class: Course) -> None:
    write(late_class, "[late]\npercent_per_day = 50\n")
    assert scores(late_class)["ben"].late == ""
    with late_class.gradebook() as gradebook:
        gradebook.update_or_create_assignment("classwork", duedate="2026-11-03 12:00:00 UTC")
    assert scores(late_class)["ben"].final == 1


def test_a_file_that_cannot_be_right_costs_no_grade(late_class: Course) -> None:
    write(late_class, "due =")
    record, notebook = read_record(late_class, "ben", "classwork"), graded_notebook(late_class, "ben", "classwork")
    assert record is not None and notebook is not None
    with GradebookWriter(late_class, load_configuration(late_class), "classwork") as writer:
        writer.write(Examined(nbformat.writes(notebook).encode(), record))
    assert read_record(late_class, "ben", "classwork") == record
    with pytest.raises(CourseError, match=r"deadlines.toml cannot be read"):
        scores(late_class)


def test_names_that_nobody_has_are_told(late_class: Course, capsys: pytest.CaptureFixture[str]) -> None:
    extensions_file(late_class).write_text("student,assignment,hours\nbenn,classwork,24\nben,classwrok,24\n")
    deadlines_file(late_class).write_text(POLICY + "[assignment.classwrok]\ndue = 2026-11-02\n")
    assert main(["deadline", "--course", str(late_class.folder)]) == 1
    shown = capsys.readouterr().out
    assert "no student benn" in shown and shown.count("no assignment classwrok") == 2


def test_the_file_to_begin_with_is_never_written_over(empty: Course, capsys: pytest.CaptureFixture[str]) -> None:
    course = ["--course", str(empty.folder)]
    assert main(["deadline", "--start", *course]) == 0
    assert main(["deadline", "--start", *course]) == 2
    assert "is there already; edit it" in capsys.readouterr().err
    assert main(["deadline", "--extend", "ada", *course]) == 2
    assert "extra time needs all of it" in capsys.readouterr().err
