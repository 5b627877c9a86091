"""Run one of nbgrader's steps (generate an assignment, grade, write feedback) on one submission."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from traitlets.config import Config


def make_converter(kind: type[BaseConverter], config: Config, student: str, assignment: str) -> BaseConverter:
    """Return one of nbgrader's converters, set to one submission and to replace what it made before."""
    coursedir = CourseDirectory(config=config)
    coursedir.student_id, coursedir.assignment_id = student, assignment
    converter = kind(coursedir=coursedir, config=config)
    converter.force = True
    return converter


def run_converter(kind: type[BaseConverter], config: Config, student: str, assignment: str) -> None:
    """Run one of nbgrader's converters on one submission."""
    start(make_converter(kind, config, student, assignment))


def start(converter: BaseConverter) -> None:
    """Run a converter; raise its error with what it wrote to its log."""
    with captured_log() as log, warnings.catch_warnings():
        # nbgrader's own use of its database library.
        warnings.simplefilter("ignore", SAWarning)
        try:
            converter.start()
        except Exception as error:
            raise RuntimeError(f"{error}\n{log.getvalue()[-4000:]}".strip()) from error


@contextlib.contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """Keep nbgrader's own messages off the screen (they would break the progress bar), for use if it fails."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("traitlets")
    before, spreads = log.handlers[:], log.propagate
    log.handlers, log.propagate = [handler], False
    try:
        yield stream
    finally:
        log.handlers, log.propagate = before, spreads
