"""Each chapter has the parts that a reader relies on, and names things as the exercises do."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from execution_cache import is_notebook
from rlkit_sources import resolve_name
from table_of_contents import CONTENTS, chapters_in_contents, pages_in_contents

from tests.book.conftest import ROOT

BOOK = ROOT / "book"
SOLUTIONS = ROOT / "solutions"
CHAPTERS = [BOOK / f"{name}.md" for name in chapters_in_contents()]
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?P<options>---\n.*?\n---\n|(?::[^\n]*\n)*)(?P<code>.*?)^```\s*$", re.M | re.S
)
WORDS = (1_500, 3_500)
LONGEST_CELL = 15
LAST_SECTIONS = ("Summary", "Reading questions", "What this chapter could not show", "Further reading")
READING_QUESTIONS = 5
WORDS_OF_AN_ANSWER = 25

chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


@cache
def text_of(chapter: Path) -> str:
    return chapter.read_text(encoding="utf-8")


def prose(chapter: Path) -> str:
    """Return a chapter without code cells, reading questions, displayed mathematics and directive lines."""
    text = CELL.sub("", text_of(chapter)).split("\n---\n", 1)[-1].replace(reading_questions(chapter), "")
    blocks = r"^```\{(formula|listing|literalinclude|raw|local-symbols)\}.*?^```"
    text = re.sub(rf"^\$\$.*?\$\$.*?$|{blocks}", "", text, flags=re.M | re.S)
    return re.sub(r"^[`:]{3,}.*$|^:\w[\w-]*:.*$", "", text, flags=re.M)


def reading_questions(chapter: Path) -> str:
    """Return the section of reading questions, with its heading."""
    section = re.search(r"^## Reading questions\n.*?(?=^## |\Z)", text_of(chapter), re.M | re.S)
    return section.group() if section else ""


def header(chapter: Path) -> dict[str, str]:
    """Return the options of a chapter's header."""
    block = re.search(r"^```\{chapter-header\}\n(.*?)^```", text_of(chapter), re.M | re.S)
    assert block, f"{chapter.name} has no chapter-header"
    return dict(re.findall(r"^:([\w-]+): *(.+?) *$", block.group(1), re.M))


def test_every_page_is_in_the_contents_and_every_entry_is_a_page() -> None:
    written = {str(path.relative_to(BOOK).with_suffix("")) for path in BOOK.rglob("*.md")}
    written = {name for name in written if not name.startswith(("_build", "exercises", "solutions/"))}
    assert written == set(pages_in_contents())


def test_the_landing_page_has_the_chapters_of_the_contents_in_their_order() -> None:
    block = re.search(r"```\{course-path\}\n(.*?)```", text_of(BOOK / "index.md"), re.S)
    parts = yaml.safe_load(block.group(1))
    planned = {document: title for part in parts for document, title in part["chapters"].items()}
    written = chapters_in_contents(CONTENTS)
    assert list(planned) == written, "the course-path of book/index.md lists other chapters than book/_toc.yml"
    for document in written:
        assert f"\n# {planned[document]}\n" in text_of(BOOK / f"{document}.md"), f"{document} has another title"


@chapters
def test_a_chapter_runs_and_is_as_long_as_promised(chapter: Path) -> None:
    assert is_notebook(text_of(chapter))
    count = len(prose(chapter).split())
    assert WORDS[0] <= count <= WORDS[1], f"{chapter.name} has {count} words, expected {WORDS[0]} to {WORDS[1]}"


@chapters
def test_a_chapter_has_one_title_and_ends_as_the_others_do(chapter: Path) -> None:
    outline = CELL.sub("", text_of(chapter).split("\n---\n", 1)[-1])
    assert len(re.findall(r"^# ", outline, re.M)) == 1
    sections = re.findall(r"^## (.+)$", outline, re.M)
    last = tuple(sections[-len(LAST_SECTIONS) :])
    assert last == LAST_SECTIONS, f"{chapter.name} ends with the sections {last}, expected {LAST_SECTIONS}"


@chapters
def test_a_chapter_ends_with_questions_whose_answers_are_worked_and_folded(chapter: Path) -> None:
    section = reading_questions(chapter)
    folded = re.findall(r"^(:{3,})\{dropdown\} Question: \S[^\n]*\n(.*?)^\1$", section, re.M | re.S)
    assert len(folded) >= READING_QUESTIONS, (
        f"{chapter.name} has {len(folded)} reading questions, expected {READING_QUESTIONS}"
    )
    assert section.count("{dropdown}") == len(folded), f"{chapter.name}: a fold that is not a question"
    for _, answer in folded:
        count = len(answer.split())
        assert count >= WORDS_OF_AN_ANSWER, f"{chapter.name}: an answer of {count} words:\n{answer}"


@chapters
def test_a_chapter_asks_before_it_runs_shows_failures_and_lets_readers_check(chapter: Path) -> None:
    text = text_of(chapter)
    assert ":class: predict" in text, "no 'Before you run it'"
    assert len(re.findall(r"^:class: wrong", text, re.M)) >= 2, "fewer than two failures"
    assert "{admonition} What goes wrong: " in text, "no failure that the exercises name"
    assert len(re.findall(r"\{dropdown\} Check yourself: ", text)) >= 2, "fewer than two questions"
    assert "{cite:" in text, "no citation"
    assert "{bibliography}" not in text, "the references have a page of their own"


@chapters
def test_a_figure_has_a_description_and_a_caption(chapter: Path) -> None:
    for match in CELL.finditer(text_of(chapter)):
        if re.search(r"plt\.(subplots|figure)\(|plot_gridworld\((?!.*axes?=)", match["code"]):
            assert match["options"].startswith("---"), f"{chapter.name}: figure without caption:\n{match['code']}"
            mystnb = yaml.safe_load(match["options"].strip("-\n")).get("mystnb", {})
            assert mystnb.get("image", {}).get("alt"), f"{chapter.name}: figure without alt text:\n{match['code']}"
            assert mystnb.get("figure", {}).get("caption"), f"{chapter.name}: figure without caption:\n{match['code']}"
            assert mystnb["figure"].get("name", "").startswith("fig-"), f"{chapter.name}: figure without a fig- name"


@chapters
def test_a_visible_cell_is_short(chapter: Path) -> None:
    for match in CELL.finditer(text_of(chapter)):
        if not re.search(r"remove-cell|remove-input|hide-input|hide-cell", match["options"]):
            written = [line.strip() for line in match["code"].splitlines()]
            lines = [line for line in written if line and not line.startswith("glue(")]
            assert len(lines) <= LONGEST_CELL, f"{chapter.name}: a cell of {len(lines)} lines:\n{match['code']}"


@chapters
def test_included_code_exists(chapter: Path) -> None:
    for path, options in re.findall(r"^```\{literalinclude\} (\S+)\n((?::[^\n]*\n)*)", text_of(chapter), re.M):
        source = (chapter.parent / path).resolve()
        assert source.is_file(), f"{chapter.name} includes {path}, which does not exist"
        name = re.search(r":pyobject: *(\S+)", options)
        if name:
            module = ".".join(source.relative_to(ROOT).with_suffix("").parts)
            assert resolve_name(f"{module}.{name.group(1)}"), f"{path} has no {name.group(1)}"
    for name in re.findall(r"^```\{listing\} (\S+)", text_of(chapter), re.M):
        assert resolve_name(name), f"{chapter.name} lists {name}, which rlkit does not have"


@chapters
def test_the_points_in_the_header_are_those_of_the_assignment(chapter: Path) -> None:
    options = header(chapter)
    name = options["assignment"]
    source = SOLUTIONS / name / f"{name}.py"
    assert source.is_file(), f"{chapter.name} names the assignment {name}, which solutions/ does not have"
    points = sum(
        float(value) for value in re.findall(r"^# %%.*\bpoints=([\d.]+)", source.read_text(encoding="utf-8"), re.M)
    )
    assert int(options["points"]) == points, f"{chapter.name} says {options['points']} points, {name}.py has {points}"
    assert f"{{assignment}}`{name}`" in text_of(chapter), f"{chapter.name} does not end with a link to its exercises"


@cache
def names_of_misconceptions() -> set[str]:
    """Return the names that the grader uses for mistakes, in all assignments."""
    sources = [path.read_text(encoding="utf-8") for path in SOLUTIONS.glob("*/misconceptions.py")]
    return {name for source in sources for name in re.findall(r'\bname="([^"]+)"', source)}


@chapters
def test_mistakes_have_the_names_that_the_grader_uses(chapter: Path) -> None:
    shown = {name.strip() for name in re.findall(r"\{admonition\} What goes wrong: (.+)$", text_of(chapter), re.M)}
    unknown = shown - names_of_misconceptions()
    assert not unknown, f"{chapter.name} shows mistakes that no exercise names: {sorted(unknown)}"
