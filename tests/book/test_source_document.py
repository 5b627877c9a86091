"""The guide that the course grew from is covered, and its references and those of the chapters are cited."""

from __future__ import annotations

import re

from table_of_contents import chapters_in_contents

from tests.book.conftest import ROOT

BOOK = ROOT / "book"
PAGE = (BOOK / "source-document.md").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\w+),$", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
CITATION = re.compile(r"\{cite:\w+\}`([^`]+)`")


def cited_in(text: str) -> set[str]:
    """Return the keys that a page cites."""
    return {key.strip() for keys in CITATION.findall(text) for key in keys.split(",")}


def test_each_of_its_nine_references_is_cited_by_the_chapter_that_stands_beside_it() -> None:
    rows = re.findall(r"^\| \{cite:t\}`(\w+)` \| \[Chapter (\d+)\]\(([\w/-]+)\.md\) \|$", PAGE, re.M)
    assert [key for key, _, _ in rows] == KEYS[:9]
    for key, number, document in rows:
        assert chapters_in_contents()[int(number) - 1] == document
        assert key in cited_in((BOOK / f"{document}.md").read_text(encoding="utf-8")), f"{document} does not cite {key}"


def test_every_chapter_treats_a_statement_of_it() -> None:
    linked = set(re.findall(r"\]\(([\w/-]+)\.md[#)]", PAGE))
    assert set(chapters_in_contents()) <= linked, sorted(set(chapters_in_contents()) - linked)


def test_every_reference_is_cited_in_a_chapter() -> None:
    cited = set().union(
        *(cited_in((BOOK / f"{name}.md").read_text(encoding="utf-8")) for name in chapters_in_contents())
    )
    assert not set(KEYS) - cited, f"cited nowhere: {sorted(set(KEYS) - cited)}"
