"""The book's own extensions: cache keys, figures that follow dark mode, listings, notebooks, evidence."""

from __future__ import annotations

import html
import json
import re
import tomllib
from pathlib import Path

import citation_style
import evidence_table
import execution_cache
import figures
import notebook_download
import pytest
import source_listing
from pybtex.database import parse_string
from rlkit_sources import resolve_name

from rlkit.plotting import PALETTE, plt, use_course_style
from tests.book.conftest import ROOT

CHAPTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A chapter

```{code-cell} ipython3
:tags: [remove-cell]

%config InlineBackend.figure_formats = ["svg"]
from rlkit.planning import value_iteration
```
"""


def test_a_chapter_depends_on_modules_that_it_imports_through_others_and_on_no_more() -> None:
    names = {path.stem for path in execution_cache.sources_of(CHAPTER)}
    assert {"planning", "mdp", "dynamic_programming", "validation"} <= names
    assert not {"bandit", "plotting"} & names


def test_a_change_in_an_indirect_module_changes_the_cache_key(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "rlkit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "planning.py").write_text("from rlkit.mdp import FiniteMDP\n")
    (package / "mdp.py").write_text("FiniteMDP = 1\n")
    (package / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(execution_cache, "ROOT", tmp_path)
    before = execution_cache.with_last_cell(CHAPTER)
    (package / "other.py").write_text("x = 2\n")
    assert execution_cache.with_last_cell(CHAPTER) == before
    (package / "mdp.py").write_text('"""What it is about."""\n\nFiniteMDP = 1  # the same\n')
    assert execution_cache.with_last_cell(CHAPTER) == before, "words change no output"
    (package / "mdp.py").write_text("FiniteMDP = 2\n")
    changed = execution_cache.with_last_cell(CHAPTER)
    assert changed != before
    (tmp_path / "constraints.txt").write_text("codespell==2.4\n")
    assert execution_cache.with_last_cell(CHAPTER) == changed
    (tmp_path / "constraints.txt").write_text("codespell==2.4\ntorch==2.13\n")
    assert execution_cache.with_last_cell(CHAPTER) != changed


def test_a_measurement_that_a_chapter_names_changes_the_cache_key_and_no_other_does(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(execution_cache, "ROOT", tmp_path)
    monkeypatch.setattr(execution_cache, "RECORDS", tmp_path)
    names = 'files = results.glob("bridge-*.json"), f"{kind}-catch.json", f"{first}-{second}"'
    chapter = f"{CHAPTER}\n```{{code-cell}} ipython3\n{names}\n```\n"
    for name in ("bridge-trl", "dqn-catch", "dqn-other"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert [path.stem for path in execution_cache.records_of(chapter)] == ["bridge-trl", "dqn-catch"]
    before = execution_cache.with_last_cell(chapter)
    (tmp_path / "dqn-other.json").write_text("[]")
    assert execution_cache.with_last_cell(chapter) == before
    (tmp_path / "bridge-new.json").write_text("{}")
    assert execution_cache.with_last_cell(chapter) != before


def test_every_package_that_rlkit_needs_can_change_the_cache_key() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.match(r"[\w-]+", name).group() for name in needed}
    assert names - {"rich"} <= execution_cache.OUTPUTS_DEPEND_ON  # it prints tables of the command line
    pinned = {line.partition("==")[0].lower() for line in execution_cache.pinned_versions()}
    assert pinned == execution_cache.OUTPUTS_DEPEND_ON


def test_relative_imports_are_followed() -> None:
    assert execution_cache.imported_modules("from .table import x", "rlkit.environments.x") >= {
        "rlkit.environments.table"
    }


def test_a_page_without_cells_is_left_alone() -> None:
    assert not execution_cache.is_notebook("# Notation\n\n| symbol |\n")
    assert execution_cache.is_notebook(CHAPTER)


def test_figures_know_every_colour_of_the_palette_and_the_style_sheet_has_them_in_light_and_dark() -> None:
    assert {colour: name for name, colour in PALETTE.items()}.items() <= figures.COLOURS.items()
    style = (ROOT / "book" / "_static" / "course.css").read_text(encoding="utf-8")
    for name in set(figures.COLOURS.values()):
        assert len(re.findall(rf"--figure-{name}: #", style)) == 2, name


def test_a_figure_in_the_page_has_page_colours_own_ids_and_a_description(tmp_path: Path) -> None:
    use_course_style()
    figure, axes = plt.subplots(figsize=(2, 2))
    axes.plot([0, 1], [0, 1])
    figure.savefig(tmp_path / "figure.svg")
    plt.close(figure)
    svg = figures.inline_svg((tmp_path / "figure.svg").read_text(), 'a "line"', "figure-7")
    assert svg.startswith('<svg class="figure-svg"')
    assert 'aria-label="a &quot;line&quot;"' in svg
    assert "var(--figure-blue, #0072b2)" in svg
    assert "<?xml" not in svg and "<metadata>" not in svg
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert ids and all(identity.startswith("figure-7-") for identity in ids)
    assert set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids


def test_a_listing_keeps_the_signature_and_the_body() -> None:
    definition = resolve_name("rlkit.dynamic_programming.bellman_optimality_operator")
    code = source_listing.without_docstring(definition)
    assert code.startswith("def bellman_optimality_operator(")
    assert '"""' not in code and "return" in code
    compile(code, "listing", "exec")


def test_a_listing_of_a_class_does_not_begin_with_an_empty_line() -> None:
    code = source_listing.without_docstring(resolve_name("rlkit.agents.prices.PriceUnderLimit"))
    assert code.splitlines()[1:3] == ["class PriceUnderLimit:", "    limit: float"]


def test_references_begin_with_the_surname_by_which_they_are_sorted_and_link_to_what_is_on_arxiv() -> None:
    entries = parse_string(
        """@misc{z, author = {Zhao, Yu and Abel, Ann B.}, title = {Z}, eprint = {1707.06347}, year = {2017}}
        @misc{o, author = {{OpenAI}}, title = {O}, year = {2025}}""",
        "bibtex",
    ).entries.values()
    first, last = (entry.text for entry in citation_style.SurnameFirst().format_entries(entries))
    assert first.render_as("text") == "OpenAI. O. 2025."
    assert last.render_as("text") == "Zhao, Yu; Abel, Ann B. Z. 2017. arXiv:1707.06347."
    assert 'href="https://arxiv.org/abs/1707.06347"' in last.render_as("html")


@pytest.mark.parametrize("name", ["rlkit.nowhere.f", "rlkit.planning.no_such", "numpy.sum", "", "rlkit.planning"])
def test_names_that_rlkit_does_not_have_are_not_found(name: str) -> None:
    assert resolve_name(name) is None


def test_methods_are_found() -> None:
    definition = resolve_name("rlkit.gridworld.Gridworld.mdp")
    assert definition.module == "rlkit.gridworld" and definition.node.name == "mdp"


def test_a_downloaded_chapter_has_no_syntax_that_only_the_website_reads() -> None:
    source = (
        "# T\n\n```{chapter-header}\n:points: 3\n```\n\nA {term}`return` {cite:p}`sutton2018`.\n\n(sec-x)=\n## S\n\n"
        "```{formula} eq-x\n:function: rlkit.returns.discounted_return\n\nG = r\n```\n\n"
        ":::{admonition} What goes wrong: all\n:class: wrong\nIt does.\n:::\n\n$$\nx\n$$ (def-x)\n"
    )
    plain = notebook_download.plain_markdown(source)
    assert not re.search(r"\{[\w:-]+\}`|```\{|:points:|\(sec-x\)=|\(def-x\)", plain), plain
    assert "> **What goes wrong: all**" in plain and "A return (sutton2018)." in plain
    assert "$$\nG = r \\tag{x}\n$$" in plain


def test_a_downloaded_chapter_has_the_numbers_of_its_run() -> None:
    glued = {"gap": "0.98765", "name": "left"}
    assert notebook_download.plain_markdown("{glue:text}`gap:.2f` and {glue:text}`name`", glued) == "0.99 and left"
    assert notebook_download.plain_markdown("in [{glue:text}`gap:.1f`]{.measured} s", glued) == "in 1.0 s"
    assert notebook_download.plain_markdown("{glue:text}`seeds:,d`", {"seeds": "1200"}) == "1,200"
    data = {"application/papermill.record/text/plain": "0.5"}
    output = {"output_type": "display_data", "data": data, "metadata": {"scrapbook": {"name": "x"}}}
    assert notebook_download.glued_values({"cells": [{"outputs": [output]}]}) == {"x": "0.5"}


RECORD = {
    "name": "n", "claim": "Twice as <fast>.", "value": 1.5, "unit": "s", "peer": "QuantEcon", "peer_value": 3.0,
    "ratio": 2.0, "goal": 1.5, "met": True, "seeds": 5, "command": "python x.py", "date": "2026-01-01",
    "machine": "m", "versions": {"torch": "2"}, "source_hash": "abc", "sources": ["a.py"],
}  # fmt: skip


def test_a_record_shows_its_figures_and_escapes_its_text() -> None:
    page = evidence_table.record_as_html(RECORD, stale=False)
    assert "Twice as &lt;fast&gt;." in page and "<b>1.5</b> s" in page and "goal 1.5: met" in page
    assert "stale" not in page and page.index("claim") < page.index("<b>1.5</b>") < page.index("<details>")


def test_a_record_of_changed_or_lost_code_is_marked() -> None:
    assert not evidence_table.is_stale(RECORD, lambda sources: "abc")
    assert evidence_table.is_stale(RECORD, lambda sources: "other")

    def lost(sources: list[str]) -> str:
        raise FileNotFoundError

    assert evidence_table.is_stale(RECORD, lost)
    assert 'class="stale"' in evidence_table.record_as_html(RECORD, stale=True)


def test_a_record_without_a_subject_is_named() -> None:
    with pytest.raises(ValueError, match="the record fast-thing has no subject"):
        evidence_table.subject_of("fast-thing")


def test_no_record_is_no_error_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert evidence_table.read_records(tmp_path) == []
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad\.json is not JSON"):
        evidence_table.read_records(tmp_path)
    (tmp_path / "bad.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(ValueError, match=r"bad\.json lacks claim"):
        evidence_table.read_records(tmp_path)


def test_the_records_of_this_repository_can_be_shown() -> None:
    page = (ROOT / "book" / "evidence.md").read_text(encoding="utf-8")
    for record in evidence_table.read_records():
        assert f"{{evidence}} {evidence_table.subject_of(record['name'])}\n" in page, "the page leaves the record out"
        shown = re.sub("</?code>", "", evidence_table.record_as_html(record, False))
        assert html.escape(record["claim"]) in shown


def test_a_claim_sets_names_of_the_program_as_code() -> None:
    def shown(name: str, claim: str) -> str:
        return evidence_table.claim_as_html(RECORD | {"name": name, "claim": claim})

    assert shown("agents-x", "adapting by on_policy: 1 > 0") == "adapting by <code>on_policy</code>: 1 &gt; 0"
    assert shown("chain-dpo-beta-2", "Chain, dpo-beta-2: right.") == "Chain, <code>dpo-beta-2</code>: right."
    assert shown("agents-data-agent", "data agent, base: 27") == "data agent, base: 27"
