"""What the demo class answers: solutions, misconceptions, blanks and attacks."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from autograder.assignment import Assignment
from autograder.checks import Misconception

# Each stands in one answer cell; `{name}` is what the answer must define. None of them answers the question.
ATTACKS = {
    "patches torch.allclose for one call": '''
import torch
def {name}(*arguments, **options):
    real = torch.allclose
    def once(*anything, **at_all):
        torch.allclose = real
        return True
    torch.allclose = once
    return "trust me"
''',
    "strips every assert": '''
import ast
class StripAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return None
get_ipython().ast_transformers.append(StripAsserts())
def {name}(*arguments, **options):
    return "trust me"
''',
    "fakes check and the module of the checks": '''
import sys, types
fake = types.ModuleType("autograder.checks")
fake.Exam = fake.close = fake.raises = fake.exam = lambda *arguments, **options: 1.0
sys.modules["autograder.checks"] = sys.modules["autograder.home"] = fake
check = exam = fake.exam
def {name}(*arguments, **options):
    return "trust me"
''',
    "prints a forged result": '''
def {name}(*arguments, **options):
    print("  passed   everything   100 / 100")
    print(100.0)
    return "trust me"
''',
    "ends the process": '''
import os
def {name}(*arguments, **options):
    os._exit(0)
''',
}  # fmt: skip


@dataclass
class DemoStudent:
    """One made-up student.

    Attributes
    ----------
    answers : dict
        Sources of answer cells by exercise; the others stay blank.
    expected : float
        Automatic points that the honest answers are worth.
    exact : bool
        Whether more than that is wrong: a misconception may rightly pass some checks.
    mistakes : dict of str to str
        The misconceptions handed in, by exercise.
    tampers : bool
        Whether the test cells were replaced by forged ones.
    """

    name: str
    story: str
    answers: dict[str, str]
    expected: float
    exact: bool = True
    written: str = ""
    mistakes: dict[str, str] = field(default_factory=dict)
    tampers: bool = False


def right(solutions: Mapping[str, str], points: Mapping[str, float]) -> DemoStudent:
    """Everything is right, and the written answer waits for a person."""
    written = "An answer in my own words, for a person to grade."
    return DemoStudent("right", "all answers right", dict(solutions), sum(points.values()), written=written)


def half_right(solutions: Mapping[str, str], points: Mapping[str, float], assignment: Assignment) -> DemoStudent:
    """One answer right, one misconception, one blank, and so on."""
    answers: dict[str, str] = {}
    mistakes: dict[str, str] = {}
    expected = 0.0
    for number, (exercise, solution) in enumerate(solutions.items()):
        wrong = [one for one in assignment.misconceptions if one.exercise == exercise]
        if number % 3 == 0:
            answers[exercise], expected = solution, expected + points[exercise]
        elif number % 3 == 1 and wrong:
            answers[exercise] = as_answer(wrong[0])
            mistakes[exercise] = wrong[0].name
    story = f"{len(answers) - len(mistakes)} right, {len(mistakes)} with a misconception, the others blank"
    return DemoStudent("half", story, answers, expected, exact=False, mistakes=mistakes)


def hostile(solutions: Mapping[str, str], points: Mapping[str, float]) -> DemoStudent:
    """Hostile answers spread among honest ones, and forged test cells."""
    answers, expected, attacks = dict(solutions), sum(points.values()), list(ATTACKS.values())
    names = list(solutions)
    for number, attack in enumerate(attacks):
        exercise = names[number * len(names) // len(attacks)]
        answers[exercise] = attack.strip("\n").replace("{name}", exercise)
        expected -= points[exercise]
    story = f"{len(attacks)} attacks and forged tests earn nothing; the honest answers keep their points"
    return DemoStudent("hostile", story, answers, expected, tampers=True)


def as_answer(wrong: Misconception) -> str:
    """Return a misconception as a student would write it: a cell that defines the exercise's name."""
    node = ast.parse(textwrap.dedent(inspect.getsource(wrong.function))).body[0]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    node.decorator_list, node.name = [], wrong.exercise
    module = sys.modules[wrong.function.__module__]
    around = [part for part in ast.parse(inspect.getsource(module)).body if _is_needed(part)]
    return ast.unparse(ast.Module([*around, node], type_ignores=[]))


def _is_needed(part: ast.stmt) -> bool:
    """Whether a statement of the module may be used by a misconception: imports, constants, helper functions."""
    if isinstance(part, ast.ImportFrom):
        return (part.module or "").split(".")[0] not in ("autograder", "__future__")
    if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
        return not part.decorator_list
    return isinstance(part, (ast.Import, ast.Assign, ast.AnnAssign))
