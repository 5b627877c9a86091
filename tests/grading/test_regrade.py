"""A changed check regrades what it touches, after showing what would change; whom it does not touch stays untouched."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.__main__ import main
from autograder.authoring.release import release
from autograder.course import Course
from autograder.grading.grade import grade
from autograder.grading.records import CellResult, Record, read_record
from autograder.grading.regrade import differences_between, look
from tests.grading.conftest import empty_wheel
from tests.grading.course_writer import points, submission, write_assignment

CHECK = """
@exam.add("{task}", points=1, message="by hand", hint="the double of 3 is 6", seconds=1)
def {task}_by_hand(double):
    close(double(torch.tensor([1.0, 2.0, 3.0])), [2.0, 4.0, 6.0])


@exam.probe("{task}")
def {task}_probe(double, random):
    return [double(torch.rand(4, generator=random)) for _ in range(2)]
"""
HIDDEN = """
@exam.add("{task}", points=1, message="at random", seconds=1)
def {task}_drawn(double):
    values = torch.rand(2, 3, generator=exam.random()) + 1.0
    close(double(values), [[2.0 * value for value in row] for row in values.double().tolist()], tolerance=1e-5)
"""
OPENING = 'import torch\n\nfrom autograder.checks import Exam, close\n\nexam = Exam("small"{hidden})\n'
DOUBLE = "def {task}(values):\n    return 2 * values"
SQUARE = "def {task}(values):\n    return values * values"
TASKS = ("one", "two")


def write_checks(course: Course, hidden: str = HIDDEN) -> None:
    """Write checks whose exercises are named by texts; those of two with *hidden*."""
    folder = course.solutions / "small"
    checks = "".join(CHECK.format(task=task) for task in TASKS)
    (folder / "checks.py").write_text(OPENING.format(hidden="") + checks)
    hidden_checks = HIDDEN.format(task="one") + hidden.format(task="two")
    (folder / "hidden_checks.py").write_text(OPENING.format(hidden=", hidden=True") + hidden_checks)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A graded class: Ada right, Ben right in one and a square in two, Cem with nothing in two."""
    course = Course.at(tmp_path_factory.mktemp("small") / "autograder")
    write_assignment(course.solutions, "small", list(TASKS), written=True)
    write_checks(course)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograder.authoring.release.build_wheel", empty_wheel)
        release(course, progress=False)
    answers = {
        "ada": {task: DOUBLE.format(task=task) for task in TASKS},
        "ben": {"one": DOUBLE.format(task="one"), "two": SQUARE.format(task="two")},
        "cem": {"one": DOUBLE.format(task="one")},
    }
    for student, own in answers.items():
        path = course.submitted(student, "small")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(submission(course.release_notebook("small"), own, written="Because.")))
    grade(course, "small", progress=False)
    yield course


@pytest.fixture
def course(small: Course, tmp_path: Path) -> Course:
    """A copy that a test may change."""
    shutil.copytree(small.folder.parent, tmp_path / "teaching")
    return Course.at(tmp_path / "teaching" / "autograder")


def earned(course: Course) -> dict[str, dict[str, float]]:
    """Points by student and exercise."""
    records = {student: read_record(course, student, "small") for student in ("ada", "ben", "cem")}
    return {student: points(record) for student, record in records.items() if record}


def files_of(course: Course, *students: str) -> dict[str, str]:
    """The content of everything that is kept about students."""
    kept = [path for student in students for path in course.data.rglob(f"*{student}*") if path.is_file()]
    kept += [
        path
        for student in students
        for path in course.data.rglob("*")
        if path.is_file() and student in path.parts and "regrade" not in path.parts
    ]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept if "regrade" not in path.parts}


def rows_of(course: Course, *students: str) -> list[tuple]:
    """Every row of the gradebook about students' grades and comments."""
    with sqlite3.connect(course.data / "gradebook.db") as database:
        return [
            row
            for student in students
            for table in ("grade", "comment")
            for row in database.execute(
                f"select {table}.*, submitted_notebook.*, submitted_assignment.* from {table} "
                f"join submitted_notebook on {table}.notebook_id = submitted_notebook.id "
                "join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id "
                f"where student_id = ? order by {table}.id",
                (student,),
            )
        ]


def regrade(course: Course, *options: str) -> int:
    """Run the command."""
    return main(["regrade", "small", "--course", str(course.folder), *options])


def test_a_changed_check_is_shown_then_entered_and_whom_it_does_not_touch_stays_byte_for_byte(
    course: Course, capsys: pytest.CaptureFixture[str]
) -> None:
    assert earned(course)["ben"] == {"one": 2.0, "two": 0.0}
    # Squares count as well now: a mistake of the check, put right.
    write_checks(course, HIDDEN.replace("2.0 * value for", "value * value for"))
    everything, gradebook = files_of(course, "ada", "ben", "cem"), (course.data / "gradebook.db").read_bytes()
    untouched = files_of(course, "cem"), rows_of(course, "cem")
    before_one = {
        student: record.cells[0] for student in ("ada", "ben") if (record := read_record(course, student, "small"))
    }
    assert regrade(course) == 0
    shown = capsys.readouterr().out
    assert re.search(r"ben .* hidden-two .* 0 → 1", shown) and re.search(r"ada .* hidden-two .* 1 → 0", shown)
    assert "two: 3 students have a result of checks that have changed since." in shown and "one:" not in shown
    assert "1 student has the same result as before" in shown
    assert "Nothing was written. To enter this: python -m autograder regrade small --apply" in shown
    assert files_of(course, "ada", "ben", "cem") == everything
    assert (course.data / "gradebook.db").read_bytes() == gradebook

    examined = {path: path.stat().st_mtime_ns for path in (course.data / "regrade").rglob("records/small/*.json")}
    assert len(examined) == 3
    assert regrade(course, "--apply") == 0
    assert "Entered for 2 students." in capsys.readouterr().out
    assert earned(course) == {
        "ada": {"one": 2.0, "two": 1.0}, "ben": {"one": 2.0, "two": 1.0}, "cem": {"one": 2.0, "two": 0.0},
    }  # fmt: skip
    with course.gradebook() as book:
        assert book.find_grade("hidden-two", "small", "small", "ben").auto_score == 1
        assert book.find_grade("hidden-two", "small", "small", "ada").auto_score == 0
    assert (files_of(course, "cem"), rows_of(course, "cem")) == untouched
    after = {
        student: record.cells[0] for student in ("ada", "ben") if (record := read_record(course, student, "small"))
    }
    assert after == before_one, "the exercise that was not touched keeps its result"
    assert not (course.data / "regrade" / "small").exists()

    # Everything is up to date: neither command has anything to do.
    records = {path: path.stat().st_mtime_ns for path in (course.data / "records").rglob("*.json")}
    grade(course, "small", progress=False)
    assert regrade(course) == 0
    assert "No checks have changed" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (course.data / "records").rglob("*.json")} == records


def test_a_comment_in_a_check_touches_nobody(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    path = course.solutions / "small" / "hidden_checks.py"
    path.write_text(f"# Reviewed.\n{path.read_text()}\n\n\n# The end.\n")
    assert look(course, "small").touched == {}
    assert regrade(course, "--apply") == 0 and "No checks have changed" in capsys.readouterr().out


def test_points_by_hand_survive_a_regrade(course: Course) -> None:
    with course.gradebook() as book:
        grade_of_why = book.find_grade("written-why", "small", "small", "ben")
        grade_of_why.manual_score, grade_of_why.needs_manual_grade = 2.0, False
        book.db.commit()
    write_checks(course, HIDDEN.replace("2.0 * value for", "value * value for"))
    assert regrade(course, "--apply", "--student", "ben") == 0
    with course.gradebook() as book:
        kept = book.find_grade("written-why", "small", "small", "ben")
        assert (kept.manual_score, kept.needs_manual_grade) == (2.0, False)
        assert book.find_submission("small", "ben").score == 5.0
    assert earned(course)["ada"]["two"] == 2.0, "only the named student was regraded"


def test_who_handed_in_again_or_was_never_graded_is_left_to_grade(course: Course) -> None:
    path = course.submitted("ada", "small")
    path.write_text(path.read_text().replace("2 * values", "values + values"))
    course.record("cem", "small").unlink()
    write_checks(course, HIDDEN.replace("at random", "drawn at random"))
    found = look(course, "small")
    assert found.for_grade == {"ada": "handed in again since it was graded", "cem": "not graded yet"}
    assert found.touched == {"ben": {"two"}}


def test_a_notebook_released_anew_and_a_record_without_digests_touch_everything(course: Course) -> None:
    record = read_record(course, "ben", "small")
    assert record is not None
    record.checks = {}
    record.write(course.record("ben", "small"))
    write_checks(course, HIDDEN.replace("at random", "drawn at random"))
    assert look(course, "small", ["ben"]).touched == {"ben": {"one", "two"}}
    notebook = course.release_notebook("small")
    notebook.write_text(notebook.read_text().replace("Why double?", "Why, please?"))
    found = look(course, "small")
    assert found.released_anew == ["ada", "ben", "cem"] and found.touched["ada"] == {"one", "two"}


def test_a_check_that_fails_itself_is_seen_before_it_costs_anyone_points(
    course: Course, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checks(course, HIDDEN.replace("points=1", "points=5"))  # the notebook's cell still has 1
    before = earned(course)
    assert regrade(course) == 0
    assert re.search(r"ada .* hidden-two .* 1 → 0", capsys.readouterr().out)
    assert earned(course) == before


def test_differences_are_results_and_not_what_varies_from_run_to_run() -> None:
    def record(**changes: object) -> Record:
        return Record(
            "ada", "small", "f", cells=[CellResult(**{"cell": "check-one", "points": 1, "possible": 1, **changes})]
        )  # type: ignore[arg-type]

    assert list(differences_between("ada", record(), record(printed="0.1 s", traceback="0x7f"))) == []
    for change in ({"points": 0.5}, {"misconception": "m"}, {"failed": ["m"]}, {"error": "e"}, {"unanswered": True}):
        assert len(list(differences_between("ada", record(), record(**change)))) == 1
    assert len(list(differences_between("ada", record(), record(cell="check-two")))) == 2
