"""The symbols of each chapter, folded under its header, each with its meaning and a link to the page of notation.

The list stands at the head, since that is where a reader looks before reading, and folded it costs one line. It is made
from the tables of book/notation.md and the LaTeX of the chapter. What a chapter alone means by a letter it says in
``{local-symbols}``, one line each, ``$w$: value of a worn press``; these come first in the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from chapter_header import ChapterHeader
from docutils import nodes
from latex_symbols import Symbol, first_symbol, symbols
from sphinx.util.docutils import SphinxDirective
from table_of_contents import chapters_in_contents

NOTATION = "notation"
ONLY_IN = re.compile(r"\bin chapters? ([\d, and]+) only")
OPENING = '<details class="chapter-symbols"><summary>Symbols in this chapter</summary>'


@dataclass(frozen=True)
class Row:
    """A row of a table of notation: what it explains and where that holds."""

    symbols: frozenset[Symbol]
    shown: tuple[nodes.Node, ...]
    meaning: tuple[nodes.Node, ...]
    anchor: str
    first_chapter: int
    only_chapters: frozenset[int]


class LocalSymbols(nodes.General, nodes.Element):
    """What a chapter says about letters of its own; taken out and put into the list."""


class LocalSymbolsDirective(SphinxDirective):
    """Lines of a symbol, a colon and its meaning."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the lines, parsed."""
        self.assert_has_content()
        found = LocalSymbols()
        for number, line in enumerate(self.content):
            symbol, colon, meaning = line.partition(":")
            if not colon or "$" not in symbol:
                raise self.error(f"local-symbols: {line!r} is not of the form '$w$: value of a worn press'")
            shown, explained = (
                self.state.inline_text(text.strip(), self.content_offset + number)[0] for text in (symbol, meaning)
            )
            found += item(shown, explained)
        return [found]


def item(symbol: Iterable[nodes.Node], meaning: Iterable[nodes.Node]) -> nodes.definition_list_item:
    """Return an entry of the list."""
    explained = nodes.definition("", nodes.paragraph("", "", *meaning))
    return nodes.definition_list_item("", nodes.term("", "", *symbol), explained)


def latex_of(node: nodes.Node) -> list[str]:
    """Return every piece of LaTeX in a node."""
    return [one.astext() for one in node.findall(lambda one: isinstance(one, nodes.math | nodes.math_block))]


def without_mathematics(node: nodes.Node) -> str:
    """Return the text of a node's children that are no mathematics."""
    return " ".join(one.astext() for one in node.children if not isinstance(one, nodes.math))


def anchor_of(latex: str, taken: set[str]) -> str:
    """Return an id for a row, from its first symbol."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", latex.replace("*", "star")).strip("-") or "symbol"
    anchor, number = f"symbol-{name}", 2
    while anchor in taken:
        anchor, number = f"symbol-{name}-{number}", number + 1
    taken.add(anchor)
    return anchor


def is_table_of_symbols(table: nodes.table) -> bool:
    """Whether a table's first column is headed "symbol"."""
    head = next(table.findall(nodes.thead), None)
    return head is not None and next(head.findall(nodes.entry)).astext() == "symbol"


def mark_rows(app, doctree: nodes.document) -> None:
    """Sphinx event: give each row of the page of notation an anchor, and the search the names of its symbols."""
    if app.env.docname != NOTATION:
        return
    taken: set[str] = set()
    standard = app.env.get_domain("std")
    for table in filter(is_table_of_symbols, doctree.findall(nodes.table)):
        for row in next(table.findall(nodes.tbody)).findall(nodes.row):
            cell = next(row.findall(nodes.entry))
            pieces = latex_of(cell) or [cell.astext()]
            row["ids"].append(anchor_of(pieces[0], taken))
            chapter = re.search(r"\d+|$", [*row.findall(nodes.entry)][-1].astext()).group(0)
            for name in dict.fromkeys(map(spoken, pieces)):
                full = name if ("symbol", name) not in standard.objects else f"{name} (chapter {chapter})"
                if name and ("symbol", full) not in standard.objects:
                    standard.note_object("symbol", full, row["ids"][0], location=row)


def spoken(latex: str) -> str:
    """Return LaTeX as one would type it into a search: ``gamma``, ``V pi``."""
    return " ".join(
        re.findall(r"[A-Za-z]+|\*", re.sub(r"\\(text|mathcal|mathbf|mid|in|lvert|rvert|cdot)\b", " ", latex))
    )


def rows_of(doctree: nodes.document) -> list[Row]:
    """Return the rows of the page of notation."""
    found = []
    for table in filter(is_table_of_symbols, doctree.findall(nodes.table)):
        for row in next(table.findall(nodes.tbody)).findall(nodes.row):
            cells = [next(iter(entry.children), nodes.paragraph()) for entry in row.findall(nodes.entry)]
            explained = frozenset(filter(None, map(first_symbol, latex_of(cells[0]))))
            only = ONLY_IN.search(cells[1].astext())
            chapters = [int(number) for number in re.findall(r"\d+", only.group(1))] if only else []
            first = min(map(int, re.findall(r"\d+", without_mathematics(cells[-1]))), default=1)
            found.append(Row(explained, tuple(cells[0]), tuple(cells[1]), row["ids"][0], first, frozenset(chapters)))
    return found


def rows_for(rows: list[Row], used: set[Symbol], chapter: int) -> list[Row]:
    """Return the rows that explain the symbols which a chapter uses, in the order of the page."""
    found: set[int] = set()
    for symbol in used:
        allowed = [
            (number, row)
            for number, row in enumerate(rows)
            if row.first_chapter <= chapter and (not row.only_chapters or chapter in row.only_chapters)
        ]
        matching: list[int] = []
        for form in (lambda one: one, lambda one: one.shape, lambda one: one.bare):
            matching = matching or [
                number for number, row in allowed if form(symbol) in {form(one) for one in row.symbols}
            ]
        here = [number for number in matching if rows[number].only_chapters]
        found.update(here or matching)
    return [rows[number] for number in sorted(found)]


@cache
def notation(env) -> list[Row]:
    """Return the rows of the page of notation of a build."""
    return rows_of(env.get_doctree(NOTATION))


def symbols_as_list(rows: list[Row], local: list[nodes.Node], address: str) -> list[nodes.Node]:
    """Return the folded list."""
    entries = nodes.definition_list(classes=["symbols"])
    entries += local
    for row in rows:
        link = nodes.reference("", "", *(one.deepcopy() for one in row.meaning), internal=True)
        link["refuri"] = f"{address}#{row.anchor}"
        entries += item([one.deepcopy() for one in row.shown], [link])
    return [nodes.raw("", OPENING, format="html"), entries, nodes.raw("", "</details>", format="html")]


def add_list(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: put the list under the header of a chapter."""
    declared = list(doctree.findall(LocalSymbols))
    local = [entry for node in declared for entry in node.children]
    for node in declared:
        node.parent.remove(node)
    header = next(doctree.findall(ChapterHeader), None)
    if header is None or docname not in chapters_in_contents() or app.builder.format != "html":
        return
    own = {symbol for entry in local for latex in latex_of(entry[0]) for symbol in symbols(latex)}
    used = {symbol for latex in latex_of(doctree) for symbol in symbols(latex)} - own
    rows = rows_for(notation(app.env), used, chapters_in_contents().index(docname) + 1)
    listed = symbols_as_list(rows, local, app.builder.get_relative_uri(docname, NOTATION))
    header.parent[header.parent.index(header) + 1 : header.parent.index(header) + 1] = listed


def setup(app) -> dict[str, bool]:
    """Register the directive, the events and the kind of thing that search finds."""
    app.add_node(LocalSymbols)
    app.add_directive("local-symbols", LocalSymbolsDirective)
    app.add_object_type("symbol", "symbol", objname="symbol")
    app.connect("doctree-read", mark_rows)
    app.connect("doctree-resolved", add_list, priority=400)  # before the header is filled in
    return {"parallel_read_safe": True, "parallel_write_safe": True}
