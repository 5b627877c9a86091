"""Show what a regrade would write, or wrote: one row for each cell whose result differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.table import Table

from autograder.grading.regrade import Difference, Regrading


def difference_table(found: Regrading, title: str) -> Table:
    """Lay out what differs: points before and after, misconceptions before and after, or only messages."""
    table = Table(title=title, title_justify="left")
    table.add_column("student", no_wrap=True)
    table.add_column("graded cell", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("behaves like", overflow="fold")
    for one in found.differences:
        table.add_row(one.student, one.cell, points_text(one), misconception_text(one))
    return table


def points_text(one: Difference) -> str:
    """``1 → 0.5``, or one number where the points are the same."""
    before, after = (f"{cell.points:g}" if cell else "none" for cell in (one.before, one.after))
    return before if before == after else f"{before} → {after}"


def misconception_text(one: Difference) -> str:
    """The mistake before and after, or that only messages and hints differ."""
    before, after = (cell.misconception if cell else None for cell in (one.before, one.after))
    if before != after:
        return f"{before or 'no known mistake'} → {after or 'no known mistake'}"
    if one.before and one.after and one.before.points == one.after.points:
        return "the same, only messages or hints differ"
    return after or ""


def summary_lines(found: Regrading) -> Iterator[str]:
    """What was looked at, in sentences."""
    touched = Counter(name for names in found.touched.values() for name in names)
    if not touched and not found.same:
        yield "No checks have changed since these submissions were graded."
    for name, count in sorted(touched.items()):
        yield f"{name}: {_students(count)} a result of checks that have changed since."
    if found.released_anew:
        yield f"{_students(len(found.released_anew))} a notebook that was released anew: all of theirs is touched."
    if found.same:
        yield f"{_students(len(found.same))} the same result as before, whose records and grades stay untouched."
    yield from (f"{student} is left to `grade`: {why}" for student, why in found.for_grade.items())
    yield from (f"{student} could not be regraded: {why}" for student, why in found.failures.items())


def _students(count: int) -> str:
    return "1 student has" if count == 1 else f"{count} students have"
