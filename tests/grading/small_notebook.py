"""A released notebook with one cell of each kind, and the same with a student's answers."""

from __future__ import annotations

import copy
import json
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def marked(cell: nbformat.NotebookNode, grade_id: str, **marks: Any) -> nbformat.NotebookNode:
    """A cell with nbgrader's marks."""
    standard = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {**standard, "grade_id": grade_id, **marks}
    cell["id"] = grade_id
    return cell


def released() -> nbformat.NotebookNode:
    """A released notebook with one of each kind of cell."""
    return new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            new_markdown_cell("# Doubling", id="title"),
            marked(new_code_cell("check = exam('doubling')"), "first-cell", locked=True),
            new_code_cell("steps = 3", id="settings"),
            marked(new_code_cell("def double(x):\n    raise NotImplementedError"), "answer-double", solution=True),
            marked(new_code_cell("check('double', double)"), "check-double", grade=True, locked=True, points=2),
            marked(new_markdown_cell("YOUR ANSWER HERE"), "written-why", grade=True, solution=True, points=3),
        ],
    )


ANSWER = "def double(x):\n    return 2 * x"


def answered_notebook(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with a student's answers."""
    notebook = copy.deepcopy(release)
    notebook.cells[3].source = ANSWER
    notebook.cells[5].source = "Because two."
    return notebook


def content(notebook: nbformat.NotebookNode) -> bytes:
    """A notebook file, also where the notebook is not valid."""
    return json.dumps(notebook).encode()


def by_id(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Sources by cell id."""
    return {cell.id: cell.source for cell in notebook.cells}
