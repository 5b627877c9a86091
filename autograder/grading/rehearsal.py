"""Examine submissions aside: in a course folder of their own, without writing to the gradebook or the records.

The folder is ``course/regrade/<assignment>/``. What was examined there is kept until it is entered or something
changes: what is entered is exactly what was shown, and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import replace

from autograder.configuration import configure, load_configuration
from autograder.course import Course
from autograder.files import write_whole
from autograder.grading.class_run import ClassRun
from autograder.grading.examine import Examined
from autograder.grading.grade import conditions
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.manual_grading import graded_path
from autograder.grading.workers import LocalWorkers, cores


class Rehearsal(GradebookWriter):
    """Keeps what was examined in a folder of its own, and writes nothing to the gradebook."""

    def write(self, examined: Examined) -> None:
        """Keep the executed notebook, and last the record."""
        student = examined.record.student
        write_whole(graded_path(self.course, student, self.assignment), examined.notebook)
        examined.record.write(self.course.record(student, self.assignment))


def rehearsal_course(course: Course, assignment: str) -> Course:
    """The folder in which submissions are examined aside; its gradebook is the course's."""
    return replace(course, folder=course.data / "regrade" / assignment, database=course.gradebook_url)


def rehearse(
    course: Course,
    assignment: str,
    students: Sequence[str],
    workers: int | None = None,
    sandbox: bool = True,
    progress: bool = True,
) -> dict[str, str]:
    """Examine submissions aside, as far as that has not been done; return why some could not be, by student."""
    trial, config = rehearsal_course(course, assignment), load_configuration(course)
    configure(config, trial)
    _share_secret(course, trial)
    for student in students:
        for folder in (course.submitted(student, assignment).parent, course.received(student, assignment)):
            if folder.is_dir():
                shutil.copytree(folder, trial.data / folder.relative_to(course.data), dirs_exist_ok=True)
    with LocalWorkers(workers or cores()) as pool, Rehearsal(trial, config, assignment) as writer:
        run = ClassRun(writer, pool, conditions(config, sandbox))
        run.go(students, progress)
    return run.failures


def _share_secret(course: Course, trial: Course) -> None:
    """Let both folders have one key, so that random inputs are the same."""
    course.secret()
    trial.data.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (trial.data / "secret").symlink_to(course.data / "secret")
