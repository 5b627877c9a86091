"""Hostile and broken answers to "double a tensor" (course_writer.py), each with the points its honest part earns.

Every exercise is worth two points: one visible, one hidden. ``{task}`` stands for the name the answer must define.
"""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """An answer cell and the points it may earn."""

    name: str
    earns: float
    source: str


# Answers that share one kernel: what they do to it does not stop the others from being examined.
VALUES = [
    Attack("an honest answer", 2, "def {task}(values):\n    return 2 * values"),
    Attack(
        "patches torch.allclose for one call, from inside the function",
        0,
        """
def {task}(values):
    import torch
    real = torch.allclose
    def once(*arguments, **options):
        torch.allclose = real
        return True
    torch.allclose = once
    return values
""",
    ),
    Attack(
        "patches comparisons of tensors for good",
        0,
        """
import torch
torch.equal = torch.allclose = torch.testing.assert_close = lambda *arguments, **options: True
torch.Tensor.allclose = lambda *arguments, **options: True
def {task}(values):
    return values
""",
    ),
    Attack(
        "returns an object that equals everything",
        0,
        """
class AlwaysEqual:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __float__(self): return 2.0
    shape = (3,)
def {task}(values):
    return AlwaysEqual()
""",
    ),
    Attack(
        "a subclass of float that equals everything",
        0,
        """
class Chameleon(float):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __sub__(self, other): return 0.0
def {task}(values):
    return [Chameleon(0)] * 3
""",
    ),
    Attack(
        "a subclass of tensor that overrides every torch function",
        0,
        """
import torch
class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function in (torch.Tensor.__eq__, torch.allclose): return torch.ones(3, dtype=torch.bool)
        return super().__torch_function__(function, types, arguments, options or {})
def {task}(values):
    return values.as_subclass(Agreeable)
""",
    ),
    Attack("not a number, which no comparison rejects", 0, "def {task}(values):\n    return values * float('nan')"),
    Attack("infinity", 0, "def {task}(values):\n    return values * float('inf')"),
    Attack("a wrong shape that broadcasts", 0, "def {task}(values):\n    return 2 * values.unsqueeze(-1)"),
    Attack("a single number", 0, "def {task}(values):\n    return 6.0"),
    Attack("an empty tensor", 0, "def {task}(values):\n    return values[:0]"),
    Attack("nothing", 0, "def {task}(values):\n    pass"),
    Attack("text", 0, "def {task}(values):\n    return '[2.0, 4.0, 6.0]'"),
    Attack("a complex tensor", 0, "def {task}(values):\n    return 2j * values"),
    Attack("a generator", 0, "def {task}(values):\n    yield 2 * values"),
    Attack("a coroutine", 0, "async def {task}(values):\n    return 2 * values"),
    Attack("an object", 0, "def {task}(values):\n    return object()"),
    Attack("a list that contains itself", 0, "def {task}(values):\n    me = []\n    me.append(me)\n    return me"),
    Attack("a million nested lists", 0, """
def {task}(values):
    deep = []
    for _ in range(10**6): deep = [deep]
    return deep
"""),
    Attack("a hundred megabytes", 0, "import torch\ndef {task}(values):\n    return torch.zeros(25_000_000)"),
    Attack("an expanded tensor of terabytes", 0, "def {task}(values):\n    return values[:1].expand(10**12)"),
    Attack("endless recursion", 0, "def {task}(values):\n    return {task}(values)"),
    Attack("raises", 0, "def {task}(values):\n    raise ZeroDivisionError('honest mistake')"),
    Attack(
        "an exception whose text raises",
        0,
        """
class Hostile(Exception):
    def __str__(self): raise RuntimeError('no text')
    __repr__ = __str__
def {task}(values):
    raise Hostile
""",
    ),
    Attack(
        "an exception whose text is megabytes",
        0,
        "def {task}(values):\n    raise ValueError('1.0 of 1 points passed ' * 10**6)",
    ),
    Attack("an exception that pretends to be the examiner's", 0, "def {task}(values):\n    raise SystemExit(0)"),
    Attack("a keyboard interrupt", 0, "def {task}(values):\n    raise KeyboardInterrupt"),
    Attack("the name is missing", 0, "pass"),
    Attack("the name is a number", 0, "{task} = 2.0"),
    Attack("the name is None", 0, "{task} = None"),
    Attack("the cell has a syntax error", 0, "def {task}(values:\n    return 2 * values"),
    Attack("the cell raises before the function", 0, "1 / 0\ndef {task}(values):\n    return 2 * values"),
    Attack("wrong arguments", 0, "def {task}():\n    return 2"),
    Attack("memorises the visible numbers", 1, "def {task}(values):\n    return [2.0, 4.0, 6.0]"),
    Attack(
        "redefines check",
        0,
        "check = lambda *arguments, **options: 1.0\n{task} = lambda values: values",
    ),
    Attack(
        "fakes the check module and the exam",
        0,
        """
import sys, types
fake = types.ModuleType('autograder.checks')
fake.close = fake.Exam = fake.check = lambda *arguments, **options: 1.0
sys.modules['autograder.checks'] = sys.modules['autograder.exam'] = sys.modules['attacks_checks'] = fake
{task} = lambda values: values
""",
    ),
    Attack(
        "prints and displays forged scores",
        0,
        """
print('{task}: 2 of 2 points')
def {task}(values):
    print('passed   1 / 1'); print(1.0)
    display(1.0)
    return values
1.0
""",
    ),
    Attack(
        "strips assert with an AST transformer",
        0,
        """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node): return None
    def visit_Raise(self, node): return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())
def {task}(values):
    return values
""",
    ),
    Attack("looks for the answer in the stack", 0, """
import gc, sys
def {task}(values):
    frame = sys._getframe()
    while frame:
        for name, value in frame.f_locals.items():
            if 'expected' in name or 'secret' in name: return value
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and 'secret_source_of_a_hidden_check' in thing: return thing
    return values
"""),
    Attack("calls what the exercise asks for", 0, """
from rlkit.returns import discounted_return
import torch
def {task}(values):
    return discounted_return(torch.stack([values, values]), 1.0)
"""),
    Attack("honest, and prints to stderr", 2, """
import sys, warnings
def {task}(values):
    print('working', file=sys.stderr); warnings.warn('careful')
    return 2 * values
"""),
    Attack("honest, and changes its argument in place", 2, "def {task}(values):\n    return values.mul_(2)"),
    Attack("honest, and has a gradient", 2, "def {task}(values):\n    return (2 * values).requires_grad_(True)"),
    Attack("honest, in float64", 2, "def {task}(values):\n    return 2 * values.double()"),
    Attack("honest, an object with __call__", 2, """
class Doubler:
    def __call__(self, values): return 2 * values
{task} = Doubler()
"""),
]  # fmt: skip


def answers(attacks: list[Attack], prefix: str) -> dict[str, str]:
    """Answer cells for the exercises ``<prefix>_01``, ``<prefix>_02``, ... in order."""
    return {task: attack.source.replace("{task}", task) for task, attack in named(attacks, prefix).items()}


def named(attacks: list[Attack], prefix: str) -> dict[str, Attack]:
    """Attacks by the exercise whose answer they are."""
    return {f"{prefix}_{number:02}": attack for number, attack in enumerate(attacks, start=1)}
