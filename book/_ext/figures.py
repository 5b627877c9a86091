"""Put figures into the page as SVG, with the palette's colours as CSS colours, so that they follow dark mode.

A picture behind an ``<img>`` cannot see the page's colours, and an inverted one has wrong colours. Each SVG that a
code cell drew is therefore written into the page itself; every colour of rlkit's palette becomes a CSS variable with
a light and a dark value (book/_static/course.css). Ids are made unique, since one page holds several figures.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes
from figure_panels import panels, with_legend_grounds

# Names of the CSS variables: --figure-blue and so on. A test keeps this table equal to rlkit.plotting.PALETTE.
COLOURS = {
    "#1f2933": "ink",
    "#000000": "ink",
    "#0072b2": "blue",
    "#d55e00": "orange",
    "#009e73": "green",
    "#8f4a8c": "purple",
    "#56b4e9": "sky",
    "#b08900": "yellow",
    "#ffffff": "paper",
}
PROLOGUE = re.compile(r"\A.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
WIDEST_IN_TEXT = 440.0  # points: the column of text
OPENING = re.compile(r"<svg\b[^>]*>", re.DOTALL)


def inline_svg(svg: str, description: str, prefix: str) -> str:
    """Return matplotlib's SVG file as an element for a page.

    Parameters
    ----------
    svg : str
        The file's text.
    description : str
        What a reader who cannot see the figure is told.
    prefix : str
        Put before every id.
    """
    parts = panels(svg)
    svg = PROLOGUE.sub("", with_legend_grounds(svg))
    opening = OPENING.match(svg)
    attributes = dict(re.findall(r'([\w:]+)="([^"]*)"', opening.group(0)))
    label = f' role="img" aria-label="{html.escape(description)}"' if description else ' aria-hidden="true"'
    width = attributes.get("width", "")
    wide = " wide" if float(attributes["viewBox"].split()[2]) > WIDEST_IN_TEXT else ""
    kind = f"figure-svg{wide}{' in-panels' if parts else ''}"
    head = f'<svg class="{kind}" viewBox="{attributes["viewBox"]}" style="width: {width}"{label}>'
    body = svg[opening.end() :]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(xlink:href="#|\burl\(#)', rf"\g<1>{prefix}-", body)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r"#[0-9a-fA-F]{6}\b", _variable, body)
    whole = head + re.sub(r"\n\s*", "\n", body)
    if not parts:
        return whole
    return (
        f'{whole}<div class="figure-panels" aria-hidden="true">{"".join(part.picture(prefix) for part in parts)}</div>'
    )


def _variable(match: re.Match) -> str:
    name = COLOURS.get(match.group(0).lower())
    return f"var(--figure-{name}, {match.group(0)})" if name else match.group(0)


def put_into_page(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: replace the images that cells drew."""
    if app.builder.format != "html":
        return
    for number, image in enumerate(list(doctree.findall(nodes.image)), start=1):
        path = Path(app.srcdir, image["uri"].lstrip("/")).resolve()
        if path.suffix == ".svg" and "jupyter_execute" in path.parts:
            svg = inline_svg(path.read_text(encoding="utf-8"), image.get("alt", ""), f"figure-{number}")
            image.replace_self(nodes.raw("", svg, format="html"))


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-resolved", put_into_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
