"""The directive ``{listing}``, and one page of source for each module of rlkit so that links to code work offline."""

from __future__ import annotations

import ast
import html
import textwrap
from collections.abc import Iterator

from api_names import public_modules
from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from rlkit_sources import Definition, modules, reference_to_source, resolve_name, source_page
from sphinx.util.docutils import SphinxDirective


def without_docstring(definition: Definition) -> str:
    """Return a definition's source without its docstring: the page says what it does."""
    lines = definition.path.read_text(encoding="utf-8").splitlines()
    node = definition.node
    kept = lines[definition.first_line - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        body = lines[first.end_lineno : node.end_lineno]
        while body and not body[0].strip():  # a class has an empty line behind its docstring
            body = body[1:]
        kept = [*lines[definition.first_line - 1 : first.lineno - 1], *body]
    return textwrap.dedent("\n".join(kept))


class ListingDirective(SphinxDirective):
    """A function of rlkit as it stands in its file: signature and body."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the code and a link to the full source."""
        name = self.arguments[0]
        definition = resolve_name(name)
        if definition is None:
            raise self.error(f"listing: there is no {name!r} in rlkit")
        self.env.note_dependency(str(definition.path))
        code = without_docstring(definition)
        block = nodes.literal_block(code, code, language="python")
        caption = nodes.paragraph("", "", nodes.inline("", "from "), classes=["listing-source"])
        caption += reference_to_source(name, self.env.docname)
        return [nodes.container("", block, caption, classes=["listing"])]


def highlight_sources(app, env) -> None:
    """Sphinx event: highlight each module once; what is read is kept with what was read of the pages."""
    kept, env.highlighted_sources = getattr(env, "highlighted_sources", {}), {}
    for path in modules().values():
        text = path.read_text(encoding="utf-8")
        formatter = HtmlFormatter(linespans="L", cssclass="highlight-source notranslate highlight")
        env.highlighted_sources[text] = kept.get(text) or highlight(text, PythonLexer(), formatter)


def source_pages(app) -> Iterator[tuple[str, dict[str, str], str]]:
    """Sphinx event: yield a page of highlighted source for each module, unless only pages of text have changed."""
    if not getattr(app, "writes_all", True):
        return
    for module, path in modules().items():
        code = app.env.highlighted_sources[path.read_text(encoding="utf-8")]
        title = html.escape(module)
        link = f'<p><a href="../api/{title}.html">What is in it</a></p>' if module in public_modules() else ""
        body = f'<section class="source-page"><h1>{title}</h1>\n{link}{code}</section>'
        yield source_page(module), {"title": title, "body": body}, "page.html"


def setup(app) -> dict[str, bool]:
    """Register the directive and the pages."""
    app.add_directive("listing", ListingDirective)
    app.connect("env-updated", highlight_sources)
    app.connect("html-collect-pages", source_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
