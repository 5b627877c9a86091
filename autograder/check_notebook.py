"""Check a whole notebook from the shell, as its own cells would: `python -m autograder check notebook.ipynb`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from autograder.display import RESULT_TYPE
from autograder.errors import CourseError

SECONDS_PER_CELL = 120


@dataclass
class NotebookReport:
    """What the cells of a notebook showed."""

    reports: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    points: float = 0.0
    possible: float = 0.0


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook, or say what is wrong with the file."""
    if not path.is_file():
        raise CourseError(f"{path} is not a file; expected a notebook such as bellman.ipynb")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise CourseError(f"{path} cannot be read as a notebook ({type(error).__name__}: {str(error)[:200]})") from None


def check_notebook(path: Path, progress: bool = True) -> NotebookReport:
    """Run a copy of the notebook in a fresh kernel, in its own folder, and collect what its checks say."""
    notebook = read_notebook(path)
    report = NotebookReport()
    place = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", resources=place)
    with client.setup_kernel():
        cells = [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        for number, cell in tqdm(cells, desc=f"running {path.name}", unit="cell", disable=not progress):
            try:
                client.execute_cell(cell, number)
            except (CellTimeoutError, DeadKernelError) as error:
                report.errors.append(f"cell {number}: {str(error).splitlines()[0]}; the cells after it did not run")
                break
            except Exception as error:
                report.errors.append(f"cell {number}: {str(error).rstrip().splitlines()[-1]}")
            _collect(cell, report)
    return report


def _collect(cell: NotebookNode, report: NotebookReport) -> None:
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if RESULT_TYPE in data:
            report.points += data[RESULT_TYPE]["points"]
            report.possible += data[RESULT_TYPE]["possible"]
            report.reports.append(data["text/plain"])


def print_notebook_report(report: NotebookReport) -> int:
    """Print what the checks said; return 0 if all visible points were earned."""
    for text in report.reports:
        print(text, end="\n\n")
    for error in report.errors:
        print(f"an error in {error}")
    if not report.possible:
        print("no check ran: expected the first cell `check = exam(...)` and cells with check(...)")
        return 1
    print(
        f"{report.points:g} of {report.possible:g} points in the visible checks; further checks run after you hand in."
    )
    return 0 if report.points == report.possible else 1
