"""nbgrader's step that runs a notebook, replaced: the student's cells in one process, the tests in another.

Checks that run beside a student's code prove nothing: whatever they call, the student's function can have patched. So
the student's cells run in a kernel of their own and the tests run here (see examination.py). It stands first among
`c.Autograde.autograde_preprocessors` and leaves outputs which nbgrader's next steps score unchanged.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute
from traitlets import Float, Integer, Unicode

from autograder.assignment import Assignment, load_assignment
from autograder.candidate import opening
from autograder.candidate_kernel import CandidateManager
from autograder.course import Course
from autograder.examination import Examination, Limits
from autograder.kernel_session import KernelSession
from autograder.outputs import failure
from autograder.records import Record, digest_of_checks, fingerprint

# A student may leave `exit()` in a cell; the kernel stays.
STAY = "get_ipython().keepkernel_on_exit = True"


class ExaminerExecute(Execute):
    """Runs a submission and examines it."""

    course_folder = Unicode("", help="the folder in which nbgrader's commands run").tag(config=True)
    solutions_folder = Unicode("", help="one folder per assignment, with its checks").tag(config=True)
    provisioner = Unicode("", help="kernel provisioner that starts the candidate, such as a sandbox").tag(config=True)
    student_cell_seconds = Float(30.0, help="time for one of the student's cells").tag(config=True)
    test_cell_seconds = Float(120.0, help="time for one test cell; its checks have their own").tag(config=True)
    notebook_seconds = Float(600.0, help="time for a whole notebook").tag(config=True)
    restarts = Integer(6, help="new kernels for a notebook whose code ended or hung one").tag(config=True)
    largest_output = Integer(20_000, help="characters kept of what one cell prints").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Examine one notebook; nbgrader calls this."""
        began, details = time.monotonic(), resources["nbgrader"]
        student, name = details["student"], details["assignment"]
        course = Course.at(self.course_folder or None, self.solutions_folder or None)
        record_path = course.record(student, name)
        record_path.unlink(missing_ok=True)
        trusted = trusted_cells(details["db_url"], details["notebook"], name)
        assignment = load_checks(course.solutions / name, digest_of_checks(course, name))
        record = Record(student, name, fingerprint(course, student, name))
        session = KernelSession(
            functools.partial(CandidateManager, self.provisioner),
            f"{opening(assignment.visible.forbidden)}\n{STAY}",
            self.notebook_seconds,
            self.restarts,
            released_files(course, name),
        )
        limits = Limits(self.student_cell_seconds, self.test_cell_seconds, self.largest_output)
        examination = Examination(assignment, session, limits, course.secret(), f"{student}/{name}")
        try:
            # A failure before any of the student's code has run is ours: it is not caught here.
            session.ensure_running()
            for cell in nb.cells:
                if cell.cell_type == "code":
                    self._examine_cell(cell, trusted, examination, record)
        finally:
            session.close()
        record.seconds = round(time.monotonic() - began, 2)
        record.write(record_path)
        return nb, resources

    def _examine_cell(
        self, cell: NotebookNode, trusted: dict[str, tuple[str, float]], examination: Examination, record: Record
    ) -> None:
        """Run one cell. Metadata in a notebook is the student's: only the gradebook says what is a test."""
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        source, points = trusted.pop(name, (None, 0.0))
        if source is not None:
            cell.source = source
            record.cells.append(examination.test_cell(cell, name, source, points))
        elif utils.is_grade(cell) and not utils.is_solution(cell):
            del cell.metadata["nbgrader"]
            cell.outputs = [failure("NotATest", "this cell claims to be a test; the assignment has no such test")]
        else:
            examination.student_cell(cell)


def trusted_cells(gradebook_url: str, notebook: str, assignment: str) -> dict[str, tuple[str, float]]:
    """Return the source and the points of every automatic test, from the gradebook."""
    with Gradebook(gradebook_url) as gradebook:
        found = gradebook.find_notebook(notebook, assignment)
        points = {cell.name: float(cell.max_score) for cell in found.grade_cells}
        return {
            cell.name: (cell.source, points[cell.name])
            for cell in found.source_cells
            if cell.name in points and cell.locked and cell.cell_type == "code"
        }


@functools.lru_cache(maxsize=8)
def load_checks(folder: Path, digest: str) -> Assignment:
    """Load an assignment's checks once for a whole class; *digest* changes with the files."""
    return load_assignment(folder)


def released_files(course: Course, assignment: str) -> dict[str, bytes]:
    """The files that students get beside the notebook; the candidate runs in a new folder with only these."""
    folder = course.release / assignment
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if _goes_with_notebook(path)}


def _goes_with_notebook(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.suffix not in (".ipynb", ".zip", ".whl")
