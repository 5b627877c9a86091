"""Intake keeps what was handed in, lists every oddity, and is part of nbgrader's own commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.course import Course
from autograder.errors import CourseError
from autograder.receiving.collect import collect
from autograder.receiving.intake import refresh, take_in
from tests.grading.small_notebook import ANSWER, by_id, content


@pytest.fixture
def small_course(tmp_path: Path, release: Any) -> Course:
    """A course with the one released notebook."""
    course = Course.at(tmp_path / "autograder")
    folder = course.release / "doubling"
    folder.mkdir(parents=True)
    nbformat.write(release, folder / "doubling.ipynb")
    return course


def test_a_folder_of_submissions_is_taken_in_and_every_oddity_listed(
    small_course: Course, tmp_path: Path, answered: Any
) -> None:
    inbox = tmp_path / "inbox"
    for name, data in {
        "ada/doubling.ipynb": content(answered),
        "ben_doubling.ipynb": content(answered),
        "cem/doubling (1).ipynb": content(answered),
        "dan/homework.ipynb": content(answered),
        "eve_doubling.ipynb": content(answered)[:100],
        "f*k_doubling.ipynb": content(answered),
        "ada_doubling.ipynb": content(answered),
        "notes.txt": b"hello",
        "gil/doubling.ipynb": b"",
    }.items():
        path = inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (inbox / "hal").mkdir()
    (inbox / "hal" / "doubling.ipynb").symlink_to(inbox / "ben_doubling.ipynb")

    collection = collect(small_course, inbox, "doubling", progress=False)

    assert small_course.students("doubling") == ["ada", "ben", "cem", "eve", "gil"]
    notes = {received.student: received.notes for received in collection.received}
    assert notes["ada"] == notes["ben"] == []
    assert "not valid JSON" in notes["eve"][0] and "empty" in notes["gil"][0]
    problems = "\n".join(collection.problems)
    for part in (
        "another name",
        "homework.ipynb",
        "cannot be a student's id",
        "also handed in",
        "notes.txt",
        "ordinary",
    ):
        assert part in problems
    kept = list(small_course.received("eve", "doubling").glob("*.ipynb"))
    assert [path.read_bytes() for path in kept] == [content(answered)[:100]]
    assert (inbox / "eve_doubling.ipynb").read_bytes() == content(answered)[:100]


def test_the_same_file_again_changes_nothing_and_a_new_one_keeps_both(
    small_course: Course, tmp_path: Path, answered: Any
) -> None:
    file = tmp_path / "ada.ipynb"
    file.write_bytes(content(answered))
    assert take_in(small_course, "ada", "doubling", file).changed
    assert not take_in(small_course, "ada", "doubling", file).changed
    answered.cells[3].source = "def double(x):\n    return x + x"
    file.write_bytes(content(answered))
    assert take_in(small_course, "ada", "doubling", file).changed
    assert len(list(small_course.received("ada", "doubling").glob("*.ipynb"))) == 2


def test_a_new_release_rebuilds_from_what_was_handed_in(
    small_course: Course, tmp_path: Path, release: Any, answered: Any
) -> None:
    file = tmp_path / "ada.ipynb"
    file.write_bytes(content(answered))
    take_in(small_course, "ada", "doubling", file)
    assert not refresh(small_course, "ada", "doubling").changed
    release.cells[4].source = "check('double', double)  # second edition"
    nbformat.write(release, small_course.release / "doubling" / "doubling.ipynb")
    assert refresh(small_course, "ada", "doubling").changed
    rebuilt = nbformat.read(small_course.submitted("ada", "doubling"), as_version=4)
    assert "second edition" in by_id(rebuilt)["check-double"] and by_id(rebuilt)["answer-double"] == ANSWER


def test_a_file_put_there_by_something_else_is_taken_in_before_grading(small_course: Course, answered: Any) -> None:
    path = small_course.submitted("ada", "doubling")
    path.parent.mkdir(parents=True)
    answered.cells[4].source = "2"
    path.write_bytes(content(answered))
    assert refresh(small_course, "ada", "doubling").notes == [
        "the locked cell check-double had been edited; it was restored"
    ]
    assert by_id(nbformat.read(path, as_version=4))["check-double"] == "check('double', double)"


def test_errors_say_what_was_given_what_was_expected_and_what_to_do(small_course: Course, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"'tripling' has no released notebook.*released: doubling.*release tripling"):
        collect(small_course, tmp_path, "tripling", progress=False)
    with pytest.raises(CourseError, match=r"no folder at .*expected a folder of submissions"):
        collect(small_course, tmp_path / "nowhere", "doubling", progress=False)
