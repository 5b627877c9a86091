"""How the pages of the built site arrive in a browser, and how long a build takes.

python benchmarks/website.py                what is transferred, what moves, when the largest part is painted
python benchmarks/website.py --build warm   a build after a change of prose
python benchmarks/website.py --build cold   a build from nothing; every chapter runs
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from evidence import ROOT, write_record

sys.path[:0] = [str(ROOT), str(ROOT / "book"), str(ROOT / "book" / "_ext")]

from served import CHROMIUM_ARGUMENTS, served  # noqa: E402
from table_of_contents import pages_of_site  # noqa: E402

from tests.browser.speed import WINDOWS, Arrival, CompressingHandler, arrive  # noqa: E402
from tests.debian_packages import CHROMIUM  # noqa: E402

SITE = ROOT / "_build" / "html"
PACKAGES = ("jupyter-book", "sphinx", "sphinx-book-theme", "playwright")
LOOKS = ("book/_ext/mathematics.py", "book/_ext/offline_assets.py", "book/_static/course.css")
BUILD = ("book/build.py", "book/write_pages.py", "book/_ext/execution_cache.py")
PROSE = ROOT / "book" / "foundations" / "bellman.md"
MADE_BY_THE_BUILD = ("html", ".doctrees", ".jupyter_cache", "jupyter_execute", ".mathematics")
LONGEST = {"cold": 720.0, "warm": 10.0}  # seconds


def arrivals(pages: list[str]) -> dict[str, dict[str, Arrival]]:
    """Return how each page arrives in each window."""
    from playwright.sync_api import sync_playwright

    program = CHROMIUM.find()
    if program is None:
        raise SystemExit(CHROMIUM.advice)
    found: dict[str, dict[str, Arrival]] = {}
    with served(SITE, CompressingHandler) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        for page in pages:
            found[page] = {window: arrive(browser, address, page, window) for window in WINDOWS}
            worst = max(found[page].values(), key=lambda one: one.paint)
            print(
                f"{page}: {worst.weight / 1e3:.0f} kB, shift {worst.shift:.4f}, paint {worst.paint:.0f} ms", flush=True
            )
        browser.close()
    return found


def measure_pages() -> None:
    """Write the record of the pages."""
    if not SITE.is_dir():
        raise SystemExit("There is no site to measure: python book/build.py")
    found = arrivals([*pages_of_site(), "search"])
    every = [one for page in found.values() for one in page.values()]
    weights, shifts, paints = ([getattr(one, name) for one in every] for name in ("weight", "shift", "paint"))
    heaviest = max(found, key=lambda page: max(one.weight for one in found[page].values()))
    write_record(
        "website-pages",
        f"The heaviest of {len(found)} pages, {heaviest}, takes {max(weights) / 1e6:.2f} MB with compression; the text "
        f"moves by at most {max(shifts):.3f} while a page arrives; the largest part is painted after "
        f"{statistics.median(paints):.0f} ms (median; at most {max(paints):.0f}), on a phone's and a desktop's window.",
        max(weights) / 1e6,
        "MB transferred",
        LOOKS,
        PACKAGES,
        peer="the most that a page may take",
        peer_value=1.5,
        ratio=1.5e6 / max(weights),
        goal=1.0,
        median_megabytes=statistics.median(weights) / 1e6,
        pages={
            page: {window: vars(one) | {"moved": []} for window, one in seen.items()} for page, seen in found.items()
        },
    )


def build() -> float:
    """Build the site and return the seconds."""
    start = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "book" / "build.py")], check=True)
    return time.perf_counter() - start


def measure_build(kind: str) -> None:
    """Write the record of a build."""
    text = PROSE.read_text(encoding="utf-8")
    others = os.getloadavg()[0]
    if kind == "cold":
        for name in MADE_BY_THE_BUILD:
            shutil.rmtree(ROOT / "_build" / name, ignore_errors=True)
        seconds = build()
    else:
        build()
        try:
            PROSE.write_text(text + "\nA sentence more.\n", encoding="utf-8")
            seconds = build()
        finally:
            PROSE.write_text(text, encoding="utf-8")
    what = "from nothing, every chapter run," if kind == "cold" else "after a change in one chapter's prose"
    write_record(
        f"website-build-{kind}",
        f"The site is built {what} in {seconds:.0f} s.",
        seconds,
        "s",
        BUILD,
        PACKAGES,
        peer="the most that it may take",
        peer_value=LONGEST[kind],
        ratio=LONGEST[kind] / seconds,
        goal=1.0,
        load_before=others,
        pages=len(list(Path(SITE).rglob("*.html"))),
    )
    print(f"{kind}: {seconds:.0f} s")


def main() -> None:
    """Measure the pages, or a build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", choices=("cold", "warm"), help="measure a build, not the pages")
    options = parser.parse_args()
    if options.build:
        measure_build(options.build)
    else:
        measure_pages()


if __name__ == "__main__":
    main()
