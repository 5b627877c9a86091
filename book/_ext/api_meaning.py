"""What a name of rlkit in prose means: which function, class, method or module, where that is certain."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from api_names import definition_name, definitions, public_modules
from execution_cache import PACKAGE, code_of

CALL = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?", re.S)
NAMED_IN_DIRECTIVES = re.compile(r"^(?:`{3,}\{listing\}|:function:)[ \t]*(rlkit[\w.]+)", re.M)


@cache
def names_in_chapter(path: Path) -> dict[str, str]:
    """Return what a chapter calls the things of rlkit that its cells import or its listings and formulas show."""
    text = path.read_text(encoding="utf-8")
    found = {name.rpartition(".")[2]: name for name in NAMED_IN_DIRECTIVES.findall(text)}
    for node in ast.walk(ast.parse(code_of(text))):
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name: one.name for one in node.names if one.name.split(".")[0] == PACKAGE}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return {short: definition_name(name) for short, name in found.items()}


class Names:
    """The names that have an entry in the reference."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = set(known)
        self.by_last_part: dict[str, list[str]] = defaultdict(list)
        for name in self.known:
            self.by_last_part[name.rpartition(".")[2]].append(name)

    def find(self, literal: str, near: Mapping[str, str]) -> str | None:
        """Return the full name of what a literal in prose names, or None where that is not certain.

        Parameters
        ----------
        literal : str
            Such as ``value_iteration``, ``Solution.policy``, ``kl_estimate(..., kind)`` or ``rlkit/planning.py``. A
            module has to be named with its package: ``dpo`` alone is also an assignment.
        near : mapping
            Short names that the page itself imports or defines, to full names.
        """
        literal = literal.removeprefix("python -m ")
        if re.fullmatch(r"rlkit/[\w/]+\.py", literal):
            literal = literal.removesuffix(".py").replace("/", ".")
        match = CALL.fullmatch(literal)
        if match is None:
            return None
        name = match.group(1)
        first, dot, rest = name.partition(".")
        for candidate in (name, definition_name(name), definition_name(near.get(first, "") + dot + rest)):
            if candidate in self.known and (dot or candidate not in public_modules()):
                return candidate
        # A plain word may be an argument or an axis as well; one that is put together like a name of Python may not.
        if dot or "_" in name or re.search(r"[a-z][A-Z]", name):
            owner, _, last = name.rpartition(".")
            found = self._by_end(name, near)
            holder = self._by_end(owner, near) if dot and found is None else None
            return found or (holder if holder is not None and has_field(holder, last) else None)
        return None

    def _by_end(self, name: str, near: Mapping[str, str]) -> str | None:
        """Return the one name that ends so, or of several the one whose module is near."""
        ends = [one for one in self.by_last_part[name.rpartition(".")[2]] if one.endswith(f".{name}")]
        found = [one for one in ends if one.removesuffix(f".{name}") in public_modules()]
        if len(found) > 1:
            found = [one for one in found if one.removesuffix(f".{name}") in near.values()]
        return found[0] if len(found) == 1 else None


def has_field(name: str, field: str) -> bool:
    """Whether a class declares a field; one that its docstring does not describe has no entry of its own."""
    body = getattr(definitions().get(name), "body", [])
    return any(isinstance(one, ast.AnnAssign) and ast.unparse(one.target) == field for one in body)
