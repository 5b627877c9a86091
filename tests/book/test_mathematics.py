"""Formulas are typeset when the book is built: right, once each, and with the place named where they are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mathematics import Typesetter, joined
from mathjax_worker import FONTS, mathjax_folder

MACROS = {"E": r"\mathbb{E}", "norm": [r"\lVert #1 \rVert", 1]}


@pytest.fixture
def typesetter(tmp_path: Path) -> Iterator[Typesetter]:
    """Return a typesetter that has kept nothing yet."""
    made = Typesetter(tmp_path, MACROS)
    yield made
    made.close()


def mathml(html: str) -> str:
    """Return the letters that a screen reader is given."""
    return re.sub(r"<[^>]+>|\s", "", html[html.index("<math") :])


def test_a_formula_is_drawn_and_said_with_the_macros_of_the_book(typesetter: Typesetter) -> None:
    inline, display = typesetter.html(r"\E[x] < \norm{y}", False), typesetter.html(r"\E[x] < \norm{y}", True)
    assert mathml(inline) == mathml(display) == "E[x]&lt;‖y‖"
    assert 'display="true"' in display and 'display="true"' not in inline
    assert "<script" not in inline + display


def test_a_formula_is_typeset_once(tmp_path: Path, monkeypatch) -> None:
    first = Typesetter(tmp_path, MACROS)
    results = first.html("x^2", False), first.html("x^2", True), first.style_sheet()
    first.close()

    def not_again(self, request) -> str:
        raise AssertionError("asked MathJax again")

    monkeypatch.setattr(Typesetter, "_ask", not_again)
    second = Typesetter(tmp_path, MACROS)
    assert (second.html("x^2", False), second.html("x^2", True), second.style_sheet()) == results
    with pytest.raises(AssertionError, match="asked MathJax again"):
        Typesetter(tmp_path, {**MACROS, "E": "E"}).html("x^2", False)


@pytest.mark.parametrize(
    ("latex", "complaint"),
    [(r"\nosuch{x}", r"Undefined control sequence \\nosuch"), (r"\frac{a", "Missing close brace")],
)
def test_a_wrong_formula_is_an_error_each_time(typesetter: Typesetter, latex: str, complaint: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=complaint):
            typesetter.html(latex, False)
    assert mathml(typesetter.html("x", False)) == "x"


def test_numbers_of_one_formula_do_not_run_into_the_next(typesetter: Typesetter) -> None:
    first = typesetter.html(r"\begin{align} a \label{one} \\ b \end{align}", True)
    assert first == Typesetter(typesetter.folder / "other", MACROS).html(
        r"\begin{align} a \label{one} \\ b \end{align}", True
    )


def test_the_style_sheet_names_fonts_that_the_package_has(typesetter: Typesetter) -> None:
    named = set(re.findall(r'url\("([^"]+)"\)', typesetter.style_sheet()))
    assert named and all(name.startswith(f"{FONTS}/") for name in named)
    missing = [name for name in named if not (mathjax_folder() / name.removeprefix("vendor/mathjax/")).is_file()]
    assert not missing


def test_lines_of_a_displayed_equation_are_aligned() -> None:
    assert joined("a = b") == "a = b"
    assert joined(r"a &= b \\ &= c") == r"\begin{split}a &= b \\ &= c\end{split}"
    assert joined("a\n\nb") == r"\begin{aligned}a\\b\end{aligned}"
