"""Every link inside the built site leads somewhere, anchors included (needs no browser)."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Anchors(HTMLParser):
    """Collects the addresses that a page links to and the ids that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note links, sources and ids."""
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif value and ((name == "href" and tag != "use") or name == "src"):
                self.links.add(value)
                if name == "src" or tag == "link":
                    self.loaded.add(value)


@cache
def read(path: Path) -> Anchors:
    """Parse a page once."""
    parser = Anchors()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def broken_links(page: Path, site: Path) -> list[str]:
    """Return the links of a page inside the site that lead nowhere."""
    broken = []
    for link in read(page).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        target = target / "index.html" if target.is_dir() else target
        missing = not target.is_file() or not target.is_relative_to(site)
        if missing or (parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).ids):
            broken.append(link)
    return broken


def test_every_internal_link_and_anchor_resolves(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if "_static" not in page.relative_to(site).parts]
    assert len(pages) > 5
    broken = {str(page.relative_to(site)): links for page in pages if (links := broken_links(page, site.resolve()))}
    assert not broken, broken


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    foreign = {
        str(page.relative_to(site)): loaded
        for page in site.rglob("*.html")
        if (loaded := [address for address in read(page).loaded if urlsplit(address).netloc])
    }
    assert not foreign, foreign
