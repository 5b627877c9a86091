"""From an assignment as its author writes it (py:percent) to the notebook that nbgrader works with.

Marks on the line that opens a cell say what the cell is::

    # %% [markdown]                            prose
    # %%                                       code that a student may change; not graded
    # %% locked=true                           code that stays as it is; not graded
    # %% answer="NAME"                         the answer, between ### BEGIN SOLUTION and ### END SOLUTION
    # %% check="NAME" points=2                 graded: check("NAME", NAME)
    # %% check="NAME" points=1 hidden=true     graded after handing in: check("NAME", NAME, hidden=True)
    # %% [markdown] written="NAME" points=3    a written answer, graded by hand
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from autograder.errors import CourseError

MARKS = {"answer", "check", "written", "locked", "points", "hidden", "tags"}
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SCHEMA = 3
BLANK_WRITTEN = "*Write your answer here.*"


@dataclass
class Outline:
    """What a compiled assignment contains: points of each exercise by its cells."""

    visible: dict[str, float] = field(default_factory=dict)
    hidden: dict[str, float] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)

    @property
    def automatic(self) -> float:
        """Points that the checks give."""
        return sum(self.visible.values()) + sum(self.hidden.values())

    @property
    def by_hand(self) -> float:
        """Points that a person gives."""
        return sum(self.written.values())


def compile_notebook(path: Path) -> tuple[NotebookNode, Outline]:
    """Read ``<assignment>.py`` and return nbgrader's source notebook (with solutions) and its outline.

    Raises
    ------
    CourseError
        With the file and line of a mark that cannot be right.
    """
    if not path.is_file():
        raise CourseError(f"{path} is missing: an assignment's notebook has the name of its folder")
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    if len(lines) != len(notebook.cells):
        raise CourseError(
            f"{path}: {len(lines)} cell marks but {len(notebook.cells)} cells; begin the file with `# %%`"
        )
    outline, seen = Outline(), {}  # type: ignore[var-annotated]
    for number, (cell, line) in enumerate(zip(notebook.cells, lines, strict=True)):
        where = f"{path.name}, line {line}"
        marks = {key: value for key, value in cell.metadata.items() if not key.startswith("lines_to_")}  # jupytext's
        unknown = marks.keys() - MARKS
        if unknown:
            raise CourseError(
                f"{where}: unknown mark {', '.join(sorted(unknown))}; known are {', '.join(sorted(MARKS))}"
            )
        cell.metadata = nbformat.from_dict({})
        cell.id = f"cell-{number}"
        settings = _settings(cell, marks, where, outline)
        if settings is None:
            continue
        grade_id = settings["grade_id"]
        if grade_id in seen:
            raise CourseError(f"{where}: a second cell {grade_id!r}; the first is in line {seen[grade_id]}")
        seen[grade_id] = line
        cell.metadata["nbgrader"] = settings
        cell.id = re.sub(r"[^A-Za-z0-9_-]", "-", grade_id)[:64]
    _check_pairs(outline, seen, path)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook, outline


def _settings(cell: NotebookNode, marks: dict[str, Any], where: str, outline: Outline) -> dict[str, Any] | None:
    """Return nbgrader's metadata of one cell, or None for prose and free code."""
    kinds = [kind for kind in ("answer", "check", "written", "locked") if marks.get(kind)]
    if len(kinds) > 1:
        raise CourseError(f"{where}: a cell is one of answer, check, written or locked, not {' and '.join(kinds)}")
    if not kinds:
        if "points" in marks or "hidden" in marks:
            raise CourseError(f"{where}: points and hidden belong to a check, but the cell has no check=...")
        return None
    kind = kinds[0]
    if (cell.cell_type == "markdown") != (kind == "written"):
        raise CourseError(f"{where}: {kind} stands on a {cell.cell_type} cell; only written answers are [markdown]")
    common = {"schema_version": SCHEMA, "grade": False, "solution": False, "locked": False, "task": False}
    if kind == "locked":
        return {**common, "grade_id": f"locked-{where.rsplit(' ', 1)[1]}", "locked": True}
    name = marks[kind]
    if kind == "answer":
        _require_solution(cell, where)
        return {**common, "grade_id": f"answer-{name}", "solution": True}
    points = marks.get("points")
    if not isinstance(points, (int, float)) or isinstance(points, bool) or points <= 0:
        raise CourseError(f"{where}: points={points!r}, expected a number above 0")
    graded = {**common, "grade": True, "points": points}
    if kind == "written":
        _require_solution(cell, where)
        outline.written[name] = points
        return {**graded, "grade_id": f"written-{name}", "solution": True}
    hidden = marks.get("hidden") is True or str(marks.get("hidden", "")).lower() == "true"
    expected = f'check("{name}", {name}{", hidden=True" if hidden else ""})'
    if cell.source.strip() != expected:
        raise CourseError(f"{where}: the cell holds {cell.source.strip()!r}, expected {expected!r}")
    (outline.hidden if hidden else outline.visible)[name] = points
    return {**graded, "grade_id": f"{'hidden' if hidden else 'check'}-{name}", "locked": True}


def _require_solution(cell: NotebookNode, where: str) -> None:
    first, last = cell.source.find(BEGIN), cell.source.find(END)
    if not 0 <= first < last or cell.source.count(BEGIN) != cell.source.count(END):
        raise CourseError(f"{where}: expected a solution between `{BEGIN}` and `{END}`")


def _check_pairs(outline: Outline, seen: dict[str, int], path: Path) -> None:
    for name in {*outline.visible, *outline.hidden}:
        for grade_id in (f"answer-{name}", f"check-{name}", f"hidden-{name}"):
            if grade_id not in seen:
                raise CourseError(
                    f"{path.name}: exercise {name!r} has no cell {grade_id!r}; expected answer, check, hidden"
                )
    for grade_id in seen:
        kind, _, name = grade_id.partition("-")
        if kind == "answer" and name not in outline.visible:
            raise CourseError(
                f'{path.name}: the answer {name!r} is never checked; add `# %% check="{name}" points=...`'
            )


def solution_cells(notebook: NotebookNode) -> dict[str, str]:
    """Source of each answer cell, by exercise."""
    found = {}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith("answer-"):
            found[grade_id.removeprefix("answer-")] = cell.source
    return found


def blanked(source: str) -> str:
    """An answer cell as students get it: the solution replaced as nbgrader replaces it."""
    pattern = re.compile(rf"^([ \t]*){re.escape(BEGIN)}.*?{re.escape(END)}[^\n]*$", re.DOTALL | re.MULTILINE)
    stub = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"
    return pattern.sub(stub, source)
