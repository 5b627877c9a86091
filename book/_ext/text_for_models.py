"""The book's text for language models and for search: llms.txt (what is where) and llms-full.txt (all of it).

llms.txt follows the convention of that name: a title, a summary in a quotation, then sections of links, each with a
line about its page. llms-full.txt has the chapters as Markdown, with the numbers and the printed output of their run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from docutils import nodes
from execution_cache import executed_notebook
from notebook_download import for_jupyter, plain_markdown

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
HIDDEN = {"remove-cell", "remove-input", "hide-input"}


def sections(contents: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the heading and the pages of each part of a table of contents."""
    for part in yaml.safe_load(contents.read_text(encoding="utf-8"))["parts"]:
        yield part["caption"], list(_files(part["chapters"]))


def _files(entries: list[dict]) -> Iterator[str]:
    for entry in entries:
        yield entry["file"]
        yield from _files(entry.get("sections", []))


def first_sentence(doctree: nodes.document) -> str:
    """Return the first sentence of a page; of a chapter, what it teaches, which is a list."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        goals = paragraph.next_node(descend=False, siblings=True)
        if isinstance(paragraph.parent, nodes.section) and text:
            if isinstance(goals, nodes.bullet_list):
                return f"{text.rstrip(':')}: " + " ".join(" ".join(goal.astext().split()) for goal in goals)
            return SENTENCE.split(text)[0]
    return ""


def title_of(env, docname: str) -> str:
    """Return a page's title."""
    return env.titles[docname].astext()


def overview(app) -> str:
    """Return llms.txt."""
    env, root = app.env, app.config.root_doc
    lines = [f"# {title_of(env, root)}", "", f"> {first_sentence(env.get_doctree(root))}", ""]
    lines += ["The whole text in one file: [llms-full.txt](llms-full.txt)", ""]
    for heading, pages in sections(Path(app.config.external_toc_path)):
        lines += [f"## {heading}", ""]
        for page in pages:
            about = first_sentence(env.get_doctree(page))
            lines.append(f"- [{title_of(env, page)}]({page}.html){f': {about}' if about else ''}")
        lines.append("")
    reference = sorted(name for name in env.found_docs if name.startswith("api/"))
    if reference:
        lines += ["## Optional", "", *(f"- [{title_of(env, name)}]({name}.html)" for name in reference), ""]
    return "\n".join(lines)


def page_as_markdown(app, docname: str) -> str:
    """Return a page as Markdown: text, the code that a reader sees, and what it printed."""
    notebook = executed_notebook(app.outdir, docname)
    if notebook is None:
        source = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
        return plain_markdown(FRONT_MATTER.sub("", source))
    blocks = []
    for number, cell in enumerate(for_jupyter(notebook)["cells"]):
        tags = set(cell["metadata"].get("tags", []))
        if cell["cell_type"] == "markdown" and number != 1:  # the second holds macros for Jupyter
            blocks.append(cell["source"])
        elif cell["cell_type"] == "code":
            blocks += [] if tags & HIDDEN else [f"```python\n{cell['source']}\n```"]
            text = "" if tags & {"remove-cell", "remove-output"} else printed(cell)
            blocks += [f"```text\n{text}\n```"] if text else []
    return "\n\n".join(blocks)


def printed(cell: dict) -> str:
    """Return what a cell printed; figures and glued values say what they say elsewhere."""
    return "".join(
        output.get("text", "") for output in cell.get("outputs", []) if output["output_type"] == "stream"
    ).strip()


def write_texts(app, error: Exception | None) -> None:
    """Sphinx event: write both files into the site."""
    if error is not None or app.builder.format != "html":
        return
    Path(app.outdir, "llms.txt").write_text(overview(app), encoding="utf-8")
    pages = [app.config.root_doc, *(page for _, part in sections(Path(app.config.external_toc_path)) for page in part)]
    text = "\n\n".join(f"<!-- {page}.html -->\n\n{page_as_markdown(app, page)}" for page in pages)
    Path(app.outdir, "llms-full.txt").write_text(text + "\n", encoding="utf-8")


def setup(app) -> dict[str, bool]:
    """Register the event."""
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
