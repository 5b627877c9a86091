"""The page about a class and the page of similar answers: one file each, for the instructor's eyes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.grading.scores import Status
from autograder.reporting.class_data import ClassSummary
from autograder.reporting.pages import write_page
from autograder.reporting.similarity import Pair, shared_lines

BARS, HEIGHT = 10, 120
SLOWEST = 5


def page_of(course: Course, assignment: str) -> Path:
    """The page about a class."""
    return course.data / "reports" / f"{assignment}.html"


def write_class_page(course: Course, summary: ClassSummary) -> Path:
    """Write both pages; return the first."""
    path = page_of(course, summary.assignment)
    similar = path.with_name(f"{summary.assignment}-similar.html")
    seconds = sorted(((record.seconds, record.student) for record in summary.records), reverse=True)
    write_page(similar, "similar.html.j2", summary=summary, pairs=list(side_by_side(summary)))
    write_page(
        path,
        "class.html.j2",
        summary=summary,
        bars=list(bars(summary)),
        height=HEIGHT,
        similar=similar.name,
        statuses={str(status): sum(score.status is status for score in summary.scores) for status in Status},
        seconds=[one for one, _ in seconds],
        median_seconds=statistics.median(one for one, _ in seconds),
        slowest=seconds[:SLOWEST],
        to_look_at=[(record.student, error) for record in summary.records for error in record.errors],
        unanswered=list(unanswered(summary)),
        percent=percent,
    )
    return path


def percent(part: float, whole: float) -> str:
    """``33 %``."""
    return f"{100 * part / whole:.0f} %" if whole else ""


def bars(summary: ClassSummary) -> Iterator[dict[str, Any]]:
    """The bars of the histogram, in the units of the picture."""
    counts = summary.histogram(BARS)
    for number, count in enumerate(counts):
        low, high = (summary.possible * edge / BARS for edge in (number, number + 1))
        height = HEIGHT * count / max(1, *counts)
        place = {"x": 16 + 58 * number, "y": 20 + HEIGHT - height, "height": height}
        yield {**place, "count": count, "low": low, "high": high}


def unanswered(summary: ClassSummary) -> Iterator[tuple[str, str]]:
    """Students and exercises whose code gave no answer in time, or ended the process."""
    for record in summary.records:
        names = dict.fromkeys(cell.exercise for cell in record.cells if cell.unanswered)
        if names:
            yield record.student, ", ".join(names)


def side_by_side(summary: ClassSummary) -> Iterator[dict[str, Any]]:
    """For each pair, the answers that share something, line by line, the shared lines marked."""
    for pair in summary.pairs:
        yield {"pair": pair, "exercises": [_sides(summary, pair, name) for name in pair.shares]}


def _sides(summary: ClassSummary, pair: Pair, exercise: str) -> dict[str, Any]:
    first, second = (summary.answers[exercise].get(student, "") for student in (pair.first, pair.second))
    marked = shared_lines(first, second, summary.known)
    lines = [
        [(line, number in shared) for number, line in enumerate(source.splitlines(), 1)]
        for source, shared in zip((first, second), marked, strict=True)
    ]
    return {"name": exercise, "share": pair.shares[exercise], "lines": lines}
