"""Write the pages with Jupyter Book: ``python book/write_pages.py CONTENTS``, as book/build.py does.

Pages are read where they or what they depend on have changed. All of them are written, so that every link is resolved
again; with ``--changed`` only those that were read, unless one of them now tells the others something else: a title,
a label, a term, a number. Every warning is an error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import quick_start  # noqa: F401

# isort: split
import jupyter_book.sphinx
import sphinx.application
from docutils import nodes

BOOK = Path(__file__).resolve().parent
OUTPUT = BOOK.parent / "_build"


# What a page says is looked up in these while other pages are written.
READ_BY_OTHERS = {"notation", "glossary"}


class Application(sphinx.application.Sphinx):
    """Reads page after page, since an extension that numbers chapters says nothing of reading side by side."""

    def is_parallel_allowed(self, typ: str) -> bool:
        """Whether pages may be read, or written, side by side."""
        return typ == "write" and super().is_parallel_allowed(typ)


class ChangedPages(Application):
    """Writes the pages that were read, and all where one of them tells the others something else than before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.told: dict[str, Any] = {}
        self.builder.get_outdated_docs = list  # what was not read again stands as it was written
        self.connect("env-before-read-docs", self.remember)
        self.connect("env-get-updated", self.pages_to_write, priority=900)  # pages have their numbers

    def remember(self, _: Application, env, names: list[str]) -> None:
        """Sphinx event: pages are about to be read."""
        self.told = {"everything": ...} if READ_BY_OTHERS & set(names) else what_pages_tell(env)

    def pages_to_write(self, _: Application, env) -> set[str]:
        """Sphinx event: pages have been read; return which to write besides."""
        self.writes_all = self.told != what_pages_tell(env)
        return env.found_docs if self.writes_all else set()


def what_pages_tell(env) -> dict[str, Any]:
    """Return what is known of pages when another is written: titles, contents, labels, terms, numbers."""
    names = ("titles", "longtitles", "tocs", "toc_secnumbers", "toc_fignumbers", "domaindata")
    headings = {page: known.get("myst_slugs") for page, known in env.metadata.items()}
    return {"headings": plain(headings), **{name: plain(getattr(env, name)) for name in names}}


def plain(value: Any) -> Any:
    """Return a value that can be compared: text for a part of a page, and nothing of the line where it stands."""
    if isinstance(value, nodes.Node):
        return value.pformat()
    if hasattr(value, "_asdict"):
        value = {name: part for name, part in value._asdict().items() if name != "line"}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple):  # the number of a section, say
        return tuple(plain(part) for part in value)
    # A page that is read again says at the end of a list what it said before in its middle.
    if isinstance(value, list | set | frozenset):
        return sorted((plain(part) for part in value), key=repr)
    if isinstance(value, str | int | float | None):
        return value
    return getattr(value, "label", repr(value))  # a citation's label is all that pages show of it


def main(contents: str, verbose: bool, changed: bool) -> int:
    """Write the site; return 0 if there was no warning."""
    jupyter_book.sphinx.Sphinx = ChangedPages if changed else Application
    result = jupyter_book.sphinx.build_sphinx(
        BOOK,
        OUTPUT / "html",
        noconfig=True,
        path_config=BOOK.parent / "_config.yml",
        confoverrides={"external_toc_path": contents, "nitpicky": True, "latex_individualpages": False},
        force_all=not changed,
        warningiserror=True,
        keep_going=True,
        quiet=not verbose,
        jobs=os.cpu_count() or 1,
    )
    return result if isinstance(result, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--verbose" in sys.argv[2:], "--changed" in sys.argv[2:]))
