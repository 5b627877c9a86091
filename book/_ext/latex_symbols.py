"""The symbols of a piece of LaTeX: letters and Greek commands with their accents, subscripts and superscripts.

A symbol is a triple: its base with accents (``\\hat A``), what its subscript says, and what its superscript says.
Running indices are kept as ``#k``, without what is added to them, so that ``V_k`` and ``V_{k+1}`` are one symbol;
powers count as nothing; labels and other symbols in a subscript count as themselves (``\\pi_{\\text{old}}``,
``V_\\pi``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]|\d[\d.,]*|\S")
ACCENTS = {rf"\{name}" for name in "hat bar tilde mathcal mathbf boldsymbol mathbb vec dot widehat".split()}
TEXTS = {rf"\{name}" for name in "text textbf textit mathrm operatorname mathit mathsf mbox texttt".split()}
WITH_ARGUMENT_THAT_IS_NO_MATHEMATICS = TEXTS | {r"\begin", r"\end", r"\tag", r"\label"}
GREEK = {
    rf"\{name}"
    for name in "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell".split()
}
OPERATORS = {r"\E", r"\Pr", r"\nabla", r"\KL", r"\argmax", r"\argmin", r"\norm", r"\partial"}
STARS = {"*": "*", r"\star": "*", "+": "+", "-": "-"}


class Symbol(NamedTuple):
    """A letter with what belongs to it."""

    base: str
    below: str = ""
    above: str = ""

    @property
    def shape(self) -> Symbol:
        """The symbol with any letters as its indices."""
        letters = len(self.below.split(","))
        return self._replace(below="#" * letters if self.below.startswith("#") else self.below)

    @property
    def bare(self) -> Symbol:
        """The symbol without indices and primes."""
        return Symbol(self.base, "" if self.below.startswith("#") else self.below, self.above.replace("'", ""))


def symbols(latex: str) -> set[Symbol]:
    """Return the symbols that occur in LaTeX, those in subscripts of other symbols included."""
    return set(_read(TOKEN.findall(latex)))


def first_symbol(latex: str) -> Symbol | None:
    """Return the symbol that a piece of LaTeX begins with, such as V of ``V_\\pi(s)``."""
    return next(_read(TOKEN.findall(latex)), None)


def _group(tokens: list[str], start: int) -> tuple[list[str], int]:
    """Return the group or single token at a place, without braces, and the place behind it."""
    if start >= len(tokens):
        return [], start
    if tokens[start] != "{":
        end = start + 1
        if tokens[start] in ACCENTS | TEXTS:
            end = _group(tokens, end)[1]
        return tokens[start:end], end
    depth, end = 1, start + 1
    while end < len(tokens) and depth:
        depth += {"{": 1, "}": -1}.get(tokens[end], 0)
        end += 1
    return tokens[start + 1 : end - 1], end


def _read(tokens: list[str]) -> Iterator[Symbol]:
    place = 0
    while place < len(tokens):
        token, place = tokens[place], place + 1
        if token in WITH_ARGUMENT_THAT_IS_NO_MATHEMATICS:
            place = _group(tokens, place)[1]
            continue
        base = token
        if token in ACCENTS:
            inner, place = _group(tokens, place)
            base = f"{token} {' '.join(inner)}"
        elif not (re.fullmatch("[A-Za-z]", token) or token in GREEK | OPERATORS):
            if token in "_^" and place < len(tokens):  # of a bracket, a sum, a maximum: only what is said in there
                inner, place = _group(tokens, place)
                yield from _named(inner)
            continue
        below, above, within = "", "", []
        while place < len(tokens) and tokens[place] in ("_", "^", "'"):
            mark, place = tokens[place], place + 1
            if mark == "'":
                above += "'"
                continue
            inner, place = _group(tokens, place)
            within += _named(inner)
            if mark == "_":
                below = _below(inner)
            else:
                above += _above(inner)
        yield Symbol(base, below, above)
        yield from within


def _named(tokens: list[str]) -> Iterator[Symbol]:
    """Yield the symbols of a subscript but not its running indices."""
    for symbol in _read(tokens):
        if not re.fullmatch("[A-Za-z]", symbol.base) or symbol.below:
            yield symbol


def _below(tokens: list[str]) -> str:
    """Return what a subscript says: labels and symbols, or else the letters that run in it."""
    if len(tokens) == 1 and tokens[0] in STARS:
        return STARS[tokens[0]]
    said, place = [], 0
    while place < len(tokens):
        token, place = tokens[place], place + 1
        if token in TEXTS:
            inner, place = _group(tokens, place)
            said.append("".join(inner))
        elif token in GREEK or token == r"\infty":
            said.append(token)
            while place < len(tokens) and tokens[place] in "_^":
                place = _group(tokens, place + 1)[1]
    if said:
        return ",".join(said)
    letters = [token for token in tokens if re.fullmatch("[A-Za-z]", token)]
    return f"#{','.join(letters)}" if letters or any(token[0].isdigit() for token in tokens) else ""


def _above(tokens: list[str]) -> str:
    """Return what a superscript says; a power says nothing."""
    if len(tokens) == 1:
        return STARS.get(tokens[0], "")
    if len(tokens) == 3 and tokens[0] == "(":
        return "(#)"
    return "".join("".join(_group(tokens, place + 1)[0]) for place, token in enumerate(tokens) if token in TEXTS)


def is_known(symbol: Symbol, known: set[Symbol]) -> bool:
    """Whether a symbol is listed: as it stands, or with other indices, or in general.

    An operator such as the expectation is known by its name, whatever stands under it.
    """
    if symbol.base in OPERATORS:
        return any(one.base == symbol.base for one in known)
    return any(symbol.bare == one.bare for one in known)
