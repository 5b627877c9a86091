"""Which chapter of the book an assignment goes with: read from the book's contents and the chapters' headers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

BOOK = Path(__file__).resolve().parents[2] / "book"


@cache
def chapters_by_assignment(book: Path = BOOK) -> dict[str, dict[str, Any]]:
    """Number and title of the first chapter that names an assignment in its header, for each assignment."""
    found: dict[str, dict[str, Any]] = {}
    contents = (book / "_toc.yml").read_text(encoding="utf-8")
    chapters = [path for path in re.findall(r"^ *- file: (\S+)", contents, re.M) if (book / f"{path}.md").is_file()]
    number = 0
    for path in chapters:
        text = (book / f"{path}.md").read_text(encoding="utf-8")
        title, named = re.search(r"^# (.+)$", text, re.M), re.search(r"^:assignment: *(\S+)", text, re.M)
        if title and named:
            number += 1
            found.setdefault(named.group(1), {"number": number, "chapter": title.group(1).strip()})
    return found
