"""Examine one submission, given everything as bytes: the same function for one process, many, and other computers.

A `Job` holds all that decides a score, so that the process that carries it out needs neither the course folder nor the
gradebook; `Examined` holds all that comes back. Whoever holds the gradebook makes the one and writes the other.
"""

from __future__ import annotations

import functools
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.assignment import Assignment, load_assignment
from autograder.candidate import opening
from autograder.grading.examination import Examination, Limits
from autograder.grading.exercise_digests import exercise_digests
from autograder.grading.outputs import failure
from autograder.grading.records import Record
from autograder.sandboxing.kernel_session import KernelSession
from autograder.sandboxing.kernels import kernel_starter
from autograder.sandboxing.sandbox import Allowance

# A student may leave `exit()` in a cell; the kernel stays.
STAY = "get_ipython().keepkernel_on_exit = True"
WARM = ("numpy", "torch", "gymnasium")
Tests = Mapping[str, tuple[str, float]]


@dataclass(frozen=True)
class Conditions:
    """How student code runs: in a sandbox or not, and for how long.

    Attributes
    ----------
    sandbox : bool
        Run it under bubblewrap (see sandbox.py); without, it can do whatever the user who grades can do.
    student_cell_seconds, test_cell_seconds, notebook_seconds : float
        Time for one of the student's cells, for one test cell (its checks have their own), for a whole notebook.
    restarts : int
        New kernels for a notebook whose code ended or hung one.
    largest_output : int
        Characters kept of what one cell prints.
    allowance : Allowance
        Memory, processor time, processes and files of a kernel in the sandbox.
    """

    sandbox: bool = True
    student_cell_seconds: float = 30.0
    test_cell_seconds: float = 120.0
    notebook_seconds: float = 600.0
    restarts: int = 20
    largest_output: int = 20_000
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True)
class Job:
    """One submission to examine.

    Attributes
    ----------
    notebook : bytes
        The submission as intake rebuilt it.
    tests : mapping
        Source and points of every automatic test by its grade id, from the gradebook: a notebook's own marks are the
        student's.
    solutions : mapping
        Contents of the assignment's files in the solutions folder by name: checks, hidden checks, misconceptions.
    released : mapping
        The files that students get beside the notebook; the student's code runs in a new folder with only these.
    secret : str
        The course's key.
    fingerprint : str
        Names everything that decides the score; goes into the record.
    preload : tuple of str
        Modules that kernels start with, already imported: what the release imports, never what a submission does.
    """

    student: str
    assignment: str
    notebook: bytes
    tests: Tests
    solutions: Mapping[str, bytes]
    released: Mapping[str, bytes]
    secret: str = field(repr=False)
    fingerprint: str
    conditions: Conditions = field(default_factory=Conditions)
    preload: tuple[str, ...] = WARM


@dataclass(frozen=True)
class Examined:
    """The executed notebook, from whose outputs nbgrader reads the points, and what was found."""

    notebook: bytes
    record: Record


def examine(job: Job) -> Examined:
    """Run the student's cells in a kernel of their own and the tests here."""
    began, limits = time.monotonic(), job.conditions
    notebook = nbformat.reads(job.notebook.decode(), as_version=4)
    assignment = load_checks(job.assignment, tuple(sorted(job.solutions.items())))
    checks = exercise_digests(job.solutions, job.assignment)
    record = Record(job.student, job.assignment, job.fingerprint, checks=checks)
    # A process that has used a graphics card cannot be copied, so an assignment that needs one starts cold.
    cold = assignment.visible.graphics_card
    session = KernelSession(
        kernel_starter(limits.sandbox, limits.allowance, () if cold else job.preload, cold),
        f"{opening(assignment.visible.forbidden)}\n{STAY}",
        limits.notebook_seconds,
        limits.restarts,
        job.released,
    )
    times = Limits(limits.student_cell_seconds, limits.test_cell_seconds, limits.largest_output)
    examination = Examination(assignment, session, times, job.secret, f"{job.student}/{job.assignment}")
    tests = dict(job.tests)
    try:
        # A failure before any of the student's code has run is ours: it is not caught here.
        session.ensure_running()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _examine_cell(cell, tests, examination, record)
    finally:
        session.close()
    record.seconds = round(time.monotonic() - began, 2)
    return Examined(nbformat.writes(notebook).encode(), record)


def _examine_cell(
    cell: NotebookNode, tests: dict[str, tuple[str, float]], examination: Examination, record: Record
) -> None:
    """Run one cell. Metadata in a notebook is the student's: only *tests* says what is a test, each of them once."""
    marks = cell.metadata.get("nbgrader", {})
    name = marks.get("grade_id")
    source, points = tests.pop(name, (None, 0.0))
    if source is not None:
        cell.source = source
        record.cells.append(examination.test_cell(cell, name, source, points))
    elif marks.get("grade") and not marks.get("solution"):
        del cell.metadata["nbgrader"]
        cell.outputs = [failure("NotATest", "this cell claims to be a test; the assignment has no such test")]
    else:
        examination.student_cell(cell)


@functools.lru_cache(maxsize=4)
def load_checks(name: str, files: tuple[tuple[str, bytes], ...]) -> Assignment:
    """Load an assignment's checks once for a whole class."""
    folder = tempfile.TemporaryDirectory(prefix="checks-")
    place = Path(folder.name, name)
    place.mkdir()
    for file, content in files:
        (place / file).write_bytes(content)
    assignment = load_assignment(place)
    # Checks may read files of their folder while they run; it goes when they do.
    weakref.finalize(assignment, folder.cleanup)
    return assignment
