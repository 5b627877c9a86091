"""What readers and programs take along: the PDF, and the texts for language models."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from table_of_contents import chapters_in_contents, pages_in_contents

from tests.browser.conftest import ROOT
from tests.debian_packages import CHROMIUM

sys.path.insert(0, str(ROOT / "book"))
import publish

RAW = re.compile(r"\$[a-zA-Z\\(]|\\\(|\\frac|\{(eq|term|cite|glue|numref|ref|prf)[:\w]*\}`")


@pytest.mark.browser
def test_the_pdf_has_its_chapters_typeset_with_bookmarks_and_the_pages_they_begin_on(
    site: Path, tmp_path: Path
) -> None:
    from pypdf import PdfReader

    CHROMIUM.path()
    chapters = ["foundations/mdp", "language-models/dpo"]
    with ThreadPoolExecutor(1) as own_thread:  # the browser of the other tests has the loop of this one
        number = own_thread.submit(publish.write_pdf, site, chapters, tmp_path / "book.pdf").result()
    reader = PdfReader(tmp_path / "book.pdf")
    texts = [page.extract_text() for page in reader.pages]
    assert number == len(texts) > 10
    assert not [found.group() for text in texts if (found := RAW.search(text))]
    starts = publish.first_pages(reader)
    assert len(starts) == len(chapters)
    for start, title in zip(starts, ("Markov decision processes", "DPO"), strict=True):
        assert title in texts[start - 1][:200], "the bookmark leads elsewhere"
        assert re.search(rf"{title}\s*{start}\b", texts[1]), "the contents say another page"
    links = [link.get_object() for page in reader.pages for link in page.get("/Annots", [])]
    assert not [link for link in links if "127.0.0.1" in str(link.get("/A", ""))], "a link to the machine that printed"


def test_the_pdf_holds_every_chapter() -> None:
    printed = publish.pages_of_pdf(pages_in_contents())
    assert set(chapters_in_contents()) | {"notation", "glossary", "references"} <= set(printed)
    assert "index" not in printed and not [page for page in printed if page.startswith("solutions/")]


def test_the_list_for_language_models_leads_to_every_chapter_and_nowhere_else(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# Mastering reinforcement learning\n\n> ")
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", text, re.MULTILINE)
    assert {f"{chapter}.html" for chapter in chapters_in_contents()} <= set(links)
    assert not [link for link in links if not (site / link).is_file()]


def test_the_whole_text_has_its_numbers_and_no_syntax_of_the_website(site: Path) -> None:
    text = (site / "llms-full.txt").read_text(encoding="utf-8")
    missing = [chapter for chapter in chapters_in_contents() if f"<!-- {chapter}.html -->" not in text]
    assert not missing
    assert not re.search(r"\{(glue|term|cite|eq|numref|prf)[:\w]*\}`", text)
