"""Build the notebook to be graded from the release notebook and the answers found in a submission.

From the student come the sources of answer cells, of cells that may be changed, and of cells they added. Everything
else (tests, prose, metadata, points, kernel) comes from the release. Nothing in a submission can make this fail.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

LONGEST_CELL = 200_000
MOST_ADDED_CELLS = 300
MOST_CELLS = 10_000
MOST_NOTES, LONGEST_NOTE = 30, 300
UNREADABLE = "the file could not be read as a notebook"
MISSING_ANSWER = "# This answer cell was missing in the submission."


class UnreadableError(ValueError):
    """The file holds no notebook."""


def rebuild(content: bytes, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return the notebook to grade and a note for everything that was odd.

    Parameters
    ----------
    content : bytes
        The file as it was handed in.
    release : NotebookNode
        The notebook as it was released.
    """
    notes: list[str] = []
    try:
        cells = read_cells(content, notes)
    except UnreadableError as error:
        notes.append(f"{UNREADABLE} ({error}): every answer counts as blank")
        return copy.deepcopy(release), bounded(notes)
    notebook = copy.deepcopy(release)
    answers, added = _sort_out(cells, notebook, notes)
    for cell in notebook.cells:
        _fill_in(cell, answers, notes)
    notebook.cells = _with_added_cells(notebook.cells, added, notes)
    return notebook, bounded(notes)


def bounded(notes: list[str]) -> list[str]:
    """The first notes, in characters that can be written to a file; a submission can be odd in endless ways."""
    kept = [note[:LONGEST_NOTE].encode("utf-8", "replace").decode() for note in notes[:MOST_NOTES]]
    return kept + ([f"and {len(notes) - MOST_NOTES:,} more"] if len(notes) > MOST_NOTES else [])


def read_cells(content: bytes, notes: list[str]) -> list[dict[str, Any]]:
    """Return the cells of a notebook file of any version; raise `UnreadableError` with the reason if there are none."""
    if not content.strip():
        raise UnreadableError("it is empty")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes.append("the file is not UTF-8; it was read as Latin-1")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"it is not valid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise UnreadableError(f"it holds a {type(tree).__name__}, expected an object with cells")
    cells = tree.get("cells")
    if cells is None and isinstance(tree.get("worksheets"), list):
        notes.append("the notebook has an old format (version 3)")
        sheets = [sheet for sheet in tree["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]
    if not isinstance(cells, list):
        raise UnreadableError("it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise UnreadableError(f"it has {len(cells):,} cells, more than {MOST_CELLS:,}")
    return [cell for cell in cells if isinstance(cell, dict)]


def grade_id(cell: dict[str, Any]) -> str | None:
    """The id by which nbgrader knows a cell, if it has one."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    found = marks.get("grade_id") if isinstance(marks, dict) else None
    return found if isinstance(found, str) else None


def source_of(cell: dict[str, Any]) -> str:
    """The source of a cell of any version, as text that can be written to a file."""
    source = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return text.encode("utf-8", "replace").decode()


def _may_change(cell: NotebookNode) -> bool:
    """Whether the student's source replaces the released one."""
    marks = cell.metadata.get("nbgrader")
    if marks is None:
        return cell.cell_type == "code"
    return bool(marks.get("solution") or marks.get("task")) and not marks.get("locked")


def _key(cell: dict[str, Any]) -> str | None:
    """What identifies a released cell in a submission: nbgrader's id, else for a free code cell the notebook's own."""
    marked = grade_id(cell)
    if marked is not None:
        return marked
    identity = cell.get("id")
    return f"id:{identity}" if cell.get("cell_type") == "code" and isinstance(identity, str) else None


def _sort_out(
    cells: list[dict[str, Any]], notebook: NotebookNode, notes: list[str]
) -> tuple[dict[str, dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """Separate the submitted cells into those the release knows and, by position, those that were added."""
    places = {key: place for place, cell in enumerate(notebook.cells) if (key := _key(cell))}
    released_prose = {cell.source.strip() for cell in notebook.cells if cell.cell_type != "code"}
    known: dict[str, dict[str, Any]] = {}
    added: dict[int, list[dict[str, Any]]] = {}
    place = -1
    for cell in cells:
        key, text = _key(cell), source_of(cell).strip()
        if key and key in places and key not in known:
            known[key], place = cell, places[key]
            continue
        if key and key in places:
            if not _may_change(notebook.cells[places[key]]):
                notes.append(f"a second copy of the locked cell {key} was left out")
                continue
            if grade_id(cell):
                notes.append(f"a second copy of the answer cell {key} was run as an ordinary cell where it stood")
        elif grade_id(cell):
            notes.append(f"the cell {grade_id(cell)!r} is not in the release; it was run as an ordinary cell")
        if text and text not in released_prose:
            added.setdefault(place, []).append(cell)
    return known, added


def _fill_in(cell: NotebookNode, answers: dict[str, dict[str, Any]], notes: list[str]) -> None:
    """Put the student's source into a released cell, or note that it had been tampered with."""
    key = _key(cell)
    if key is None:
        return
    given, name = answers.get(key), grade_id(cell)
    if not _may_change(cell):
        if given is None:
            notes.append(f"the locked cell {name} had been removed; it was restored")
        elif source_of(given).strip() != cell.source.strip():
            notes.append(f"the locked cell {name} had been edited; it was restored")
        return
    if given is None:
        if name is not None:
            notes.append(f"the answer cell {name} is missing")
            # The stub would replace what the student may have written in a cell of their own.
            cell.source = MISSING_ANSWER if cell.cell_type == "code" else cell.source
        return
    if given.get("cell_type") != cell.cell_type:
        notes.append(f"the answer cell {name} had become a {given.get('cell_type')} cell; read as {cell.cell_type}")
    cell.source = _shortened(source_of(given), name, notes)


def _with_added_cells(
    cells: list[NotebookNode], added: dict[int, list[dict[str, Any]]], notes: list[str]
) -> list[NotebookNode]:
    """Insert the student's own cells after the released cell that they followed."""
    result: list[NotebookNode] = []
    count = sum(map(len, added.values()))
    if count > MOST_ADDED_CELLS:
        notes.append(f"{count} cells had been added; the first {MOST_ADDED_CELLS} were kept")
    inserted = 0
    for place in range(-1, len(cells)):
        if place >= 0:
            result.append(cells[place])
        for cell in added.get(place, []):
            inserted += 1
            if inserted > MOST_ADDED_CELLS:
                break
            make = new_code_cell if cell.get("cell_type") == "code" else new_markdown_cell
            # Ids count up, so that the same submission always gives the same file.
            result.append(make(_shortened(source_of(cell), "added by the student", notes), id=f"added-{inserted}"))
    return result


def _shortened(text: str, name: str | None, notes: list[str]) -> str:
    if len(text) <= LONGEST_CELL:
        return text
    notes.append(f"the cell {name} has {len(text):,} characters; the first {LONGEST_CELL:,} were kept")
    return text[:LONGEST_CELL]
