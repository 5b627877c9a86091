"""How far a student has come: what the notebooks in some folders ask, and what their checks found when they ran last.

Everything is read from the folders: the exercises from the notebooks, the results from `.progress` beside them, where
`check` keeps them (see kept_results.py). No code runs, and nothing is sent anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from autograder.check_notebook import read_notebook
from autograder.errors import CourseError
from autograder.kept_results import cell_digest, read_kept

OPENS = re.compile(r"""^check = exam\(["'](\w+)["']""", re.M)
BLANK_WRITTEN = "YOUR ANSWER HERE"
DONE, TO_MEND, NEVER_RUN = "done", "to mend", "never checked"
CHANGED = "changed since its check"
WRITTEN, EMPTY = "written, graded by hand", "empty, graded by hand"
FINISHED = (DONE, WRITTEN)


@dataclass(frozen=True)
class Step:
    """One exercise of an assignment: its points so far and those that can be earned at home."""

    name: str
    points: float
    possible: float
    state: str


@dataclass
class AssignmentProgress:
    """One assignment, as its notebook stands."""

    name: str
    notebook: Path
    number: float
    chapter: str
    steps: list[Step] = field(default_factory=list)

    @property
    def points(self) -> float:
        """Points so far."""
        return sum(step.points for step in self.steps)

    @property
    def possible(self) -> float:
        """Points that can be earned at home."""
        return sum(step.possible for step in self.steps)


@dataclass
class Progress:
    """All assignments in the order of their chapters, and what a student should know about their files."""

    assignments: list[AssignmentProgress]
    notes: list[str]

    def next_step(self) -> tuple[AssignmentProgress, Step] | None:
        """The first exercise that is not done; written answers come after the others of their assignment."""
        for one in self.assignments:
            waiting = [step for step in one.steps if step.state not in FINISHED]
            if waiting:
                return one, min(waiting, key=lambda step: step.state == EMPTY)
        return None


def progress_in(folders: Sequence[Path]) -> Progress:
    """Read the notebooks of some folders and of the folders directly in them.

    Raises
    ------
    CourseError
        If a folder is none, or no notebook of the course is found.
    """
    notes: list[str] = []
    found: dict[str, list[tuple[Path, NotebookNode]]] = {}
    for path in _notebooks_in(folders):
        try:
            notebook = read_notebook(path)
        except CourseError as error:
            notes.append(str(error))
            continue
        name = next((match.group(1) for cell in notebook.cells if (match := OPENS.search(cell.source))), None)
        if name is not None:
            found.setdefault(name, []).append((path, notebook))
    if not found:
        places = ", ".join(map(str, folders))
        more = "".join(f"\n  {note}" for note in notes)
        raise CourseError(f"no notebook of the course in {places}; expected one such as bellman.ipynb{more}")
    assignments = []
    for name, copies in found.items():
        copies.sort(key=lambda one: one[0].stat().st_mtime, reverse=True)
        path, notebook = copies[0]
        if len(copies) > 1:
            others = ", ".join(str(other) for other, _ in copies[1:])
            notes.append(f"{name} has several notebooks: {path} was saved last and is counted, not {others}")
        assignments.append(_read(name, path, notebook, notes))
    return Progress(sorted(assignments, key=lambda one: (one.number, one.name)), notes)


def _notebooks_in(folders: Iterable[Path]) -> list[Path]:
    paths: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise CourseError(f"{folder} {what}; expected a folder with notebooks, such as book/exercises")
        try:
            near = [folder, *(one for one in sorted(folder.iterdir()) if one.is_dir() and one.name[0] != ".")]
            seen = [path for one in near if os.access(one, os.R_OK | os.X_OK) for path in sorted(one.glob("*.ipynb"))]
        except OSError as error:
            raise CourseError(f"{folder} cannot be read: {error.strerror}") from None
        paths |= {path.resolve(): path for path in seen if path.is_file()}
    return list(paths.values())


def _read(name: str, path: Path, notebook: NotebookNode, notes: list[str]) -> AssignmentProgress:
    """Look at each exercise of a notebook."""
    course = notebook.metadata.get("mastering_rl", {})
    title = re.search(r"^# (.+)$", "\n".join(cell.source for cell in notebook.cells[:1]), re.M)
    number, chapter = float("inf"), title.group(1) if title else name
    if isinstance(course.get("number"), int) and isinstance(course.get("chapter"), str):
        number, chapter = course["number"], course["chapter"]
    one = AssignmentProgress(name, path, number, chapter)
    if not os.access(path.parent, os.W_OK):
        notes.append(f"{path.parent} cannot be written to, so results of checks are not kept there")
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    cells = {str(mark.get("grade_id", "")): (cell, mark) for cell, mark in zip(notebook.cells, marks, strict=True)}
    for grade_id, (cell, mark) in cells.items():
        kind, _, exercise = grade_id.partition("-")
        points = mark.get("points")
        if kind == "check" and isinstance(points, (int, float)) and exercise.isidentifier():
            answer = cells.get(f"answer-{exercise}")
            one.steps.append(_step(name, path, exercise, points, answer[0].source if answer else "", notes))
        elif kind == "written":
            empty = BLANK_WRITTEN in cell.source or not cell.source.strip()
            one.steps.append(Step(exercise, 0, 0, EMPTY if empty else WRITTEN))
    return one


def _step(name: str, path: Path, exercise: str, possible: float, answer: str, notes: list[str]) -> Step:
    """Compare an exercise with what was kept of it."""
    kept = None
    try:
        kept = read_kept(path.parent, name, exercise)
    except CourseError as error:
        notes.append(str(error))
    if kept is None:
        return Step(exercise, 0, possible, NEVER_RUN)
    points = min(kept.points, possible)
    magics = any(line.lstrip().startswith(("%", "!")) for line in answer.splitlines())  # Jupyter rewrites those
    changed = bool(kept.answer and answer and not magics and kept.answer != cell_digest(answer))
    if changed or kept.possible != possible:
        return Step(exercise, points, possible, CHANGED)
    return Step(exercise, points, possible, DONE if kept.points == kept.possible else TO_MEND)
