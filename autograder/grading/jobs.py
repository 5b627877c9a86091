"""Put together all that decides a score: from the course folder, the gradebook and the configuration."""

from __future__ import annotations

import ast
import functools
import sys

import nbformat
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.files import contents
from autograder.grading.examine import WARM, Conditions, Job, Tests
from autograder.grading.records import fingerprint


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
        contents(course.solutions / assignment),
        {name: content for name, content in contents(course.release / assignment).items() if _goes_with_notebook(name)},
        course.secret(),
        fingerprint(course, student, assignment),
        conditions,
        imported_by(course.release_notebook(assignment).read_bytes()),
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


@functools.lru_cache(maxsize=4)
def imported_by(notebook: bytes) -> tuple[str, ...]:
    """Return the modules that a notebook imports, with those that every kernel starts with; not Python's own."""
    found = set(WARM)
    for cell in nbformat.reads(notebook.decode(), as_version=4).cells:
        try:
            nodes = list(ast.walk(ast.parse(cell.source))) if cell.cell_type == "code" else []
        except SyntaxError:  # a cell of Jupyter's own commands
            continue
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return tuple(sorted(name for name in found if name.split(".")[0] not in {*sys.stdlib_module_names, "autograder"}))


def _goes_with_notebook(name: str) -> bool:
    return not name.endswith((".ipynb", ".zip", ".whl"))
