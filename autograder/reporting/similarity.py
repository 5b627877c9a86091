"""Which answers of two students share unusual code? For an instructor's eyes: it ranks pairs and proves nothing.

Answers are compared by what Python makes of them, so comments, spaces, order of definitions and names of a student's
own do not matter. Every run of `RUN` syntax elements is a fingerprint, as in document fingerprinting (Schleimer,
Wilkerson and Aiken, *Winnowing*, SIGMOD 2003); answers are short, so all runs are kept and none is sampled. Runs that
stand in the release or in a known answer (solutions, alternatives, misconceptions) do not count, and a run counts the
less the more students have it: log((students + 1) / those who have it).
"""

from __future__ import annotations

import ast
import functools
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

RUN = 10
FEWEST_RUNS = 8
MOST_ELEMENTS = 2_000
Run = tuple[str, ...]


@dataclass(frozen=True)
class Element:
    """One element of syntax and the line it begins in."""

    text: str
    line: int


@dataclass
class Pair:
    """Two students whose answers share unusual code.

    Attributes
    ----------
    weight : float
        How much: over all exercises, how unusual the shared runs are together, times the share below.
    shares : dict
        By exercise, the part of the shorter answer's own code that the other has too, from 0 to 1.
    """

    first: str
    second: str
    weight: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)


@functools.lru_cache(maxsize=10_000)
def elements(source: str) -> list[Element]:
    """Return the elements of an answer; where Python cannot read it, its words and signs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source)
        own = {name for node in ast.walk(tree) for name in _bound(node)}
        return list(_in_order(tree, own, 1))[:MOST_ELEMENTS]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = enumerate(source.splitlines(), 1)
        found = (Element(word, number) for number, line in lines for word in re.findall(r"\w+|[^\w\s]", line))
        return [element for element, _ in zip(found, range(MOST_ELEMENTS), strict=False)]


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node defines: the student's to choose."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name


def _in_order(node: ast.AST, own: set[str], line: int) -> Iterator[Element]:
    """The elements below a node, from top to bottom."""
    line = getattr(node, "lineno", line)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring, or text that stands for a comment
    yield Element(_told(node, own), line)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "ctx", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _in_order(child, own, line)


def _told(node: ast.AST, own: set[str]) -> str:
    kind = type(node).__name__
    if isinstance(node, ast.Name):
        return "own" if node.id in own else node.id
    if isinstance(node, ast.Constant):
        return "text" if isinstance(node.value, str | bytes) else repr(node.value)[:40]
    if isinstance(node, ast.Attribute):
        return f".{node.attr}"
    if isinstance(node, ast.keyword):
        return f"{node.arg}="
    return kind


def runs(found: list[Element]) -> dict[Run, int]:
    """Every run of elements, and the place where it first begins."""
    texts = [element.text for element in found]
    places: dict[Run, int] = {}
    for place in range(len(texts) - RUN + 1):
        places.setdefault(tuple(texts[place : place + RUN]), place)
    return places


def known_runs(sources: Iterable[str]) -> set[Run]:
    """The runs of the release and of known answers."""
    return {run for source in sources for run in runs(elements(source))}


def compare(
    answers: Mapping[str, Mapping[str, str]], known: set[Run], most: int = 20, progress: bool = False
) -> list[Pair]:
    """Return the pairs that share most, over all exercises.

    Parameters
    ----------
    answers : mapping
        By exercise and student, the source of the answer.
    known : set
        Runs that do not count.
    """
    students = sorted({student for one in answers.values() for student in one})
    weights = np.zeros((len(students), len(students)))
    shares: dict[str, np.ndarray] = {}
    for exercise, sources in tqdm(answers.items(), desc="comparing answers", disable=not progress):
        shared, total, count = _shared(sources, known, students)
        # Little code of one's own proves nothing, however much of it is the same.
        enough = np.triu(count >= FEWEST_RUNS, 1)
        smaller = np.minimum(total[:, None], total)
        shares[exercise] = np.divide(shared, smaller, out=np.zeros_like(shared), where=enough & (smaller > 0))
        weights += shared * shares[exercise]
    ranked = np.argsort(-weights, axis=None, kind="stable")[:most]  # equal ones by name, as students are sorted
    found = []
    for first, second in zip(*np.unravel_index(ranked, weights.shape), strict=True):
        if weights[first, second] > 0:
            own = {exercise: min(1.0, float(share[first, second])) for exercise, share in shares.items()}
            named = {exercise: share for exercise, share in own.items() if share > 0}
            found.append(Pair(students[first], students[second], float(weights[first, second]), named))
    return found


def _shared(
    sources: Mapping[str, str], known: set[Run], students: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight shared by each two students, weight of each student's own code, and number of shared runs."""
    owners: dict[Run, list[int]] = defaultdict(list)
    for index, student in enumerate(students):
        for run in runs(elements(sources.get(student, ""))):
            if run not in known:
                owners[run].append(index)
    size = len(students)
    shared, total, count = np.zeros((size, size)), np.zeros(size), np.zeros((size, size), dtype=int)
    for having in owners.values():
        weight = math.log((len(sources) + 1) / len(having))
        total[having] += weight
        if len(having) > 1:
            block = np.ix_(having, having)
            shared[block] += weight
            count[block] += 1
    return shared, total, count


def shared_lines(first: str, second: str, known: set[Run]) -> tuple[set[int], set[int]]:
    """The lines of two answers in which they share unusual code."""
    sides = elements(first), elements(second)
    found = [runs(side) for side in sides]
    common = (found[0].keys() & found[1].keys()) - known
    return tuple(  # type: ignore[return-value]
        {element.line for run in common for element in side[places[run] : places[run] + RUN]}
        for side, places in zip(sides, found, strict=True)
    )


def functions(source: str) -> list[str]:
    """Each function and class of a file, without what decorates it, and the whole: it has more names of its own."""
    tree = ast.parse(source)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in found:
        node.decorator_list = []
    return [ast.unparse(node) for node in [*found, tree]]
