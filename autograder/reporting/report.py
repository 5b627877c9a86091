"""Show how a class did as text: points by graded cell, and the misconceptions that were found."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Group
from rich.table import Table

from autograder.grading.records import CellResult
from autograder.reporting.class_data import ClassSummary


def class_report(summary: ClassSummary) -> Group:
    """Return two tables: one row per graded cell, and one row per misconception, most frequent first."""
    cells: dict[str, list[CellResult]] = defaultdict(list)
    for record in summary.records:
        for cell in record.cells:
            cells[cell.cell].append(cell)

    by_cell = Table(title=f"{summary.assignment}: {len(summary.records)} graded", title_justify="left")
    by_cell.add_column("graded cell")
    for column in ("mean points", "of", "full marks", "no points", "to look at"):
        by_cell.add_column(column, justify="right")
    for name, results in cells.items():
        by_cell.add_row(
            name,
            f"{sum(result.points for result in results) / len(results):.2f}",
            f"{results[0].possible:g}",
            str(sum(result.points >= result.possible for result in results)),
            str(sum(result.points == 0 for result in results)),
            str(sum(result.error is not None for result in results)),
        )
    by_mistake = Table(title="misconceptions", title_justify="left")
    by_mistake.add_column("exercise")
    by_mistake.add_column("behaves like")
    by_mistake.add_column("students", justify="right")
    named = [(count, one.name, name) for one in summary.exercises for name, count in one.misconceptions.items()]
    for count, exercise, name in sorted(named, key=lambda found: -found[0]):
        by_mistake.add_row(exercise, name, str(count))
    return Group(by_cell, by_mistake if named else "no misconception was found")
