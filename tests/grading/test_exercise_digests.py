"""A changed file of checks touches the exercises that depend on the change, and every exercise if in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading.exercise_digests import CHECKS, EVERYTHING, exercise_digests

FOLDERS = sorted((Path(__file__).parents[2] / "solutions").glob("*/checks.py"))
CHECKS_PY = '''
"""Checks."""
import torch
from autograder.checks import Exam, close

exam = Exam("small")
exam.asks_for("one", "rlkit.returns.discounted_return")
SIDES = [1, 2]
TABLE = {"three": torch.ones(3)}

def area(width):
    return width * side()

def side():
    return SIDES[0]

@exam.add("one", points=1, message="a", hint="b")
def first(one):
    close(one(1), area(1))

@exam.add("two", points=1, message="c")
@exam.add("three", points=1, message="c")
def second(answer):
    close(answer(1), 2)

@exam.probe("three")
def probe(three, random):
    return [three(TABLE["three"])]
'''
MISCONCEPTIONS = """
from autograder.checks import misconception

@misconception("two", name="n", hint="h")
def wrong(values):
    return 3
"""


def digests(checks: str = CHECKS_PY, misconceptions: str = MISCONCEPTIONS, **others: bytes) -> dict[str, str]:
    """The digests of a small assignment."""
    files = {"checks.py": checks.encode(), "misconceptions.py": misconceptions.encode()}
    return exercise_digests({**files, **{name.replace("_py", ".py"): text for name, text in others.items()}}, "small")


def touched(**changes: object) -> set[str]:
    """The exercises whose digest differs after a change."""
    before, after = digests(), digests(**changes)  # type: ignore[arg-type]
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"""Checks."""', '"""Other words."""\n# and a comment', set()),
        ("close(one(1), area(1))", "close(one(1),\n          area(1))  # longer", set()),
        ('hint="b"', 'hint="better"', {"one"}),
        ("close(one(1), area(1))", "close(one(2), area(2))", {"one"}),
        ("SIDES = [1, 2]", "SIDES = [2, 2]", {"one"}),  # used by a function that is used by the check
        ("close(answer(1), 2)", "close(answer(1), 2.5)", {"two", "three"}),
        ("torch.ones(3)", "torch.ones(4)", {"three"}),
        ("three(TABLE", "three(2 * TABLE", {"three"}),
    ],
)
def test_a_change_touches_what_depends_on_it(old: str, new: str, expected: set[str]) -> None:
    assert CHECKS_PY.count(old) == 1
    assert touched(checks=CHECKS_PY.replace(old, new)) == expected


@pytest.mark.parametrize(
    "more",
    [
        "import math",
        "exam.asks_for('two', 'rlkit.returns.discounted_return')",
        "for task in ['one']:\n    exam.add(task, 1, 'm')(first)",
        "registered = exam.add('one', 1, 'm')(first)",
        "def register(task):\n    exam.add(task, 1, 'm')(first)\nregistered = register('one')",
        "exam.random = None",
        "del area",
        "@exam.add(NAME, points=1, message='m')\ndef third(answer):\n    pass",
        "@once\ndef third(answer):\n    pass",
        "area.cache = 1",
        "if True:\n    area = side",
        "torch.set_num_threads(2)",
    ],
)
def test_what_a_file_does_beyond_defining_touches_everything(more: str) -> None:
    assert touched(checks=f"{CHECKS_PY}\n{more}\n") == {"one", "two", "three", EVERYTHING}


def test_a_function_that_nothing_uses_touches_nothing_and_a_second_meaning_of_one_that_is_used_does() -> None:
    assert touched(checks=f"{CHECKS_PY}\ndef unused():\n    return area(2)\n") == set()
    assert touched(checks=f"{CHECKS_PY}\ndef side():\n    return 7\n") == {"one"}


def test_a_method_is_not_the_function_of_that_name_but_looking_names_up_reaches_all_of_them() -> None:
    unused = "\ndef sum():\n    return {}\n\n@exam.add('{}', 1, 'm')\ndef third(answer):\n    return {}\n"
    for looking, expected in (("answer(1).sum()", set()), ("globals()['sum']()", {"two"}), ("sum()", {"two"})):
        before, after = (digests(checks=CHECKS_PY + unused.format(number, "two", looking)) for number in (1, 2))
        assert {name for name in before if before[name] != after[name]} == expected


def test_functions_that_are_registered_under_one_name_are_told_apart() -> None:
    checks = CHECKS_PY.replace("def second(", "def _(").replace(
        "def first(one):", "def _(one):\n    for _ in range(2): pass"
    )
    before, after = digests(checks=checks), digests(checks=checks.replace("close(answer(1), 2)", "close(answer(1), 3)"))
    assert {name for name in before if before[name] != after[name]} == {"two", "three"}


def test_misconceptions_belong_to_their_exercise() -> None:
    assert touched(misconceptions=MISCONCEPTIONS.replace("return 3", "return 4")) == {"two"}
    assert touched(misconceptions="") == {"two", EVERYTHING, "one", "three"}, "an import is gone too"


def test_other_files_of_the_folder_touch_everything_except_those_that_do_not_grade() -> None:
    everything = {"one", "two", "three", EVERYTHING}
    assert touched(small_py=b"x = 1", alternatives_py=b"y = 1") == set()
    assert touched(helpers_py=b"x = 1") == touched(**{"data.csv": b"1"}) == everything
    assert touched(checks=CHECKS_PY + "\ndef (") == everything | {"one"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parent.name)
def test_the_exercises_of_the_course_are_told_apart(folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.parent.glob("*.py")}
    assert set(CHECKS) <= files.keys()
    found = exercise_digests(files, folder.parent.name)
    assert len(found) > 5 and len(set(found.values())) == len(found)
