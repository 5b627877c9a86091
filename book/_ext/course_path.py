"""The directive ``{course-path}``: the chapters as stops of one path, drawn in HTML so that it fits a phone.

Its content is a YAML list of parts, each with a title, a line and its chapters (document, title). A chapter that is
in the book is a link; one that is not yet written is shown as planned.
"""

from __future__ import annotations

import html
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PICTURES = Path(__file__).parent / "pictures"


class CoursePath(nodes.General, nodes.Element):
    """Stands for the picture until it is known which chapters exist."""


class CoursePathDirective(SphinxDirective):
    """Parts and chapters in YAML."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the placeholder."""
        self.assert_has_content()
        return [CoursePath(parts=yaml.safe_load("\n".join(self.content)))]


def path_as_html(parts: list[dict], written: set[str]) -> str:
    """Return the picture: four columns of numbered stops, links where a chapter is written."""
    number, columns = 0, []
    for part in parts:
        stops = []
        for document, title in part["chapters"].items():
            number += 1
            label = f'<span class="number">{number}</span><span class="name">{html.escape(title)}</span>'
            if document in written:
                stops.append(f'<li class="written"><a href="{document}.html">{label}</a></li>')
            else:
                stops.append(f'<li class="planned"><span class="stop">{label}</span></li>')
        picture = (PICTURES / f"{part['picture']}.svg").read_text(encoding="utf-8")
        columns.append(
            f'<div class="part">{picture}<h2>{html.escape(part["title"])}</h2>'
            f"<p>{html.escape(part['line'])}</p><ol>{''.join(stops)}</ol></div>"
        )
    ready = sum(document in written for part in parts for document in part["chapters"])
    legend = f'<p class="legend">{ready} of {number} chapters are written; the paler ones are planned.</p>'
    if ready == number:
        legend = ""
    return f'<nav class="course-path" aria-label="The chapters">{"".join(columns)}</nav>{legend}'


def fill_in(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: replace the placeholder."""
    for node in list(doctree.findall(CoursePath)):
        node.replace_self(nodes.raw("", path_as_html(node["parts"], app.env.found_docs), format="html"))


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_node(CoursePath)
    app.add_directive("course-path", CoursePathDirective)
    app.connect("doctree-resolved", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
