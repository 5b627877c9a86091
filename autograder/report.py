"""Show how a class did: points by exercise, and the misconceptions that were found."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich.console import Group
from rich.table import Table

from autograder.course import Course
from autograder.errors import CourseError
from autograder.records import CellResult, read_records


def class_report(course: Course, assignment: str) -> Group:
    """Return two tables: one row per graded cell, and one row per misconception, most frequent first."""
    records = list(read_records(course, assignment))
    if not records:
        raise CourseError(f"nothing has been graded for {assignment!r}; run `python -m autograder grade {assignment}`")
    cells: dict[str, list[CellResult]] = defaultdict(list)
    named: Counter[tuple[str, str]] = Counter()
    for record in records:
        for cell in record.cells:
            cells[cell.cell].append(cell)
        # An exercise's visible and hidden cell name the same mistake; it is one mistake of one student.
        named.update({(_exercise(cell), cell.misconception) for cell in record.cells if cell.misconception})

    by_cell = Table(title=f"{assignment}: {len(records)} graded", title_justify="left")
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
    for (exercise, name), count in named.most_common():
        by_mistake.add_row(exercise, name, str(count))
    return Group(by_cell, by_mistake if named else "no misconception was found")


def _exercise(cell: CellResult) -> str:
    return cell.cell.split("-", 1)[-1]
