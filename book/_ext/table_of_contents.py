"""The pages of the book in reading order, from book/_toc.yml."""

from __future__ import annotations

from pathlib import Path

import yaml

CONTENTS = Path(__file__).resolve().parents[1] / "_toc.yml"


def pages_in_contents(contents: Path = CONTENTS) -> list[str]:
    """Return the names of the pages, such as ``foundations/mdp``."""
    table = yaml.safe_load(contents.read_text(encoding="utf-8"))
    chapters = table.get("chapters", []) + [entry for part in table.get("parts", []) for entry in part["chapters"]]
    return [table["root"], *(entry["file"] for entry in chapters)]


def chapters_in_contents(contents: Path = CONTENTS) -> list[str]:
    """Return the names of the numbered chapters."""
    table = yaml.safe_load(contents.read_text(encoding="utf-8"))
    parts = [part for part in table.get("parts", []) if part.get("numbered")]
    return [entry["file"] for part in parts for entry in part["chapters"]]
