"""The reference, the glossary and the notation in the built site: entries, links and what the search finds."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from api_names import definitions_in, public_modules
from bound_equations import formulas
from bs4 import BeautifulSoup
from table_of_contents import chapters_in_contents

from tests.browser.conftest import ROOT


@cache
def parse(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_everything_public_has_an_entry_with_its_docstring_and_a_link_to_its_source(site: Path) -> None:
    missing = []
    for module in public_modules().values():
        soup = parse(site / "api" / f"{module.name}.html")
        for name, node in definitions_in(module).items():
            head = soup.find(id=name)
            body = head.find_next_sibling("dd") if head else None
            without_roles = re.sub(r":\w+:`[^`]*`", "", ast.get_docstring(node))
            first_word = re.search(r"[A-Za-z]{3,}", without_roles).group(0)
            source = f"../code/{module.name}.html#L-"
            linked = head is not None and head.find("a", class_="api-source")
            if not linked or not linked["href"].startswith(source) or body is None or first_word not in body.text:
                missing.append(name)
    assert not missing, f"without entry, docstring or source: {missing}"


def test_the_equation_of_a_function_is_shown_in_its_entry_and_links_to_the_chapter(site: Path) -> None:
    for chapter in chapters_in_contents():
        for formula in formulas((ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")):
            module = max((name for name in public_modules() if formula.function.startswith(f"{name}.")), key=len)
            entry = parse(site / "api" / f"{module}.html").find(id=formula.function).find_next_sibling("dd")
            target = f"../{chapter}.html#equation-{formula.label}"
            boxes = entry.find_all("div", class_="api-equation")
            (box,) = [one for one in boxes if one.find("a", href=target)]
            assert box.find(class_="math"), f"{formula.label} is not shown at {formula.function}"


def test_every_chapter_has_its_symbols_linked_to_notation(site: Path) -> None:
    rows = {row["id"] for row in parse(site / "notation.html").find_all("tr", id=re.compile("^symbol-"))}
    assert len(rows) > 80
    for chapter in chapters_in_contents():
        (listed,) = parse(site / f"{chapter}.html").find_all("details", class_="chapter-symbols")
        assert not listed.has_attr("open")
        anchors = {link["href"].partition("#")[2] for link in listed.find_all("a")}
        assert len(anchors) >= 3 and anchors <= rows, f"{chapter}: {anchors - rows}"


def test_terms_are_linked_in_the_prose_of_chapters_and_nowhere_else(site: Path) -> None:
    for chapter in chapters_in_contents():
        soup = parse(site / f"{chapter}.html")
        links = soup.select("a.glossary-link")
        assert 10 <= len(links) <= 90, f"{chapter}: {len(links)} links to the glossary"
        outside = [
            link for link in links if link.find_parent(["h1", "h2", "h3", "summary", "figcaption", "pre", "code", "a"])
        ]
        assert not outside, f"{chapter}: {outside}"
    assert not parse(site / "index.html").select("a.glossary-link")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("occupancy", "glossary.html#term-occupancy"),
        ("advantage", "glossary.html#term-advantage"),
        ("gamma", "notation.html#symbol-gamma"),
        ("value_iteration", "api/rlkit.planning.html#rlkit.planning.value_iteration"),
        ("rlkit.planning.value_iteration", "api/rlkit.planning.html#rlkit.planning.value_iteration"),
        ("group_advantages", "api/rlkit.group_objective.html#rlkit.group_objective.group_advantages"),
    ],
)
def test_search_finds_terms_symbols_and_functions(browser, address: str, query: str, target: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/search.html?q={query}")
    page.locator(f"#search-results a[href*='{target}']").first.wait_for(timeout=10_000)
    page.close()
