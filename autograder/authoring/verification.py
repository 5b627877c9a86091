"""What `verify` found: counts of what was shown, a table of the exercises, and every problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

HEADINGS = ("exercise", "points", "checks", "misconceptions", "caught at home", "alternatives", "")


@dataclass
class Row:
    """One exercise in the table. Two numbers are visible + hidden."""

    name: str
    points: tuple[float, float]
    checks: tuple[int, int]
    misconceptions: int = 0
    caught_at_home: int = 0
    alternatives: int = 0
    holds: bool = True

    def texts(self) -> list[str]:
        """The entries of the row."""
        return [
            self.name,
            f"{self.points[0]:g} + {self.points[1]:g}",
            f"{self.checks[0]} + {self.checks[1]}",
            str(self.misconceptions),
            str(self.caught_at_home),
            str(self.alternatives),
            "holds" if self.holds else "WRONG",
        ]


@dataclass
class Verification:
    """What was shown and what was not."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    points: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def expect(self, condition: bool, kind: str, problem: str) -> None:
        """Count one thing shown, or note the problem, each only once however many inputs show it."""
        if condition:
            self.counts[kind] += 1
        elif problem not in self.problems:
            self.problems.append(problem)


def table(rows: list[Row]) -> list[str]:
    """Lines of a table with columns as wide as what stands in them."""
    cells = [list(HEADINGS), *(row.texts() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def print_verification(report: Verification) -> int:
    """Print the table, the counts and the problems; return the exit status."""
    print()
    if report.rows:
        print(*table(report.rows), "", sep="\n")
    for kind, count in report.counts.items():
        print(f"{count:6d}  {kind}")
    for name, points in report.points.items():
        print(f"{points:6g}  points in {name}")
    for problem in report.problems:
        print(f"WRONG   {problem}")
    if not report.rows and not report.problems:
        report.problems.append("nothing was verified")
    count = len(report.problems)
    print("everything holds" if not count else f"{count} problem{'s' if count > 1 else ''}")
    return 1 if count else 0
