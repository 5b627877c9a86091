"""Write the pages with Jupyter Book: ``python book/write_pages.py CONTENTS``, as book/build.py does.

Pages are read where they or what they depend on have changed, and all of them are written, so that every link is
resolved again. Every warning is an error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import quick_start  # noqa: F401

# isort: split
import jupyter_book.sphinx
import sphinx.application

BOOK = Path(__file__).resolve().parent
OUTPUT = BOOK.parent / "_build"


class Application(sphinx.application.Sphinx):
    """Reads page after page, since an extension that numbers chapters says nothing of reading side by side."""

    def is_parallel_allowed(self, typ: str) -> bool:
        """Whether pages may be read, or written, side by side."""
        return typ == "write" and super().is_parallel_allowed(typ)


def main(contents: str, verbose: bool) -> int:
    """Write the site; return 0 if there was no warning."""
    jupyter_book.sphinx.Sphinx = Application
    result = jupyter_book.sphinx.build_sphinx(
        BOOK,
        OUTPUT / "html",
        noconfig=True,
        path_config=BOOK.parent / "_config.yml",
        confoverrides={"external_toc_path": contents, "nitpicky": True, "latex_individualpages": False},
        force_all=True,
        warningiserror=True,
        keep_going=True,
        quiet=not verbose,
        jobs=os.cpu_count() or 1,
    )
    return result if isinstance(result, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--verbose" in sys.argv[2:]))
