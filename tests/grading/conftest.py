"""One course for all grading tests: small assignments, released once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.release import release as release_assignments
from autograder.course import Course
from tests.grading.attacks import VALUES, named
from tests.grading.attacks_on_kernels import KERNELS, PROCESSES
from tests.grading.course_writer import write_assignment
from tests.grading.example_class import grade_example_class
from tests.grading.small_notebook import answered_notebook, released

ASSIGNMENTS = {
    "doubling": ["one", "two", "three"],
    "classwork": ["one", "two", "three"],
    "values": list(named(VALUES, "values")),
    "processes": list(named(PROCESSES, "processes")),
    "kernels": list(named(KERNELS, "kernels")),
    "demonstration": [f"task_{number}" for number in range(1, 8)],
}


def empty_wheel(folder: Path) -> Path:
    """Stand in for the wheel of a release, which takes seconds to build and is tested elsewhere."""
    wheel = folder / "rlkit-0-py3-none-any.whl"
    wheel.write_bytes(b"")
    return wheel


def copy_of(course: Course, folder: Path) -> Course:
    """Copy a whole course into a folder."""
    shutil.copytree(course.folder.parent, folder, dirs_exist_ok=True)
    return Course.at(folder / "autograder")


@pytest.fixture(scope="session")
def released_course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A course folder with everything released and nothing handed in; tests copy it and never change it."""
    course = Course.at(tmp_path_factory.mktemp("teaching") / "autograder")
    for assignment, tasks in ASSIGNMENTS.items():
        write_assignment(course.solutions, assignment, tasks, written=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])  # restored, because releasing adds this Python's commands to it
        with pytest.MonkeyPatch.context() as short:  # only here: other tests of this process build the real wheel
            short.setattr("autograder.authoring.release.build_wheel", empty_wheel)
            release_assignments(course, progress=False)
        yield course


@pytest.fixture(scope="session")
def course(released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A copy in which tests may hand in and grade, each with students or assignments of its own."""
    return copy_of(released_course, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder for submissions."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def example_class(released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course of its own after nbgrader's own command has graded the example class; tests copy and never change it."""
    course = copy_of(released_course, tmp_path_factory.mktemp("example"))
    grade_example_class(course)
    return course


@pytest.fixture(scope="module")
def graded_class(example_class: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The graded example class for the tests of one file, which may change it for those after them."""
    return copy_of(example_class, tmp_path_factory.mktemp("graded"))


@pytest.fixture
def own_class(example_class: Course, tmp_path: Path) -> Course:
    """The graded example class, as it was graded, for one test that may change it."""
    return copy_of(example_class, tmp_path / "teaching")


@pytest.fixture
def release() -> nbformat.NotebookNode:
    """A small released notebook."""
    return released()


@pytest.fixture
def answered(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with a student's answers."""
    return answered_notebook(release)
