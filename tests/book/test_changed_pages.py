"""After a change of prose only that page is written, and all where the page tells the others something else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sphinx.util.docutils import docutils_namespace

from tests.book.conftest import ROOT

sys.path.insert(0, str(ROOT / "book"))
import write_pages

OTHER = "Other\n=====\n\nAs :ref:`there <here>` and in :ref:`here`, :numref:`picture`, :term:`word`.\n"
PAGE = """\
.. _here:

A page
======

Prose.

.. _picture:

.. figure:: dot.png

   A dot.
"""
GLOSSARY = "Words\n=====\n\n.. glossary::\n\n   word\n      What it means.\n"
INDEX = "Book\n====\n\n.. toctree::\n   :numbered:\n\n   page\n   other\n   glossary\n"


class Book:
    """A small book that is written with plain Sphinx by the application that the course is written with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        texts = {"index": INDEX, "page": PAGE, "other": OTHER, "glossary": GLOSSARY, "last": ":orphan:\n\nLast\n====\n"}
        for name, text in texts.items():
            (folder / f"{name}.rst").write_text(text)
        (folder / "dot.png").write_bytes(b"\x89PNG")
        self.write(write_pages.Application)

    def write(self, application: type[write_pages.Application]) -> None:
        """Write it, and mark every page, so that one that is written again can be told."""
        with docutils_namespace():
            made = application(
                srcdir=self.folder,
                confdir=None,
                outdir=self.folder / "site",
                doctreedir=self.folder / "trees",
                buildername="html",
                confoverrides={"numfig": True},
                status=None,
                warningiserror=True,
            )
            made.build(application is write_pages.Application)
        pages = list((self.folder / "site").glob("*.html"))
        self.again = {path.stem for path in pages if "<!-- seen -->" not in path.read_text()}
        for path in pages:
            path.write_text(path.read_text() + "<!-- seen -->")

    def change(self, page: str, old: str, new: str) -> set[str]:
        """Change a page, write what has to be, and return what was."""
        path = self.folder / f"{page}.rst"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.write(write_pages.ChangedPages)
        return self.again - {"search", "genindex"}

    def html(self, page: str) -> str:
        """Return a page of the site."""
        return (self.folder / "site" / f"{page}.html").read_text()


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A book that was written once."""
    return Book(tmp_path)


def test_prose_is_written_on_its_own_page(book: Book) -> None:
    assert book.change("page", "Prose.", "Better prose,\nand a line more.") == {"page", "index"}
    assert "Better prose" in book.html("page")


@pytest.mark.parametrize(
    ("page", "old", "new", "shown"),
    [
        ("page", "A page\n======", "A new title\n===========", "A new title"),
        ("page", ".. _picture:", ".. figure:: dot.png\n\n   First.\n\n.. _picture:", "Fig. 1.2"),
        ("glossary", "What it means.", "What it means now.", "Words"),
        ("index", "   page\n   other", "   other\n   page", "Fig. 2.1"),
    ],
)
def test_what_others_show_is_written_everywhere(book: Book, page, old, new, shown) -> None:
    assert book.change(page, old, new) == {"page", "other", "glossary", "index", "last"}
    assert shown in book.html("other")


def test_a_label_that_is_gone_is_missed_where_it_was_named(book: Book) -> None:
    with pytest.raises(Exception, match="here"):
        book.change("page", ".. _here:", ".. _there:")
