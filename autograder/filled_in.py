"""Tables that an instructor fills in: rows by column name with their lines, and numbers as people type them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError
from autograder.spreadsheets import read_table


@dataclass(frozen=True)
class Row:
    """One row of a table: the number of the line it begins in, and its cells by column name."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """The text of a cell, without spaces around it."""
        return self.cells[column].strip()


def read_rows(path: Path, what: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file that has at least *columns*.

    Raises
    ------
    CourseError
        If there is no such file, it is no CSV file, or a column is missing.
    """
    expected = f"a header line with {', '.join(columns)}"
    table = read_table(path, what, expected)
    header = [name.casefold() for name in table.header]
    missing = [column for column in columns if column not in header]
    if missing:
        raise CourseError(
            f"{path} has the columns {', '.join(table.header)}; {', '.join(missing)} missing, expected {expected}"
        )
    return [Row(line, dict(zip(header, row, strict=True))) for line, row in zip(table.lines, table.rows, strict=True)]


def number(text: str) -> float:
    """Return the number that *text* is, with a decimal point or a decimal comma; ``ValueError`` if it is none."""
    value = float(text.strip().replace(",", ".", 1))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value
