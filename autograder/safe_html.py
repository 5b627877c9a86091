"""Make what students write safe to open in a browser, in feedback pages and in formgrader.

nbconvert's own cleaning keeps so few tags that headings and paragraphs come out as text, and nbgrader's templates leave
it out for written answers and comments.
"""

from __future__ import annotations

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
STYLES = CSSSanitizer(allowed_css_properties=["text-align"])


def clean_html(text: str | bytes) -> str:
    """Return HTML without scripts, styles, frames and pictures from elsewhere."""
    text = text.decode() if isinstance(text, bytes) else str(text)
    return bleach.clean(text, tags=TAGS, attributes=ATTRIBUTES, css_sanitizer=STYLES)


@pass_context
def markdown_to_safe_html(context: Context, source: str) -> str:
    """Render Markdown and clean the result."""
    return clean_html(markdown2html(source))
