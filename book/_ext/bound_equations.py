"""Equations that are bound to code: how they are found in a page, hashed, and transcribed.

A ``{formula}`` in ``<chapter>.md`` names the rlkit function that computes it. Beside the page,
``<chapter>_equations.py`` holds a transcription of each formula in plain numpy; tests/book evaluates both on random
inputs. The transcription stores a hash of the LaTeX that it was read from, so that a change of either side asks for
a new reading.

``python book/_ext/bound_equations.py book/foundations/bellman.md`` lists label, hash and function of each formula.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMULA = re.compile(r"^(`{3,}|:{3,})\{formula\}[ \t]*(\S*)[ \t]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"\A\s*:(\w+):[ \t]*(.*)\n")
LABELLED_DOLLARS = re.compile(r"\$\$[ \t]*\(([^()\s]+)\)[ \t]*$", re.MULTILINE)
LABELLED_MATH = re.compile(r"^[`:]{3,}\{math\}[^\n]*\n(?::(?!label)\w+:[^\n]*\n)*:label:[ \t]*(\S+)", re.MULTILINE)
SPACING = re.compile(r"\\[,;:!> ]|\\q?quad\b|\s+")


@dataclass(frozen=True)
class Formula:
    """A bound equation as it stands in a page."""

    label: str
    function: str
    latex: str

    @property
    def hash(self) -> str:
        """Hash of the LaTeX, blind to spacing."""
        return latex_hash(self.latex)


@dataclass(frozen=True)
class Transcription:
    """A numpy reading of a bound equation, beside the rlkit function that computes it."""

    label: str
    latex: str
    function: str
    pairs: Callable[[Any], Iterator[tuple[Any, Any]]]


registry: list[Transcription] = []


def equation(label: str, *, latex: str, function: str) -> Callable[[Callable], Callable]:
    """Register a transcription.

    Parameters
    ----------
    label : str
        The formula's label in the page.
    latex : str
        First 12 hexadecimal digits of the hash of the LaTeX that was read.
    function : str
        Full name of the rlkit function.

    Returns
    -------
    Callable
        A decorator for a generator function that takes a ``numpy.random.Generator`` and yields pairs: what plain
        numpy gives, and what the rlkit function gives.
    """

    def register(pairs: Callable) -> Callable:
        registry.append(Transcription(label, latex, function, pairs))
        return pairs

    return register


def latex_hash(latex: str) -> str:
    """Return the first 12 hexadecimal digits of the hash of LaTeX with its spacing normalised."""
    return hashlib.sha256(SPACING.sub(" ", SPACING.sub(" ", latex)).strip().encode()).hexdigest()[:12]


def formulas(page: str) -> list[Formula]:
    """Return the bound equations of a page."""
    found = []
    for match in FORMULA.finditer(page):
        body, options = match.group(3), {}
        while option := OPTION.match(body):
            options[option.group(1)] = option.group(2).strip()
            body = body[option.end() :]
        found.append(Formula(match.group(2), options.get("function", ""), body.strip()))
    return found


def other_labels(page: str) -> list[str]:
    """Return the labels of the labelled equations of a page that are not bound to code."""
    return LABELLED_DOLLARS.findall(page) + LABELLED_MATH.findall(page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for formula in formulas(Path(name).read_text(encoding="utf-8")):
            print(f'{formula.label:<40} latex="{formula.hash}"  function="{formula.function}"')
