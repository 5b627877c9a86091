"""A student unpacks the zip, opens the notebook and works through it in a real Jupyter kernel."""

import contextlib
import os
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from autograder.display import RESULT_TYPE
from autograder.private_kernel import private_sockets
from tests.autograder.conftest import solutions


class Notebook:
    """A kernel in the student's folder and the released cells by their names."""

    def __init__(self, folder, installed):
        environment = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
        self.sockets = contextlib.ExitStack()
        settings = self.sockets.enter_context(private_sockets())
        self.manager = KernelManager(config=settings)
        self.manager.start_kernel(cwd=str(folder), env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
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
        self.sockets.close()


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
    notebook.run(solutions()["discounted_sum"])
    shown = notebook.check("discounted_sum")
    assert len(shown.text) == len(shown.html) == 1 and shown.html[0]
    assert shown.text[0].endswith("2 of 2 points; further checks run after you hand in.")
    assert shown.numbers == [{"exercise": "discounted_sum", "points": 2.0, "possible": 2.0}]


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
    assert "autograder/candidate.py" not in shown.text[0] and "subject.py" not in shown.text[0]


def test_the_function_that_is_asked_for_refuses_from_the_notebook_but_not_from_rlkit(notebook):
    shown = notebook.run("from rlkit.returns import discounted_return\ndiscounted_return(torch.ones(2), 0.5)")
    sentence = "rlkit.returns.discounted_return is what the exercise 'discounted_sum' asks you to write"
    assert sentence in shown.errors[0]
    inside = "import rlkit.returns\neval('discounted_return(ones, 0.5)', vars(rlkit.returns), {'ones': torch.ones(2)})"
    assert notebook.run(inside).text == ["tensor(1.5000)"]
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
