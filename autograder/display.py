"""How the result of an exercise is shown: lines of text, and a small accessible table in Jupyter."""

from __future__ import annotations

import html
from collections.abc import Sequence

from autograder.checks import CheckResult, ExerciseResult

RESULT_TYPE = "application/vnd.mastering-rl.result+json"  # read by `python -m autograder check`
WIDTH = 68
LONGEST_TRACEBACK = 12
STYLE = (
    "border-left:4px solid {colour};padding:.2em .8em;margin:.3em 0;font-family:inherit;"
    "background:transparent;color:inherit"
)


def points_text(points: float, possible: float) -> str:
    """``1 / 2``."""
    return f"{points:g} / {possible:g}"


def out_of(points: float, possible: float) -> str:
    """``1 of 2 points``."""
    return f"{points:g} of {possible:g} point{'' if possible == 1 else 's'}"


def check_lines(check: CheckResult) -> list[str]:
    """Lines of one check: what was asked, and if it failed, what came and a hint."""
    verdict, points = "passed" if check.passed else "failed", points_text(check.points, check.possible)
    lines = [f"  {verdict}   {check.message:{WIDTH}} {points}"]
    if check.passed:
        return lines
    lines += [f"           {line}" for line in check.problem.splitlines()]
    lines += [f"           hint: {check.hint}"] if check.hint else []
    return lines


def as_text(result: ExerciseResult, graded: bool = False) -> str:
    """The whole result as text; *graded* if it goes back to a student who has handed in."""
    lines = [result.exercise]
    for check in result.checks:
        lines += check_lines(check)
    if result.misconception:
        name, hint = result.misconception
        lines += [f"           Your answer behaves like: {name}.", f"           {hint}"]
    trace = next((check.traceback for check in result.checks if check.traceback), "")
    if trace:
        shortened = trace.rstrip().splitlines()[-LONGEST_TRACEBACK:]
        lines += ["  where your code failed:", *(f"      {line}" for line in shortened)]
    if result.printed.strip():
        lines += ["  printed by your code:", *(f"      {line}" for line in result.printed.splitlines())]
    lines.append(summary_line(result, graded))
    return "\n".join(lines)


def summary_line(result: ExerciseResult, graded: bool = False) -> str:
    """Points, counted for visible checks and hidden checks apart."""
    if result.hidden:
        return f"{out_of(result.points, result.possible)} for the checks that run after handing in"
    more = "" if graded else "; further checks run after you hand in."
    return f"{out_of(result.points, result.possible)}{more}"


def as_html(result: ExerciseResult) -> str:
    """The whole result as HTML that follows light and dark themes and reads well aloud."""
    parts = [f"<p style='margin:.2em 0'><strong>{html.escape(result.exercise)}</strong></p>"]
    for check in result.checks:
        colour, word = ("#009e73", "passed") if check.passed else ("#d55e00", "failed")
        points = f"<span style='white-space:nowrap'>{points_text(check.points, check.possible)}</span>"
        body = f"<strong>{word}</strong> · {html.escape(check.message)} · {points}"
        if not check.passed:
            body += f"<br><code style='white-space:pre-wrap'>{html.escape(check.problem)}</code>"
            body += f"<br><em>Hint:</em> {html.escape(check.hint)}" if check.hint else ""
        parts.append(f"<div style='{STYLE.format(colour=colour)}'>{body}</div>")
    if result.misconception:
        name, hint = map(html.escape, result.misconception)
        body = f"Your answer behaves like: <strong>{name}</strong>.<br>{hint}"
        parts.append(f"<div role='note' style='{STYLE.format(colour='#8f4a8c')}'>{body}</div>")
    trace = next((check.traceback for check in result.checks if check.traceback), "")
    parts += _folded("where your code failed", trace.rstrip().splitlines()[-LONGEST_TRACEBACK:])
    parts += _folded("printed by your code", result.printed.splitlines())
    parts.append(f"<p style='margin:.2em 0'>{html.escape(summary_line(result))}</p>")
    label = html.escape(f"checks of {result.exercise}", quote=True)
    return f"<div role='group' aria-label='{label}'>{''.join(parts)}</div>"


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    if not any(line.strip() for line in lines):
        return []
    text = html.escape("\n".join(lines))
    return [f"<details><summary>{title}</summary><pre style='white-space:pre-wrap'>{text}</pre></details>"]


class Report:
    """A result that shows itself: HTML in Jupyter, text elsewhere. Its points are `report.points`."""

    def __init__(self, result: ExerciseResult) -> None:
        self.result, self.points = result, result.points

    def __repr__(self) -> str:
        """Return the text."""
        return as_text(self.result)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        result = self.result
        numbers = {"exercise": result.exercise, "points": result.points, "possible": result.possible}
        return {"text/plain": as_text(result), "text/html": as_html(result), RESULT_TYPE: numbers}
