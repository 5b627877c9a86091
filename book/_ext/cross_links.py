"""Links that the build makes: names of rlkit in prose to the reference, and terms to the glossary.

An inline literal that names a function, class, method or module of rlkit is linked where one thing is meant (see
``api_meaning``). The first mention of a term in each section of a chapter is linked, whatever its case and number;
headings, links, code, captions and mathematics are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from api_meaning import Names, names_in_chapter
from api_names import public_modules
from docutils import nodes
from execution_cache import PACKAGE, ROOT
from sphinx import addnodes
from table_of_contents import chapters_in_contents

# The words that chapter 1 introduces stand in nearly every section: they are linked where a chapter first has them.
ONCE_A_CHAPTER = set(
    "action agent discount environment episode group history observation policy return reward seed state target token "
    "turn value".split()
)
# Words that mean something else before the chapter that gives them their narrower sense.
NARROW = {"anchor", "certificate", "front", "group", "history", "turn"}
EVERYDAY = re.compile(
    r"\b(?:in turn|turns? (?:out|into|to|it|them|an?|the)|in front|wide margin|return(?:s|ed)? to"
    r"|returns? (?:an?|the|it|its|them|one|two|both|each|what)|(?:absolute|same) values?|values? of an? estimate)\b",
    re.I,
)
LEFT_ALONE = (
    nodes.title,
    nodes.reference,
    nodes.FixedTextElement,
    nodes.literal,
    nodes.math,
    nodes.math_block,
    nodes.caption,
    nodes.raw,
    nodes.comment,
    nodes.thead,
    addnodes.desc_signature,
)
LEFT_ALONE_CLASSES = {"cell_output", "cell_input", "dropdown-title", "sd-summary-title", "glossary", "symbols"}


def forms(term: str) -> Iterator[str]:
    """Yield what a glossary's entry is called in prose: name and abbreviation, each in singular and plural."""
    long, _, short = term.partition(" (")
    for name in filter(None, (long, short.removesuffix(")"))):
        yield from (name, f"{name}s")
        if name.endswith("y"):
            yield f"{name[:-1]}ies"
        elif name.endswith(("s", "x", "ch", "sh")):
            yield f"{name}es"


def has_own_case(form: str) -> bool:
    """Whether a form is written with capitals inside, as ReAct and DPO are, and is another word without them."""
    return bool(re.search(r"\w[A-Z]", form)) and " " not in form


class Terms:
    """The terms of a glossary, found in text."""

    def __init__(self, terms: Iterable[str]) -> None:
        self.exact = {form: term for term in terms for form in forms(term) if has_own_case(form)}
        self.folded = {form.lower(): term for term in terms for form in forms(term) if not has_own_case(form)}
        exact, folded = (
            "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in sorted(group, key=len, reverse=True))
            for group in (self.exact, self.folded)
        )
        self.pattern = re.compile(rf"(?<![\w@-])(?:(?i:{folded or '(?!)'})|{exact or '(?!)'})(?![\w@-])")

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and term of each mention, the longest term where several begin."""
        hidden = [match.span() for match in EVERYDAY.finditer(text)]
        for match in self.pattern.finditer(text):
            if any(start <= match.start() < end for start, end in hidden):
                continue
            written = " ".join(match.group(0).split())
            yield match.start(), match.end(), self.exact.get(written) or self.folded[written.lower()]


def may_be_linked(node: nodes.Node) -> bool:
    """Whether a text or literal stands in prose."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, LEFT_ALONE) or LEFT_ALONE_CLASSES & set(parent.get("classes", [])):
            return False
        if "title" in type(parent).__name__:
            return False
        parent = parent.parent
    return True


def section_of(node: nodes.Node) -> nodes.Node | None:
    """Return the section directly under the page's title in which a node stands."""
    sections = []
    while node is not None:
        sections += [node] if isinstance(node, nodes.section) else []
        node = node.parent
    return sections[-2] if len(sections) > 1 else None


def link_terms(doctree: nodes.document, terms: Terms, addresses: Mapping[str, str], skipped: set[str]) -> None:
    """Link the first mention of each term in each section.

    Parameters
    ----------
    doctree : document
    terms : Terms
    addresses : mapping
        Terms to addresses.
    skipped : set of str
        Terms that this page does not link.
    """
    seen: set[tuple[nodes.Node | None, str]] = set()
    for text in list(doctree.findall(nodes.Text)):
        if not may_be_linked(text):
            continue
        section, content, place = section_of(text), text.astext(), 0
        pieces: list[nodes.Node] = []
        for start, end, term in terms.find(content):
            key = (None if term in ONCE_A_CHAPTER else section, term)
            if term in skipped or key in seen:
                continue
            seen.add(key)
            link = nodes.reference("", content[start:end], refuri=addresses[term], internal=True)
            link["classes"].append("glossary-link")
            pieces += [nodes.Text(content[place:start]), link] if start > place else [link]
            place = end
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(content[place:])] if place < len(content) else pieces)


def link_names(
    doctree: nodes.document,
    names: Names,
    near: Mapping[str, str],
    address: Callable[[str], str],
    imported_only: bool = False,
) -> None:
    """Link the inline literals that name something of rlkit; if ``imported_only``, what the page imports from it."""
    for literal in list(doctree.findall(nodes.literal)):
        if imported_only and literal.astext().partition(".")[0].partition("(")[0] not in {PACKAGE, *near}:
            continue
        name = names.find(literal.astext(), near) if may_be_linked(literal) else None
        if name is not None:
            link = nodes.reference("", "", refuri=address(name), internal=True, classes=["api-link"])
            literal.replace_self(link)
            link += literal


chapters = cache(chapters_in_contents)
all_names = cache(Names)
all_terms = cache(Terms)


@cache
def explained_in() -> dict[str, str]:
    """Return the chapter that each term of the glossary points to."""
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S.*)\n  .*?\[\]\(([\w/-]+)\.md\)", text, re.M)
    return dict(entries)


def terms_not_yet(docname: str) -> set[str]:
    """Return the words that do not have their narrower sense yet in a chapter."""
    order = chapters()
    return {term for term in NARROW if order.index(explained_in()[term]) > order.index(docname)}


def add_links(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: a page is about to be written."""
    if app.builder.format != "html":
        return
    objects = app.env.get_domain("py").objects
    source = Path(app.env.doc2path(docname))
    near = names_in_chapter(source) if source.suffix == ".md" and source.is_file() else {}
    module = docname.rpartition("/")[2]
    if module in public_modules():
        near = public_modules()[module].names()

    def entry(name: str) -> str:
        return f"{app.builder.get_relative_uri(docname, objects[name].docname)}#{objects[name].node_id}"

    # On a page of solutions the reader's own functions have the names of rlkit's.
    link_names(doctree, all_names(tuple(objects)), near, entry, imported_only=docname.startswith("solutions/"))
    if docname in chapters():
        anchors = {name: at for (kind, name), at in app.env.get_domain("std").objects.items() if kind == "term"}
        addresses = {
            term: f"{app.builder.get_relative_uri(docname, page)}#{anchor}" for term, (page, anchor) in anchors.items()
        }
        link_terms(doctree, all_terms(tuple(anchors)), addresses, terms_not_yet(docname))


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-resolved", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
