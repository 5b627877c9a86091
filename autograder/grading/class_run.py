"""The class run: jobs go to workers, and what comes back is written by this process alone.

Nothing of it is kept for long: one job is ready while the workers are busy, whatever the size of the class. One
submission that fails, or ends its worker, is one line in the result. Interrupted or killed and started again, the run
goes on: a submission with an up-to-date record is finished, any other is examined (again).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import nbformat
from tqdm import tqdm

from autograder.grading.examine import Conditions, Examined, Job
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.interruption import Interruption
from autograder.grading.jobs import make_job
from autograder.grading.outputs import failure
from autograder.grading.records import CellResult, CheckOutcome, Record, fingerprint, read_record
from autograder.grading.worker import Failed
from autograder.grading.worker_process import Lost
from autograder.grading.workers import Workers
from autograder.receiving.intake import refresh

LOG = logging.getLogger("autograder")
NOT_EXAMINED = "Your answers could not be examined: it ended the program that grades. Your instructor will look at it."


class ClassRun:
    """One run over submissions of one assignment.

    Parameters
    ----------
    writer : GradebookWriter
        Open for the assignment.
    workers : Workers
        Where jobs are carried out.
    force : bool
        Examine again what has not changed.

    Attributes
    ----------
    failures : dict
        Why grading failed, by student.
    """

    def __init__(self, writer: GradebookWriter, workers: Workers, conditions: Conditions, force: bool = False) -> None:
        self._writer, self._workers = writer, workers
        self._conditions, self._force = conditions, force
        self._course, self._assignment = writer.course, writer.assignment
        self._tests = writer.tests()
        self.failures: dict[str, str] = {}

    def go(self, students: Sequence[str], progress: bool = True) -> None:
        """Grade these students' submissions, as far as they are not graded already."""
        bar = tqdm(total=len(students), desc=f"grading {self._assignment}", unit="student", disable=not progress)
        with Interruption() as interruption, bar as self._bar:
            jobs, under_way = self._jobs(students), 0
            ready = next(jobs, None)
            while ready or under_way:
                while ready and self._workers.room():
                    self._workers.give(ready)
                    under_way, ready = under_way + 1, next(jobs, None)
                with interruption.waiting():
                    outcomes = self._workers.finished()
                under_way -= len(outcomes)
                if ready:
                    # The worker that has just become free need not wait for the gradebook.
                    self._workers.give(ready)
                    under_way, ready = under_way + 1, None
                for job, outcome in outcomes:
                    self._settle(job, outcome)
                    interruption.check()
                ready = next(jobs, None)

    def _jobs(self, students: Sequence[str]) -> Iterator[Job]:
        """Make a job for each submission that needs one, as late as possible."""
        for student in students:
            try:
                job = self._job(student)
            except Exception as error:
                self._fail(student, f"{type(error).__name__}: {error}", error)
                continue
            if job is None:
                self._done(student)
            else:
                yield job

    def _job(self, student: str) -> Job | None:
        """The job for one submission, or None if its record is up to date."""
        refresh(self._course, student, self._assignment)
        record = read_record(self._course, student, self._assignment)
        graded = self._course.data / "autograded" / student / self._assignment / f"{self._assignment}.ipynb"
        current = fingerprint(self._course, student, self._assignment)
        if not self._force and record and graded.is_file() and record.fingerprint == current:
            return None
        notebook = self._writer.sanitised(student)
        return make_job(self._course, student, self._assignment, notebook, self._tests, self._conditions)

    def _settle(self, job: Job, outcome: Examined | Failed | Lost) -> None:
        """Write what became of a job."""
        if isinstance(outcome, Failed):
            if outcome.details:
                LOG.error("%s, %s: examining failed\n%s", job.student, job.assignment, outcome.details)
            self._fail(job.student, outcome.problem)
            return
        try:
            self._writer.write(not_examined(job, outcome.reason) if isinstance(outcome, Lost) else outcome)
        except Exception as error:
            self._fail(job.student, f"{type(error).__name__}: {error}", error)
        else:
            self._done(job.student)

    def _fail(self, student: str, problem: str, error: Exception | None = None) -> None:
        LOG.error("%s, %s could not be graded: %s", student, self._assignment, problem, exc_info=error)
        self._course.record(student, self._assignment).unlink(missing_ok=True)
        self.failures[student] = problem
        self._done(student)

    def _done(self, student: str) -> None:
        self._bar.set_postfix_str(student, refresh=False)
        self._bar.update()


def not_examined(job: Job, reason: str) -> Examined:
    """Return the result of a submission whose worker was lost: no points for its tests, and a message.

    Its record has no fingerprint, so that the next run tries again.
    """
    notebook = nbformat.reads(job.notebook.decode(), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade_id") in job.tests:
            cell.outputs = [failure("NotExamined", NOT_EXAMINED)]
    problem = (
        f"not examined: the process that examined it {reason}. Look at the submission; the next run tries again, "
        f"or alone: python -m autograder grade {job.assignment} --student {job.student}"
    )
    cells = [
        CellResult(
            name, 0.0, points, ["not examined"], checks=[CheckOutcome("not examined", 0.0, points, NOT_EXAMINED)]
        )
        for name, (_, points) in job.tests.items()
    ]
    if cells:
        cells[0].error = problem
    record = Record(job.student, job.assignment, "", 0.0, cells)
    return Examined(nbformat.writes(notebook).encode(), record)
