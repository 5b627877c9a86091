"""Write small assignments for the grading tests: many like exercises, so that one notebook holds many attacks."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

CHECKS = '''
"""Visible checks: every exercise asks for the double of its argument."""
import torch

from autograder.checks import Exam, close

exam = Exam("{assignment}")


def register(task):
    exam.asks_for(task, "rlkit.returns.discounted_return")

    @exam.add(task, points=1, message="three numbers by hand", hint="the double of 3 is 6", seconds=1)
    def by_hand(double):
        close(double(torch.tensor([1.0, 2.0, 3.0])), [2.0, 4.0, 6.0])

    @exam.probe(task)
    def probe(double, random):
        return [double(torch.rand(4, generator=random)) for _ in range(2)]


for task in {tasks}:
    register(task)
'''

HIDDEN_CHECKS = '''
"""Hidden checks. SECRET-SOURCE-OF-A-HIDDEN-CHECK stands here, and must stand nowhere else."""
import torch

from autograder.checks import Exam, close

exam = Exam("{assignment}", hidden=True)


def register(task):
    @exam.add(task, points=1, message="numbers drawn at random", hint="any shape", seconds=1)
    def drawn(double):
        values = torch.rand(2, 3, generator=exam.random()) + 1.0
        secret_source_of_a_hidden_check = [[2.0 * value for value in row] for row in values.double().tolist()]
        close(double(values), secret_source_of_a_hidden_check, tolerance=1e-5)


for task in {tasks}:
    register(task)
'''

MISCONCEPTIONS = '''
"""Mistakes, the same for every exercise."""
from autograder.checks import misconception


def register(task):
    @misconception(task, name="the square instead of the double", hint="Twice a number is the number plus itself.")
    def square(values):
        return values * values

    @misconception(task, name="adds two", hint="What should the double of 0 be?")
    def add_two(values):
        return values + 2

    @misconception(task, name="halves", hint="The double of a positive number is larger than it.")
    def halve(values):
        return values / 2


for task in {tasks}:
    register(task)
'''

ALTERNATIVES = '''
"""Other right answers."""
import torch

from autograder.checks import alternative


def register(task):
    @alternative(task)
    def added(values):
        return values + values

    @alternative(task)
    def stacked(values):
        return torch.stack([values, values]).sum(0)


for task in {tasks}:
    register(task)
'''

OPENING = """# %% [markdown]
# # Doubling

# %% locked=true
from autograder import exam
check = exam("{assignment}")

# %%
import torch
"""

EXERCISE = """
# %% answer="{task}"
def {task}(values):
    ### BEGIN SOLUTION
    return 2 * values
    ### END SOLUTION

# %% check="{task}" points=1
check("{task}", {task})

# %% check="{task}" points=1 hidden=true
check("{task}", {task}, hidden=True)
"""

WRITTEN = """
# %% [markdown]
# Why double? One point for a reason.

# %% [markdown] written="why" points=3
# ### BEGIN SOLUTION
# Because two.
# ### END SOLUTION
"""


def write_assignment(solutions: Path, assignment: str, tasks: list[str], written: bool = False) -> None:
    """Write an assignment in which every task is to double a tensor; two points each."""
    folder = solutions / assignment
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "checks.py": CHECKS,
        "hidden_checks.py": HIDDEN_CHECKS,
        "misconceptions.py": MISCONCEPTIONS,
        "alternatives.py": ALTERNATIVES,
        f"{assignment}.py": OPENING,
    }
    for name, text in files.items():
        (folder / name).write_text(
            text.lstrip("\n").replace("{assignment}", assignment).replace("{tasks}", repr(tasks))
        )
    with (folder / f"{assignment}.py").open("a") as file:
        file.writelines(EXERCISE.replace("{task}", task) for task in tasks)
        file.write(WRITTEN if written else "")


def submission(
    release: Path, answers: Mapping[str, str], first: str | None = None, written: str | None = None
) -> nbformat.NotebookNode:
    """Return the released notebook with *answers* in its answer cells, as a student would hand it in.

    Parameters
    ----------
    first : str or None
        A cell of the student's own, before everything else.
    written : str or None
        The text of the written answer.
    """
    notebook = copy.deepcopy(nbformat.read(release, as_version=4))
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if name.removeprefix("answer-") in answers:
            cell.source = answers[name.removeprefix("answer-")]
        if name.startswith("written-") and written is not None:
            cell.source = written
    if first is not None:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    return notebook


def hand_in(inbox: Path, student: str, assignment: str, notebook: nbformat.NotebookNode | bytes) -> None:
    """Put a submission where `collect` finds it."""
    path = inbox / student / f"{assignment}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())


def points(record: Any) -> dict[str, float]:
    """Points by exercise, visible and hidden together."""
    total: dict[str, float] = {}
    for cell in record.cells:
        name = cell.cell.split("-", 1)[1]
        total[name] = total.get(name, 0.0) + cell.points
    return total
