"""nbgrader's step that runs a notebook, replaced: the student's cells in one process, the tests in another.

Checks that run beside a student's code prove nothing: whatever they call, the student's function can have patched. So
the student's cells run in a kernel of their own and the tests run here (see examine.py and examination.py). It stands
first among `c.Autograde.autograde_preprocessors` and leaves outputs which nbgrader's next steps score unchanged.
"""

from __future__ import annotations

from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute
from traitlets import Bool, Float, Integer, Unicode

from autograder.course import Course
from autograder.grading.examine import Conditions, examine
from autograder.grading.jobs import make_job, trusted_tests
from autograder.sandboxing.sandbox import require_hidden


class ExaminerExecute(Execute):
    """Runs a submission and examines it."""

    course_folder = Unicode("", help="the folder in which nbgrader's commands run").tag(config=True)
    solutions_folder = Unicode("", help="one folder per assignment, with its checks").tag(config=True)
    sandbox = Bool(True, help="run student code under bubblewrap").tag(config=True)
    student_cell_seconds = Float(30.0, help="time for one of the student's cells").tag(config=True)
    test_cell_seconds = Float(120.0, help="time for one test cell; its checks have their own").tag(config=True)
    notebook_seconds = Float(600.0, help="time for a whole notebook").tag(config=True)
    restarts = Integer(20, help="new kernels for a notebook whose code ended or hung one").tag(config=True)
    largest_output = Integer(20_000, help="characters kept of what one cell prints").tag(config=True)

    def conditions(self) -> Conditions:
        """What is configured, as plain data that can be sent to other processes."""
        return Conditions(
            self.sandbox,
            self.student_cell_seconds,
            self.test_cell_seconds,
            self.notebook_seconds,
            self.restarts,
            self.largest_output,
        )

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Examine one notebook; nbgrader calls this."""
        details = resources["nbgrader"]
        student, assignment = details["student"], details["assignment"]
        course = Course.at(self.course_folder or None, self.solutions_folder or None)
        conditions = self.conditions()
        if conditions.sandbox:
            require_hidden(course.data, course.solutions)
        record_path = course.record(student, assignment)
        record_path.unlink(missing_ok=True)
        with Gradebook(details["db_url"]) as gradebook:
            tests = trusted_tests(gradebook, assignment, details["notebook"])
        job = make_job(course, student, assignment, nbformat.writes(nb).encode(), tests, conditions)
        examined = examine(job)
        examined.record.write(record_path)
        return nbformat.reads(examined.notebook.decode(), as_version=4), resources
