"""The directive ``{gridworld-planner}``: embeds book/_static/gridworld-planner.js in a page."""

from __future__ import annotations

import html
import re
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

MAP = re.compile(r"[.#SGP|]+")


class PlannerDirective(SphinxDirective):
    """The planner on a map; the content is what a reader without JavaScript sees."""

    has_content = True
    option_spec: ClassVar[dict] = {
        "map": directives.unchanged_required,
        "discount": float,
        "slip": float,
        "step-reward": float,
        "name": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """Return the element around its fallback text."""
        text = self.options.get("map", "")
        rows = text.split("|")
        if not MAP.fullmatch(text) or len({len(row) for row in rows}) != 1:
            raise self.error(f"gridworld-planner: :map: is {text!r}, expected rows of . # S G P joined by |")
        self.assert_has_content()
        attributes = {"id": self.options.get("name", f"planner-{self.env.new_serialno('planner')}"), "map": text}
        for option in ("discount", "slip", "step-reward"):
            if option in self.options:
                attributes[option] = f"{self.options[option]:g}"
        opening = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        fallback = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, fallback)
        metadata = self.env.metadata[self.env.docname]
        metadata["widgets"] = f"{metadata.get('widgets', '')} gridworld-planner".strip()
        return [
            nodes.raw("", f"<gridworld-planner {opening}>", format="html"),
            *fallback.children,
            nodes.raw("", "</gridworld-planner>", format="html"),
        ]


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("gridworld-planner", PlannerDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
