"""The prose of the course: what a reader reads, without code, mathematics, addresses and citations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.book.conftest import ROOT

FENCE = re.compile(r"^(`{3,}|:{3,}|~{3,})\s*(\{[\w:.-]+\})?(.*)$")
# Blocks whose content is not read as prose; those not named here (admonitions, dropdowns) are.
NOT_PROSE = re.compile(
    r"\{(code-cell|math|formula|raw|listing|literalinclude|bibliography|course-path|chapter-header|tableofcontents|toctree"
    r"|(api|evidence|solutions|trace|widget)[\w-]*)\}"
)
LEFT_OUT = [
    (re.compile(r"^\$\$.*?\$\$[^\n]*$", re.M | re.S), ""),  # displayed mathematics
    (re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S), ""),
    (re.compile(r"\$[^$]+\$"), " "),
    (re.compile(r"\{(?:cite|ref|numref|eq|glue|doc|assignment|func|py|prf|prf:ref|download)[\w:]*\}`[^`]*`"), " "),
    (re.compile(r"\{\w[\w:-]*\}`([^`<]*)(?:<[^`]*>)?`"), r"\1"),  # other roles show their text
    (re.compile(r"(`+)(?:(?!\1).)+?\1", re.S), " "),
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"https?://\S+"), " "),
    (re.compile(r"<!--.*?-->|<[^>\n]+>", re.S), " "),
    (re.compile(r"\{#?[\w .=\"-]+\}"), " "),  # attributes
    (re.compile(r"&\w+;"), " "),
]


ARGUMENTS = re.compile(r"^\s*[\w*]+(, [\w*]+)*( : .*)?$")  # names, and their type
IN_DOCSTRINGS = [
    re.compile(r"^ *References\n *-+\n.*?(?=\n\n|\Z)", re.M | re.S),
    re.compile(r"\"[^\"]+\"", re.S),  # titles, and texts of programs
    re.compile(r"(?::[\w:]+:)?(`+)(?:(?!\1).)+?\1", re.S),
    re.compile(r"https?://\S+"),
    re.compile(r"^( *)\.\. [\w-]+::[^\n]*(?:\n(?:\1 +[^\n]*|[ ]*(?=\n)))*", re.M),  # a displayed formula
    re.compile(r"^ *[A-Z]\w+\n", re.M),  # the type of what is returned or raised
]


class Line(NamedTuple):
    """A line of prose and where it stands."""

    place: str
    text: str


def prose_of_markdown(text: str, place: str, first: int = 1) -> Iterator[Line]:
    """Yield the lines of prose of a MyST page (or of one Markdown cell), with their numbers."""
    text = re.sub(r"\A---\n.*?\n---\n", lambda match: "\n" * match.group().count("\n"), text, flags=re.S)
    text = "\n".join(_outside_of_code(text.split("\n")))
    for pattern, shown in LEFT_OUT:
        text = pattern.sub(lambda match, shown=shown: match.expand(shown) + "\n" * match.group().count("\n"), text)
    for number, line in enumerate(text.split("\n"), first):
        if line.strip():
            yield Line(f"{place}:{number}", line)


def _outside_of_code(lines: list[str]) -> Iterator[str]:
    """Blank out code; keep captions and descriptions of figures, which stand in the options of code cells."""
    open_fences: list[tuple[str, bool]] = []
    for line in lines:
        match = FENCE.match(line.strip())
        if match and open_fences and line.strip() == open_fences[-1][0]:
            open_fences.pop()
            yield ""
        elif match and (match[2] or not open_fences or not open_fences[-1][1]) and not _in_code(open_fences):
            code = not match[2] or bool(NOT_PROSE.match(match[2]))
            open_fences.append((match[1], code))
            yield "" if code else match[3]
        elif _in_code(open_fences):
            said = re.match(r"\s+(?:caption|alt): *[>|]?(.*)$", line)
            yield said[1] if said else ""
        elif re.match(r"^:[\w-]+:", line.strip()) or re.match(r"^\([\w-]+\)=$", line.strip()):
            yield ""
        else:
            yield line


def _in_code(open_fences: list[tuple[str, bool]]) -> bool:
    return any(code for _, code in open_fences)


def pages() -> list[Path]:
    """The pages that are written by hand."""
    built = {"_build", "exercises", "api", "solutions"}
    return [path for path in sorted((ROOT / "book").rglob("*.md")) if not built & set(path.relative_to(ROOT).parts)]


def course_prose() -> Iterator[Line]:
    """Yield all prose: the pages, the README, the discussions of solutions, and the texts of the exercise notebooks."""
    for path in [*pages(), ROOT / "README.md", ROOT / "solutions" / "README.md"]:
        yield from prose_of_markdown(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "solutions").glob("*/discussion.md")):
        without_names = re.sub(r"^##.*$", "", path.read_text(encoding="utf-8"), flags=re.M)  # of exercises and mistakes
        yield from prose_of_markdown(without_names, str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "solutions").glob("*/*.py")):
        if path.stem == path.parent.name:
            yield from prose_of_notebook(path)


def docstrings() -> Iterator[Line]:
    """Yield the docstrings of rlkit, which the reference shows, without names of code and literal blocks."""
    for path in sorted((ROOT / "rlkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node, clean=False)
                if text:
                    yield from _prose_of_docstring(text, str(path.relative_to(ROOT)), node.body[0].lineno)


def _prose_of_docstring(text: str, place: str, first: int) -> Iterator[Line]:
    for pattern in IN_DOCSTRINGS:
        text = pattern.sub(lambda match: " " + "\n" * match.group().count("\n"), text)
    literal = False
    for number, line in enumerate(text.split("\n"), first):
        literal = literal and (not line.strip() or line.startswith("     "))
        if not literal and line.strip() and not ARGUMENTS.match(line):
            yield Line(f"{place}:{number}", line)
        literal = literal or line.rstrip().endswith("::")


def prose_of_notebook(path: Path) -> Iterator[Line]:
    """Yield the prose of the Markdown cells of a notebook that is written as a Python file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    marks = [number for number, line in enumerate(lines) if line.startswith("# %%")] + [len(lines)]
    for begin, end in pairwise(marks):
        if lines[begin].startswith("# %% [markdown]"):
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[begin + 1 : end])
            yield from prose_of_markdown(text, str(path.relative_to(ROOT)), begin + 2)
