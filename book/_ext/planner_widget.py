"""The directive ``{gridworld-planner}``: embeds book/_static/gridworld-planner.js in a page."""

from __future__ import annotations

import re
from typing import ClassVar

from docutils.parsers.rst import directives
from widgets import Widget

MAP = re.compile(r"[.#SGP|]+")


class PlannerDirective(Widget):
    """The planner on a map; the content is what a reader without JavaScript sees."""

    ranges: ClassVar[dict] = {"discount": (0, 0.99), "slip": (0, 1), "step-reward": (-0.5, 0.5)}
    option_spec: ClassVar[dict] = {
        **dict.fromkeys(ranges, float),
        "map": directives.unchanged_required,
        "name": directives.unchanged,
    }

    def attributes(self) -> dict[str, str]:
        """Return the map beside the numbers."""
        text = self.options.get("map", "")
        rows = text.split("|")
        if not MAP.fullmatch(text) or len({len(row) for row in rows}) != 1:
            raise self.error(f"gridworld-planner: :map: is {text!r}, expected rows of . # S G P joined by |")
        return {"map": text, **super().attributes()}


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("gridworld-planner", PlannerDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
