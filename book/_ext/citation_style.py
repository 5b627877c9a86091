"""Citations with round brackets: (Sutton and Barto, 2018)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import pybtex.plugin
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


def round_brackets() -> BracketStyle:
    """Return the brackets around a citation."""
    return BracketStyle(left="(", right=")")


@dataclass
class RoundAuthorYear(AuthorYearReferenceStyle):
    """Author and year in round brackets."""

    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)
    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_author: BracketStyle = field(default_factory=round_brackets)
    bracket_label: BracketStyle = field(default_factory=round_brackets)
    bracket_year: BracketStyle = field(default_factory=round_brackets)


register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundAuthorYear)


# Each citation would read the entry points of every installed package again: a tenth of the build.
pybtex.plugin._load_entry_point = cache(pybtex.plugin._load_entry_point)


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    return {"parallel_read_safe": True, "parallel_write_safe": True}
