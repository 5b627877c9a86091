"""Read the CSV files of learning platforms and spreadsheets, and write them back as they were."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from autograder.errors import CourseError

DELIMITERS = (",", ";", "\t")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass
class Table:
    """A CSV file as it was read, so that it can be written the same way.

    Attributes
    ----------
    header : list of str
        The names of the columns, without spaces around them.
    rows : list of list of str
        All rows after the header, each as long as it; empty lines are left out.
    first_line : list of str
        The header as it stands in the file.
    lines : list of int
        The line of the file in which each row begins.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    first_line: list[str]
    delimiter: str = ","
    line_end: str = "\n"
    byte_order_mark: bool = False
    lines: list[int] = field(default_factory=list)

    def column(self, *names: str) -> int | None:
        """Return the place of the first of *names* that the header has, whatever their capitals."""
        known = [name.casefold() for name in self.header]
        return next((known.index(name.casefold()) for name in names if name.casefold() in known), None)

    def needed(self, name: str, purpose: str) -> int:
        """Return the place of a column, or say which there are."""
        place = self.column(name)
        if place is None:
            raise CourseError(f"{self.path} has no column {name!r}, which {purpose}; it has: {', '.join(self.header)}")
        return place

    def value(self, row: list[str], name: str) -> str:
        """Return what *row* has in a column, without spaces around it; nothing if there is no such column."""
        place = self.column(name)
        return "" if place is None else row[place].strip()


def read_table(path: Path, what: str, expected: str) -> Table:
    """Read a CSV file separated by commas, semicolons or tabs, in UTF-8 or as Excel writes it.

    Parameters
    ----------
    what, expected : str
        For the error message: what the file is, and what it should hold.
    """
    if not path.is_file():
        raise CourseError(f"no {what} at {path}: expected a CSV file with {expected}")
    content = path.read_bytes()
    text = _decoded(content)
    first, above = text.split("\n", 1)[0].strip(), 0
    if first.lower().startswith("sep=") and len(first) <= len("sep=;"):
        text, above = text.partition("\n")[2], 1  # Excel's own line, which platforms do not understand
    delimiter = max(DELIMITERS, key=lambda each: _columns(text, each))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        ends = [(line, reader.line_num) for line in reader]
    except csv.Error as error:
        raise CourseError(f"{path} is no proper CSV file ({error}); expected {expected}") from None
    begins = [1, *(end + 1 for _, end in ends)]
    numbered = [
        (line, above + begin) for (line, _), begin in zip(ends, begins, strict=False) if any(map(str.strip, line))
    ]
    lines = [line for line, _ in numbered]
    if not lines:
        raise CourseError(f"{path} is empty; expected a CSV file with {expected}")
    width = len(lines[0])
    too_long = next((line for line in lines if any(line[width:])), None)
    if too_long:
        raise CourseError(
            f"{path}: the row {delimiter.join(too_long)[:80]!r} has {len(too_long)} fields, the header {width}; "
            "put quotes around what holds a separator"
        )
    rows = [line[:width] + [""] * (width - len(line)) for line in lines[1:]]
    line_end = "\r\n" if "\r\n" in text else "\n"
    marked = content.startswith(b"\xef\xbb\xbf")
    numbers = [begin for _, begin in numbered[1:]]
    return Table(path, [name.strip() for name in lines[0]], rows, lines[0], delimiter, line_end, marked, numbers)


def write_table(table: Table, path: Path) -> None:
    """Write a table in UTF-8, with the separator, line ends and byte order mark that it was read with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig" if table.byte_order_mark else "utf-8") as file:
        writer = csv.writer(file, delimiter=table.delimiter, lineterminator=table.line_end)
        writer.writerow(table.first_line)
        writer.writerows(table.rows)


def guarded(value: str | None) -> str:
    """Return *value* so that a spreadsheet shows it and never runs it as a formula."""
    value = value or ""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # as Excel writes a plain CSV file


def _columns(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []))
    except csv.Error:
        return 0
