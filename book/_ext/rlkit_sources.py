"""Where a function of rlkit is defined, read from the source without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from execution_cache import PACKAGE, ROOT


@dataclass(frozen=True)
class Definition:
    """A function, method or class of rlkit in its file."""

    module: str
    path: Path
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

    @property
    def first_line(self) -> int:
        """Line of the definition or of its first decorator."""
        return min([self.node.lineno, *(decorator.lineno for decorator in self.node.decorator_list)])


def modules() -> dict[str, Path]:
    """Return every module of rlkit by its name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def resolve_name(name: str) -> Definition | None:
    """Find ``rlkit.module.function`` or ``rlkit.module.Class.method``; None if there is no such thing."""
    known = modules()
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if module in known:
            scope: ast.AST | None = ast.parse(known[module].read_text(encoding="utf-8"))
            for part in parts[length:]:
                inside = getattr(scope, "body", [])
                scope = next((node for node in inside if getattr(node, "name", None) == part), None)
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                return Definition(module, known[module], scope)
    return None


def source_page(module: str) -> str:
    """Return the name of the page that shows a module's source."""
    return f"code/{module}"


def reference_to_source(name: str, docname: str) -> nodes.reference:
    """Return a link from a page to the line where a name is defined."""
    definition = resolve_name(name)
    if definition is None:
        raise ValueError(f"there is no {name} in rlkit")
    up = "../" * docname.count("/")
    target = f"{up}{source_page(definition.module)}.html#L-{definition.first_line}"
    return nodes.reference("", "", nodes.literal("", name), refuri=target, internal=True, classes=["source-link"])
