"""What can be carried away from a built site: the book as one PDF, and the site as a zip that opens without a server.

``python book/build.py --pdf --zip`` calls :func:`write_pdf` and :func:`write_zip`. Chromium prints the PDF: the
chapters are put into one document, so that links between them lead to pages and page numbers run through.
"""

from __future__ import annotations

import html
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from served import CHROMIUM_ARGUMENTS, served

TITLE = "Mastering reinforcement learning"
PDF = "mastering-rl.pdf"
ZIP = "mastering-rl-site.zip"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LEFT_OUT = ("index", "guide", "solutions", "reference", "api")  # pages and folders
PLACE_OF_LINKS = re.compile(r'<p class="offline-copies"[^>]*>.*?</p>', re.DOTALL)
PRELOAD = re.compile(r'<link rel="preload"[^>]*>\s*')
BOOK = Path(__file__).resolve().parent
FOOTER = '<div style="width: 100%; text-align: center; font: 8pt sans-serif"><span class="pageNumber"></span></div>'
PACKED = (".zip", ".woff2", ".woff", ".png", ".webp")


def chromium() -> str:
    """Return the path of Chromium.

    Raises
    ------
    RuntimeError
        If there is none; says how to get it.
    """
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(
            f"The PDF is printed by Chromium, and none of {', '.join(CHROMIUM)} was found. "
            "Install it (Debian: apt-get install chromium) and run the same command again."
        )
    return found


def pages_of_pdf(pages: Sequence[str]) -> list[str]:
    """Return the pages of the site that the PDF holds: the chapters, and what a reader of them looks up."""
    return [page for page in pages if page.split("/")[0] not in LEFT_OUT]


def write_pdf(site: Path, pages: Sequence[str], target: Path) -> int:
    """Print pages of a built site as one PDF with a title page, contents and bookmarks; return the number of pages.

    The contents name page numbers, which are known when the book has been printed: it is printed twice.
    """
    try:
        from playwright.sync_api import sync_playwright
        from pypdf import PdfReader
    except ImportError as error:
        raise RuntimeError(f"The PDF needs {error.name}: pip install playwright pypdf") from error
    program = chromium()
    with served(site) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        context = browser.new_context(color_scheme="light", viewport={"width": 680, "height": 960})
        page = context.new_page()
        page.goto(f"{address}/{pages[0]}.html")
        page.add_style_tag(path=str(BOOK / "print.css"))
        page.evaluate((BOOK / "print.js").read_text(encoding="utf-8"), {"pages": list(pages), "title": TITLE})
        page.evaluate("() => document.fonts.ready.then(() => true)")
        for _ in range(2):
            page.pdf(
                path=str(target),
                format="A4",
                margin={"top": "20mm", "bottom": "22mm", "left": "20mm", "right": "20mm"},
                outline=True,
                tagged=True,
                print_background=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
            )
            reader = PdfReader(target)
            page.evaluate("numbers => fillIn(numbers)", first_pages(reader))
        browser.close()
    return len(reader.pages)


def first_pages(reader) -> list[int]:
    """Return on which page each chapter begins, counted from 1: the bookmarks of the first level, but the title's."""
    chapters = [entry for entry in reader.outline if not isinstance(entry, list)][1:]
    return [reader.get_destination_page_number(entry) + 1 for entry in chapters]


def write_zip(site: Path, target: Path) -> int:
    """Write the site into a zip, the same bytes for the same site; return the number of files.

    A page that is opened as a file may not preload its fonts; it takes them from its style sheet, and the zip's pages
    are without the request.
    """
    files = sorted(path for path in site.rglob("*") if path.is_file() and path != target)
    unfinished = target.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            name = f"{target.stem}/{path.relative_to(site).as_posix()}"
            content = path.read_bytes()
            if path.suffix == ".html":
                content = PRELOAD.sub("", content.decode("utf-8")).encode()
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    unfinished.replace(target)
    return len(files)


def link_copies(site: Path) -> None:
    """Let the landing page lead to the PDF and the zip that stand beside it."""
    links = []
    for name, what in ((PDF, "the book as a PDF"), (ZIP, "the site as a zip, to read without a network")):
        if (site / name).is_file():
            megabytes = max(0.1, (site / name).stat().st_size / 1e6)
            links.append(f'<a href="{name}" download>{html.escape(what)}</a> ({megabytes:.1f} MB)')
    index = site / "index.html"
    text = index.read_text(encoding="utf-8")
    paragraph = f'<p class="offline-copies legend">To take along: {", ".join(links)}.</p>' if links else ""
    index.write_text(PLACE_OF_LINKS.sub(lambda _: paragraph, text) if links else text, encoding="utf-8")
