"""Make what students write safe to open in a browser, in feedback pages and in formgrader.

nbconvert's own cleaning keeps so few tags that headings and paragraphs come out as text, and nbgrader's templates leave
it out for written answers and comments.
"""

from __future__ import annotations

from html import escape

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters import markdown2html

TAGS = frozenset(
    "a abbr b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre s samp small span "
    "strong sub summary sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {"*": ["class", "id", "title"], "a": ["href"], "td": ["style"], "th": ["style"]}
LONGEST_MARKDOWN = 10_000
STYLES = CSSSanitizer(allowed_css_properties=["text-align"])


def clean_html(text: str | bytes) -> str:
    """Return HTML without scripts, styles, frames and pictures from elsewhere."""
    text = text.decode() if isinstance(text, bytes) else str(text)
    return bleach.clean(text, tags=TAGS, attributes=ATTRIBUTES, css_sanitizer=STYLES)


def safe_markdown(source: str) -> str:
    """Render Markdown and clean the result; a long text stays as it was written, since rendering could take minutes."""
    return clean_html(markdown2html(source)) if len(source) <= LONGEST_MARKDOWN else f"<pre>{escape(source)}</pre>"


@pass_context
def markdown_to_safe_html(context: Context, source: str) -> str:
    """Render Markdown and clean the result; nbconvert calls this."""
    return safe_markdown(source)
