"""What a solution page is made of, read from ``solutions/<assignment>/`` as text: nothing of it is run here.

``<assignment>.py`` gives the exercises with their solutions, ``misconceptions.py`` the wrong answers,
``alternatives.py`` other right ones, and ``discussion.md`` the prose that students' releases never hold::

    ## run_episode

    Why the solution is right.

    ### the flags of the step before

    Why this wrong answer is wrong.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from execution_cache import ROOT

from autograder.authoring.author import BEGIN, END, Outline, compile_notebook

SOLUTIONS = ROOT / "solutions"
HEADING = re.compile(r"^### +(?:(\d+) +)?(.+)$", re.MULTILINE)
HINTS = re.compile(r"^<details>.*?</details>\s*$\n?", re.MULTILINE | re.DOTALL)
MARK = re.compile(rf"^[ \t]*(?:{re.escape(BEGIN)}|{re.escape(END)})[^\n]*\n?", re.MULTILINE)
SECTION = re.compile(r"^(##|###) +(.+?) *$", re.MULTILINE)
DRAWS = re.compile(r"\bplt\.")
SHAPES = re.compile(r"^\*\*Shapes\.\*\*.*", re.MULTILINE | re.DOTALL)
UNGRADED = re.compile(r"\s*\((?:This cell is not|Not) graded[^)]*\)")


@dataclass
class Answer:
    """A wrong answer, or a right one that is written differently, with the functions that it calls in its file."""

    exercise: str
    name: str
    hint: str
    code: str
    helpers: dict[str, str]


@dataclass
class Exercise:
    """One exercise in the order of the notebook; a written answer has no code and no checks.

    ``text`` holds the cells that stand before the answer, where they stand; ``after`` is what the notebook shows once
    the answer is finished.
    """

    name: str
    title: str
    facts: str
    text: str
    code: str = ""
    model: str = ""
    after: str = ""
    discussion: str = ""
    points: tuple[float, float] = (0.0, 0.0)
    wrong: list[Answer] = field(default_factory=list)
    right: list[Answer] = field(default_factory=list)


@dataclass
class Source:
    """One assignment; ``start`` is what all its exercises share: the shapes of tensors, and imports."""

    name: str
    title: str
    start: str
    exercises: list[Exercise]
    whys: dict[tuple[str, str], str]
    outline: Outline

    @property
    def points(self) -> float:
        """Points of checks and of written answers."""
        return self.outline.automatic + self.outline.by_hand


def read_solution(name: str) -> Source:
    """Read one assignment."""
    folder = SOLUTIONS / name
    notebook, outline = compile_notebook(folder / f"{name}.py")
    discussions, whys = read_discussion(folder / "discussion.md")
    title, start, exercises, prose = name, "", [], ""
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        kind, _, exercise = grade_id.partition("-")
        if kind == "answer":
            found = _exercise(exercise, prose)
            found.code, prose = MARK.sub("", cell.source).rstrip(), ""
            found.points = (outline.visible[exercise], outline.hidden[exercise])
            exercises.append(found)
        elif kind == "written":
            found = _exercise(exercise, prose)
            found.model, prose = MARK.sub("", cell.source).strip(), ""
            found.points = (outline.written[exercise], 0.0)
            exercises.append(found)
        elif kind:
            continue
        elif cell.cell_type == "code" and DRAWS.search(cell.source):
            prose = prose if HEADING.search(prose) else ""  # what it says of a figure, which the page does not draw
        elif cell.cell_type == "code":
            prose += f"\n\n{code_cell(cell.source, 'hide-input')}"
        elif cell.source.startswith("# "):
            title = cell.source.splitlines()[0].removeprefix("# ")
            shapes = SHAPES.search(cell.source)
            prose = shapes[0] if shapes else ""
        elif not HEADING.search(cell.source):
            prose += f"\n\n{cell.source}"
        else:
            if exercises:
                exercises[-1].after = UNGRADED.sub("", prose).strip()
            else:
                start = prose.strip()
            prose = cell.source
    wrong, right = (read_answers(folder / f"{kind}.py") for kind in ("misconceptions", "alternatives"))
    for one in exercises:
        one.discussion = discussions.get(one.name, "")
        one.wrong = [answer for answer in wrong if answer.exercise == one.name]
        one.right = [answer for answer in right if answer.exercise == one.name]
    return Source(name, title, start, exercises, whys, outline)


def code_cell(code: str, tag: str = "") -> str:
    """Return a cell of a page."""
    tags = f":tags: [{tag}]\n\n" if tag else ""
    return f"```{{code-cell}} ipython3\n{tags}{code}\n```"


def _exercise(name: str, prose: str) -> Exercise:
    """Take a heading such as ``### 2 The expected reward · 2 points · difficulty 1`` apart from the text under it."""
    text = HINTS.sub("", prose)
    headings = list(HEADING.finditer(text))
    if not headings:
        return Exercise(name, name, "", text.strip())
    last = headings[-1]
    title, _, facts = last[2].partition(" · ")
    number = f"{last[1]} " if last[1] else ""
    return Exercise(name, number + title, facts, text[last.end() :].strip())


def read_discussion(path: Path) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Return the discussion of each exercise, and of each wrong answer by exercise and name."""
    discussions: dict[str, str] = {}
    whys: dict[tuple[str, str], str] = {}
    if not path.is_file():
        return discussions, whys
    text = path.read_text(encoding="utf-8")
    sections = list(SECTION.finditer(text))
    exercise = ""
    for section, after in zip(sections, [*sections[1:], None], strict=True):
        body = text[section.end() : after.start() if after else len(text)].strip()
        if section[1] == "##":
            exercise = section[2]
            discussions[exercise] = body
        else:
            whys[exercise, section[2]] = body
    return discussions, whys


def read_answers(path: Path) -> list[Answer]:
    """Return what a file of misconceptions or alternatives registers, as text, in the order of the file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    shared = {
        name: node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom) for name in _defined(node)
    }
    found = []
    for node in tree.body:
        call = _registration(node)
        if call is None:
            continue
        given = dict(zip(("exercise", "name", "hint"), call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        values = {
            key: constants[arg.id] if isinstance(arg, ast.Name) else ast.literal_eval(arg) for key, arg in given.items()
        }
        helpers = {name: _source(text, shared[name]) for name in _needed(node, shared)}
        name = values.get("name") or ast.get_docstring(node) or node.name
        code = _source(text, node, as_name=values["exercise"])
        found.append(Answer(values["exercise"], name, values.get("hint", ""), code, helpers))
    return found


def _registration(node: ast.stmt) -> ast.Call | None:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    calls = [one for one in decorators if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]
    return next((one for one in calls if one.func.id in ("misconception", "alternative")), None)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [] if _registration(node) else [node.name]
    return [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]


@cache
def _names_in(node: ast.stmt) -> frozenset[str]:
    """Names that a statement mentions; many answers share their helpers."""
    return frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _needed(node: ast.stmt, shared: dict[str, ast.stmt]) -> list[str]:
    """Names of the file that a statement uses, directly or through others, in the order of the file."""
    waiting, seen = [node], set()
    while waiting:
        used = _names_in(waiting.pop()) & shared.keys()
        waiting += [shared[name] for name in used - seen]
        seen |= used
    return [name for name in shared if name in seen and not name.endswith("HINT")]


_lines = cache(str.splitlines)


def _source(text: str, node: ast.stmt, as_name: str = "") -> str:
    """Source of a definition without its decorators; the ``_`` of a wrong answer becomes the exercise's name."""
    lines = _lines(text)[node.lineno - 1 : node.end_lineno]
    code = textwrap.dedent("\n".join(lines))
    return re.sub(r"\A(def|class) \w+", rf"\1 {as_name}", code) if as_name else code
