"""A class from handing in to exporting: nbgrader's own commands and ours on the same course folder."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from autograder.__main__ import main
from autograder.authoring.install_cell import GRADE_ID
from autograder.course import Course
from autograder.grading.grade import grade
from autograder.grading.records import read_record
from autograder.grading.scores import Score, Status
from autograder.receiving.rosters import add_students
from autograder.reporting.export import export_scores
from autograder.reporting.safe_html import clean_html, safe_markdown
from tests.grading.course_writer import points, submission
from tests.grading.example_class import MIXED, nbgrader


def scores(course: Course, **options: Any) -> dict[str, Score]:
    """Scores by student; what nothing has changed is not graded again."""
    return {score.student: score for score in grade(course, "classwork", progress=False, **options)}


def test_nbgraders_own_command_grades_a_whole_class_with_broken_submissions_in_it(graded_class: Course) -> None:
    automatic = {}
    for student in ("ada", "ben", "cem", "dan", "eve"):
        record = read_record(graded_class, student, "classwork")
        assert record is not None
        automatic[student] = points(record)
    full = {"one": 2.0, "two": 2.0, "three": 2.0}
    assert automatic["ada"] == automatic["dan"] == automatic["eve"] == full
    assert automatic["ben"] == {"one": 2.0, "two": 0.0, "three": 0.0}
    assert automatic["cem"] == {"one": 0.0, "two": 0.0, "three": 0.0}


def test_what_was_handed_in_is_kept_and_every_oddity_noted(graded_class: Course) -> None:
    kept = list(graded_class.received("cem", "classwork").glob("*.ipynb"))
    assert [len(path.read_text()) for path in kept] == [500]
    notes = json.loads((graded_class.received("ben", "classwork") / "intake.json").read_text())["notes"]
    assert notes == ["the locked cell hidden-two had been edited; it was restored"]


def test_in_grading_nothing_is_installed_and_no_result_is_kept(graded_class: Course) -> None:
    path = graded_class.data / "autograded" / "ada" / "classwork" / "classwork.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    installs = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade_id") == GRADE_ID]
    assert [cell["outputs"] for cell in installs] == [[]]
    assert list(graded_class.folder.parent.rglob(".progress")) == []


def test_grading_again_does_nothing_until_something_changes(graded_class: Course) -> None:
    before = {s: graded_class.record(s, "classwork").stat().st_mtime_ns for s in ("ada", "ben", "dan")}
    assert scores(graded_class)["ada"].earned == 6
    path = graded_class.submitted("ben", "classwork")
    changed = {**MIXED, "one": "def one(values):\n    return values + values"}
    path.write_text(json.dumps(submission(graded_class.release_notebook("classwork"), changed)))
    assert scores(graded_class)["ben"].earned == 2
    after = {s: graded_class.record(s, "classwork").stat().st_mtime_ns for s in ("ada", "ben", "dan")}
    assert [student for student in before if before[student] != after[student]] == ["ben"]


def test_a_written_answer_waits_for_a_person_and_a_blank_one_does_not(graded_class: Course) -> None:
    found = scores(graded_class)
    assert (found["ada"].status, found["ada"].earned, found["ada"].pending) == (Status.PENDING, 6, 3)
    assert (found["dan"].status, found["dan"].earned, found["dan"].pending) == (Status.GRADED, 6, 0)


def test_one_failure_never_stops_the_others(graded_class: Course) -> None:
    receipt = graded_class.received("ben", "classwork") / "intake.json"
    whole = receipt.read_text()
    receipt.write_text(whole[:20])
    try:
        found = scores(graded_class)
    finally:
        receipt.write_text(whole)
    assert found["ben"].status is Status.FAILED and "intake.json cannot be read" in found["ben"].problem
    assert found["ada"].earned == found["dan"].earned == 6
    assert scores(graded_class)["ben"].status is Status.GRADED


@pytest.fixture(scope="module")
def pages(graded_class: Course) -> dict[str, str]:
    """Feedback by student, from nbgrader's own command."""
    scores(graded_class)
    result = nbgrader(graded_class, "generate_feedback", "classwork", "--force")
    assert result.returncode == 0, result.stderr[-3000:]
    return {student: graded_class.feedback(student, "classwork").read_text() for student in ("ada", "ben", "cem")}


def test_feedback_names_the_misconception_and_explains_a_forbidden_call(pages: dict[str, str]) -> None:
    assert "behaves like: the square instead of the double" in pages["ben"]
    assert "Twice a number is the number plus itself." in pages["ben"]
    assert "write it without calling it" in pages["ben"]


def test_feedback_never_holds_the_source_of_a_hidden_check(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert "secret_source_of_a_hidden_check" not in page and "SECRET-SOURCE" not in page


def test_feedback_runs_no_script_of_a_students_answer(pages: dict[str, str]) -> None:
    assert "Because two." in pages["ada"]
    assert "<script>alert('student')" not in pages["ada"] and "<img src=x" not in pages["ada"]


def test_feedback_can_be_written_by_our_command_too(graded_class: Course, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(graded_class.data / "feedback", ignore_errors=True)
    course = ["--course", str(graded_class.folder)]
    assert main(["feedback", "classwork", "--student", "ada", *course]) == 0
    assert "written answers are shown with 0 points" in capsys.readouterr().out
    assert "Because two." in graded_class.feedback("ada", "classwork").read_text()


def test_export_is_quoted_guarded_against_formulas_and_empty_until_final(graded_class: Course, tmp_path: Path) -> None:
    roster = tmp_path / "class.csv"
    roster.write_text('id,first_name,last_name\nada,"Ada, ""Countess""",=1+1\nzoe,Zoë,@SUM(A1)\n', encoding="utf-8")
    assert add_students(graded_class, roster) == 2
    scores(graded_class)
    path = tmp_path / "grades.csv"
    export_scores(graded_class, path, ["classwork"])
    rows = {row["student"]: row for row in csv.DictReader(path.open(newline="", encoding="utf-8"))}
    assert rows["ada"]["last_name"] == "'=1+1" and rows["ada"]["first_name"] == 'Ada, "Countess"'
    assert (rows["ada"]["score"], rows["ada"]["pending"], rows["ada"]["status"]) == (
        "",
        "3",
        "waits for manual grading",
    )
    assert (rows["dan"]["score"], rows["dan"]["possible"], rows["dan"]["status"]) == ("6", "9", "graded")
    assert (rows["zoe"]["score"], rows["zoe"]["status"]) == ("", "nothing handed in")


def test_nbgraders_own_export_reads_the_same_gradebook(graded_class: Course, tmp_path: Path) -> None:
    result = nbgrader(graded_class, "export", "--to", str(tmp_path / "theirs.csv"))
    assert result.returncode == 0, result.stderr[-3000:]
    rows = list(csv.DictReader((tmp_path / "theirs.csv").open()))
    assert any(row["student_id"] == "dan" and float(row["score"]) == 6 for row in rows)


def test_the_report_counts_each_misconception_once_a_student(
    graded_class: Course, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "classwork", "--course", str(graded_class.folder)]) == 0
    shown = capsys.readouterr().out
    assert "hidden-two" in shown
    assert any("square instead" in line and "1" in line for line in shown.splitlines())


def test_a_page_keeps_headings_tables_and_formulas_of_an_answer() -> None:
    answer = "<h2>Why</h2><table><tbody><tr><td>$a &lt; b$</td></tr></tbody></table><details>more</details>"
    assert clean_html(answer) == answer
    hostile = '<a href="javascript:alert(1)" onclick="x">a</a><iframe src="//host"></iframe><img src="//host/pixel">'
    kept = clean_html(hostile)
    assert "javascript" not in kept and "onclick" not in kept.split("&lt;")[0] and "<i" not in kept


def test_long_markdown_is_shown_as_it_was_written_because_rendering_takes_too_long() -> None:
    long = "a" + " " * 30_000 + "<b>"
    began = time.process_time()
    assert safe_markdown(long).startswith("<pre>a ") and "<b>" not in safe_markdown(long)
    assert time.process_time() - began < 1, "rendered, it would take several seconds"
    assert "<strong>short</strong>" in safe_markdown("**short**")
