"""The fixture course: one small assignment, released once for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.authoring.author import compile_notebook, solution_cells
from autograder.authoring.release import Released, release
from autograder.course import Course

FIXTURE = Path(__file__).with_name("fixture_course")


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A course folder whose solutions are the fixture's."""
    path = os.environ["PATH"]
    yield Course.at(tmp_path_factory.mktemp("course") / "autograder", FIXTURE)
    os.environ["PATH"] = path


@pytest.fixture(scope="session")
def released(course: Course) -> Released:
    """The fixture assignment as students get it."""
    (one,) = release(course, progress=False)
    return one


@pytest.fixture
def lottery(tmp_path: Path) -> Path:
    """A copy of the assignment in which a test can make an author's mistake."""
    return Path(shutil.copytree(FIXTURE / "lottery", tmp_path / "solutions" / "lottery"))


def change(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of *old*, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="session")
def unpacked(released, tmp_path_factory):
    """The folder of a student who has only the zip, and where its wheel is installed."""
    folder = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(released.archive) as packed:
        packed.extractall(folder)
    (wheel,) = (folder / "lottery").glob("*.whl")
    target = folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return SimpleNamespace(folder=folder / "lottery", installed=target)


def solutions() -> dict[str, str]:
    """The answer cells of the fixture, with their solutions."""
    return solution_cells(compile_notebook(FIXTURE / "lottery" / "lottery.py")[0])
