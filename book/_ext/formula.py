"""The directive ``{formula}``: a numbered equation that carries the name of the rlkit function that computes it."""

from __future__ import annotations

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from rlkit_sources import reference_to_source, resolve_name
from sphinx.directives.patches import MathDirective


class FormulaDirective(MathDirective):
    """A displayed equation with a label as its argument and the option ``:function:``."""

    required_arguments = 1
    optional_arguments = 0
    final_argument_whitespace = False
    option_spec: ClassVar[dict] = {"function": directives.unchanged_required, "nowrap": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return the equation and, under it, the link to the code."""
        function = self.options.pop("function", "")
        if resolve_name(function) is None:
            raise self.error(f"formula {self.arguments[0]}: there is no {function!r} in rlkit; write :function: rlkit…")
        self.options["label"] = self.arguments.pop(0)
        equation = super().run()
        caption = nodes.paragraph("", "", nodes.inline("", "in code: "), classes=["formula-code"])
        caption += reference_to_source(function, self.env.docname)
        self.env.note_dependency(str(resolve_name(function).path))
        return [nodes.container("", *equation, caption, classes=["formula"])]


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("formula", FormulaDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
