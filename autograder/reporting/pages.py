"""Pages that need nothing but themselves: no script, no request to any host, light and dark, readable on paper."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from autograder.files import write_whole
from autograder.reporting.safe_html import safe_markdown


def points(value: float) -> str:
    """A number of points, without noise behind the point."""
    return f"{round(value, 2):g}"


def markdown(source: str) -> Markup:
    """Markdown as safe HTML; formulas stay as they were written, because showing them would take a program."""
    return Markup(safe_markdown(source))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autograder"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(points=points, markdown=markdown)
    return environment


def write_page(path: Path, template: str, **content: Any) -> None:
    """Fill a template and write it whole; everything in *content* is escaped."""
    write_whole(path, _environment().get_template(template).render(content).encode())
