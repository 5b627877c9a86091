"""The pages of the book in reading order: book/_toc.yml, and the solutions, which a build may leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

BOOK = Path(__file__).resolve().parents[1]
CONTENTS = BOOK / "_toc.yml"
SOLUTIONS = BOOK.parent / "solutions"
LAST_PART = "Reference"  # the solutions stand before it
EXERCISES = re.compile(r"^Now do the exercises: \{assignment\}`(\w+)`", re.MULTILINE)


def pages_in_contents(contents: Path = CONTENTS) -> list[str]:
    """Return the names of the pages, such as ``foundations/mdp``."""
    return list(_pages(yaml.safe_load(contents.read_text(encoding="utf-8"))))


def chapters_in_contents(contents: Path = CONTENTS) -> list[str]:
    """Return the names of the numbered chapters."""
    table = yaml.safe_load(contents.read_text(encoding="utf-8"))
    parts = [part for part in table.get("parts", []) if part.get("numbered")]
    return [entry["file"] for part in parts for entry in part["chapters"]]


def pages_of_site(with_solutions: bool = True) -> list[str]:
    """Return the names of all pages of a site."""
    return list(_pages(contents_of_site(with_solutions)))


def contents_of_site(with_solutions: bool = True) -> dict:
    """Return the contents of a site; the solutions stand under their landing page in a part of their own."""
    table = yaml.safe_load(CONTENTS.read_text(encoding="utf-8"))
    if with_solutions:
        sections = [{"file": f"solutions/{name}", "title": title_of(name)} for name in assignments_in_order()]
        part = {"caption": "Solutions", "chapters": [{"file": "solutions/index", "sections": sections}]}
        captions = [one.get("caption") for one in table["parts"]]
        place = captions.index(LAST_PART) if LAST_PART in captions else len(captions)
        table["parts"].insert(place, part)
    return table


def chapters_of_assignments() -> dict[str, list[str]]:
    """Return the chapters that send their reader to each assignment, in reading order.

    A chapter may name one in its header that others have prepared; that alone does not count.
    """
    found: dict[str, list[str]] = {}
    for chapter in chapters_in_contents():
        for name in EXERCISES.findall((BOOK / f"{chapter}.md").read_text(encoding="utf-8")):
            found.setdefault(name, []).append(chapter)
    return found


def assignments_in_order() -> list[str]:
    """Return the names of the assignments in the order of their chapters."""
    order = list(chapters_of_assignments())
    names = [path.name for path in SOLUTIONS.iterdir() if (path / f"{path.name}.py").is_file()]
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def title_of(assignment: str) -> str:
    """Return the title of an assignment's notebook."""
    source = (SOLUTIONS / assignment / f"{assignment}.py").read_text(encoding="utf-8")
    title = re.search(r"^# # (.+)$", source, re.MULTILINE)
    return title[1] if title else assignment


def _pages(table: dict) -> Iterator[str]:
    yield table["root"]
    yield from _entries(table.get("chapters", []))
    for part in table.get("parts", []):
        yield from _entries(part["chapters"])


def _entries(entries: list[dict]) -> Iterator[str]:
    for entry in entries:
        yield entry["file"]
        yield from _entries(entry.get("sections", []))
