"""A student unpacks the zip, opens the notebook and works through it in a real Jupyter kernel."""

import json
import os
import re
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from autograder import home
from autograder.author import solution_cells
from autograder.check_notebook import check_notebook, print_notebook_report, read_notebook
from autograder.display import RESULT_TYPE
from autograder.errors import CourseError
from tests.autograder.conftest import FIXTURE, change


@pytest.fixture(scope="module")
def unpacked(released, tmp_path_factory):
    """The folder of a student who has only the zip, and where its wheel is installed."""
    folder = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(released.archive) as packed:
        packed.extractall(folder)
    (wheel,) = (folder / "lottery").glob("*.whl")
    target = folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return SimpleNamespace(folder=folder / "lottery", installed=target)


class Notebook:
    """A kernel in the student's folder and the released cells by their names."""

    def __init__(self, folder, installed):
        environment = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
        self.manager, self.client = start_new_kernel(cwd=str(folder), env=environment)
        self.notebook = nbformat.read(folder / "lottery.ipynb", as_version=4)
        self.cells = {cell.id: cell.source for cell in self.notebook.cells}

    def run(self, source, timeout=60):
        """What one cell shows: texts, pages, errors and what is printed."""
        shown = SimpleNamespace(text=[], html=[], errors=[], printed="", numbers=[])

        def keep(message):
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown.printed += content["text"]
            elif kind == "error":
                shown.errors.append(f"{content['ename']}: {content['evalue']}")
            elif kind in ("execute_result", "display_data"):
                shown.text.append(content["data"]["text/plain"])
                shown.html.append(content["data"].get("text/html"))
                shown.numbers.append(content["data"].get(RESULT_TYPE))

        self.client.execute_interactive(source, output_hook=keep, timeout=timeout)
        return shown

    def check(self, name):
        return self.run(self.cells[f"check-{name}"])

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook(unpacked):
    """The notebook with its first cells run."""
    opened = Notebook(unpacked.folder, unpacked.installed)
    for cell in opened.notebook.cells:
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("solution"):
            shown = opened.run(cell.source)
            assert shown.errors == [] and shown.printed == "", shown
        if cell.source.startswith("import torch"):
            break
    yield opened
    opened.close()


def answer(body, arguments="rewards, discount", name="discounted_sum"):
    return f"def {name}({arguments}):\n" + "\n".join(f"    {line}" for line in body.splitlines())


def test_the_packages_come_from_the_wheel(notebook, unpacked):
    shown = notebook.run("import autograder, rlkit; print(autograder.__file__, rlkit.__file__)")
    assert shown.printed.count(str(unpacked.installed)) == 2


def test_a_blank_is_not_answered_yet(notebook):
    notebook.run(notebook.cells["answer-discounted_sum"])
    shown = notebook.check("discounted_sum")
    assert "not answered yet" in shown.text[0] and shown.numbers[0]["points"] == 0 and shown.errors == []


def test_a_wrong_answer_is_told_what_was_expected_and_which_mistake_it_is(notebook):
    notebook.run(answer("return (discount ** torch.arange(1, len(rewards) + 1) * rewards).sum()"))
    shown = notebook.check("discounted_sum")
    assert shown.errors == [] and shown.printed == ""
    assert "expected 3.0, got 1.5" in shown.text[0]
    assert "Your answer behaves like: discounts the first reward." in shown.text[0]
    assert shown.text[0].endswith("0 of 2 points; further checks run after you hand in.")
    assert "<strong>failed</strong>" in shown.html[0] and "discounts the first reward" in shown.html[0]


def test_a_right_answer_gets_all_visible_points_and_no_stray_number(notebook):
    notebook.run(solution_cells_of_fixture()["discounted_sum"])
    shown = notebook.check("discounted_sum")
    assert len(shown.text) == len(shown.html) == 1 and shown.html[0]
    assert shown.text[0].endswith("2 of 2 points; further checks run after you hand in.")
    assert shown.numbers == [{"exercise": "discounted_sum", "points": 2.0, "possible": 2.0}]


def solution_cells_of_fixture():
    from autograder.author import compile_notebook

    return solution_cells(compile_notebook(FIXTURE / "lottery" / "lottery.py")[0])


def test_a_hidden_check_says_that_it_runs_later(notebook):
    shown = notebook.run(notebook.cells["hidden-discounted_sum"])
    assert shown.text == ["discounted_sum: further checks run after you hand in."] and shown.numbers == [None]


REFUSES = "if not 0 <= discount <= 1:\n    raise ValueError(f'{discount} is no discount')\n"


@pytest.mark.parametrize(
    "line",
    [
        "return (rewards.double() * discount ** torch.arange(len(rewards))).sum()",
        "return rewards @ discount ** torch.arange(len(rewards), dtype=torch.float32)",
    ],
)
def test_other_right_answers_pass(notebook, line):
    notebook.run(answer(REFUSES + line))
    assert "2 of 2 points" in notebook.check("discounted_sum").text[0]


@pytest.mark.parametrize(
    "line",
    [
        "return [1] * count if probability == 1 else [int(torch.rand(1, generator=generator) < probability)"
        " for _ in range(count)]",
        "return (torch.rand(count, generator=generator) < probability).double().numpy()",
        "return torch.rand(count, generator=generator) < probability",
    ],
)
def test_lists_arrays_and_booleans_pass(notebook, line):
    notebook.run(answer(line, "probability, count, generator", "draw_tickets"))
    assert "2 of 2 points" in notebook.check("draw_tickets").text[0]


def test_what_the_answer_prints_is_in_the_report_only(notebook):
    notebook.run(answer(REFUSES + "print('inside', discount)\nreturn rewards.sum()"))
    shown = notebook.check("discounted_sum")
    assert shown.printed == "" and "printed by your code:" in shown.text[0] and "inside 0.5" in shown.text[0]


def test_an_error_is_shown_with_the_line_of_the_student(notebook):
    notebook.run(answer("number = rewards.sum()\nreturn number.missing"))
    shown = notebook.check("discounted_sum")
    assert "AttributeError" in shown.text[0] and "in discounted_sum" in shown.text[0] and shown.errors == []
    assert "candidate.py" not in shown.text[0] and "subject.py" not in shown.text[0]


def test_the_function_that_is_asked_for_refuses_from_the_notebook_but_not_from_rlkit(notebook):
    shown = notebook.run("from rlkit.returns import discounted_return\ndiscounted_return(torch.ones(2), 0.5)")
    sentence = "rlkit.returns.discounted_return is what the exercise 'discounted_sum' asks you to write"
    assert sentence in shown.errors[0]
    inside = "import rlkit.returns\nexec('total = discounted_return(ones, 0.5)', vars(rlkit.returns), d := {'ones': torch.ones(2)})"
    assert notebook.run(inside).errors == []
    notebook.run(answer("return discounted_return(rewards, discount)"))
    assert sentence in notebook.check("discounted_sum").text[0]


def test_an_endless_answer_is_the_student_s_to_interrupt(notebook):
    notebook.run(answer("while True:\n    pass"))
    notebook.run("import _thread, threading; threading.Timer(1.0, _thread.interrupt_main).start()")
    shown = notebook.check("discounted_sum")
    assert shown.errors == ["KeyboardInterrupt: "] and shown.text == []
    assert notebook.run("1 + 1").text == ["2"]


def test_an_unknown_exercise_is_told(notebook):
    shown = notebook.run("check('discounted_summ', len)")
    assert shown.errors == [
        "CourseError: lottery has no exercise 'discounted_summ'; expected one of discounted_sum, draw_tickets"
    ]


# ---- the files beside the notebook


@pytest.fixture
def beside(unpacked, tmp_path, monkeypatch):
    """A copy of the files beside the notebook; nothing in this process is forbidden."""
    monkeypatch.setattr(home, "forbid", lambda paths: None)
    for path in unpacked.folder.glob("lottery_*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def forgets(rewards, discount):
    return rewards.sum()


NAMED = "Your answer behaves like: forgets the discount."


def test_the_files_beside_the_notebook_are_used(beside, capsys):
    check = home.exam("lottery", beside)
    assert NAMED in repr(check("discounted_sum", forgets)) and capsys.readouterr().out == ""


def test_missing_checks_are_told_with_the_place(tmp_path):
    with pytest.raises(
        CourseError, match=re.escape(f"expected lottery_checks.py in the folder of the notebook ({tmp_path})")
    ):
        home.exam("lottery", tmp_path)


def test_missing_misconceptions_cost_only_their_names(beside):
    (beside / "lottery_misconceptions.json").unlink()
    shown = repr(home.exam("lottery", beside)("discounted_sum", forgets))
    assert "expected 3.0, got 7.0" in shown and "behaves like" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"checks": "x", "misconceptions": []}',
        '{"checks": "x", "misconceptions": {"discounted_sum": [{}]}}',
        '{"checks": "x", "misconceptions": {"f": [{"name": "n", "hint": "h", "behaviour": {"$": "x"}, "buffers": []}]}}',
        '{"checks": "x", "misconceptions": {"f": [{"name": 1, "hint": "h", "behaviour": 1, "buffers": []}]}}',
        '{"checks": "x", "misconceptions": {"f": [{"name": "n", "hint": "h", "behaviour": 1, "buffers": ["%"]}]}}',
    ],
)
def test_damaged_misconceptions_are_told(beside, text):
    (beside / "lottery_misconceptions.json").write_text(text)
    with pytest.raises(
        CourseError, match=r"lottery_misconceptions\.json is damaged .* take a fresh copy from lottery\.zip"
    ):
        home.exam("lottery", beside)


def test_changed_checks_are_told_and_still_run(beside, capsys):
    change(beside / "lottery_checks.py", "0.5), 3.0)", "0.5), 7.0)")
    check = home.exam("lottery", beside)
    assert "lottery_checks.py is not the file that was handed out" in capsys.readouterr().out
    assert "1 / 1" in repr(check("discounted_sum", forgets))


def test_other_line_ends_are_no_change(beside, capsys):
    path = beside / "lottery_checks.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    home.exam("lottery", beside)
    assert capsys.readouterr().out == ""


def test_checks_that_are_not_python_are_told(beside):
    (beside / "lottery_checks.py").write_text("exam = = 3")
    with pytest.raises(
        CourseError, match=r"lottery_checks\.py cannot be used \(SyntaxError.*fresh copy from lottery\.zip"
    ):
        home.exam("lottery", beside)


def test_another_version_of_rlkit_is_told(beside, monkeypatch):
    from autograder.candidate import forbid

    monkeypatch.setattr(home, "forbid", forbid)
    change(beside / "lottery_checks.py", "rlkit.returns.discounted_return", "rlkit.returns.not_yet_written")
    with pytest.raises(CourseError, match="rlkit is not the version that belongs to lottery"):
        home.exam("lottery", beside)


def test_in_a_clone_the_checks_and_mistakes_of_the_solutions_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "forbid", lambda paths: None)
    monkeypatch.setattr(home, "SOLUTIONS", FIXTURE)
    assert NAMED in repr(home.exam("lottery", tmp_path)("discounted_sum", forgets))


# ---- the whole notebook from the shell


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
    solutions = solution_cells_of_fixture()
    answers = {"answer-discounted_sum": solutions["discounted_sum"], "answer-draw_tickets": "def draw_tickets(:"}
    path = filled(unpacked, tmp_path, answers)
    before = path.read_bytes()
    command = [sys.executable, "-m", "autograder", "check", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(unpacked.installed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and path.read_bytes() == before
    assert "2 of 2 points; further checks run after you hand in." in done.stdout
    assert "the cell beginning 'def draw_tickets(:': SyntaxError" in done.stdout, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("2 of 2 points in the visible checks; further checks run after you hand in.")


def test_a_complete_notebook_ends_well(unpacked, tmp_path, capsys):
    answers = {f"answer-{name}": source for name, source in solution_cells_of_fixture().items()}
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


def test_a_cell_without_end_is_stopped(unpacked, tmp_path):
    path = filled(unpacked, tmp_path, {"answer-discounted_sum": "while True: pass"})
    report = check_notebook(path, progress=False, seconds=5)
    assert "no end after 5 seconds" in report.errors[0]


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
