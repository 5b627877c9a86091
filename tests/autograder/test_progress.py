"""What a student has done is kept beside the notebook, whatever happens there, and shown by `progress`."""

import json
import os
import shutil
import subprocess
import sys
import time

import nbformat
import pytest

from autograder.__main__ import main
from autograder.errors import CourseError
from autograder.progress import progress_in
from autograder.progress_table import next_line
from tests.autograder.conftest import solutions
from tests.autograder.test_home import Notebook

WRONG = "def discounted_sum(rewards, discount):\n    return rewards.sum()"


@pytest.fixture
def mine(unpacked, tmp_path):
    """A student's own copy of the unpacked folder, in which nothing has been run."""
    return shutil.copytree(unpacked.folder, tmp_path / "lottery", ignore=shutil.ignore_patterns(".progress"))


@pytest.fixture(scope="module")
def worked(unpacked, tmp_path_factory):
    """A folder in which one answer is right, the other has not been checked, and the notebook was saved."""
    folder = shutil.copytree(
        unpacked.folder, tmp_path_factory.mktemp("worked") / "lottery", ignore=shutil.ignore_patterns(".progress")
    )
    answer(folder, "discounted_sum", solutions()["discounted_sum"])
    session(folder, unpacked.installed, "discounted_sum")
    return folder


def answer(folder, name, source, file="lottery.ipynb"):
    """Write an answer into the notebook, as saving it does."""
    notebook = nbformat.read(folder / file, as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.id == f"answer-{name}"]
    cell.source = source
    nbformat.write(notebook, folder / file)


def begin(opened):
    """Run what stands before the first answer."""
    for cell in opened.notebook.cells:
        if cell.id.startswith("answer-"):
            return
        if cell.cell_type == "code":
            assert opened.run(cell.source).errors == []


def session(folder, installed, *names):
    """Open the notebook in a kernel, run the answers and checks that are named, and end the kernel."""
    opened = Notebook(folder, installed)
    try:
        begin(opened)
        for name in names:
            opened.run(opened.cells[f"answer-{name}"])
            shown = opened.check(name)
            assert len(shown.text) == 1, shown
        return shown
    finally:
        opened.close()


def states(folder):
    (one,) = progress_in([folder]).assignments
    return {step.name: (step.points, step.state) for step in one.steps}


def test_results_outlive_the_kernel_that_found_them(worked):
    found = states(worked)
    assert found["discounted_sum"] == (2, "done") and found["draw_tickets"] == (0, "never checked")
    assert found["later_wins"] == (0, "empty, graded by hand")


def test_the_command_tells_points_and_what_is_next(worked, unpacked):
    command = [sys.executable, "-m", "autograder", "progress", str(worked)]
    environment = {**os.environ, "PYTHONPATH": str(unpacked.installed), "COLUMNS": "100", "NO_COLOR": "1"}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=worked)
    assert told.returncode == 0, told.stderr
    rows = [" ".join(line.replace("│", " ").split()) for line in told.stdout.splitlines()]
    assert "A lottery (lottery) 2 / 4 1 of 3 done" in rows and "discounted_sum 2 / 2 done" in rows, told.stdout
    assert "all of these 2 / 4" in rows
    assert f"Next: draw_tickets in {worked / 'lottery.ipynb'} (A lottery)." in told.stdout.replace("\n", "")


def test_two_notebooks_open_at_once_lose_nothing(mine, unpacked):
    for name, source in solutions().items():
        answer(mine, name, source)
    first, second = (Notebook(mine, unpacked.installed) for _ in range(2))
    try:
        for opened in (first, second):
            begin(opened)
        for opened, name in [(first, "discounted_sum"), (second, "draw_tickets")] * 2:
            opened.run(opened.cells[f"answer-{name}"])
            opened.check(name)
    finally:
        first.close()
        second.close()
    assert states(mine)["discounted_sum"] == states(mine)["draw_tickets"] == (2, "done")
    left = sorted(path.name for path in (mine / ".progress" / "lottery").iterdir())
    assert left == ["discounted_sum.json", "draw_tickets.json"]


def test_an_answer_that_was_changed_after_its_check_is_told(worked, tmp_path):
    folder = shutil.copytree(worked, tmp_path / "copy")
    answer(folder, "discounted_sum", WRONG)
    assert states(folder)["discounted_sum"] == (2, "changed since its check")


def test_a_wrong_answer_is_to_mend(mine, unpacked):
    answer(mine, "discounted_sum", WRONG)
    session(mine, unpacked.installed, "discounted_sum")
    points, state = states(mine)["discounted_sum"]
    assert points < 2 and state == "to mend"


def test_the_shell_s_check_is_kept_too(mine, unpacked):
    answer(mine, "draw_tickets", solutions()["draw_tickets"])
    environment = {**os.environ, "PYTHONPATH": str(unpacked.installed)}
    command = [sys.executable, "-m", "autograder", "check", "lottery.ipynb"]
    subprocess.run(command, cwd=mine, env=environment, capture_output=True, check=False)
    assert states(mine)["draw_tickets"] == (2, "done") and states(mine)["discounted_sum"] == (0, "to mend")


def test_a_renamed_notebook_is_the_same_assignment(worked, tmp_path):
    folder = shutil.copytree(worked, tmp_path / "copy")
    (folder / "lottery.ipynb").rename(folder / "my lottery (2).ipynb")
    assert states(folder)["discounted_sum"] == (2, "done")


def test_of_several_copies_the_one_saved_last_counts(worked, tmp_path):
    folder = shutil.copytree(worked, tmp_path / "copy")
    shutil.copy(folder / "lottery.ipynb", folder / "old.ipynb")
    os.utime(folder / "old.ipynb", (1, 1))
    os.utime(folder / "lottery.ipynb", (time.time(),) * 2)
    progress = progress_in([folder])
    assert [one.notebook.name for one in progress.assignments] == ["lottery.ipynb"]
    assert "was saved last and is counted, not" in progress.notes[0] and "old.ipynb" in progress.notes[0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"points": 3, "possible": 2, "answer": ""}', '{"points": "x", "possible": 2, "answer": 1}',
     '{"points": NaN, "possible": 2, "answer": ""}', '{"points": 1, "possible": Infinity, "answer": ""}', "\x00\xff"],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_and_told(worked, tmp_path, text):
    folder = shutil.copytree(worked, tmp_path / "copy")
    path = folder / ".progress" / "lottery" / "discounted_sum.json"
    path.write_text(text, encoding="latin-1")
    progress = progress_in([folder])
    assert "was damaged and is now discounted_sum.damaged" in progress.notes[0]
    assert progress.assignments[0].steps[0].state == "never checked"
    assert not path.exists() and progress_in([folder]).notes == []


def test_a_check_works_where_nothing_can_be_written(mine, unpacked):
    # A file where the folder should be stops root too, whom a mode does not.
    (mine / ".progress").write_text("not a folder")
    answer(mine, "discounted_sum", solutions()["discounted_sum"])
    shown = session(mine, unpacked.installed, "draw_tickets", "discounted_sum")
    assert "2 of 2 points" in shown.text[0] and shown.errors == [] and shown.printed == ""
    assert states(mine)["discounted_sum"] == (0, "never checked")


def test_a_result_that_cannot_be_kept_is_told_once(tmp_path, capsys):
    from autograder.checks import Exam
    from autograder.home import make_check

    exam = Exam("once")
    exam.add("answer", points=1, message="it answers")(lambda answer: answer())
    (tmp_path / ".progress").write_text("")
    check = make_check(exam, {}, tmp_path)
    assert check("answer", lambda: 1).points == check("answer", lambda: 1).points == 1
    assert capsys.readouterr().out.count("This result is not kept for `python -m autograder progress`") == 1


def test_a_folder_that_cannot_be_written_to_is_told(worked, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    assert progress_in([worked]).notes == [f"{worked} cannot be written to, so results of checks are not kept there"]


def test_other_points_than_those_of_the_notebook_ask_for_a_new_check(worked, tmp_path):
    folder = shutil.copytree(worked, tmp_path / "copy")
    path = folder / ".progress" / "lottery" / "discounted_sum.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "points": 3, "possible": 3}))
    assert states(folder)["discounted_sum"] == (2, "changed since its check")


def test_everything_done_is_told(worked, tmp_path):
    folder = shutil.copytree(worked, tmp_path / "copy")
    notebook = nbformat.read(folder / "lottery.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.id == "written-later_wins":
            cell.source = "Because of interest."
    nbformat.write(notebook, folder / "lottery.ipynb")
    (folder / ".progress" / "lottery" / "draw_tickets.json").write_text('{"points": 2, "possible": 2, "answer": ""}')
    assert next_line(progress_in([folder])) == "Everything here is done. Further checks run after you hand in."


def test_a_folder_of_folders_is_read_and_other_notebooks_are_passed_over(worked, tmp_path):
    (tmp_path / "notes").mkdir()
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    nbformat.write(other, tmp_path / "notes" / "mine.ipynb")
    (tmp_path / "broken.ipynb").write_text("{")
    shutil.copytree(worked, tmp_path / "lottery")
    progress = progress_in([tmp_path, tmp_path / "lottery"])
    assert [one.name for one in progress.assignments] == ["lottery"]
    assert len(progress.notes) == 1 and "broken.ipynb cannot be read as a notebook" in progress.notes[0]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (None, "here does not exist; expected a folder with notebooks, such as book/exercises"),
        ("file", "here is a file; expected a folder with notebooks, such as book/exercises"),
        ("folder", "no notebook of the course in"),
    ],
)
def test_bad_places_are_told(tmp_path, capsys, made, sentence):
    here = tmp_path / "here"
    if made == "file":
        here.write_text("")
    elif made == "folder":
        here.mkdir()
    assert main(["progress", str(here)]) == 2
    assert sentence in capsys.readouterr().err


def test_the_released_notebooks_know_their_chapters():
    from autograder.authoring.chapters import chapters_by_assignment
    from autograder.authoring.release import REPOSITORY

    known = chapters_by_assignment()
    assert known.keys() == {path.parent.name for path in (REPOSITORY / "solutions").glob("*/misconceptions.py")}
    assert known["bellman"] == {"number": 3, "chapter": "Bellman equations"}
    assert known["agents"]["number"] == 12


def test_no_folder_with_notebooks_is_no_traceback(tmp_path):
    with pytest.raises(CourseError, match="no notebook of the course"):
        progress_in([tmp_path])


def test_the_guide_shows_what_the_command_prints(tmp_path):
    from io import StringIO
    from types import SimpleNamespace

    from rich.console import Console

    from autograder.authoring.release import REPOSITORY, release
    from autograder.course import Course
    from autograder.kept_results import keep
    from autograder.progress_table import shown

    (one,) = release(Course.at(tmp_path / "autograder", REPOSITORY / "solutions"), ["warm_up"], progress=False)
    for exercise, points in [("run_episode", 2), ("discounted_return", 0)]:
        assert keep(one.folder, "warm_up", SimpleNamespace(exercise=exercise, points=points, possible=2), None) == ""
    stream = StringIO()
    Console(file=stream, width=90, highlight=False).print(shown(progress_in([one.folder])))
    printed = "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).split("\nNext: ")[0]
    assert printed in (REPOSITORY / "book" / "guide" / "student.md").read_text(encoding="utf-8")
