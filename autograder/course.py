"""Where a course keeps its things, and how nbgrader is told about it.

The folder `autograder/` is the course folder in which nbgrader's own commands run. What it writes lies in `course/`::

    course/source/<assignment>/               compiled from the solutions; read by nbgrader
    course/received/<student>/<assignment>/   what students handed in, byte for byte
    course/submitted/<student>/<assignment>/  the same, rebuilt from the release notebook (see intake.py)
    course/autograded/, course/feedback/      written by nbgrader
    course/records/<assignment>/<student>.json  what the examiner found: points, messages, misconceptions
    course/gradebook.db                       nbgrader's gradebook
    course/secret                             the key from which the random inputs of checks are derived

The gradebook can be a database elsewhere: ``--gradebook URL`` or the environment variable ``AUTOGRADER_GRADEBOOK``,
which nbgrader's own commands read too (see database.py).

Solutions and hidden checks of this project are public. A course with private ones keeps its own solutions folder and
names it with ``--solutions FOLDER`` or with the environment variable ``AUTOGRADER_SOLUTIONS``, which nbgrader's own
commands read too.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

SOLUTIONS_VARIABLE = "AUTOGRADER_SOLUTIONS"
COURSE_VARIABLE = "AUTOGRADER_COURSE"
GRADEBOOK_VARIABLE = "AUTOGRADER_GRADEBOOK"
CONFIGURATION = "nbgrader_config.py"
STUDENT_NAME = re.compile(r"[\w@-][\w.@+'-]*")


@dataclass(frozen=True)
class Course:
    """The folders of one course.

    Attributes
    ----------
    folder : Path
        Where nbgrader's commands run; holds ``nbgrader_config.py`` and ``course/``.
    solutions : Path
        One folder per assignment: the notebook with solutions, checks, misconceptions, alternatives.
    release : Path
        Where the notebooks for students are written, ``release/<assignment>/<assignment>.ipynb``.
    database : str
        The address of the gradebook's database; empty for ``course/gradebook.db``.
    """

    folder: Path
    solutions: Path
    release: Path
    database: str = field(default="", repr=False)

    @classmethod
    def at(cls, folder: str | Path | None = None, solutions: str | Path | None = None) -> Course:
        """Return the course in *folder*, or else in ``AUTOGRADER_COURSE``, or else in this package's folder."""
        home = Path(folder or os.environ.get(COURSE_VARIABLE) or Path(__file__).parent).resolve()
        chosen = solutions or os.environ.get(SOLUTIONS_VARIABLE) or home.parent / "solutions"
        database = os.environ.get(GRADEBOOK_VARIABLE, "")
        return cls(home, Path(chosen).resolve(), home.parent / "book" / "exercises", database)

    @property
    def data(self) -> Path:
        """The folder of everything that is written while teaching."""
        return self.folder / "course"

    @property
    def gradebook_url(self) -> str:
        """The address by which nbgrader opens the gradebook."""
        from autograder.grading.database import database_url

        return database_url(self.database) if self.database else f"sqlite:///{self.data / 'gradebook.db'}"

    def release_notebook(self, assignment: str) -> Path:
        """Return the released notebook of an assignment, or say how to make it."""
        path = self.release / assignment / f"{assignment}.ipynb"
        if not path.is_file():
            known = ", ".join(self.assignments()) or "none"
            raise CourseError(
                f"assignment {assignment!r} has no released notebook at {path} (released: {known}). "
                f"Run `python -m autograder release {assignment}` first."
            )
        return path

    def assignments(self) -> list[str]:
        """Names of the released assignments."""
        return sorted(path.stem for path in self.release.glob("*/*.ipynb") if path.stem == path.parent.name)

    def students(self, assignment: str) -> list[str]:
        """Names of the students whose work on an assignment has been collected."""
        found = (self.data / "submitted").glob(f"*/{assignment}/{assignment}.ipynb")
        return sorted(path.parent.parent.name for path in found)

    def submitted(self, student: str, assignment: str) -> Path:
        """The rebuilt notebook that will be graded."""
        return self.data / "submitted" / student / assignment / f"{assignment}.ipynb"

    def received(self, student: str, assignment: str) -> Path:
        """The folder in which the files a student handed in are kept."""
        return self.data / "received" / student / assignment

    def record(self, student: str, assignment: str) -> Path:
        """The file in which the examiner writes what it found."""
        return self.data / "records" / assignment / f"{student}.json"

    def feedback(self, student: str, assignment: str) -> Path:
        """The page that goes back to the student."""
        return self.data / "feedback" / student / assignment / f"{assignment}.html"

    def secret(self) -> str:
        """Return the course's key, made on first use and readable by its owner only.

        It decides the random inputs of every check, so it is kept: the same submission gets the same score again.
        """
        path = self.data / "secret"
        self.data.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
        ):
            file.write(secrets.token_hex(32))
        key = path.read_text().strip()
        if not key:
            raise CourseError(f"{path} is empty, expected the course's key. Delete it and a new one is made.")
        return key

    @contextlib.contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open the gradebook; the first time, create it."""
        self.data.mkdir(parents=True, exist_ok=True)
        # Imported here, because a worker knows the course but not the gradebook, and nbgrader takes a second to import.
        from autograder.grading.database import open_gradebook

        find_commands_of_this_python()
        with open_gradebook(self.gradebook_url) as gradebook:
            yield gradebook

    def prepare(self) -> None:
        """Make the folder usable by nbgrader's own commands: its configuration, the gradebook and the key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / CONFIGURATION
        if not configuration.exists():
            shutil.copyfile(Path(__file__).with_name(CONFIGURATION), configuration)
        self.secret()
        with self.gradebook():
            pass


def with_gradebook(course: Course, database: str) -> Course:
    """Return the same course with its gradebook elsewhere."""
    return replace(course, database=database)


def with_solutions(course: Course, solutions: str | Path) -> Course:
    """Return the same course with its solutions elsewhere."""
    folder = Path(solutions).resolve()
    if not folder.is_dir():
        raise CourseError(f"no solutions folder at {folder}: expected one folder per assignment in it")
    return replace(course, solutions=folder)


def find_commands_of_this_python() -> None:
    """Put this Python's own commands on PATH: nbgrader calls `alembic` by name when it creates a gradebook."""
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if own not in path:
        os.environ["PATH"] = os.pathsep.join([own, *path])
    if shutil.which("alembic") is None:
        raise CourseError(f"`alembic` is missing beside {sys.executable}; install it with `pip install alembic`")


def checked_student_name(name: str) -> str:
    """Return *name* if it can be a folder's name and an nbgrader student id."""
    if not STUDENT_NAME.fullmatch(name) or len(name) > 100:
        raise CourseError(
            f"{name!r} cannot be a student's id: expected up to 100 letters, digits, and . _ - + ' @ "
            "(not beginning with a dot). Rename the file or folder."
        )
    return name
