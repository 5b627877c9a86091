"""The directive ``{chapter-header}`` and the role ``{assignment}``.

The header says what a chapter costs: time to read (from its words), time and memory to run (measured when its cells
ran), points of its assignment, and where the notebooks are.
"""

from __future__ import annotations

import html
import shutil
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from execution_cache import ROOT, executed_notebook, peak_memory
from myst_nb.sphinx_ import NbMetadataCollector
from run_elsewhere import run_elsewhere
from sphinx.util.docutils import SphinxDirective, SphinxRole

WORDS_A_MINUTE = 200
RELEASED = ROOT / "book" / "exercises"


class ChapterHeader(nodes.General, nodes.Element):
    """Stands for the header until the chapter has been read to its end."""


class ChapterHeaderDirective(SphinxDirective):
    """The line under a chapter's title."""

    option_spec: ClassVar[dict] = {
        "assignment": directives.unchanged,
        "points": directives.positive_int,
        "seeds": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        """Return the placeholder."""
        return [ChapterHeader(**self.options)]


class AssignmentRole(SphinxRole):
    """A link to the released assignment."""

    def run(self) -> tuple[list[nodes.Node], list]:
        """Return the link, or the bare name where nothing is released yet."""
        address = exercise_address(self.text)
        if address is None:
            return [nodes.literal("", self.text)], []
        up = "../" * self.env.docname.count("/")
        return [nodes.reference("", "", nodes.literal("", self.text), refuri=up + address, internal=True)], []


def exercise_address(assignment: str) -> str | None:
    """Return the address, under the site's root, of what a student downloads; None if it has not been released.

    The archive holds the notebook with its checks and the packages that it needs.
    """
    return f"exercises/{assignment}.zip" if (RELEASED / f"{assignment}.zip").is_file() else None


def copy_exercises(app, error: Exception | None) -> None:
    """Put the released notebooks and archives beside the pages."""
    if error is None and app.builder.format == "html" and RELEASED.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", ".*", "*.db")
        shutil.copytree(RELEASED, Path(app.outdir, "exercises"), dirs_exist_ok=True, ignore=ignored)


def words(doctree: nodes.document) -> int:
    """Count the words of the prose: no code, no output, no mathematics."""
    skipped = (nodes.literal_block, nodes.math_block, nodes.math, nodes.raw, nodes.comment)
    count = 0
    for text in doctree.findall(nodes.Text):
        node, inside = text.parent, True
        while node is not None and inside:
            inside = not isinstance(node, skipped) and not {"cell_output", "symbols"} & set(node.get("classes", []))
            node = node.parent
        count += len(text.split()) if inside else 0
    return count


def spoken_time(seconds: float) -> str:
    """Return a duration as a reader would say it."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def facts(app, docname: str, doctree: nodes.document, options: dict) -> list[tuple[str, str]]:
    """Return label and HTML of each fact in the header."""
    found = [("Read", f"{max(1, round(words(doctree) / WORDS_A_MINUTE))} min")]
    run = NbMetadataCollector.get_exec_data(app.env, docname) or {}
    notebook = executed_notebook(app.outdir, docname)
    memory = peak_memory(notebook) if notebook else None
    if run.get("runtime"):
        found.append(("Run", spoken_time(run["runtime"]) + (f", {memory} MB" if memory else "")))
    if options.get("seeds"):
        found.append(("Seeds", str(options["seeds"])))
    up = "../" * docname.count("/")
    found.append(("Notebook", f'<a href="{up}notebooks/{docname}.ipynb" download>download</a>'))
    if options.get("assignment"):
        name = html.escape(options["assignment"])
        points = f" ({options['points']} points)" if options.get("points") else ""
        address = exercise_address(options["assignment"])
        link = f'<a href="{up}{address}" download>{name}</a>' if address else f"<code>{name}</code>"
        found.append(("Exercises", link + points + link_to_solutions(app.env, up, name)))
        if address:
            found.append(("Run elsewhere", run_elsewhere(app.config.html_baseurl, name, up)))
    return found


def link_to_solutions(env, up: str, assignment: str) -> str:
    """Return a folded link to the solutions of an assignment; nothing in a site that is built without them."""
    page = f"solutions/{assignment}"
    if page not in env.found_docs:
        return ""
    link = f'<a href="{up}{page}.html">answers and common mistakes</a>'
    return f' <details class="after-trying"><summary>solutions, after you have tried</summary>{link}</details>'


def fill_in(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx event: replace the placeholder."""
    for node in list(doctree.findall(ChapterHeader)):
        lines = facts(app, docname, doctree, node.attributes)
        items = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in lines)
        node.replace_self(nodes.raw("", f'<dl class="chapter-header">{items}</dl>', format="html"))


def setup(app) -> dict[str, bool]:
    """Register directive, role and events."""
    app.add_node(ChapterHeader)
    app.add_directive("chapter-header", ChapterHeaderDirective)
    app.add_role("assignment", AssignmentRole())
    app.connect("doctree-resolved", fill_in)
    app.connect("build-finished", copy_exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
