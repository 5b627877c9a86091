"""What a line of text keeps together, and the signs of its numbers, put right when a page is about to be written.

A browser breaks a line on both sides of a formula, so that a full stop can stand alone on the next one. And the cells
of a chapter print numbers with the hyphen of the keyboard, which in prose, captions and tables is a minus.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes

BEFORE = re.compile(r"[(\[“‘±−+~]+$")  # touches the formula that follows
AFTER = re.compile(r"^(?:-|[.,;:!?)\]”’%…]+(?:s\b)?|\w+)")  # touches the formula before it
HYPHEN_OF_A_NUMBER = re.compile(r"(?<![\w.,)\]-])-(?=\.?\d)")
SIGN_OF_NOTHING = re.compile(r"(?<![\w.,)\]])−(?=0(?:\.0+)?(?!\.?\d))")
INTERVAL = re.compile(r"(\[[−+]?[\d.]+,) (?=[−+]?[\d.]+\])")
AS_WRITTEN = (
    nodes.literal,
    nodes.FixedTextElement,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.comment,
    addnodes.desc_signature,
)
LONG = 25  # letters; a cell of a table with more needs a width of several words


def with_signs(text: str) -> str:
    """Return text whose numbers have a minus for a hyphen, no sign at 0, and intervals that stay on one line."""
    text = SIGN_OF_NOTHING.sub("", HYPHEN_OF_A_NUMBER.sub("−", text))
    return INTERVAL.sub("\\1\N{NO-BREAK SPACE}", text)


def is_as_written(node: nodes.Node) -> bool:
    """Whether a text is code, mathematics or the like."""
    while node is not None and not isinstance(node, AS_WRITTEN):
        node = node.parent
    return node is not None


def set_signs(doctree: nodes.document) -> None:
    """Put the signs of all numbers in prose right; what touches something before it is no number."""
    for text in list(doctree.findall(nodes.Text)):
        number = "-" in text or "−0" in text or ", " in text
        touching = text.startswith("-") and text.parent.index(text) > 0
        if number and not touching and not is_as_written(text) and with_signs(text) != text:
            text.parent.replace(text, nodes.Text(with_signs(text)))


def keep_together(doctree: nodes.document) -> None:
    """Put each formula in a line of text into one unbreakable span with the punctuation that touches it."""
    for formula in list(doctree.findall(nodes.math)):
        parent, place = formula.parent, formula.parent.index(formula)
        before = parent[place - 1] if place else None
        after = parent[place + 1] if place + 1 < len(parent) else None
        opening = BEFORE.search(before) if isinstance(before, nodes.Text) else None
        closing = AFTER.match(after) if isinstance(after, nodes.Text) else None
        if not opening and not closing:
            continue
        span = nodes.inline(classes=["unbroken"])
        parent.replace(formula, span)
        if opening:
            parent.replace(before, nodes.Text(before[: opening.start()]))
            span += nodes.Text(opening[0])
        span += formula
        if closing:
            parent.replace(after, nodes.Text(after[closing.end() :]))
            span += nodes.Text(closing[0])


def mark_long_cells(doctree: nodes.document) -> None:
    """Mark the cells of tables that hold more than a few words."""
    for entry in doctree.findall(nodes.entry):
        if len(entry.astext()) > LONG:
            entry["classes"].append("long")


def set_page(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: a page is about to be written."""
    if app.builder.format == "html":
        set_signs(doctree)
        keep_together(doctree)
        mark_long_cells(doctree)


def setup(app) -> dict[str, bool]:
    """Register the extension, after the one that links what the text names."""
    app.connect("doctree-resolved", set_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
