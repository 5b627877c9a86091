"""What is public in rlkit: its modules, functions, classes and methods, read from the source without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from execution_cache import PACKAGE
from rlkit_sources import Definition, modules

Function = ast.FunctionDef | ast.AsyncFunctionDef
Entry = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A module of rlkit, parsed."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def summary(self) -> str:
        """First sentence-like paragraph of the docstring, on one line."""
        return " ".join((ast.get_docstring(self.tree) or "").split("\n\n")[0].split()).replace("::", ".")

    def names(self) -> dict[str, str]:
        """Return what the functions and classes of rlkit that this module defines or imports are called in full."""
        found = {node.name: f"{self.name}.{node.name}" for node in public_entries(self.tree)}
        blocks = [self.tree, *(node for node in self.tree.body if isinstance(node, ast.If))]  # if TYPE_CHECKING
        for node in (node for block in blocks for node in block.body):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                for alias in node.names:
                    found[alias.asname or alias.name] = definition_name(f"{node.module}.{alias.name}")
        return found

    def class_names(self) -> dict[str, str]:
        """Return the same of classes alone."""
        return {
            short: name for short, name in self.names().items() if isinstance(definitions().get(name), ast.ClassDef)
        }


class NumbersAsWritten(ast.NodeTransformer):
    """Keeps ``1e-6`` and ``1_000`` as they stand in the source."""

    def __init__(self, source: str) -> None:
        self.lines = [line.encode() for line in source.splitlines()]

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Replace a number by a name that is spelled like it."""
        if type(node.value) not in (int, float):
            return node
        return ast.Name(self.lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode(), ast.Load())


def parsed(source: str) -> ast.Module:
    """Return a module's syntax tree, its numbers in signatures as they are written."""
    tree, numbers = ast.parse(source), NumbersAsWritten(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments | ast.AnnAssign):
            numbers.visit(node)
    return tree


@cache
def public_modules() -> dict[str, Module]:
    """Return the modules that have a page: all but those that are only run."""
    found = {}
    for name, path in modules().items():
        if not any(part.startswith("_") for part in name.split(".")):
            found[name] = Module(name, path, parsed(path.read_text(encoding="utf-8")))
    return found


def public_entries(scope: ast.Module | ast.ClassDef) -> Iterator[Entry]:
    """Yield the functions and classes of a module, or the methods of a class, whose names have no underscore first."""
    for node in scope.body:
        if isinstance(node, Entry) and not node.name.startswith("_"):
            yield node


def definitions_in(module: Module) -> dict[str, Entry]:
    """Return the public functions, classes and methods of a module by their full names."""
    found: dict[str, Entry] = {}
    for node in public_entries(module.tree):
        found[f"{module.name}.{node.name}"] = node
        if isinstance(node, ast.ClassDef):
            found |= {f"{module.name}.{node.name}.{method.name}": method for method in public_entries(node)}
    return found


@cache
def definitions() -> dict[str, Entry]:
    """Return the same of all modules."""
    return {name: node for module in public_modules().values() for name, node in definitions_in(module).items()}


def definition_name(name: str) -> str:
    """Return the full name under which a function or class is defined that a package only passes on."""
    package, _, last = name.rpartition(".")
    if name not in definitions() and package in public_modules():
        for node in public_modules()[package].tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in public_modules() and node.module != package:
                for alias in node.names:
                    if (alias.asname or alias.name) == last:
                        return definition_name(f"{node.module}.{alias.name}")
    return name


def first_lines(module: Module) -> dict[str, int]:
    """Return the line on which each public function, class and method begins, decorators included."""
    own = definitions_in(module).items()
    return {name: Definition(module.name, module.path, node).first_line for name, node in own}


def constants(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the named constants and type aliases of a module."""
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and value is not None:
            for target in targets:
                if isinstance(target, ast.Name) and target.id[0].isupper():
                    yield target.id, value
