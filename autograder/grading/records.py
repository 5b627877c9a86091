"""What the examiner found in a submission, one JSON file each, and whether that is still up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.files import contents, write_whole
from autograder.grading.exercise_digests import exercise_digests

LENGTH = 32


@dataclass
class CheckOutcome:
    """How one check of a graded cell went; ``problem`` says what was expected and what came, empty if it passed."""

    message: str
    points: float
    possible: float
    problem: str = ""
    hint: str = ""


@dataclass
class CellResult:
    """The result of one graded cell.

    Attributes
    ----------
    cell : str
        Its grade id, such as ``check-optimality_backup`` or ``hidden-optimality_backup``.
    points, possible : float
        Points earned and points of the cell.
    failed : list of str
        The messages of the checks that did not pass.
    misconception : str or None
        The name of the mistake the answer behaves like.
    error : str or None
        What went wrong in the cell itself; then it earns nothing and the instructor has to look.
    hint : str
        The hint that goes with the misconception.
    checks : list of CheckOutcome
        Every check of the cell, passed or not.
    printed, traceback : str
        What the student's own code printed while it was checked, and where it failed.
    unanswered : bool
        Whether the student's code gave no answer in time, or its process ended.
    """

    cell: str
    points: float
    possible: float
    failed: list[str] = field(default_factory=list)
    misconception: str | None = None
    error: str | None = None
    hint: str = ""
    checks: list[CheckOutcome] = field(default_factory=list)
    printed: str = ""
    traceback: str = ""
    unanswered: bool = False

    @property
    def exercise(self) -> str:
        """The exercise it belongs to, with its visible and its hidden cell."""
        return self.cell.partition("-")[2] or self.cell

    @property
    def hidden(self) -> bool:
        """Whether its checks run only after handing in."""
        return self.cell.startswith("hidden-")


@dataclass
class Record:
    """Everything the examiner found in one submission.

    Attributes
    ----------
    fingerprint : str
        Names everything that decided it.
    checks : dict
        Names what decided each exercise (see exercise_digests.py).
    """

    student: str
    assignment: str
    fingerprint: str
    seconds: float = 0.0
    cells: list[CellResult] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)

    @property
    def misconceptions(self) -> list[str]:
        """Names of the mistakes found, each once, in the order of the notebook."""
        return list(dict.fromkeys(cell.misconception for cell in self.cells if cell.misconception))

    @property
    def errors(self) -> list[str]:
        """What an instructor should look at."""
        return [f"{cell.cell}: {cell.error}" for cell in self.cells if cell.error]

    def write(self, path: Path) -> None:
        """Save as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=1).encode())


def read_record(course: Course, student: str, assignment: str) -> Record | None:
    """Return what the examiner found, or None if it has not graded this submission (or its record is damaged)."""
    try:
        tree: dict[str, Any] = json.loads(course.record(student, assignment).read_text())
        for cell in tree["cells"]:
            cell["checks"] = [CheckOutcome(**check) for check in cell.get("checks", [])]
        tree["cells"] = [CellResult(**cell) for cell in tree["cells"]]
        return Record(**tree)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def read_records(course: Course, assignment: str) -> Iterator[Record]:
    """All records of an assignment, by student."""
    for student in course.students(assignment):
        record = read_record(course, student, assignment)
        if record is not None:
            yield record


@dataclass(frozen=True)
class Fingerprint:
    """Names everything that decides a score: the submission, the release with its tests and the key, the checks."""

    submission: str
    release: str
    checks: str

    def __str__(self) -> str:
        """As it stands in a record."""
        return "-".join((self.submission, self.release, self.checks))


def present_fingerprint(course: Course, student: str, assignment: str) -> Fingerprint:
    """Name everything that decides a score as it is now."""
    checks = json.dumps(digests_of_checks(course, assignment), sort_keys=True)
    return Fingerprint(
        _digest([course.submitted(student, assignment)]),
        _digest([course.release_notebook(assignment)], course.secret()),
        hashlib.sha256(checks.encode()).hexdigest()[:LENGTH],
    )


def fingerprint(course: Course, student: str, assignment: str) -> str:
    """Name everything that decides a score, as it stands in an up-to-date record.

    Where the checks have changed and `regrade` has found that this student's result is the same, that is the name under
    which the result was found first: the record of a student whom a change does not touch is never written again.
    """
    present = str(present_fingerprint(course, student, assignment))
    return read_same_results(course, assignment).get(student, {}).get(present, present)


def same_results_file(course: Course, assignment: str) -> Path:
    """The file that says whose result stayed the same though checks had changed."""
    return course.data / "records" / f"{assignment}.same.json"


def read_same_results(course: Course, assignment: str) -> dict[str, dict[str, str]]:
    """By student, the fingerprint of now and the one under which the same result was found."""
    try:
        return json.loads(same_results_file(course, assignment).read_text())
    except (FileNotFoundError, ValueError):
        return {}


def digests_of_checks(course: Course, assignment: str) -> dict[str, str]:
    """Name what decides each exercise's result (see exercise_digests.py)."""
    return exercise_digests(contents(course.solutions / assignment), assignment)


def _digest(files: Iterable[Path], more: str = "") -> str:
    content = hashlib.sha256(more.encode())
    for path in files:
        content.update(f"\n{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return content.hexdigest()[:LENGTH]
