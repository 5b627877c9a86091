"""The links that the build makes: what is linked, what is left alone, and which of several things is meant."""

from __future__ import annotations

import pytest
from api_meaning import Names, names_in_chapter
from cross_links import Terms, link_names, link_terms, terms_not_yet
from docutils import nodes
from table_of_contents import chapters_in_contents

from tests.book.conftest import ROOT

TERMS = Terms(["advantage", "policy", "policy iteration", "baseline", "state", "direct preference optimisation (DPO)"])
ADDRESSES = {term: f"glossary.html#term-{term}" for term in TERMS.folded.values()}
KNOWN = Names(
    [
        "rlkit.planning",
        "rlkit.planning.Solution",
        "rlkit.planning.Solution.policy",
        "rlkit.planning.value_iteration",
        "rlkit.planning.solve",
        "rlkit.dpo",
        "rlkit.dpo.train",
        "rlkit.grpo.train",
        "rlkit.policy_diagnostics.clip_fraction",
        "rlkit.group_objective.clip_fraction",
    ]
)


def page(*content: nodes.Node | str) -> nodes.document:
    """Return a page with a title and two sections: the content stands in the first, a plain text in the second."""
    from docutils.utils import new_document

    document = new_document("page")
    first = nodes.section("", nodes.title("", "The first advantage"), nodes.paragraph("", "", *map(as_node, content)))
    second = nodes.section("", nodes.title("", "Second"), nodes.paragraph("", "The advantage and the state again."))
    document += nodes.section("", nodes.title("", "A page"), first, second)
    return document


def as_node(content: nodes.Node | str) -> nodes.Node:
    return nodes.Text(content) if isinstance(content, str) else content


def linked(document: nodes.document, section: int = 0) -> list[str]:
    """Return the texts that are linked in a section."""
    return [one.astext() for one in list(document[0].findall(nodes.section))[1:][section].findall(nodes.reference)]


def terms_linked(*content: nodes.Node | str, section: int = 0, skipped: set[str] | None = None) -> list[str]:
    document = page(*content)
    before = document.astext()
    link_terms(document, TERMS, ADDRESSES, skipped or set())
    assert document.astext() == before, "a link changed the text"
    return linked(document, section)


def test_the_first_mention_in_each_section_is_linked() -> None:
    assert terms_linked("An advantage is not the advantage.") == ["advantage"]
    assert terms_linked("An advantage.", section=1)[0] == "advantage"


def test_a_word_of_chapter_1_is_linked_once_a_chapter() -> None:
    assert terms_linked("A state.") == ["state"]
    assert terms_linked("A state.", section=1) == ["advantage"]
    assert terms_linked("Nothing.", section=1) == ["advantage", "state"]


def test_the_link_leads_to_the_term() -> None:
    document = page("All baselines.")
    link_terms(document, TERMS, ADDRESSES, set())
    assert next(document.findall(nodes.reference))["refuri"] == "glossary.html#term-baseline"


@pytest.mark.parametrize("written", ["Advantages", "ADVANTAGE", "policies", "Policy\niteration", "DPO"])
def test_case_plural_and_line_breaks_do_not_matter(written: str) -> None:
    assert terms_linked(f"Of {written}, too.") == [written]


def test_the_longest_term_is_linked() -> None:
    assert terms_linked("First policy iteration, then the policy.") == ["policy iteration", "policy"]


@pytest.mark.parametrize("written", ["advantageous", "state-value", "non-policy", "dpo"])
def test_a_part_of_a_word_or_another_word_is_not_linked(written: str) -> None:
    assert terms_linked(f"It is {written} here.") == []


@pytest.mark.parametrize(
    "node",
    [
        nodes.literal("", "advantage"),
        nodes.math("", "advantage"),
        nodes.reference("", "", nodes.inline("", "advantage"), refuri="x"),
        nodes.raw("", "advantage", format="html"),
        nodes.container("", nodes.literal_block("", "advantage"), classes=["cell_output"]),
        nodes.figure("", nodes.caption("", "advantage")),
        nodes.admonition("", nodes.title("", "advantage")),
    ],
    ids=["code", "mathematics", "link", "html", "output", "caption", "title of a box"],
)
def test_code_mathematics_links_outputs_captions_and_titles_are_left_alone(node: nodes.Node) -> None:
    document = page(node)
    before = len(list(document.findall(nodes.reference)))
    link_terms(document, TERMS, ADDRESSES, set())
    assert linked(document)[before:] == []
    assert linked(document, 1) == ["advantage", "state"]


def test_a_skipped_term_is_not_linked() -> None:
    assert terms_linked("An advantage of a policy.", skipped={"advantage"}) == ["policy"]


def test_an_everyday_phrase_is_no_term() -> None:
    terms = Terms(["turn", "return"])
    assert [term for *_, term in terms.find("Each in turn, it turns out, returns to its place; a turn ends.")] == [
        "turn"
    ]


def test_a_verb_and_another_sense_of_a_word_are_no_terms() -> None:
    terms = Terms(["return", "value", "margin"])
    text = "It returns one number, by a wide margin the same value as the value of an estimate; the return has a value."
    assert [term for *_, term in terms.find(text)] == ["return", "value"]


def test_a_term_keeps_the_bracket_that_is_part_of_its_name() -> None:
    terms = Terms(["TD(0)", "TD(λ)"])
    text = "First TD(0), then TD(λ)."
    assert [text[start:end] for start, end, _ in terms.find(text)] == ["TD(0)", "TD(λ)"]


def test_a_word_has_its_narrow_sense_from_the_chapter_that_explains_it_on() -> None:
    order = chapters_in_contents()
    assert "turn" in terms_not_yet("foundations/mdp")
    assert "turn" not in terms_not_yet("agents/agentic-rl")
    assert terms_not_yet(order[-1]) == set()


@pytest.mark.parametrize(
    ("literal", "meant"),
    [
        ("value_iteration", "rlkit.planning.value_iteration"),
        ("value_iteration(mdp, 1e-3)", "rlkit.planning.value_iteration"),
        ("Solution.policy", "rlkit.planning.Solution.policy"),
        ("Solution.residuals", "rlkit.planning.Solution"),
        ("rlkit.planning", "rlkit.planning"),
        ("rlkit/planning.py", "rlkit.planning"),
        ("python -m rlkit.dpo", "rlkit.dpo"),
    ],
)
def test_a_name_that_means_one_thing_is_found(literal: str, meant: str) -> None:
    assert KNOWN.find(literal, {}) == meant


@pytest.mark.parametrize(
    "literal", ["train", "Solution.nothing", "clip_fraction", "solve", "dpo", "policy", "value_iteration = 3", ""]
)
def test_an_ambiguous_or_everyday_name_is_left_alone(literal: str) -> None:
    assert KNOWN.find(literal, {}) is None


def test_what_the_chapter_imports_is_meant() -> None:
    near = {"train": "rlkit.grpo.train", "solve": "rlkit.planning.solve", "planning": "rlkit.planning"}
    assert KNOWN.find("train", near) == "rlkit.grpo.train"
    assert KNOWN.find("solve", near) == "rlkit.planning.solve"
    assert KNOWN.find("planning.solve", near) == "rlkit.planning.solve"
    assert KNOWN.find("clip_fraction", {"group_objective": "rlkit.group_objective"}) == KNOWN.find(
        "group_objective.clip_fraction", {}
    )


def test_a_linked_name_keeps_its_look_as_code_and_is_not_linked_in_a_heading() -> None:
    document = page(nodes.literal("", "value_iteration"))
    document[0][0] += nodes.literal("", "value_iteration")
    link_names(document, KNOWN, {}, lambda name: f"api/{name}")
    (link,) = document.findall(nodes.reference)
    assert link["refuri"] == "api/rlkit.planning.value_iteration"
    assert isinstance(link[0], nodes.literal)


def test_where_the_readers_own_functions_are_meant_only_what_is_imported_is_linked() -> None:
    names = ("value_iteration", "value_iteration(mdp)", "solve(mdp)", "rlkit.planning")
    document = page(*(nodes.literal("", name) for name in names))
    near = {"solve": "rlkit.planning.solve"}
    link_names(document, KNOWN, near, lambda name: f"api/{name}", imported_only=True)
    assert linked(document) == ["solve(mdp)", "rlkit.planning"]


def test_a_chapter_knows_what_its_cells_import_and_its_listings_show() -> None:
    near = names_in_chapter(ROOT / "book" / "algorithms" / "q-learning.md")
    assert near["prediction"] == "rlkit.prediction"
    assert near["q_learning_target"] == "rlkit.tabular.q_learning_target"
    assert near["TableEnvironment"] == "rlkit.environments.table.TableEnvironment"
