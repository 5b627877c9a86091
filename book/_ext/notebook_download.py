"""Write each chapter as an executed notebook that reads well in Jupyter, without Sphinx's own syntax.

Boxes become quotations, roles become their text, glued numbers become the numbers, captions stand under their
figures, and labelled equations carry their label as a tag, so that references can be followed by eye.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from execution_cache import executed_notebook

FENCE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)\s*?$",
    re.M | re.S,
)
OPTION_LINES = re.compile(r"\A(?:\s*:[\w-]+:[^\n]*\n)+")
DISPLAYED = re.compile(r"^\$\$(.*?)\$\$[ \t]*\(([\w-]+)\)", re.M | re.S)
ROLE = re.compile(r"\{(?P<role>[\w:-]+)\}`(?P<text>[^`]*?)(?:\s*<(?P<target>[^`>]*)>)?`")
TARGET = re.compile(r"^\([\w-]+\)=\s*$\n?", re.M)
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>#[\w-]+|[\w./-]+\.md)\)")
MEASURED = re.compile(r"\[([^\]]*)\]\{\.measured\}")
# The macros of _config.yml, for the mathematics of Jupyter.
MACROS = r"""$\newcommand{\E}{\mathbb{E}}
\newcommand{\norm}[1]{\lVert #1 \rVert}
\newcommand{\KL}[2]{D_{\mathrm{KL}}\left(#1\,\|\,#2\right)}
\newcommand{\argmax}{\operatorname*{argmax}}
\newcommand{\argmin}{\operatorname*{argmin}}$"""


def plain_markdown(source: str, glued: dict[str, str] | None = None) -> str:
    """Return a MyST cell as the Markdown that Jupyter shows; ``glued`` maps names to the values of this run."""
    glued = glued or {}
    source = FENCE.sub(lambda match: _plain_block(match, glued), source)
    source = DISPLAYED.sub(lambda match: _tagged(match[1], match[2]), source)
    source = ROLE.sub(lambda match: _plain_role(match, glued), source)
    source = MEASURED.sub(r"\1", source)
    source = LINK.sub(lambda match: match["text"] or f"({_short(match['target'])})", source)
    return TARGET.sub("", source).strip()


def glued_values(notebook: dict) -> dict[str, str]:
    """Return what the cells of an executed notebook have glued, as text."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    named = [(output.get("metadata", {}).get("scrapbook", {}).get("name"), output) for output in outputs]
    return {name: _text(output["data"]).strip("'\"") for name, output in named if name}


def for_jupyter(notebook: dict) -> dict:
    """Return an executed chapter without its last, hidden cell and with plain Markdown."""
    glued = glued_values(notebook)
    cells: list[dict] = []
    for cell in notebook["cells"][:-1]:
        source, metadata = cell["source"], cell["metadata"]
        if cell["cell_type"] == "markdown":
            source = plain_markdown(source, glued)
        if source:
            cells.append({**cell, "source": source, "metadata": {"tags": metadata.get("tags", [])}})
        caption = metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
        if caption:
            text = f"*Figure ({metadata['mystnb']['figure'].get('name', '')}).* {plain_markdown(caption, glued)}"
            cells.append({"cell_type": "markdown", "id": f"caption-{len(cells)}", "metadata": {}, "source": text})
    macros = {"cell_type": "markdown", "id": "macros", "metadata": {}, "source": MACROS}
    metadata = {"kernelspec": notebook["metadata"]["kernelspec"]}
    cells = [cells[0], macros, *cells[1:]]
    numbered = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)]  # drawn by lot when read
    return {**notebook, "cells": numbered, "metadata": metadata}


def _text(data: dict[str, str]) -> str:
    return next((value for kind, value in data.items() if kind.endswith("text/plain")), "")


def _short(target: str) -> str:
    return re.sub(r"^#?(eq-|def-|step-)?", "", target.removesuffix(".md").split("/")[-1])


def _tagged(latex: str, label: str) -> str:
    return f"$$\n{latex.strip()} \\tag{{{_short(label)}}}\n$$"


def _plain_role(match: re.Match, glued: dict[str, str]) -> str:
    role, text = match["role"], match["text"].strip()
    if role.startswith("glue"):
        key, _, form = text.partition(":")
        value = glued.get(key, key)
        number = int if form.endswith("d") else float
        return format(number(value), form) if form and value != key else value
    if role == "cite:p" or role == "eq":
        return f"({_short(text)})"
    return text


def _plain_block(match: re.Match, glued: dict[str, str]) -> str:
    name, title = match["name"], match["title"].strip()
    body = OPTION_LINES.sub("", match["body"]).strip()
    label = re.search(r"^:label:\s*(\S+)", match["body"], re.M)
    if name in ("chapter-header", "local-symbols"):
        return ""
    if name == "formula" or (name == "math" and label):
        return _tagged(body, title or label.group(1))
    if name == "math":
        return f"$$\n{body}\n$$"
    if name in ("listing", "literalinclude"):
        return f"The code is `{title.removeprefix('../../')}`."
    if name in ("gridworld-planner", "raw"):
        return "*(On the website there is an interactive picture here.)*"
    kind = "" if name in ("admonition", "dropdown") else name.removeprefix("prf:").capitalize()
    quoted = "\n".join(f"> {line}".rstrip() for line in plain_markdown(body, glued).splitlines())
    return f"> **{f'{kind} {title}'.strip()}**\n>\n{quoted}"


def write_notebooks(app, error: Exception | None) -> None:
    """Sphinx event: write the notebooks beside the pages."""
    if error is not None or app.builder.format != "html":
        return
    for docname in app.env.found_docs:
        # A page of solutions is no notebook to take away: its cells need the course beside them.
        notebook = None if docname.startswith("solutions/") else executed_notebook(app.outdir, docname)
        if notebook is not None:
            target = Path(app.outdir, "notebooks", f"{docname}.ipynb")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(for_jupyter(notebook), ensure_ascii=False, indent=1), encoding="utf-8")


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
