"""Name, for each exercise, everything that decides its result: so that a changed check regrades only what it touches.

The files of checks are read as syntax, not run. A function that `exam.add`, `exam.probe` or `misconception` registers
for an exercise named by a text belongs to that exercise, with all it uses of its file. Whatever else a file does when
it is loaded (imports, loops, calls, anything unfamiliar) belongs to every exercise: if in doubt, everything is touched.
Comments, spaces and the order of unrelated functions change nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

CHECKS = ("checks.py", "hidden_checks.py", "misconceptions.py")
NOT_FOR_GRADING = ("alternatives.py", "discussion.md")
EVERYTHING = "*"
REGISTERING = {"add", "probe", "misconception"}
LOOKS_EVERYWHERE = {"globals", "vars", "eval", "exec", "sys", "inspect"}
MAKES_EXAMS = {"Exam", *REGISTERING}


@dataclass
class Parts:
    """The statements of one file: those that belong to an exercise, to every exercise, or to whoever uses a name."""

    exercises: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))
    everywhere: list[ast.stmt] = field(default_factory=list)
    names: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))


def exercise_digests(files: Mapping[str, bytes], assignment: str) -> dict[str, str]:
    """Return the digest of each exercise, and under ``*`` what every other exercise depends on.

    Parameters
    ----------
    files : mapping
        The files of the assignment's folder by name.
    """
    return dict(_digests(tuple(sorted(files.items())), assignment))


@functools.lru_cache(maxsize=8)
def _digests(files: tuple[tuple[str, bytes], ...], assignment: str) -> Mapping[str, str]:
    others = [
        f"{name} {hashlib.sha256(content).hexdigest()}"
        for name, content in files
        if name not in (*CHECKS, *NOT_FOR_GRADING, f"{assignment}.py")
    ]
    parts = {}
    for name, content in files:
        if name in CHECKS:
            try:
                parts[name] = parts_of(ast.parse(content))
            except (SyntaxError, ValueError):
                others.append(f"{name} {hashlib.sha256(content).hexdigest()}")
    exercises = {exercise for part in parts.values() for exercise in part.exercises}
    digests = {}
    for exercise in sorted([*exercises, EVERYTHING]):
        digest = hashlib.sha256("\n".join(others).encode())
        for name, part in sorted(parts.items()):
            for statement in needed(part, exercise):
                digest.update(f"{name} {ast.dump(statement)}\n".encode())
        digests[exercise] = digest.hexdigest()[:24]
    return digests


def parts_of(tree: ast.Module) -> Parts:
    """Sort the statements of a file."""
    parts = Parts()
    for statement in tree.body:
        exercises = _exercises(statement)
        names = list(_defines(statement))
        for name in names:
            parts.names[name].append(statement)
        if exercises:
            for exercise in exercises:
                parts.exercises[exercise].append(statement)
        elif not names and not _does_nothing(statement):
            parts.everywhere.append(statement)
    # A value may register checks when it is computed: whoever could have helped it is in its reach.
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _could_register(statement, parts):
            parts.everywhere.append(statement)
    return parts


def _exercises(statement: ast.stmt) -> set[str]:
    """The exercises that a function is registered for, if all that decorates it does that and names them by a text."""
    if not isinstance(statement, ast.FunctionDef) or not statement.decorator_list:
        return set()
    found = set()
    for call in statement.decorator_list:
        if not isinstance(call, ast.Call) or not call.args:
            return set()
        function, first = call.func, call.args[0]
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name not in REGISTERING or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return set()
        found.add(first.value)
    return found


def _defines(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement defines, if defining them is all it does."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        if not statement.decorator_list or _exercises(statement):
            yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if all(isinstance(target, ast.Name) for target in targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _could_register(statement: ast.stmt, parts: Parts) -> bool:
    if not any(isinstance(node, ast.Call) for node in ast.walk(statement)):
        return False
    mentioned = {name for one in _reach([statement], parts) for name in _mentions(one) | _attributes(one)}
    return bool(mentioned & MAKES_EXAMS)


def needed(parts: Parts, exercise: str) -> list[ast.stmt]:
    """The statements on which an exercise depends, each once, in the order of the file."""
    own = parts.exercises.get(exercise, []) if exercise != EVERYTHING else []
    return _reach([*parts.everywhere, *own], parts)


def _reach(begin: list[ast.stmt], parts: Parts) -> list[ast.stmt]:
    """These statements and all that they use, directly or not."""
    found = {id(statement): statement for statement in begin}
    waiting = list(begin)
    while waiting:
        names = _mentions(waiting.pop())
        for name in parts.names if names & LOOKS_EVERYWHERE else names:
            for statement in parts.names.get(name, []):
                if id(statement) not in found:
                    found[id(statement)] = statement
                    waiting.append(statement)
    return sorted(found.values(), key=lambda statement: statement.lineno)


def _mentions(statement: ast.stmt) -> set[str]:
    """The names that a statement could look up in its file."""
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names.union(*(node.names for node in ast.walk(statement) if isinstance(node, ast.Global)))


def _attributes(statement: ast.stmt) -> set[str]:
    return {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
