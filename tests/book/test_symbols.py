"""Symbols are read from LaTeX as a reader sees them, and each one in a chapter is explained."""

from __future__ import annotations

import re

import pytest
from latex_symbols import Symbol, first_symbol, is_known, symbols
from symbol_list import Row, rows_for, spoken
from table_of_contents import chapters_in_contents

from tests.book.conftest import ROOT

CODE = re.compile(r"^(`{3,})\{(code-cell|listing|literalinclude|raw)\}.*?^\1\s*$", re.M | re.S)
BLOCK = re.compile(r"^([`:]{3,})\{(?:formula|math)\}[^\n]*\n((?:\s*:\w+:[^\n]*\n)*)(.*?)^\1\s*$", re.M | re.S)
NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf-8").split("\n## Where the source document")[0]


def mathematics(page: str) -> list[str]:
    """Return every piece of LaTeX in a page's source."""
    page = CODE.sub("", page)
    found = [match[2] for match in BLOCK.findall(page)]
    page = BLOCK.sub("", page)
    found += re.findall(r"\$\$(.*?)\$\$", page, re.S)
    page = re.sub(r"\$\$.*?\$\$", "", page, flags=re.S)
    return found + re.findall(r"(?<![\\$])\$([^$\n]+?)\$", re.sub(r"`[^`\n]*`", "", page))


def rows() -> list[tuple[set[Symbol], list[str]]]:
    """Return, for each row of notation, the symbols that it explains and the chapters in which they are first used."""
    found = []
    for line in NOTATION.splitlines():
        if line.startswith("| ") and not line.startswith("| symbol"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            explained = {first_symbol(latex) for latex in re.findall(r"\$(.*?)\$", cells[0])} - {None}
            found.append((explained, re.findall(r"\[\d+\]\((\S+)\.md\)", cells[-1])))
    return found


def local_symbols(page: str) -> set[Symbol]:
    """Return what a chapter declares as its own."""
    block = re.search(r"^```\{local-symbols\}\n(.*?)^```", page, re.M | re.S)
    named = [line.partition(":")[0] for line in block.group(1).splitlines()] if block else []
    return {first_symbol(latex) for line in named for latex in re.findall(r"\$(.*?)\$", line)} - {None}


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"V_\pi(s)", {Symbol("V", r"\pi"), Symbol(r"\pi"), Symbol("s")}),
        (r"V_{k+1}", {Symbol("V", "#k")}),
        (r"\hat A_{i,t}", {Symbol(r"\hat A", "#i,t")}),
        (r"\pi_{\text{old}}", {Symbol(r"\pi", "old")}),
        (r"\theta^-", {Symbol(r"\theta", "", "-")}),
        (r"\gamma^2 Q^*", {Symbol(r"\gamma"), Symbol("Q", "", "*")}),
        (r"G^{(n)}_t", {Symbol("G", "#t", "(#)")}),
        (r"s'", {Symbol("s", "", "'")}),
        (r"\text{if } \max_a \log x", {Symbol("x")}),
        (r"\mathcal S", {Symbol(r"\mathcal S")}),
        (r"\begin{aligned} y &= 1 \end{aligned}", {Symbol("y")}),
        (r"\sum_{i=1}^n 1", set()),
        (r"\E_{a \sim \pi}", {Symbol(r"\E", r"\pi"), Symbol(r"\pi")}),
    ],
)
def test_symbols_of_latex(latex: str, expected: set[Symbol]) -> None:
    assert symbols(latex) == expected


def test_a_symbol_is_known_with_any_index_but_not_with_another_label() -> None:
    known = {Symbol("V", "#k"), Symbol(r"\pi", "old"), Symbol(r"\E")}
    assert is_known(Symbol("V", "#t"), known) and is_known(Symbol("V", "", "'"), known)
    assert not is_known(Symbol("V", r"\pi"), known)
    assert not is_known(Symbol(r"\pi", "ref"), known) and not is_known(Symbol(r"\pi"), known)
    assert is_known(Symbol(r"\E", r"\pi"), known)


def row(anchor: str, latex: str, first_chapter: int = 1, only_chapters: tuple[int, ...] = ()) -> Row:
    explained = frozenset({first_symbol(latex)})
    return Row(explained, (), (), anchor, first_chapter, frozenset(only_chapters))


ROWS = [
    row("return", "G_t"),
    row("group", "G", 11),
    row("episode", "G_i", 13),
    row("trace", r"\lambda", 4),
    row("price", r"\lambda", 13, only_chapters=(13, 14)),
]


@pytest.mark.parametrize(
    ("latex", "chapter", "listed"),
    [
        ("G_t + G_{t+1}", 13, ["return"]),
        ("G_0", 13, ["return", "episode"]),
        ("G_i", 12, ["return"]),
        ("G_i", 13, ["episode"]),
        ("G", 11, ["group"]),
        ("G", 3, ["return"]),
        (r"\lambda", 3, []),
        (r"\lambda", 7, ["trace"]),
        (r"\lambda", 13, ["price"]),
        (r"\lambda", 16, ["trace"]),
    ],
)
def test_a_chapter_lists_the_nearest_meaning_that_holds_in_it(latex: str, chapter: int, listed: list[str]) -> None:
    assert [one.anchor for one in rows_for(ROWS, symbols(latex) - {Symbol("t")}, chapter)] == listed


@pytest.mark.parametrize(
    ("latex", "typed"), [(r"\gamma", "gamma"), (r"V_\pi(s)", "V pi s"), (r"\pi_{\text{old}}", "pi old"), ("V^*", "V *")]
)
def test_a_symbol_is_searched_by_its_name(latex: str, typed: str) -> None:
    assert spoken(latex) == typed


@pytest.mark.parametrize("chapter", chapters_in_contents())
def test_every_symbol_of_a_chapter_is_in_notation_by_then_or_declared_as_its_own(chapter: str) -> None:
    order = chapters_in_contents()
    page = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")
    known = local_symbols(page)
    for explained, first in rows():
        if min(map(order.index, first)) <= order.index(chapter):
            known |= explained
    unknown = {one: latex for latex in mathematics(page) for one in symbols(latex) if not is_known(one, known)}
    assert not unknown, f"{chapter}: add to book/notation.md, or to {{local-symbols}} of the chapter: {unknown}"


def test_every_row_of_notation_links_the_chapter_that_first_uses_one_of_its_symbols() -> None:
    used = {
        chapter: {
            one
            for latex in mathematics((ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8"))
            for one in symbols(latex)
        }
        for chapter in chapters_in_contents()
    }
    for explained, first in rows():
        assert first, f"no chapter is linked for {explained}"
        for chapter in first:
            assert not explained or any(is_known(one, used[chapter]) for one in explained), (explained, chapter)
