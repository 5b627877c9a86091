"""Write a module of rlkit as reStructuredText for Sphinx's Python domain, from its source alone.

Nothing is imported: a bridge's page needs no framework, and 107 modules take no import of torch. Docstrings go through
Sphinx's napoleon (numpydoc sections); names in annotations become full names, so that Sphinx can link them.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from execution_cache import PACKAGE
from rlkit_sources import Definition, modules
from sphinx.ext.napoleon import Config, NumpyDocstring

NAPOLEON = Config(napoleon_use_param=False, napoleon_use_rtype=False)
LONGEST_VALUE = 100
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
        for node in ast.walk(self.tree):
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


@cache
def definitions() -> dict[str, Entry]:
    """Return every public function, class and method of rlkit by its full name."""
    found: dict[str, Entry] = {}
    for module in public_modules().values():
        for node in public_entries(module.tree):
            found[f"{module.name}.{node.name}"] = node
            if isinstance(node, ast.ClassDef):
                found |= {f"{module.name}.{node.name}.{method.name}": method for method in public_entries(node)}
    return found


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
    own = {name: node for name, node in definitions().items() if name.startswith(f"{module.name}.")}
    return {name: Definition(module.name, module.path, node).first_line for name, node in own.items()}


def constants(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the named constants and type aliases of a module."""
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and value is not None:
            for target in targets:
                if isinstance(target, ast.Name) and target.id[0].isupper():
                    yield target.id, value


def module_text(module: Module, equations: dict[str, list[str]]) -> list[str]:
    """Return a module's page.

    Parameters
    ----------
    module : Module
    equations : dict
        Full names of functions to the lines that show the equations which they compute.
    """
    text = [f".. py:module:: {module.name}", "", *numpydoc(module.tree, "module", module.name), ""]
    names = module.class_names()
    for node in public_entries(module.tree):
        text += entry_text(node, module.name, names, equations)
    for name, value in constants(module):
        written = ast.unparse(value)
        text += [f".. py:data:: {name}", f"   :value: {written}" if len(written) <= LONGEST_VALUE else "", ""]
    return text


def entry_text(
    node: Entry, scope: str, names: dict[str, str], equations: dict[str, list[str]], in_class: bool = False
) -> list[str]:
    """Return a function or a class with its methods as a directive of the Python domain."""
    name = f"{scope}.{node.name}"
    decorators = {ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list}
    body = [*numpydoc(node, "class" if isinstance(node, ast.ClassDef) else "function", name), ""]
    body += equations.get(name, [])
    options = []
    if isinstance(node, ast.ClassDef):
        kind, signature = "class", class_signature(node, decorators, names)
        for method in public_entries(node):
            body += entry_text(method, name, names, equations, in_class=True)
    elif decorators & {"property", "cached_property"}:
        kind, signature = "property", ""
        options = [f":type: {annotation(node.returns, names)}"] if node.returns else []
    else:
        kind = "method" if in_class else "function"
        options = [
            f":{option}:" for option in ("classmethod", "staticmethod", "abstractmethod") if option in decorators
        ]
        options += [":async:"] if isinstance(node, ast.AsyncFunctionDef) else []
        signature = function_signature(node, names, bound=in_class and "staticmethod" not in decorators)
    head = [f".. py:{kind}:: {node.name}{signature}", *(f"   {option}" for option in options), ""]
    return [*head, *(f"   {line}".rstrip() for line in body), ""]


def numpydoc(node: ast.Module | Entry, kind: str, name: str) -> list[str]:
    """Return a docstring with its numpydoc sections turned into fields."""
    docstring = inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
    return NumpyDocstring(docstring, NAPOLEON, what=kind, name=name).lines()


def annotation(node: ast.expr, names: dict[str, str]) -> str:
    """Return an annotation in which the names of rlkit are full names."""
    return ast.unparse(FullNames(names).visit(copy.deepcopy(node)))


class FullNames(ast.NodeTransformer):
    """Replaces names by full names."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that rlkit defines."""
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def function_signature(node: Function, names: dict[str, str], bound: bool) -> str:
    """Return arguments and result; a bound method is shown without its first argument."""
    arguments = copy.deepcopy(node.args)
    if bound:
        (arguments.posonlyargs or arguments.args).pop(0)
    for one in [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]:
        if one is not None and one.annotation is not None:
            one.annotation = FullNames(names).visit(one.annotation)
    result = f" -> {annotation(node.returns, names)}" if node.returns else ""
    return f"({ast.unparse(arguments)}){result}"


def class_signature(node: ast.ClassDef, decorators: set[str], names: dict[str, str]) -> str:
    """Return what a class is made from: the fields of a dataclass or named tuple, or the arguments of __init__."""
    own = [one for one in node.body if isinstance(one, Function) and one.name == "__init__"]
    if own:
        return function_signature(own[0], names, bound=True).removesuffix(" -> None")
    if "dataclass" not in decorators and not any(ast.unparse(base) == "NamedTuple" for base in node.bases):
        return ""
    fields = []
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and "ClassVar" not in (kind := annotation(one.annotation, names)):
            default = "" if one.value is None else ast.unparse(one.value)
            if default.startswith("field("):
                default = "..." if "default" in default else ""
            fields.append(f"{ast.unparse(one.target)}: {kind}" + (f" = {default}" if default else ""))
    return f"({', '.join(fields)})"
