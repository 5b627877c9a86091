"""Typeset every formula when the book is built, so that a page has its final shape from the first moment.

MathJax in the browser comes after the text and moves it. Here it runs once for each formula (mathjax_worker.py), and
the result is kept in _build/.mathematics under a hash of what it depends on; a page carries the finished HTML, the
MathML for screen readers beside it, and no script. The shared style sheet is _static/mathematics.css.
"""

from __future__ import annotations

import hashlib
import html
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

WORKER = Path(__file__).parent / "mathjax_worker.py"
STYLE_SHEET = "mathematics.css"
ERROR = re.compile(r'data-mjx-error="([^"]*)"')
logger = logging.getLogger(__name__)


class Typesetter:
    """Formulas as HTML, from a folder of earlier results or from MathJax.

    Parameters
    ----------
    folder : Path
        Where results are kept, one file a formula.
    macros : dict
        Of TeX, as MathJax wants them.
    """

    def __init__(self, folder: Path, macros: dict[str, Any]) -> None:
        self.folder = folder
        self.macros = macros
        self.worker: subprocess.Popen | None = None
        version = importlib.metadata.version("sphinx-mathjax-offline")
        self.depends_on = [version, WORKER.read_text(encoding="utf-8"), macros]
        folder.mkdir(parents=True, exist_ok=True)

    def html(self, latex: str, display: bool) -> str:
        """Return a formula as HTML.

        Raises
        ------
        ValueError
            If it is not TeX that MathJax knows; says what MathJax says.
        """
        found = self._kept("html", latex, display) or self._keep(self._ask([latex, display]), "html", latex, display)
        if error := ERROR.search(found):
            raise ValueError(f"{html.unescape(error[1])} in the formula {latex!r}")
        return found

    def style_sheet(self) -> str:
        """Return the rules that all formulas share."""
        return self._kept("css") or self._keep(self._ask(None), "css")

    def close(self) -> None:
        """End MathJax, if it runs."""
        if self.worker is not None:
            self.worker.stdin.close()
            self.worker.wait()
            self.worker = None

    def _path(self, ending: str, *request: Any) -> Path:
        text = json.dumps([*self.depends_on, *request], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.{ending}"

    def _kept(self, ending: str, *request: Any) -> str:
        path = self._path(ending, *request)
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _keep(self, text: str, ending: str, *request: Any) -> str:
        path = self._path(ending, *request)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
        return text

    def _ask(self, request: list[Any] | None) -> str:
        if self.worker is None or request is None:
            self.close()
            self.worker = subprocess.Popen(
                [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            style_sheet = self._exchange(self.macros)
            if request is None:
                return style_sheet
        return self._exchange(request)

    def _exchange(self, message: Any) -> str:
        self.worker.stdin.write(json.dumps(message) + "\n")
        self.worker.stdin.flush()
        answer = self.worker.stdout.readline()
        if not answer:
            raise RuntimeError(f"MathJax ended with {self.worker.wait()}; its error is above. Formula: {message!r}")
        return json.loads(answer)


@cache
def typesetter_of(folder: str, macros: str, process: int) -> Typesetter:
    """Return the one typesetter of this process: two that share one MathJax would take each other's answers."""
    return Typesetter(Path(folder), json.loads(macros))


def typesetter(app) -> Typesetter:
    """Return the typesetter of an application."""
    macros = ((app.config.mathjax3_config or {}).get("tex") or {}).get("macros", {})
    folder = Path(app.outdir).parent / ".mathematics"
    return typesetter_of(str(folder), json.dumps(macros, sort_keys=True), os.getpid())


def typeset(translator, node: nodes.Element, latex: str, display: bool) -> str:
    """Return a formula as HTML; where it is wrong, warn with its place and return the TeX."""
    try:
        return typesetter(translator.builder.app).html(latex, display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return f"<code>{html.escape(latex)}</code>"


def joined(latex: str) -> str:
    """Return the TeX of a displayed equation: lines that end in a double backslash are aligned, as Sphinx does."""
    parts = [part for part in latex.split("\n\n") if part.strip()]
    split = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    return split[0] if len(split) == 1 else r"\begin{aligned}" + r"\\".join(split) + r"\end{aligned}"


def visit_inline(translator, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    opening = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(f"{opening}{typeset(translator, node, node.astext(), False)}</span>")
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number where it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"] and not node["nowrap"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, _("Link to this equation"))
        translator.body.append("</span>")
    latex = node.astext() if node["nowrap"] else joined(node.astext())
    translator.body.append(f"{typeset(translator, node, latex, True)}</div>\n")
    raise nodes.SkipNode


def write_style_sheet(app) -> None:
    """Sphinx event: write the rules of all formulas."""
    if app.builder.format == "html":
        target = Path(app.outdir, "_static", STYLE_SHEET)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(typesetter(app).style_sheet(), encoding="utf-8")


def only_where_used(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Sphinx event: pages without mathematics do without its style sheet."""
    if "<mjx-container" in context.get("body", "") + context.get("toc", ""):
        app.add_css_file(STYLE_SHEET)


def end_worker(app, error: Exception | None) -> None:
    """Sphinx event: the build is over."""
    typesetter(app).close()


def setup(app) -> dict[str, bool]:
    """Register the renderer and its events."""
    app.add_html_math_renderer("typeset", (visit_inline, None), (visit_block, None))
    app.connect("builder-inited", write_style_sheet)
    app.connect("html-page-context", only_where_used)
    app.connect("build-finished", end_worker)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
