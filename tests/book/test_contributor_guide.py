"""What the contributor guide names exists, and the code that it shows does what it says."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import evidence_table
import pytest
import widgets
import yaml

from autograder.__main__ import COMMANDS, make_parser
from autograder.checks import close
from tests.book.conftest import ROOT

GUIDE = ROOT / "book" / "guide" / "contributor.md"
TEXT = GUIDE.read_text(encoding="utf-8")
MADE_UP = {  # what the walks make
    "book/foundations/horizons.md",
    "book/_static/horizon-dial.js",
    "benchmarks/horizon_sums.py",
    "benchmarks/results/dp-horizon-steps.json",
}
COMMAND_LINES = re.findall(r"^python .+$", TEXT, re.M)


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)


def test_every_file_that_is_named_exists_or_is_made_in_the_walk() -> None:
    folders = "book|solutions|autograder|rlkit|tests|benchmarks|\\.github"
    named = set(re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", TEXT)) | {"_config.yml", "Makefile"}
    assert len(named) > 10
    assert [name for name in sorted(named - MADE_UP) if not (ROOT / name).is_file()] == []
    assert [name for name in sorted(MADE_UP) if (ROOT / name).exists()] == [], "the walk would overwrite these"
    beside = [ROOT / "solutions" / "warm_up", ROOT / "book" / "foundations"]
    for name in re.findall(r"`(\w+\.py)`", TEXT):
        assert any((folder / name).is_file() for folder in beside), name


def test_every_command_is_one() -> None:
    known = 0
    for line in COMMAND_LINES:
        if match := re.match(r"python -m autograder (.+)", line):
            chosen = make_parser().parse_args(match[1].split())
            assert chosen.command in COMMANDS
        elif match := re.match(r"python -m pytest (\S+)", line):
            assert (ROOT / match[1]).exists(), line
        elif match := re.match(r"python (\S+\.py)", line):
            assert match[1] in MADE_UP or (ROOT / match[1]).is_file(), line
        else:
            continue
        known += 1
    assert known >= 7
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)`", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_what_belongs_to_a_list_is_named_as_in_the_code() -> None:
    assert widgets.WIDGETS and "`WIDGETS`" in TEXT
    assert evidence_table.subject_of("dp-horizon-steps") == "planning" and "`SUBJECTS`" in TEXT
    tests = (ROOT / "tests" / "browser" / "test_widgets.py").read_text(encoding="utf-8")
    for name in ("NAMES", "FENCES", "TOLERANCE"):
        assert re.search(rf"^{name} = ", tests, re.M) and name in TEXT
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert "baseurl" in settings["html"] and "baseurl:" in TEXT
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]


@pytest.mark.parametrize("source", python_blocks(), ids=lambda source: source.split("\n")[0][:50])
def test_the_code_is_python(source: str) -> None:
    ast.parse(source)


def test_the_exercise_of_the_walk_holds() -> None:
    """The answer, its checks, a misconception and an alternative, as far as they stand in the guide."""
    names: dict = {"close": close, "check": lambda *things, **options: None, "Widget": object, "ClassVar": dict}
    exam = type("Exam", (), {"add": lambda *_, **__: lambda run: run, "probe": lambda *_, **__: lambda run: run})()
    wrong: list = []
    names |= {"exam": exam, "alternative": lambda exercise: lambda run: run}
    names["misconception"] = lambda *_, **__: lambda run: wrong.append(run) or run
    for source in python_blocks():
        if "discount_of_horizon" in source:
            exec(compile(source, str(GUIDE), "exec"), names)
    right = [names["discount_of_horizon"], names["as_a_fraction"]]
    for answer in right:
        names["ten_steps_ahead"](answer)
        names["other_horizons"](answer)
        for mistake in wrong:
            assert names["discounts"](answer, None) != names["discounts"](mistake, None)
    assert len(wrong) == 1


def test_the_points_in_the_table_of_the_solutions_are_those_of_the_cells() -> None:
    table = dict(re.findall(r"^\| `(\w+)/` \| .* \| (\d+) \|$", (ROOT / "solutions" / "README.md").read_text(), re.M))
    folders = [path.parent for path in sorted(Path(ROOT / "solutions").glob("*/checks.py"))]
    for folder in folders:
        cells = (folder / f"{folder.name}.py").read_text(encoding="utf-8")
        points = sum(float(value) for value in re.findall(r"^# %%.*\bpoints=([\d.]+)", cells, re.M))
        assert float(table[folder.name]) == points, f"solutions/README.md: {folder.name} has {points:g} points"
