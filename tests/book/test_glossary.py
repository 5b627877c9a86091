"""The glossary explains each term in a line and sends the reader to the chapter that uses it."""

from __future__ import annotations

import re

import pytest
from table_of_contents import chapters_in_contents

from tests.book.conftest import ROOT

BOOK = ROOT / "book"
TEXT = (BOOK / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^(\S.*)\n  (.+?) See \[\]\(([\w/-]+)\.md\)\.?$", TEXT, re.M)
MOST_WORDS = 60


def order(term: str) -> str:
    """Return what a term is sorted by: its letters, whatever their case."""
    return re.sub(r"[^a-z0-9 ]", "", term.lower().replace("λ", "lambda").replace("–", " "))


def test_every_entry_has_one_line_and_a_chapter_and_they_are_sorted() -> None:
    terms = re.findall(r"^(?!  |```|#|$)(\S.*)$", TEXT.split("```{glossary}\n")[1].rsplit("```", 1)[0], re.M)
    assert terms == [term for term, _, _ in ENTRIES]
    assert terms == sorted(terms, key=order)


def test_a_sentence_that_ends_with_a_chapters_title_has_one_mark_at_its_end() -> None:
    for document, stop in re.findall(r"See \[\]\(([\w/-]+)\.md\)(.*)$", TEXT, re.M):
        title = re.search(r"^# (.+)$", (BOOK / f"{document}.md").read_text(encoding="utf-8"), re.M)
        assert stop == ("" if title and title[1].endswith("?") else "."), document


def test_a_letter_leads_to_the_first_term_that_begins_with_it() -> None:
    firsts = {order(term)[0].upper(): term for term, _, _ in reversed(ENTRIES)}
    assert dict(re.findall(r"\{term\}`(\w) <(.+?)>`", TEXT)) == firsts


@pytest.mark.parametrize(("term", "explanation", "document"), ENTRIES, ids=[term for term, _, _ in ENTRIES])
def test_the_chapter_of_an_entry_uses_its_term(term: str, explanation: str, document: str) -> None:
    assert document in chapters_in_contents()
    assert len(explanation.split()) <= MOST_WORDS
    text = (BOOK / f"{document}.md").read_text(encoding="utf-8").lower()
    words = [word for word in re.split(r"[^\w@']+", term.partition(" (")[0].lower()) if len(word) > 1]
    missing = [word for word in words if word not in text]
    assert not missing, f"{document} does not have {missing} of {term}"
