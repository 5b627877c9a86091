"""Write the pages of solutions, from ``solutions/`` into ``book/solutions/`` for the time of a build.

The pages are not kept under version control: what an instructor writes stands in ``solutions/`` alone. A build
without them (``python book/build.py --without-solutions``) writes none, and nothing of the site knows of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml
from execution_cache import ROOT, sources_of, what_runs
from solution_source import SOLUTIONS, Answer, Exercise, Source, code_cell, read_solution
from table_of_contents import assignments_in_order, chapters_of_assignments, contents_of_site

BOOK = ROOT / "book"
PAGES = BOOK / "solutions"
RUN_BY = ("assignment", "candidate", "checks", "comparison", "display", "limits", "subject", "wire")
FRONT = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
FIRST_CELL = """```{{code-cell}} ipython3
:tags: [remove-cell]

# {fingerprint}: hash of the checks, of the wrong answers and of what runs them
import sys

sys.path.insert(0, "../_ext")
from solution_runs import SolutionRuns

runs = SolutionRuns("{name}")
check = runs.check
```"""


@contextlib.contextmanager
def pages_of_solutions(wanted: bool, contents: Path) -> Iterator[None]:
    """Write the pages and the contents that name them; when the build is over, only the contents stay.

    Parameters
    ----------
    wanted : bool
        Whether the site has solutions.
    contents : Path
        Where the table of contents of this build is written.
    """
    shutil.rmtree(PAGES, ignore_errors=True)
    contents.parent.mkdir(parents=True, exist_ok=True)
    contents.write_text(yaml.safe_dump(contents_of_site(wanted), sort_keys=False), encoding="utf-8")
    try:
        if wanted:
            PAGES.mkdir()
            chapters = chapters_of_assignments()
            sources = [read_solution(name) for name in assignments_in_order()]
            (PAGES / "index.md").write_text(landing_page(sources, chapters), encoding="utf-8")
            for source in sources:
                page = solution_page(source, chapters.get(source.name, []))
                (PAGES / f"{source.name}.md").write_text(page, encoding="utf-8")
        yield
    finally:
        shutil.rmtree(PAGES, ignore_errors=True)


def solution_page(source: Source, chapters: list[str]) -> str:
    """Return the page of one assignment as MyST."""
    first = FIRST_CELL.format(name=source.name, fingerprint=fingerprint(source.name))
    blocks = [f"# Solutions: {source.title}", _opening(source, chapters), first, source.start]
    for exercise in source.exercises:
        blocks += _written(source, exercise) if exercise.model else _coded(source, exercise)
    return FRONT + "\n" + "\n\n".join(block for block in blocks if block) + "\n"


def fingerprint(name: str) -> str:
    """Return a hash of what the outputs of a page depend on beside its own cells."""
    files = [SOLUTIONS / name / f"{stem}.py" for stem in ("checks", "hidden_checks", "misconceptions")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    files += run_by()
    digest = hashlib.sha256()
    for path in [*files, *sources_of(f"```{{code-cell}}\n{code}\n```")]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + what_runs(path))
    return digest.hexdigest()[:16]


def run_by() -> list[Path]:
    """Return the files that run checks and answers for a page."""
    return [Path(__file__).with_name("solution_runs.py"), *(ROOT / "autograder" / f"{stem}.py" for stem in RUN_BY)]


def landing_page(sources: list[Source], chapters: dict[str, list[str]]) -> str:
    """Return the page that leads to the others."""
    rows = []
    for source in sources:
        wrong = sum(len(one.wrong) for one in source.exercises)
        links = ", ".join(f"{{doc}}`/{chapter}`" for chapter in chapters.get(source.name, []))
        rows.append(
            f"| [{source.title}]({source.name}.md) | {links} | {source.points:g} | {len(source.exercises)} | {wrong} |"
        )
    return LANDING.format(rows="\n".join(rows))


LANDING = """# Solutions

Every exercise of the course with a solution, why it is right, other answers that are right as well, and the mistakes
that are made often. What stands beside a mistake came from running it: the first check that it fails, what the check
expected, and what it got. Where only a check that trains a model could tell, the page says that it was not run.

:::{{admonition}} Try first
:class: tip
A solution teaches most after an attempt. The checks in the notebook say what is wrong with an answer and name the
mistake if it is a known one; each exercise has three hints under it, from a nudge to an outline. A good time to look
here is when the checks pass, to compare, or when all three hints are used up.
:::

| solutions | chapter | points | exercises | mistakes |
|---|---|---|---|---|
{rows}

Some checks run only after a notebook is handed in. Their code is not shown here.
"""


def _opening(source: Source, chapters: list[str]) -> str:
    """Return what a reader needs before the first exercise."""
    *others, last = [f"{{doc}}`/{chapter}`" for chapter in chapters] or [""]
    links = f"{', '.join(others)} and {last}" if others else last
    chapter = f"Chapter{'s' * (len(chapters) > 1)}: {links}." if chapters else ""
    rows = "\n".join(
        f"| [{one.title}](#{anchor(source.name, one.name)}) | {_points(one)} | {len(one.wrong) or ''} |"
        for one in source.exercises
    )
    return f"""\
:::{{admonition}} Try first
:class: tip
Write your own answers before you read these: {{assignment}}`{source.name}` is the notebook with its checks,
{source.points:g} points. {chapter}
:::

| exercise | points | mistakes below |
|---|---|---|
{rows}

Points are those of the checks in the notebook and, after the plus sign, of the checks that run after handing in."""


def anchor(assignment: str, exercise: str) -> str:
    """Return the label of an exercise's section."""
    return f"solution-{assignment}-{exercise}".replace("_", "-")


def _points(exercise: Exercise) -> str:
    visible, hidden = exercise.points
    return f"{visible:g}, by hand" if exercise.model else f"{visible:g} + {hidden:g}"


def _heading(source: Source, exercise: Exercise) -> str:
    facts = exercise.facts if exercise.model else f"`{exercise.name}` · {exercise.facts}"
    return f"({anchor(source.name, exercise.name)})=\n## {exercise.title}\n\n{facts}"


def _written(source: Source, exercise: Exercise) -> list[str]:
    model = "\n".join(f"> {line}".rstrip() for line in exercise.model.splitlines())
    return [
        _heading(source, exercise),
        exercise.text,
        "**A model answer.** Other answers earn the same points, by the criteria above.",
        model,
        exercise.discussion,
    ]


def _coded(source: Source, exercise: Exercise) -> list[str]:
    check = f'check("{exercise.name}", {exercise.name})'
    runs = code_cell(f'runs.answers("{exercise.name}")', "remove-cell")
    why = f"**Why it is right.** {exercise.discussion}" if exercise.discussion else ""
    right = [_right(one) for one in exercise.right]
    wrong = [_wrong(source, exercise, number, one) for number, one in enumerate(exercise.wrong)]
    return [
        _heading(source, exercise),
        exercise.text,
        "**Solution**",
        code_cell(exercise.code),
        code_cell(check),
        runs,
        why,
        f"**In the notebook, after the checks.** {exercise.after}" if exercise.after else "",
        _dropdown("Other answers that get full marks", "\n\n".join(right), 4) if right else "",
        "**Mistakes, and what they do**" if wrong else "",
        _helpers("Functions that the wrong answers below call", exercise.wrong),
        "\n\n".join(wrong),
    ]


def _right(one: Answer) -> str:
    helpers = "".join(f"{code}\n\n\n" for code in one.helpers.values())
    return f"```python\n{helpers}{one.code}\n```"


def _wrong(source: Source, exercise: Exercise, number: int, one: Answer) -> str:
    why = source.whys.get((exercise.name, one.name), "")
    body = f"""\
```python
{one.code}
```

```{{glue:md}} wrong-{exercise.name}-{number}
:format: commonmark
```

{why}

*Hint of the checks:* {escaped(one.hint)}"""
    return _dropdown(escaped(one.name), body, 3)


def _helpers(title: str, answers: list[Answer]) -> str:
    shared = {name: code for one in answers for name, code in one.helpers.items()}
    code = "\n\n\n".join(shared.values())
    return _dropdown(title, f"```python\n{code}\n```", 3) if shared else ""


def _dropdown(title: str, body: str, colons: int) -> str:
    return f"{':' * colons}{{dropdown}} {title}\n{body}\n{':' * colons}"


def escaped(text: str) -> str:
    """Return a plain text so that MyST shows it as it is, code between backquotes excepted."""
    return re.sub(r"([\\*{}\[\]<>$#|])", r"\\\1", text)
