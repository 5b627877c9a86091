"""The peer of grading.py: a course in which nbgrader runs the tests beside the student's code, as it does by itself.

The notebook is the one of tests/grading/course_writer.py, four exercises in torch, eight graded cells; what our checks
compare stands in the test cells as assertions. Nothing of `autograder` is used, and no sandbox.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

CONFIGURATION = """
c = get_config()
c.CourseDirectory.course_id = "stock"
"""
VISIBLE = "torch.testing.assert_close({task}(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([2.0, 4.0, 6.0]))"
HIDDEN = """### BEGIN HIDDEN TESTS
values = torch.rand(2, 3) + 1.0
torch.testing.assert_close({task}(values), 2 * values)
### END HIDDEN TESTS"""


def marked(cell: nbformat.NotebookNode, grade_id: str, points: float | None = None) -> nbformat.NotebookNode:
    """A cell with nbgrader's marks: a test if it has points, else an answer."""
    test = points is not None
    marks = {"schema_version": 3, "grade_id": grade_id, "grade": test, "solution": not test, "locked": test}
    cell.metadata["nbgrader"] = {**marks, "task": False, **({"points": points} if test else {})}
    cell["id"] = grade_id
    return cell


def write_course(folder: Path, tasks: list[str], students: Mapping[str, Mapping[str, str]]) -> None:
    """Write the assignment, release it, and put the students' answers where nbgrader looks for them."""
    cells = [new_code_cell("import torch", id="imports")]
    for task in tasks:
        stub = f"def {task}(values):\n    ### BEGIN SOLUTION\n    return 2 * values\n    ### END SOLUTION"
        cells.append(marked(new_code_cell(stub), f"answer-{task}"))
        cells.append(marked(new_code_cell(VISIBLE.replace("{task}", task)), f"check-{task}", 1))
        cells.append(marked(new_code_cell(HIDDEN.replace("{task}", task)), f"hidden-{task}", 1))
    source = folder / "source" / "doubling" / "doubling.ipynb"
    source.parent.mkdir(parents=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), source)
    (folder / "nbgrader_config.py").write_text(CONFIGURATION)
    nbgrader(folder, "generate_assignment", "doubling")
    released = json.loads((folder / "release" / "doubling" / "doubling.ipynb").read_text())
    for student, answers in students.items():
        for cell in released["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
            if name.startswith("answer-"):
                cell["source"] = answers[name.removeprefix("answer-")]
        path = folder / "submitted" / student / "doubling" / "doubling.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(released))


def nbgrader(folder: Path, *arguments: str) -> None:
    """Run one of nbgrader's own commands in a course folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"nbgrader {' '.join(arguments)} failed:\n{result.stderr[-3000:]}")
