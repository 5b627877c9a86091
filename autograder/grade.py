"""Grade a class: each student by themselves, so that one who breaks something never stops the others.

nbgrader does the grading (its sanitising steps, the examiner, its gradebook), called once per student and assignment.
Interrupted and run again, it goes on where it stopped: only what is new or has changed is graded.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence

from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from tqdm import tqdm
from traitlets.config import Config

from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.errors import CourseError
from autograder.intake import refresh
from autograder.records import fingerprint, read_record
from autograder.scores import Score, Status, read_score

LOG = logging.getLogger("autograder")


def grade(
    course: Course, assignment: str, students: Sequence[str] = (), force: bool = False, progress: bool = True
) -> list[Score]:
    """Grade the collected submissions of an assignment.

    Parameters
    ----------
    students : sequence of str
        Only these; all who handed something in if empty.
    force : bool
        Grade again what has not changed.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of Score
        One for every student, also for those whose grading failed and those in the gradebook who handed in nothing.
    """
    course.release_notebook(assignment)
    collected = course.students(assignment)
    unknown = sorted(set(students) - set(collected))
    if unknown:
        raise CourseError(
            f"nothing was collected from {', '.join(unknown)} for {assignment!r}; "
            f"submissions: {', '.join(collected) or 'none'}"
        )
    config = load_configuration(course)
    chosen = sorted(students) or collected
    failures: dict[str, str] = {}
    for student in tqdm(chosen, desc=f"grading {assignment}", unit="student", disable=not progress):
        try:
            grade_one(course, config, student, assignment, force)
        except Exception as error:
            LOG.error("%s, %s could not be graded: %s", student, assignment, error, exc_info=error)
            course.record(student, assignment).unlink(missing_ok=True)
            failures[student] = f"{type(error).__name__}: {error}"
    with course.gradebook() as gradebook:
        absent = [] if students else sorted({student.id for student in gradebook.students} - set(chosen))
        scores = [read_score(course, gradebook, student, assignment) for student in [*chosen, *absent]]
    for score in scores:
        if score.student in failures:
            score.status, score.problem = Status.FAILED, failures[score.student]
    return scores


def grade_one(course: Course, config: Config, student: str, assignment: str, force: bool = False) -> bool:
    """Grade one submission; return whether there was anything to do."""
    refresh(course, student, assignment)
    record = read_record(course, student, assignment)
    graded = course.data / "autograded" / student / assignment / f"{assignment}.ipynb"
    if not force and record and graded.is_file() and record.fingerprint == fingerprint(course, student, assignment):
        return False
    run_converter(Autograde, config, student, assignment)
    return True


def run_converter(kind: type, config: Config, student: str, assignment: str) -> None:
    """Run one of nbgrader's steps on one submission; raise its error with what it wrote to its log."""
    coursedir = CourseDirectory(config=config)
    coursedir.student_id, coursedir.assignment_id = student, assignment
    converter = kind(coursedir=coursedir, config=config)
    converter.force = True
    with _captured_log() as log, warnings.catch_warnings():
        # nbgrader's own use of its database library.
        warnings.simplefilter("ignore", SAWarning)
        try:
            converter.start()
        except Exception as error:
            raise RuntimeError(f"{error}\n{log.getvalue()[-4000:]}".strip()) from error


@contextlib.contextmanager
def _captured_log() -> Iterator[io.StringIO]:
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
