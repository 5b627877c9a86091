"""Whatever a student hands in, the notebook that is graded has the release's tests and only their answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.receiving.rebuild import LONGEST_CELL, MISSING_ANSWER, rebuild
from tests.grading.small_notebook import ANSWER, by_id, content


def test_an_ordinary_submission_comes_through_without_a_note(release: Any, answered: Any) -> None:
    notebook, notes = rebuild(content(answered), release)
    assert notes == []
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in answered.cells]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b'{"cells": [{"cell_type": "code", "sou', "not valid JSON"),
        (b"[1, 2]", "holds a list"),
        (b'{"cells": 7}', "no list of cells"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b"[" * 100_000, "not valid JSON"),
        (b"PK\x03\x04 not a notebook at all \xff\xfe", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_notebook_counts_as_blank_and_says_why(release: Any, file: bytes, reason: str) -> None:
    notebook, notes = rebuild(file, release)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in release.cells]
    assert any(reason in note and "blank" in note for note in notes)


def edit_test(cells: list[Any]) -> None:
    cells[4]["source"] = "2"


def delete_test(cells: list[Any]) -> None:
    del cells[4]


def unlock_test(cells: list[Any]) -> None:
    cells[4]["metadata"]["nbgrader"].update(locked=False, solution=True, points=2000)
    cells[4]["source"] = "2000"


def copy_test(cells: list[Any]) -> None:
    cells.append({**copy.deepcopy(cells[4]), "id": "other", "source": "2"})


def forge_points(cells: list[Any]) -> None:
    cells[4]["metadata"]["nbgrader"].update(points=1e9, schema_version=99)


def forge_outputs(cells: list[Any]) -> None:
    cells[4]["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}}]
    cells[4]["execution_count"] = 4


def old_schema(cells: list[Any]) -> None:
    for cell in cells:
        cell["metadata"].get("nbgrader", {}).pop("schema_version", None)


def shuffle(cells: list[Any]) -> None:
    cells.reverse()


def wrong_types(cells: list[Any]) -> None:
    cells[0]["metadata"] = None
    cells[1]["metadata"] = {"nbgrader": ["grade_id"]}
    cells[4]["metadata"] = {"nbgrader": {"grade_id": {"a": 1}}}
    cells.extend([None, 3, "text", {}, {"cell_type": "code", "source": 7}])


@pytest.mark.parametrize(
    "tamper",
    [edit_test, delete_test, unlock_test, copy_test, forge_points, forge_outputs, old_schema, shuffle, wrong_types],
)
def test_tests_marks_and_outputs_always_come_from_the_release(
    release: Any, answered: Any, tamper: Callable[[list[Any]], None]
) -> None:
    tamper(answered.cells)
    notebook, _ = rebuild(content(answered), release)
    nbformat.validate(notebook)
    marks = [cell.metadata.get("nbgrader") for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert marks == [cell.metadata.nbgrader for cell in release.cells if "nbgrader" in cell.metadata]
    assert by_id(notebook)["check-double"] == "check('double', double)"
    assert by_id(notebook)["answer-double"] == ANSWER
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_edited_and_removed_tests_are_noted(release: Any, answered: Any) -> None:
    answered.cells[4].source = "2"
    assert "the locked cell check-double had been edited; it was restored" in rebuild(content(answered), release)[1]
    del answered.cells[4]
    assert "the locked cell check-double had been removed; it was restored" in rebuild(content(answered), release)[1]


def test_a_deleted_answer_cell_does_not_bring_back_the_stub_over_the_students_own_cell(
    release: Any, answered: Any
) -> None:
    answered.cells[3] = new_code_cell(ANSWER)
    notebook, notes = rebuild(content(answered), release)
    sources = [cell.source for cell in notebook.cells]
    assert MISSING_ANSWER in sources and ANSWER in sources
    assert "the answer cell answer-double is missing" in notes


def test_a_copied_answer_cell_runs_where_it_stands_as_it_did_for_the_student(release: Any, answered: Any) -> None:
    second = copy.deepcopy(answered.cells[3])
    second.source = "def double(x):\n    return x + x"
    answered.cells.insert(4, second)
    notebook, notes = rebuild(content(answered), release)
    sources = [cell.source for cell in notebook.cells]
    assert sources.index(ANSWER) < sources.index(second.source) < sources.index("check('double', double)")
    assert sum("answer-double" in note for note in notes) == 1


def test_cells_of_their_own_and_cells_that_may_change_keep_their_place(release: Any, answered: Any) -> None:
    answered.cells[2].source = "steps = 5"
    answered.cells.insert(3, new_code_cell("import math"))
    sources = [cell.source for cell in rebuild(content(answered), release)[0].cells]
    assert sources[2:5] == ["steps = 5", "import math", ANSWER]


def test_other_encodings_are_read_and_noted(release: Any, answered: Any) -> None:
    answered.cells[5].source = "It is naïve."
    text = json.dumps(answered, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        notebook, notes = rebuild(text.encode(encoding), release)
        assert by_id(notebook)["written-why"] == "It is naïve." and notes == []
    notebook, notes = rebuild(text.encode("latin-1"), release)
    assert by_id(notebook)["written-why"] == "It is naïve."
    assert notes == ["the file is not UTF-8; it was read as Latin-1"]


def test_half_a_surrogate_pair_can_still_be_written_to_a_file(release: Any, answered: Any) -> None:
    answered.cells[5].source = "\ud800"
    notebook, _ = rebuild(content(answered), release)
    nbformat.writes(notebook).encode()


def test_a_file_that_is_odd_in_endless_ways_gives_a_few_notes_that_can_be_written(release: Any, answered: Any) -> None:
    answered.cells = answered.cells + [answered.cells[4]] * 5_000
    notes = rebuild(content(answered), release)[1]
    assert len(notes) == 31 and notes[-1].startswith("and 4,9")
    answered.cells = answered.cells[:6]
    answered.cells[3]["cell_type"] = "\ud800" + "x" * 10_000
    (note,) = rebuild(json.dumps(answered).encode(), release)[1]
    assert len(note) == 300 and note.encode()
    assert "cells, more than" in rebuild(b'{"cells": [' + b"{}," * 10_000 + b"{}]}", release)[1][0]
    assert "no list of cells" not in rebuild(b'{"worksheets": [{"cells": 7}, 3]}', release)[1]


def test_the_old_notebook_format_is_read(release: Any) -> None:
    cells = [{"cell_type": "code", "input": ANSWER, "metadata": {"nbgrader": {"grade_id": "answer-double"}}}]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    notebook, notes = rebuild(json.dumps(old).encode(), release)
    assert by_id(notebook)["answer-double"] == ANSWER
    assert any("version 3" in note for note in notes)


def test_an_answer_turned_into_prose_is_read_as_code_and_noted(release: Any, answered: Any) -> None:
    answered.cells[3]["cell_type"] = "markdown"
    notebook, notes = rebuild(content(answered), release)
    assert next(cell for cell in notebook.cells if cell.id == "answer-double").cell_type == "code"
    assert notes == ["the answer cell answer-double had become a markdown cell; read as code"]


def test_a_cell_of_megabytes_and_thousands_of_cells_are_cut_short(release: Any, answered: Any) -> None:
    answered.cells[3].source = "#" * (LONGEST_CELL + 1)
    answered.cells.extend(new_code_cell("pass") for _ in range(2000))
    notebook, notes = rebuild(content(answered), release)
    assert len(notebook.cells) < 400 and len(by_id(notebook)["answer-double"]) == LONGEST_CELL
    assert len(notes) == 2
