"""Put together all that decides a score: from the course folder, the gradebook and the configuration."""

from __future__ import annotations

from pathlib import Path

from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.examine import Conditions, Job, Tests
from autograder.records import fingerprint


def make_job(
    course: Course, student: str, assignment: str, notebook: bytes, tests: Tests, conditions: Conditions
) -> Job:
    """Return the job of examining one submission.

    Parameters
    ----------
    notebook : bytes
        The submission as intake rebuilt it.
    tests : mapping
        As `trusted_tests` returns them; the same for a whole class.
    """
    return Job(
        student,
        assignment,
        notebook,
        tests,
        _files(course.solutions / assignment),
        {name: content for name, content in _files(course.release / assignment).items() if _goes_with_notebook(name)},
        course.secret(),
        fingerprint(course, student, assignment),
        conditions,
    )


def trusted_tests(gradebook: Gradebook, assignment: str, notebook: str = "") -> Tests:
    """Return the source and the points of every automatic test, from the gradebook."""
    found = gradebook.find_notebook(notebook or assignment, assignment)
    points = {cell.name: float(cell.max_score) for cell in found.grade_cells}
    return {
        cell.name: (cell.source, points[cell.name])
        for cell in found.source_cells
        if cell.name in points and cell.locked and cell.cell_type == "code"
    }


def _files(folder: Path) -> dict[str, bytes]:
    """Contents of the ordinary files in a folder, by name."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()]
    return {path.name: path.read_bytes() for path in paths}


def _goes_with_notebook(name: str) -> bool:
    return not name.endswith((".ipynb", ".zip", ".whl"))
