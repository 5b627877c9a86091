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

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from autograder.checks import Exam
from autograder.errors import CourseError

MARKS = {"answer", "check", "written", "locked", "points", "hidden", "tags"}
LEFT_BY_JUPYTEXT = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker"}
UNREADABLE = "incorrectly_encoded_metadata"  # jupytext's name for marks that are not key="value"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SCHEMA = 3


@dataclass
class Outline:
    """What a compiled assignment contains: points of each exercise by its cells."""

    visible: dict[str, float] = field(default_factory=dict)
    hidden: dict[str, float] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # where each named cell begins

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
    outline = Outline()
    seen = outline.lines
    for number, (cell, line) in enumerate(zip(notebook.cells, lines, strict=True)):
        where = f"{path.name}, line {line}"
        marks = {key: value for key, value in cell.metadata.items() if key not in LEFT_BY_JUPYTEXT}
        if UNREADABLE in marks:
            example = 'answer="NAME" or points=2'
            raise CourseError(f"{where}: the marks {marks[UNREADABLE]!r} cannot be read; write {example}")
        unknown = marks.keys() - MARKS
        if unknown:
            raise CourseError(
                f"{where}: unknown mark {', '.join(sorted(unknown))}; known are {', '.join(sorted(MARKS))}"
            )
        cell.metadata = nbformat.from_dict({"tags": marks["tags"]} if "tags" in marks else {})
        cell.id = f"cell-{number}"
        settings = _settings(cell, marks, where, outline)
        if settings is None or not settings["solution"]:
            _require_no_mark(cell, where)
        if settings is None:
            continue
        grade_id = settings["grade_id"]
        if grade_id in seen:
            raise CourseError(f"{where}: a second cell {grade_id!r}; the first is in line {seen[grade_id]}")
        seen[grade_id] = line
        cell.metadata["nbgrader"] = settings
        cell.id = re.sub(r"[^A-Za-z0-9_-]", "-", grade_id)[:64]
    _check_pairs(outline, path)
    _check_opening(notebook, lines, path)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook, outline


def _settings(cell: NotebookNode, marks: dict[str, Any], where: str, outline: Outline) -> dict[str, Any] | None:
    """Return nbgrader's metadata of one cell, or None for prose and free code."""
    kinds = [kind for kind in ("answer", "check", "written", "locked") if kind in marks]
    if len(kinds) > 1:
        raise CourseError(f"{where}: a cell is one of answer, check, written or locked, not {' and '.join(kinds)}")
    kind = kinds[0] if kinds else ""
    if "points" in marks and kind not in ("check", "written"):
        raise CourseError(f"{where}: points belong to a check or a written answer, but the cell has no check=...")
    if "hidden" in marks and kind != "check":
        raise CourseError(f"{where}: hidden belongs to a check, but the cell has no check=...")
    if not kinds:
        return None
    if (cell.cell_type == "markdown") != (kind == "written"):
        raise CourseError(f"{where}: {kind} stands on a {cell.cell_type} cell; only written answers are [markdown]")
    common = {"schema_version": SCHEMA, "grade": False, "solution": False, "locked": False, "task": False}
    if kind == "locked":
        return {**common, "grade_id": f"locked-{where.rsplit(' ', 1)[1]}", "locked": True}
    name = marks[kind]
    if not isinstance(name, str) or not name.isidentifier():
        raise CourseError(f"{where}: {kind}={name!r}, expected a name that Python can use, such as q_from_v")
    if kind == "answer":
        _require_solution(cell, where)
        _require_definition(cell, name, where)
        return {**common, "grade_id": f"answer-{name}", "solution": True}
    points = marks.get("points")
    if not isinstance(points, (int, float)) or isinstance(points, bool) or not 0 < points < 1000:
        raise CourseError(f"{where}: points={points!r}, expected a number above 0")
    graded = {**common, "grade": True, "points": points}
    if kind == "written":
        _require_solution(cell, where)
        outline.written[name] = points
        return {**graded, "grade_id": f"written-{name}", "solution": True}
    said = str(marks.get("hidden", "false")).lower()
    if said not in ("true", "false"):
        raise CourseError(f"{where}: hidden={marks['hidden']!r}, expected hidden=true")
    hidden = said == "true"
    expected = f'check("{name}", {name}{", hidden=True" if hidden else ""})'
    if cell.source.strip() != expected:
        raise CourseError(f"{where}: the cell holds {cell.source.strip()!r}, expected {expected!r}")
    (outline.hidden if hidden else outline.visible)[name] = points
    return {**graded, "grade_id": f"{'hidden' if hidden else 'check'}-{name}", "locked": True}


def _require_solution(cell: NotebookNode, where: str) -> None:
    first, last = cell.source.find(BEGIN), cell.source.find(END)
    if not 0 <= first < last or cell.source.count(BEGIN) != cell.source.count(END):
        raise CourseError(f"{where}: expected a solution between `{BEGIN}` and `{END}`")


def _require_no_mark(cell: NotebookNode, where: str) -> None:
    if BEGIN in cell.source or END in cell.source:
        raise CourseError(f'{where}: a solution in a cell that is no answer would be released; mark it answer="NAME"')


def _require_definition(cell: NotebookNode, name: str, where: str) -> None:
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        place = f"line {error.lineno} of the cell"
        raise CourseError(f"{where}: the answer is not Python: {error.msg} in {place}") from None
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if name not in defined:
        raise CourseError(f"{where}: the cell answer={name!r} defines no {name}")


def _check_pairs(outline: Outline, path: Path) -> None:
    lines = outline.lines
    for grade_id, line in lines.items():
        kind, _, name = grade_id.partition("-")
        if kind not in ("answer", "check", "hidden"):
            continue
        for other in ("answer", "check", "hidden"):
            if f"{other}-{name}" not in lines:
                raise CourseError(
                    f"{path.name}, line {line}: exercise {name!r} has no cell {f'{other}-{name}'!r}; "
                    "expected an answer, a check and a hidden check"
                )
        if line < lines[f"answer-{name}"]:
            raise CourseError(f"{path.name}, line {line}: the check of {name!r} stands before its answer")


def _check_opening(notebook: NotebookNode, lines: list[int], path: Path) -> None:
    """The first code cell is the one that binds `check`, and nobody can change it."""
    due = f'check = exam("{path.stem}")'
    for cell, line in zip(notebook.cells, lines, strict=True):
        if cell.cell_type == "code":
            if due in cell.source and cell.metadata.get("nbgrader", {}).get("locked"):
                return
            raise CourseError(f"{path.name}, line {line}: the first code cell is `# %% locked=true` with `{due}`")
    raise CourseError(f"{path.name}: no code cell; the first one is `# %% locked=true` with `{due}`")


def points_problems(outline: Outline, exam: Exam, path: Path) -> Iterator[str]:
    """Say where the points of a cell are not those of its checks; *path* is that of the notebook."""
    cells, kind = (outline.hidden, "hidden") if exam.hidden else (outline.visible, "check")
    file = "hidden_checks.py" if exam.hidden else "checks.py"
    for name in sorted(cells.keys() | exam.checks.keys()):
        due, have = cells.get(name), sum(check.points for check in exam.checks.get(name, []))
        if due is None:
            yield f"{path.parent.name}/{file} checks {name!r}, but {path.name} has no such cell"
        elif abs(due - have) > 1e-9:
            where = f"{path.name}, line {outline.lines[f'{kind}-{name}']}"
            yield f"{where}: {name!r} has {due:g} points, but its checks in {file} sum to {have:g}"


def solution_cells(notebook: NotebookNode) -> dict[str, str]:
    """Source of each answer cell, by exercise."""
    found = {}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith("answer-"):
            found[grade_id.removeprefix("answer-")] = cell.source
    return found


def solution_regions(source: str) -> list[str]:
    """What stands between the marks of an answer, lines stripped: what nothing for students may hold."""
    found = re.findall(rf"{re.escape(BEGIN)}[^\n]*\n(.*?)[ \t]*{re.escape(END)}", source, re.DOTALL)
    return [region for region in map(stripped_lines, found) if region]


def stripped_lines(text: str) -> str:
    """The lines of a text that are not blank, without what stands around them."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def blanked(source: str) -> str:
    """An answer cell as students get it: the solution replaced as nbgrader replaces it."""
    pattern = re.compile(rf"^([ \t]*){re.escape(BEGIN)}.*?{re.escape(END)}[^\n]*$", re.DOTALL | re.MULTILINE)
    stub = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"
    return pattern.sub(stub, source)
