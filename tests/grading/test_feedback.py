"""What goes back to students: everything that helps, nothing that is secret, nothing that runs or asks another host."""

from __future__ import annotations

import json
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import nbformat
import pytest
from nbformat.v4 import new_output

import autograder
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import deadlines_file
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.records import read_record
from autograder.reporting.feedback import shown_cells, write_feedback
from tests.grading.example_class import PAGE_SCRIPT

Tree = dict[str, Any]


def written(course: Course, student: str) -> tuple[str, Tree]:
    """A student's page and JSON file."""
    write_feedback(course, "classwork", [student], progress=False)
    page = course.feedback(student, "classwork")
    return page.read_text(), json.loads(page.with_suffix(".json").read_text())


def exercise(tree: Tree, name: str) -> Tree:
    """One exercise of a JSON file."""
    return next(one for one in tree["exercises"] if one["exercise"] == name)


class Addresses(HTMLParser):
    """Collects what a browser would fetch, and what it would run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster", "action")]


def assert_self_contained(page: str) -> None:
    """Nothing is fetched and nothing runs."""
    seen = Addresses(page)
    assert all(address.startswith("data:image/") for address in seen.fetched)
    assert not seen.tags & {"script", "link", "iframe", "object", "embed", "base", "form"} and not seen.handlers
    assert not re.search(r"url\(|@import", page) and "default-src 'none'" in page


def test_an_exercise_counts_both_its_checks_and_says_what_was_expected_and_what_came(graded_class: Course) -> None:
    page, tree = written(graded_class, "ben")
    two = exercise(tree, "two")
    assert (two["points"], two["possible"]) == (0, 2)
    visible, hidden = two["checks"]
    assert (visible["message"], visible["after_handing_in"]) == ("three numbers by hand", False)
    assert (hidden["message"], hidden["after_handing_in"]) == ("numbers drawn at random", True)
    assert (
        "expected" in visible["problem"] and "got" in visible["problem"] and visible["hint"] == "the double of 3 is 6"
    )
    assert two["misconception"] == {
        "name": "the square instead of the double", "hint": "Twice a number is the number plus itself.",
    }  # fmt: skip
    for part in ("three numbers by hand", "the double of 3 is 6", "Twice a number is", "2 of 9 points"):
        assert part in page
    assert exercise(tree, "one")["points"] == 2 and exercise(tree, "one")["misconception"] is None


def test_a_page_fetches_and_runs_nothing_whatever_a_student_wrote(graded_class: Course) -> None:
    for student in ("ada", "ben", "cem"):
        page, _ = written(graded_class, student)
        assert_self_contained(page)
        assert "SECRET-SOURCE" not in page and "secret_source_of_a_hidden_check" not in page
    page, tree = written(graded_class, "ada")
    assert PAGE_SCRIPT in tree["written"][0]["answer"] and PAGE_SCRIPT not in page and "Because two." in page


def test_what_is_said_of_every_field_is_true(graded_class: Course) -> None:
    schema = json.loads((Path(autograder.__file__).parent / "feedback_schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for student in ("ada", "ben", "cem", "dan"):
        jsonschema.validate(written(graded_class, student)[1], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written(graded_class, "ada")[1], "secret": 1}, schema)


def test_an_unreadable_file_and_failed_grading_end_in_a_message(own_class: Course) -> None:
    page, tree = written(own_class, "cem")
    assert "could not be read as a notebook" in page and tree["notes"]
    own_class.record("dan", "classwork").unlink()
    page, tree = written(own_class, "dan")
    assert not tree["graded"] and "grading it did not succeed" in page and "points</strong>" not in page
    (own_class.received("eve", "classwork") / "intake.json").write_text("{")
    page, tree = written(own_class, "eve")
    assert tree["status"] == "grading failed" and "grading it did not succeed" in page


def edited(course: Course, student: str, cell: str, **changes: Any) -> None:
    """Change what the examiner wrote about a cell."""
    record = read_record(course, student, "classwork")
    assert record is not None
    for result in record.cells:
        if result.cell == cell:
            result.__dict__.update(changes)
    record.write(course.record(student, "classwork"))


def test_what_was_printed_is_shown_unless_hidden_checks_ran(own_class: Course) -> None:
    edited(own_class, "ben", "check-two", printed="seen <b>1</b>", traceback="line 2, in two")
    edited(own_class, "ben", "hidden-two", printed="hidden inputs 0.125")
    page, tree = written(own_class, "ben")
    two = exercise(tree, "two")
    assert (two["printed"], two["traceback"]) == ("seen <b>1</b>", "line 2, in two")
    assert "seen &lt;b&gt;1" in page and "0.125" not in page + json.dumps(tree)


def test_an_error_of_the_course_is_not_blamed_on_the_student_nor_shown(own_class: Course) -> None:
    edited(own_class, "ben", "hidden-two", error="KeyError: SECRET-SOURCE", failed=[], checks=[])
    page, tree = written(own_class, "ben")
    assert "not your mistake" in exercise(tree, "two")["message"] and "KeyError" not in page + json.dumps(tree)


def test_an_answer_cell_that_failed_shows_its_own_traceback_and_picture(own_class: Course) -> None:
    notebook = graded_notebook(own_class, "ben", "classwork")
    assert notebook is not None
    answer = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "answer-two")
    answer.outputs = [
        new_output("stream", name="stdout", text="before"),
        new_output("display_data", data={"image/png": "aGk=", "text/html": "<script>x</script>"}),
        new_output("error", ename="NameError", evalue="torhc", traceback=["\x1b[31mNameError: torhc"]),
    ]
    path = own_class.data / "autograded" / "ben" / "classwork" / "classwork.ipynb"
    nbformat.write(notebook, path)
    page, tree = written(own_class, "ben")
    two = exercise(tree, "two")
    assert (two["printed"], two["traceback"]) == ("before", "NameError: torhc")
    assert 'src="data:image/png;base64,aGk="' in page
    assert_self_contained(page)
    assert not any((cell["code"] or "").startswith("check(") for cell in shown_cells(notebook))


def test_points_and_comments_of_a_person_and_lateness_are_shown(own_class: Course) -> None:
    with own_class.gradebook() as gradebook:
        where = ("classwork", "classwork", "ben")
        grade = gradebook.find_grade("hidden-two", *where)
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        gradebook.find_comment("answer-two", *where).manual_comment = f"**Nearly** {PAGE_SCRIPT}"
        gradebook.find_submission("classwork", "ben").timestamp = datetime(2026, 11, 3)
        gradebook.db.commit()
    deadlines_file(own_class).write_text("[late]\npercent_per_day = 20\n[assignment.classwork]\ndue = 2026-11-02\n")
    page, tree = written(own_class, "ben")
    assert tree["late"] == ""
    deadlines_file(own_class).write_text("[late]\npercent_per_day = 20\n[assignment.classwork]\ndue = 2026-11-01\n")
    page, tree = written(own_class, "ben")
    two = exercise(tree, "two")
    assert (two["points"], two["by_hand"]) == (0.5, True)
    assert "<strong>Nearly</strong>" in page
    assert_self_contained(page)
    assert (tree["earned"], tree["penalty"], tree["final"]) == (2.5, 0.5, 2.0)
    assert "2 of 9 points" in page and "1 day late: 20 % of the points earned, 0.5 off" in page


def test_formulas_stay_as_they_were_written(own_class: Course) -> None:
    with own_class.gradebook() as gradebook:
        gradebook.find_comment("written-why", "classwork", "classwork", "ada").manual_comment = "since $a_1 < b_2$"
        gradebook.db.commit()
    page, _ = written(own_class, "ada")
    assert "since $a_1 &lt; b_2$" in page


def test_a_blank_is_called_not_answered_once(graded_class: Course) -> None:
    page, tree = written(graded_class, "cem")
    assert not any(one["answered"] for one in tree["exercises"] + tree["written"])
    assert page.count("Not answered.") == 4 and "No response." not in page and "not answered yet" not in page
    assert all(one["answered"] for one in written(graded_class, "ben")[1]["exercises"])


def test_a_name_that_handed_in_nothing_is_refused(graded_class: Course) -> None:
    with pytest.raises(CourseError, match="nothing was collected from zoe"):
        write_feedback(graded_class, "classwork", ["zoe"], progress=False)
