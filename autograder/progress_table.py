"""A student's progress as a table for the terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autograder.display import points_text
from autograder.progress import DONE, FINISHED, TO_MEND, Progress

STYLES = {DONE: "green", TO_MEND: "yellow"}


def shown(progress: Progress) -> Group:
    """One row for each exercise, the total, what is next, and notes on the files."""
    table = Table(title="Your progress, by the checks at home", title_justify="left")
    table.add_column("exercise", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    for one in progress.assignments:
        done = sum(step.state in FINISHED for step in one.steps)
        finished = f"{done} of {len(one.steps)} done"
        heading = Text(f"{_place(one.number)}{one.chapter} ({one.name})", style="bold")
        table.add_row(heading, points_text(one.points, one.possible), finished)
        for step in one.steps:
            points = points_text(step.points, step.possible) if step.possible else ""
            table.add_row(Text(f"  {step.name}"), points, Text(step.state, style=STYLES.get(step.state, "")))
        table.add_section()
    total = points_text(
        sum(one.points for one in progress.assignments), sum(one.possible for one in progress.assignments)
    )
    table.add_row(Text("all of these", style="bold"), total, "")
    return Group(table, Text(next_line(progress)), *(Text(f"note: {note}") for note in progress.notes))


def next_line(progress: Progress) -> str:
    """Say what to do next."""
    waiting = progress.next_step()
    if waiting is None:
        return "Everything here is done. Further checks run after you hand in."
    one, step = waiting
    chapter = f"chapter {one.number:g}, {one.chapter}" if _place(one.number) else one.chapter
    return f"Next: {step.name} in {one.notebook} ({chapter})."


def _place(number: float) -> str:
    return f"{number:g} " if number != float("inf") else ""
