"""Five students of one assignment: right, half right with forged tests, unreadable, an old schema, everything twice."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from typing import Any

from autograder.course import Course
from tests.grading.course_writer import submission

HONEST = {name: f"def {name}(values):\n    return 2 * values" for name in ("one", "two", "three")}
MIXED = {
    "one": "def one(values):\n    return 2 * values",
    "two": "def two(values):\n    return values * values",
    "three": "import rlkit.returns\ndef three(values):\n    return rlkit.returns.discounted_return(values, 1.0)",
}
PAGE_SCRIPT = "<script>alert('student')</script><img src=x onerror=alert(1)>"


def nbgrader(course: Course, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of nbgrader's commands in the course folder, as a Python that was not activated."""
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    return subprocess.run(command, cwd=course.folder, env=environment, capture_output=True, text=True, timeout=120)


def grade_example_class(course: Course) -> None:
    """Five students, put into the submitted folder as nbgrader's own collecting does, graded by nbgrader's command."""
    released = course.release_notebook("classwork")
    forged = submission(released, MIXED)
    for cell in forged.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "hidden-two":
            cell.source = "1.0"
        cell.metadata.get("nbgrader", {}).update(
            {"points": 50} if "points" in cell.metadata.get("nbgrader", {}) else {}
        )
    old = submission(released, HONEST)
    for cell in old.cells:
        cell.metadata.get("nbgrader", {}).pop("schema_version", None)
    twice = submission(released, HONEST)
    twice.cells.extend(copy.deepcopy(twice.cells))
    handed_in: dict[str, Any] = {
        "ada": submission(released, HONEST, written=f"Because two. {PAGE_SCRIPT}"),
        "ben": forged,
        "cem": json.dumps(submission(released, HONEST))[:500],
        "dan": old,
        "eve": twice,
    }
    for student, notebook in handed_in.items():
        path = course.submitted(student, "classwork")
        path.parent.mkdir(parents=True)
        path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook))
    # Files beside a notebook, named as something that grading imports.
    marker = course.folder / "imported"
    for name in ("torch.py", "classwork_checks.py", "checks.py", "sitecustomize.py", "autograder.py", "numpy.py"):
        course.submitted("dan", "classwork").with_name(name).write_text(
            f"open({str(marker)!r}, 'a').write(__file__)\nraise SystemExit('the file of a student was imported')\n"
        )
    result = nbgrader(course, "autograde", "classwork")
    assert result.returncode == 0, result.stderr[-3000:]
    assert not marker.exists(), marker.read_text()
