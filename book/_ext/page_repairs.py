"""Small repairs of the theme's HTML, each with its reason: what axe-core reports, and what only adds weight or work."""

from __future__ import annotations

import re
from pathlib import Path


def as_divisions(match: re.Match) -> str:
    """Return the parameters of a signature, one a line, without the marks of a list of definitions."""
    lines = match.group(1).replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="sig-parameters">{lines}</div>'


def without_links(match: re.Match) -> str:
    """Return the title of a folded answer with the words of its links."""
    return re.sub(r"</?a\b[^>]*>", "", match.group(0))


def with_places_to_break(match: re.Match) -> str:
    """Return a cell of a table, or a term, whose code may be broken after the signs that part its words."""
    return WORD_OF_CODE.sub(lambda word: PARTS_WORDS.sub(r"\1<wbr>", word.group(0)), match.group(0))


WORD_OF_CODE = re.compile(r'(?<=<span class="pre">)[^<&]+(?=</span>)')
PARTS_WORDS = re.compile(r"(?<=[\w)])([_./=(,]+)(?=\w)")
REPAIRS = (
    # A label that differs from the visible text is not found by people who speak to their computer.
    (re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"'), r"\1"),
    # A list role without list items, and a role that is only allowed in a list.
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    (re.compile(r' role="doc-biblioentry"'), ""),
    # Content outside every landmark.
    (
        re.compile(r'<div class="sidebar-primary-items__start sidebar-primary__section">'),
        '<div class="sidebar-primary-items__start sidebar-primary__section" role="navigation" aria-label="Book">',
    ),
    # Sphinx writes the parameters of a long signature as definitions of nothing.
    (re.compile(r"<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>", re.DOTALL), as_divisions),
    # An entry of the contents with pages below it opens and closes by a button that has no name.
    (
        re.compile(r'<summary>(<span class="toctree-toggle" role="presentation">)'),
        r'<summary aria-label="Pages of this part">\1',
    ),
    # The title of a folded answer is a button; a link inside it would be a button in a button.
    (re.compile(r'<summary class="sd-summary-title.*?</summary>', re.DOTALL), without_links),
    # The style sheet draws the icons from a font; this script of 1.5 MB draws them once more.
    (re.compile(r'<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>\s*'), ""),
    # A phone is too narrow for the code in a table, which a browser would break in the middle of words.
    (re.compile(r"<td\b.*?</td>|<dt>.*?</dt>", re.DOTALL), with_places_to_break),
    # A block that scrolls sideways has to be reachable with the keyboard.
    (re.compile(r'<div class="highlight"><pre>'), '<div class="highlight"><pre tabindex="0">'),
)


def share_sidebar(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Sphinx event: pages that the contents do not name have one sidebar; drawing it is a quarter of a build."""
    draw = context.get("generate_toctree_html")
    folder = pagename.rpartition("/")[0]
    if draw is None or folder not in ("api", "code"):
        return
    drawn = app.env.temp_data.setdefault("shared_sidebars", {})

    def shared(kind: str, *arguments: object, **options: object) -> object:
        key = (folder, kind, arguments, tuple(sorted(options.items())))
        if kind == "raw":
            return draw(kind, *arguments, **options)
        if key not in drawn:
            drawn[key] = str(draw(kind, *arguments, **options))
        return drawn[key]

    context["generate_toctree_html"] = shared


def repair(app, error: Exception | None) -> None:
    """Sphinx event: the pages have been written."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = repaired = path.read_text(encoding="utf-8")
        for pattern, replacement in REPAIRS:
            repaired = pattern.sub(replacement, repaired)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", share_sidebar, priority=950)
    app.connect("build-finished", repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
