"""Read the tables that an instructor fills in: CSV files as spreadsheets save them, with line numbers for messages."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One row of a table: the number of the line it begins in, and its cells by column name."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """The text of a cell, without spaces around it."""
        return self.cells[column].strip()


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file that has at least *columns*; empty rows are left out.

    Separators may be commas, semicolons or tabs, and the encoding UTF-8 or UTF-16: spreadsheets differ by country.

    Raises
    ------
    CourseError
        If there is no such file, it is not text, or a column is missing.
    """
    if not path.is_file():
        raise CourseError(f"no file at {path}: expected a CSV file with the columns {', '.join(columns)}")
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8 text ({error}); save it as `CSV UTF-8`") from None
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count))
    rows: list[Row] = []
    header: list[str] = []
    end = 0
    try:
        for values in reader:
            begin, end = end + 1, reader.line_num
            if not any(value.strip() for value in values):
                continue
            if not header:
                header = [value.strip().lower() for value in values]
                continue
            padded = [*values, *[""] * (len(header) - len(values))]
            rows.append(Row(begin, dict(zip(header, padded, strict=False))))
    except csv.Error as error:
        raise CourseError(f"{path}, line {reader.line_num}: {error}; expected a CSV file") from None
    missing = [column for column in columns if column not in header]
    if missing:
        raise CourseError(
            f"{path} has the columns {', '.join(header) or 'none'}; {', '.join(missing)} missing. "
            f"Expected a header line with {', '.join(columns)}"
        )
    return rows


def number(text: str) -> float:
    """Return the number that *text* is, with a decimal point or a decimal comma; ``ValueError`` if it is none."""
    value = float(text.strip().replace(",", ".", 1))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value
