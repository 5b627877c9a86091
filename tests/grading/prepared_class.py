"""Classes ready to be graded, each a course folder of its own with the same key: what they get can be compared."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from autograder.course import Course
from tests.grading.course_writer import hand_in, submission

RIGHT = "def {name}(values):\n    return 2 * values"
ANSWERS = {
    "all right": {name: RIGHT.format(name=name) for name in ("one", "two", "three")},
    "one right": {"one": RIGHT.format(name="one"), "two": "def two(values):\n    return values * values"},
    "warns": {"one": "import warnings\ndef one(values):\n    warnings.warn('no matter')\n    return values + values"},
    "blank": {},
}
NOON = 1_772_452_800  # on 2 March 2026, UTC
DEADLINES = """
[assignment.classwork]
due = 2026-03-02 12:00:00
percent_per_day = 10
"""

Rows = list[tuple[object, ...]]


def prepare(course: Course, folder: Path, size: int, assignment: str = "classwork") -> Course:
    """Return a copy of *course* in *folder*: of *size* students every second was late, every third wrote a reason."""
    shutil.copytree(course.folder.parent, folder, dirs_exist_ok=True)
    prepared = Course.at(folder / "autograder")
    shutil.rmtree(prepared.data / "submitted", ignore_errors=True)
    (prepared.data / "deadlines.toml").write_text(DEADLINES)
    for number, answers in zip(range(size), list(ANSWERS.values()) * size, strict=False):
        written = "Because two." if number % 3 == 0 else None
        notebook = submission(prepared.release_notebook(assignment), answers, written=written)
        hand_in(prepared.data / "submitted", f"s{number:02d}/{assignment}", assignment, notebook)
        handed_in = NOON + 90_000 * (number % 2)
        os.utime(prepared.submitted(f"s{number:02d}", assignment), (handed_in, handed_in))
    return prepared


def gradebook_rows(gradebook: Gradebook, assignment: str = "classwork") -> Rows:
    """Everything that grading writes into the gradebook about an assignment, in order."""
    rows: Rows = []
    for submission_ in gradebook.assignment_submissions(assignment):
        who = submission_.student_id
        rows.append((who, submission_.timestamp, submission_.score, submission_.late_submission_penalty))
        for notebook in submission_.notebooks:
            for grade in notebook.grades:
                parts = (grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade)
                rows.append((who, grade.name, *parts))
            rows += [(who, f"comment {one.name}", one.auto_comment, one.manual_comment) for one in notebook.comments]
    return sorted(rows, key=lambda row: (str(row[0]), str(row[1])))


def rows(course: Course, assignment: str = "classwork") -> Rows:
    """The same, of a course."""
    with course.gradebook() as gradebook:
        return gradebook_rows(gradebook, assignment)


def finished(course: Course, assignment: str = "classwork") -> dict[str, int]:
    """When each finished submission was written, by student."""
    found: dict[str, int] = {}
    for path in (course.data / "records" / assignment).glob("*.json"):
        with contextlib.suppress(FileNotFoundError):
            found[path.stem] = path.stat().st_mtime_ns
    return found


@contextlib.contextmanager
def command(course: Course, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of our commands in a process group of its own; whatever is left of it at the end is an error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autograder", *arguments, "--course", str(course.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **variables},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 90.0) -> None:
    """Wait until something has happened while a command runs."""
    ends = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > ends:
            process.kill()
            pytest.fail(f"it did not happen; the command said:\n{process.communicate()[0]}")
        time.sleep(0.02)


def family(pid: int) -> list[psutil.Process]:
    """The processes that a process has started, and those that they have."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process], seconds: float = 15.0) -> bool:
    """Whether all of these end within some seconds."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def by_student(found: Rows) -> Mapping[object, Rows]:
    """Rows by student."""
    return {who: [row for row in found if row[0] == who] for who in {row[0] for row in found}}
