"""One page of reference for each module of rlkit, made from its source when the site is built.

The pages lie in book/api/ while the build runs: a stub holds the directive ``{api-module}``, which writes the module
out (see api_text.py). Each entry links to its line of the source; one that computes an equation of a chapter
shows that equation. ``{api-modules}`` lists the modules whose names match its patterns.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections import defaultdict
from functools import cache
from pathlib import Path

from api_names import first_lines, public_modules
from api_text import module_text
from bound_equations import formulas
from docutils import nodes
from docutils.statemachine import StringList
from execution_cache import ROOT
from rlkit_sources import source_page
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from table_of_contents import chapters_in_contents

FOLDER = "api"
SOURCE_FOLDER = source_page("").rstrip("/")
BOOK = ROOT / "book"


def api_page(module: str) -> str:
    """Return the name of a module's page."""
    return f"{FOLDER}/{module}"


chapters = cache(chapters_in_contents)


@cache
def equations_by_function() -> dict[str, list[str]]:
    """Return, for each function that a chapter's formula names, the equation and a link to it."""
    found: dict[str, list[str]] = defaultdict(list)
    for chapter in chapters():
        for formula in formulas((BOOK / f"{chapter}.md").read_text(encoding="utf-8")):
            latex = [f"      {line}" for line in formula.latex.splitlines()]
            link = f"   Computes equation :eq:`{formula.label}` of :doc:`/{chapter}`:"
            block = [".. container:: api-equation", "", link, "", "   .. math::", "", *latex, ""]
            found[formula.function] += block
    return found


@cache
def text_of(module: str) -> list[str]:
    """Return a module's page, from its source and the formulas of the chapters."""
    return module_text(public_modules()[module], equations_by_function())


class ApiModule(SphinxDirective):
    """A module: its docstring, and its functions and classes with theirs."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the entries, each with a link to its source."""
        module = public_modules()[self.arguments[0]]
        container = nodes.container()
        self.state.nested_parse(StringList(text_of(module.name), source=str(module.path)), 0, container)
        lines_of_source = first_lines(module)
        for signature in container.findall(addnodes.desc_signature):
            name = next(iter(signature.get("ids", [])), "")
            if name in lines_of_source:
                target = f"../{source_page(module.name)}.html#L-{lines_of_source[name]}"
                signature += nodes.reference("", "source", refuri=target, internal=True, classes=["api-source"])
        return container.children


class ApiModules(SphinxDirective):
    """A list of modules, each with the first line of its docstring."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the list; every pattern has to match a module."""
        self.assert_has_content()
        known = public_modules()
        entries = []
        for pattern in " ".join(self.content).split():
            matching = fnmatch.filter(known, pattern)
            if not matching:
                raise self.error(f"api-modules: no module of rlkit matches {pattern!r}")
            for name in matching:
                self.env.note_dependency(str(known[name].path))
                entries += [f":py:mod:`{name}`", f"   {known[name].summary}", ""]
        container = nodes.container(classes=["api-modules"])
        self.parse_rst(entries, container)
        return [container]

    def parse_rst(self, lines: list[str], into: nodes.Element) -> None:
        """Parse reStructuredText, whatever the page is written in."""
        from myst_parser.mocking import MockState

        if isinstance(self.state, MockState):
            lines = ["```{eval-rst}", *lines, "```"]
        self.state.nested_parse(StringList(lines, source=self.env.docname), 0, into)


def stub(module: str) -> str:
    """Return a page that the build fills."""
    all_modules = "A module of :doc:`the package rlkit </reference>`."
    return f":orphan:\n\n{module}\n{'=' * len(module)}\n\n{all_modules}\n\n.. api-module:: {module}\n"


def write_stubs(app, config) -> None:
    """Sphinx event: write the pages and let them be read."""
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for module in public_modules().values():
        path = folder / f"{module.name}.rst"
        path.write_text(stub(module.name), encoding="utf-8")
        os.utime(path, (0, 0))  # whether it has to be read again, its text decides: see changed_pages
    # The table of contents excludes pages that it does not name; a hundred entries more would be in every sidebar.
    config.exclude_patterns = [one for one in config.exclude_patterns if not one.startswith(f"{FOLDER}/")]


def changed_pages(app, env, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Sphinx event: name the pages that would be written otherwise than last time."""
    made_from = {api_page(name): repr((text_of(name), first_lines(one))) for name, one in public_modules().items()}
    hashes = {page: hashlib.sha256(text.encode()).hexdigest() for page, text in made_from.items()}
    before, env.api_hashes = getattr(env, "api_hashes", {}), hashes
    return [page for page in hashes if before.get(page) != hashes[page]]


def share_contents(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Sphinx event: make the table of contents beside the pages of a folder once; none of them is in it."""
    folder = pagename.rpartition("/")[0]
    if folder in (FOLDER, SOURCE_FOLDER):
        make, kept = context["toctree"], app.contents_of_folders.setdefault(folder, {})

        def contents(**options) -> str:
            key = tuple(sorted(options.items()))
            if key not in kept:
                kept[key] = make(**options)
            return kept[key]

        context["toctree"] = contents


def remove_stubs(app, error: Exception | None) -> None:
    """Sphinx event: the build has ended, and its sources are again only those that people write."""
    shutil.rmtree(Path(app.srcdir, FOLDER), ignore_errors=True)


def setup(app) -> dict[str, bool]:
    """Register the directives and the pages."""
    app.add_directive("api-module", ApiModule)
    app.add_directive("api-modules", ApiModules)
    app.connect("config-inited", write_stubs, priority=950)  # after sphinx-external-toc
    app.contents_of_folders = {}
    app.connect("env-get-outdated", changed_pages)
    app.connect("html-page-context", share_contents, priority=100)  # before the theme asks for it
    app.connect("build-finished", remove_stubs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
