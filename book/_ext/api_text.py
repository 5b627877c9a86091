"""Write a module of rlkit as reStructuredText for Sphinx's Python domain, from its source alone.

Nothing is imported: a bridge's page needs no framework, and the build takes no import of torch. Docstrings go through
Sphinx's napoleon (numpydoc sections); names in annotations become full names, so that Sphinx can link them.
"""

from __future__ import annotations

import ast
import copy
import inspect

from api_names import Entry, Function, Module, constants, public_entries
from sphinx.ext.napoleon import Config, NumpyDocstring

NAPOLEON = Config(napoleon_use_param=False, napoleon_use_rtype=False)
LONGEST_VALUE = 100


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
