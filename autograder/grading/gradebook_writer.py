"""Write what was examined where nbgrader would have written it, through one gradebook that stays open.

nbgrader's `autograde` does the writing, steps and files and all, so that what formgrader, feedback and export read is
the same by construction. Left to itself it opens the gradebook about ten times a submission, and its database library
compiles the same statements anew for each: most of its 0.2 to 0.4 seconds. Here every step gets the one that is open,
and all that belongs to one submission becomes one transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import nbformat
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.converters.base import BaseConverter
from nbgrader.nbgraderformat import ValidationError
from nbgrader.preprocessors import CheckCellMetadata, Execute
from sqlalchemy.orm import scoped_session, sessionmaker
from traitlets import Bytes, import_item
from traitlets.config import Config

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.converters import captured_log, make_converter, start
from autograder.grading.examine import Examined, Tests
from autograder.grading.jobs import trusted_tests


class GradebookWriter:
    """The open gradebook of a course, for one assignment.

    What decides a score and what became of it is written in this order: the old record goes, the executed notebook is
    written, the gradebook gets everything in one transaction, the new record is written whole. So a submission has a
    record if and only if it was finished, whenever the process was stopped.
    """

    def __init__(self, course: Course, config: Config, assignment: str) -> None:
        self.course, self.assignment = course, assignment
        # nbconvert would check the notebook's form after each step; once, after the last, is enough.
        self._config = Config(config)
        self._config.Exporter.optimistic_validation = True
        self._open = contextlib.ExitStack()

    def __enter__(self) -> GradebookWriter:
        self._gradebook = self._open.enter_context(self.course.gradebook())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def tests(self) -> Tests:
        """The source and the points of the assignment's tests."""
        # nbgrader checks the marks of every submission, which takes as long as all its other steps. Here they are
        # those of the release (see rebuild.py).
        path = self.course.release_notebook(self.assignment)
        try:
            CheckCellMetadata().preprocess(nbformat.read(path, as_version=4), {})
        except ValidationError as error:
            raise CourseError(
                f"{path} has damaged marks ({error}). Run `python -m autograder release {self.assignment}` again."
            ) from None
        return trusted_tests(self._gradebook, self.assignment)

    def sanitised(self, student: str) -> bytes:
        """Return the notebook that will be examined: the submission after nbgrader's own steps of sanitising."""
        path = self.course.submitted(student, self.assignment)
        converter = make_converter(Autograde, self._config, student, self.assignment)
        converter.sanitize_preprocessors = without(converter.sanitize_preprocessors, CheckCellMetadata)
        converter.exporter = converter.exporter_class(config=converter.config)
        converter._init_preprocessors()
        with self._one_transaction(), captured_log():
            text, _ = converter.exporter.from_filename(str(path), converter.init_single_notebook_resources(str(path)))
        return text.encode()

    def write(self, examined: Examined) -> None:
        """Write the executed notebook, the scores, and last the record."""
        student = examined.record.student
        record = self.course.record(student, self.assignment)
        record.unlink(missing_ok=True)
        converter = make_converter(WriteExamined, self._config, student, self.assignment)
        converter.examined = examined.notebook
        with self._one_transaction():
            start(converter)
        examined.record.write(record)

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """Let whatever opens a gradebook meanwhile use the open one; what it commits counts only at the end."""
        opened = self._gradebook
        with opened.engine.begin() as connection:
            opened.db = scoped_session(sessionmaker(bind=connection, join_transaction_mode="rollback_only"))
            try:
                with _instead_of_opening(opened):
                    yield
            finally:
                opened.db.remove()


class WriteExamined(Autograde):
    """nbgrader's `autograde`, going on from where a submission has been sanitised and examined."""

    examined = Bytes(help="the executed notebook")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Intake has been before the submission was examined.
        self.pre_convert_hook = None
        steps: list[Any] = self.autograde_preprocessors  # type: ignore[has-type]
        self.autograde_preprocessors = without(steps, Execute, CheckCellMetadata)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Do the steps that come after running the notebook; nbgrader calls this."""
        folder = Path(self._format_dest(self.coursedir.assignment_id, self.coursedir.student_id))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / Path(notebook_filename).name
        path.write_bytes(self.examined)
        self._sanitizing = False
        self._init_preprocessors()
        with utils.setenv(NBGRADER_EXECUTION="autograde"):
            BaseConverter.convert_single_notebook(self, str(path))


def without(steps: Sequence[Any], *kinds: type) -> list[Any]:
    """Return a converter's steps, given by their classes or by the names of these, without some kinds."""
    found = {step: import_item(step) if isinstance(step, str) else step for step in steps}
    return [step for step, kind in found.items() if not (isinstance(kind, type) and issubclass(kind, kinds))]


@contextlib.contextmanager
def _instead_of_opening(opened: Gradebook) -> Iterator[None]:
    """Make every ``Gradebook(url)`` the one that is open, and closing it mean nothing."""
    make, close = Gradebook.__init__, Gradebook.close

    def share(gradebook: Gradebook, *_: object, **__: object) -> None:
        gradebook.__dict__.update(opened.__dict__)

    Gradebook.__init__, Gradebook.close = share, lambda gradebook: None
    try:
        yield
    finally:
        Gradebook.__init__, Gradebook.close = make, close
