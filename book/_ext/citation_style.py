"""Citations with round brackets, (Sutton and Barto, 2018), and references that begin with the surname they stand by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import pybtex.plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.sorting.author_year_title import SortingStyle
from pybtex.style.template import names, sentence
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


class WithoutBraces(SortingStyle):
    """By author, year and title. The braces around ``{OpenAI}``, which is no person, would sort after Z."""

    def persons_key(self, persons) -> str:
        """Return what the authors are sorted by."""
        return super().persons_key(persons).replace("{", "").replace("}", "")


class SurnameFirst(PlainStyle):
    """The plain style with Sutton, Richard S. in place of Richard S. Sutton."""

    default_name_style = "lastfirst"
    default_sorting_style = WithoutBraces

    def format_names(self, role, as_sentence: bool = True):
        """Return the names with semicolons between them, since a comma stands within each."""
        listed = names(role, sep="; ", sep2="; ", last_sep="; ")
        return sentence[listed] if as_sentence else listed


register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundAuthorYear)
pybtex.plugin.register_plugin("pybtex.style.formatting", "surname_first", SurnameFirst)


# Each citation would read the entry points of every installed package again: a tenth of the build.
pybtex.plugin._load_entry_point = cache(pybtex.plugin._load_entry_point)


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    return {"parallel_read_safe": True, "parallel_write_safe": True}
