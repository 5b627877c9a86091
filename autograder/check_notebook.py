"""Check a whole notebook from the shell, as its own cells would: `python -m autograder check notebook.ipynb`."""

from __future__ import annotations

import contextlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from autograder.display import RESULT_TYPE
from autograder.errors import CourseError
from autograder.private_kernel import private_sockets

SECONDS_PER_CELL = 120
EXAMPLE = "expected a notebook such as bellman.ipynb"


@dataclass
class NotebookReport:
    """What the cells of a notebook showed."""

    reports: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    points: float = 0.0
    possible: float = 0.0


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook, or say what is wrong with the file."""
    if path.is_dir():
        found = ", ".join(sorted(one.name for one in path.glob("*.ipynb"))) or "none"
        raise CourseError(f"{path} is a folder; {EXAMPLE}. Notebooks in it: {found}")
    if not path.is_file():
        raise CourseError(f"{path} does not exist; {EXAMPLE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cells without ids, which older programs write
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CourseError(f"{path} cannot be read as a notebook ({reason}); save it again in Jupyter") from None
    if not any(cell.cell_type == "code" and cell.source.strip() for cell in notebook.cells):
        raise CourseError(f"{path} has no code to run; {EXAMPLE}")
    return notebook


def check_notebook(path: Path, progress: bool = True, seconds: int = SECONDS_PER_CELL) -> NotebookReport:
    """Run a copy of the notebook in a fresh kernel, in its own folder, and collect what its checks say."""
    notebook = read_notebook(path)
    report = NotebookReport()
    place = {"metadata": {"path": str(path.resolve().parent)}}
    cells = [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    with private_sockets() as settings, contextlib.ExitStack() as running:
        client = NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources=place, config=settings)
        running.enter_context(client.setup_kernel())
        for number, cell in tqdm(cells, desc=f"running {path.name}", unit="cell", disable=not progress):
            problem = _run(client, cell, number)
            found = _collect(cell, report)
            if problem:
                report.errors.append(f"the cell beginning {_opening(cell)!r}: {problem}")
            elif not found and _points_of_check(cell):
                report.errors.append(f"the cell beginning {_opening(cell)!r} ran no check; its line was changed")
            if not found:
                report.possible += _points_of_check(cell)
            if problem.startswith(ENDED):
                later = (cell for other, cell in cells if other > number)
                report.possible += sum(map(_points_of_check, later))
                break
    return report


ENDED = "it ended the run: "
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _run(client: NotebookClient, cell: NotebookNode, number: int) -> str:
    """Run one cell; return what went wrong, if anything did."""
    try:
        client.execute_cell(cell, number)
    except CellTimeoutError:
        return f"{ENDED}no end after {client.timeout} seconds. The cells after it did not run"
    except DeadKernelError:
        return f"{ENDED}the Python process died, for lack of memory or by exit(). The cells after it did not run"
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return COLOURS.sub("", lines[-1])
    return ""


def _opening(cell: NotebookNode) -> str:
    return next((line for line in cell.source.splitlines() if line.strip()), "")[:60]


def _points_of_check(cell: NotebookNode) -> float:
    """Points that a cell would give at home; 0 if it is no visible check."""
    marks = cell.metadata.get("nbgrader", {})
    points = marks.get("points", 0)
    visible = str(marks.get("grade_id", "")).startswith("check-")
    return points if visible and isinstance(points, (int, float)) else 0


def _collect(cell: NotebookNode, report: NotebookReport) -> bool:
    """Note what a check showed; return whether there was one."""
    shown = [output.get("data", {}) for output in cell.get("outputs", [])]
    shown = [data for data in shown if RESULT_TYPE in data]
    for data in shown:
        report.points += data[RESULT_TYPE]["points"]
        report.possible += data[RESULT_TYPE]["possible"]
        report.reports.append(data["text/plain"])
    return bool(shown)


def print_notebook_report(report: NotebookReport) -> int:
    """Print what the checks said; return 0 if all visible points were earned."""
    for text in report.reports:
        print(text, end="\n\n")
    for error in report.errors:
        print(f"an error in {error}")
    if not report.possible:
        print("no check ran: expected a cell `check = exam(...)` and cells with check(...)")
        return 1
    print(
        f"{report.points:g} of {report.possible:g} points in the visible checks; further checks run after you hand in."
    )
    return 0 if report.points == report.possible and not report.errors else 1
