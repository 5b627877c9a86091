"""Grade a class: each student by themselves, so that one who breaks something never stops the others.

Interrupted and run again, it goes on where it stopped: only what is new or has changed is graded. How a submission is
examined is in examine.py, how a class is in class_run.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from traitlets.config import Config

from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.class_run import ClassRun
from autograder.grading.course_lock import only_run
from autograder.grading.dask_workers import DaskWorkers
from autograder.grading.deadlines import read_deadlines
from autograder.grading.examine import Conditions
from autograder.grading.examiner import ExaminerExecute
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.scores import Score, Status, read_score
from autograder.grading.workers import LocalWorkers, Workers, cores
from autograder.sandboxing.sandbox import bubblewrap, require_hidden


def grade(
    course: Course,
    assignment: str,
    students: Sequence[str] = (),
    force: bool = False,
    progress: bool = True,
    *,
    workers: int | None = None,
    scheduler: str = "",
    sandbox: bool = True,
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
    workers : int or None
        Processes on this computer; one for each processor core if None.
    scheduler : str
        Address of a Dask scheduler; its workers examine, instead of this computer.
    sandbox : bool
        Run student code under bubblewrap; without, it can do whatever the user who grades can do.

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
    if workers is not None and workers < 1:
        raise CourseError(f"{workers} workers cannot grade, expected at least 1")
    chosen = sorted(students) or collected
    with only_run(course, f"grading {assignment}"), contextlib.ExitStack() as stack:
        config = load_configuration(course)
        how = conditions(config, sandbox)
        if how.sandbox:
            require_hidden(course.data, course.solutions)
        pool: Workers
        if scheduler:
            pool = DaskWorkers(scheduler, how.sandbox)
        else:
            if how.sandbox:
                bubblewrap()
            pool = LocalWorkers(workers or cores())
        stack.enter_context(pool)
        run = ClassRun(stack.enter_context(GradebookWriter(course, config, assignment)), pool, how, force)
        run.go(chosen, progress)
    with course.gradebook() as gradebook:
        absent = [] if students else sorted({student.id for student in gradebook.students} - set(chosen))
        deadlines = read_deadlines(course)
        scores = [read_score(course, gradebook, student, assignment, deadlines) for student in [*chosen, *absent]]
    for score in scores:
        if score.student in run.failures:
            score.status, score.problem = Status.FAILED, run.failures[score.student]
    return scores


def conditions(config: Config, sandbox: bool = True) -> Conditions:
    """How student code runs, as the course's configuration says."""
    configured = ExaminerExecute(config=config).conditions()
    return replace(configured, sandbox=configured.sandbox and sandbox)
