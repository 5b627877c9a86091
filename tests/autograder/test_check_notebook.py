"""A whole notebook checked from the shell, whatever state it is in."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from autograder.check_notebook import check_notebook, print_notebook_report, read_notebook
from autograder.errors import CourseError
from tests.autograder.conftest import solutions


def filled(unpacked, tmp_path, answers):
    for path in unpacked.folder.glob("lottery_*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    notebook = nbformat.read(unpacked.folder / "lottery.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    path = tmp_path / "lottery.ipynb"
    nbformat.write(notebook, path)
    return path


def test_a_notebook_is_checked_from_the_shell(unpacked, tmp_path):
    answers = {"answer-discounted_sum": solutions()["discounted_sum"], "answer-draw_tickets": "def draw_tickets(:"}
    path = filled(unpacked, tmp_path, answers)
    before = path.read_bytes()
    command = [sys.executable, "-m", "autograder", "check", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(unpacked.installed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and path.read_bytes() == before
    assert "2 of 2 points; further checks run after you hand in." in done.stdout
    assert "the cell beginning 'def draw_tickets(:': SyntaxError" in done.stdout, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("2 of 4 points in the visible checks; further checks run after you hand in.")


def test_a_complete_notebook_ends_well(unpacked, tmp_path, capsys):
    answers = {f"answer-{name}": source for name, source in solutions().items()}
    report = check_notebook(filled(unpacked, tmp_path, answers), progress=False)
    assert (report.points, report.possible, report.errors) == (4, 4, []) and print_notebook_report(report) == 0
    assert "4 of 4 points in the visible checks" in capsys.readouterr().out


def test_hostile_cells_are_told_and_end_the_run_where_they_must(unpacked, tmp_path):
    answers = {
        "check-discounted_sum": "4.0",
        "answer-draw_tickets": "import os\nos._exit(1)",
    }
    report = check_notebook(filled(unpacked, tmp_path, answers), progress=False)
    assert report.errors[0] == "the cell beginning '4.0' ran no check; its line was changed"
    assert "the Python process died" in report.errors[1] and len(report.errors) == 2
    assert (report.points, report.possible) == (0, 4)


def test_a_cell_without_end_is_stopped(unpacked, tmp_path):
    path = filled(unpacked, tmp_path, {"answer-discounted_sum": "while True: pass"})
    report = check_notebook(path, progress=False, seconds=10)
    assert "no end after 10 seconds" in report.errors[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot be read as a notebook"),
        ("not json", "cannot be read as a notebook"),
        ("[]", "cannot be read as a notebook"),
        ("{}", "cannot be read as a notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "cannot be read"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "no code to run"),
        ("\udcff", "cannot be read as a notebook"),
    ],
    ids=str,
)
def test_a_broken_notebook_is_told(tmp_path, content, says):
    path = tmp_path / "lottery.ipynb"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CourseError, match=says):
        read_notebook(path)


def test_a_folder_or_a_missing_file_is_told(tmp_path):
    (tmp_path / "mine.ipynb").touch()
    with pytest.raises(CourseError, match=r"is a folder; .*mine\.ipynb"):
        read_notebook(tmp_path)
    with pytest.raises(CourseError, match="does not exist"):
        read_notebook(tmp_path / "other.ipynb")


def test_a_notebook_of_an_older_format_is_read(tmp_path):
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": [cell]}))
    assert len(read_notebook(path).cells) == 1
