"""A line keeps a formula and its punctuation together, and numbers in prose have the sign that they mean."""

from __future__ import annotations

import pytest
from docutils import nodes
from docutils.utils import new_document
from typography import keep_together, mark_long_cells, set_signs, with_signs


def paragraph(*content: nodes.Node | str) -> nodes.document:
    """Return a page with one paragraph."""
    document = new_document("page")
    parts = (nodes.Text(part) if isinstance(part, str) else part for part in content)
    document += nodes.paragraph("", "", *parts)
    return document


def kept_together(*content: nodes.Node | str) -> list[str]:
    """Return what stands in one unbreakable span, and check that the text is as before."""
    document = paragraph(*content)
    before = document.astext()
    keep_together(document)
    assert document.astext() == before
    return [span.astext() for span in document.findall(nodes.inline) if "unbroken" in span["classes"]]


def formula(latex: str) -> nodes.math:
    return nodes.math("", latex)


def test_a_full_stop_a_bracket_and_an_ending_stay_with_the_formula_they_touch() -> None:
    assert kept_together("The value is ", formula("x"), ". Next") == ["x."]
    assert kept_together("The value (", formula("x"), ", or ", formula("y"), "), and") == ["(x,", "y),"]
    assert kept_together("The ", formula("n"), "-step return, the ", formula("k"), "th one") == ["n-", "kth"]


def test_a_formula_that_touches_nothing_is_left_alone() -> None:
    assert kept_together("so ", formula("x"), " is") == []
    assert kept_together(formula("x"), nodes.emphasis("", "y")) == []


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("from -0.02 to (-3)", "from −0.02 to (−3)"),
        ("-0.00 and −0", "0.00 and 0"),
        ("-0.01 and -0.5.", "−0.01 and −0.5."),
        ("0.25 [-0.23, +0.28]", "0.25 [−0.23,\N{NO-BREAK SPACE}+0.28]"),
        ("GPT-4, 2026-11-27, chapters 1-3, a 5-step", "GPT-4, 2026-11-27, chapters 1-3, a 5-step"),
    ],
)
def test_numbers_have_their_sign_and_words_their_hyphen(written: str, right: str) -> None:
    assert with_signs(written) == right


def test_code_and_what_touches_it_keep_their_hyphens() -> None:
    document = paragraph("at -1 ", nodes.literal("", "x[-1]"), "-2")
    set_signs(document)
    assert document.astext() == "at −1 x[-1]-2"


def test_a_cell_with_more_than_a_few_words_is_marked() -> None:
    document = new_document("page")
    long, short = (
        nodes.entry("", nodes.paragraph("", text)) for text in ("a cell that tells of something at length", "0.25")
    )
    document += nodes.row("", long, short)
    mark_long_cells(document)
    assert long["classes"] == ["long"] and not short["classes"]
