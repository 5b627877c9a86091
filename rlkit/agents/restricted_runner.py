"""Runs small Python programs in limited child processes; started as a script by :mod:`rlkit.agents.programs`.

One JSON object a line on standard input, ``{"files": {name: source}, "entry": name, "tests": bool}``; one a line on
standard output, ``{"kind": ..., "lines": [...]}``. Every program runs in a fork with its own limits of time and
memory. Before that its syntax is compared with a list of what is allowed: no attribute or name that begins with an
underscore, no import but of the program's own files, no file, no process. This keeps a student's or an agent's
mistakes in bounds; it is no sandbox for code that somebody wrote to break out.
"""

import ast
import json
import os
import resource
import select
import signal
import sys
import time
import types

SECONDS, MEMORY, MOST_LINES, LONGEST_LINE, MOST_BYTES = 1.0, 1 << 28, 20, 80, 20_000
ALLOWED = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Expr, ast.Assign, ast.AugAssign, ast.For,
    ast.While, ast.If, ast.IfExp, ast.Pass, ast.Break, ast.Continue, ast.Assert, ast.Import, ast.ImportFrom,
    ast.alias, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Store, ast.Constant, ast.Attribute, ast.Subscript,
    ast.Slice, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare,
    ast.GeneratorExp, ast.ListComp, ast.comprehension, ast.JoinedStr, ast.FormattedValue, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop,
)  # fmt: skip
BUILTINS = (
    "abs all any bool dict divmod enumerate float int len list max min pow range reversed round set sorted str sum "
    "tuple zip ArithmeticError AssertionError IndexError KeyError TypeError ValueError ZeroDivisionError"
).split()


class RefusedError(Exception):
    """A program that uses what is not allowed."""


def parse(source):
    """Return the syntax tree of an allowed program."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None) or ""
        if not isinstance(node, ALLOWED) or str(name).startswith("_") or getattr(node, "decorator_list", None):
            raise RefusedError(type(node).__name__)
    return tree


def execute(files, entry, tests):
    """Run a program; return its kind and the lines that describe it."""
    printed, modules = [], {}

    def out(*values):
        if len(printed) < MOST_LINES:
            printed.append(" ".join(str(value) for value in values)[:LONGEST_LINE])

    def load(name, *ignored):
        if name not in files:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name not in modules:
            modules[name] = types.ModuleType(name)
            builtins = sys.modules["builtins"]
            allowed = {each: getattr(builtins, each) for each in BUILTINS} | {"print": out, "__import__": load}
            modules[name].__dict__["__builtins__"] = allowed
            exec(compile(parse(files[name]), f"{name}.py", "exec"), modules[name].__dict__)
        return modules[name]

    running = entry
    try:
        module = load(entry)
        for name in [each for each in vars(module) if tests and each.startswith("test_")]:
            running = name
            vars(module)[name]()
    except ModuleNotFoundError as error:
        return "missing", [str(error.name)]
    except RefusedError as error:
        return "refused", [str(error)]
    except SyntaxError:
        return "error", ["SyntaxError"]
    except AssertionError as error:
        return "fail", [running, str(error)[:LONGEST_LINE]]
    except RecursionError:
        return "error", ["RecursionError"]
    except MemoryError:
        return "error", ["MemoryError"]
    except Exception as error:
        return "error", [type(error).__name__]
    return "out", printed


def in_child(request, pipe):
    """Limit this process, run the program, write what came of it, end."""
    resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        kind, lines = execute(request["files"], request["entry"], request["tests"])
    except BaseException as error:
        kind, lines = "error", [type(error).__name__]
    os.write(pipe, json.dumps({"kind": kind, "lines": lines}).encode()[:MOST_BYTES])
    os._exit(0)


def serve_one(request):
    """Run one program in a fork; return its result, or what stopped it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        in_child(request, writing)
    os.close(writing)
    deadline, answer = time.monotonic() + SECONDS, b""
    while (left := deadline - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        part = os.read(reading, MOST_BYTES)
        if not part:
            break
        answer += part
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    late = time.monotonic() >= deadline
    return (
        json.loads(answer) if answer else {"kind": "timeout" if late else "error", "lines": [] if late else ["killed"]}
    )


def main():
    """Answer requests until the input ends."""
    for line in sys.stdin:
        print(json.dumps(serve_one(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
