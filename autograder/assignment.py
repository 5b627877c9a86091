"""Load everything that an instructor owns of an assignment: one folder in the solutions."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from autograder.checks import COLLECTED, Alternative, Exam, Misconception
from autograder.errors import CourseError


@dataclass
class Assignment:
    """One assignment as its author wrote it."""

    name: str
    folder: Path
    visible: Exam
    hidden: Exam
    misconceptions: list[Misconception]
    alternatives: list[Alternative]
    checks_module: ModuleType


def load_module(path: Path) -> ModuleType:
    """Run a file as a module of its own, under a name that no other file has.

    Raises
    ------
    CourseError
        If there is no such file; what the file itself raises passes through.
    """
    if not path.is_file():
        raise CourseError(f"{path} is missing; an assignment has the files described in solutions/README.md")
    name = f"assignment_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:10]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_exam(path: Path) -> tuple[Exam, ModuleType]:
    """Load the `exam` of a file of checks."""
    module = load_module(path)
    exam = getattr(module, "exam", None)
    if not isinstance(exam, Exam):
        raise CourseError(f'{path} defines no exam; expected `exam = Exam("{path.parent.name}")`')
    return exam, module


def collect(path: Path) -> list:
    """Load a file of misconceptions or alternatives and return what it registers."""
    COLLECTED.clear()
    load_module(path)
    found = list(COLLECTED)
    COLLECTED.clear()
    return found


def told_with_place(error: Exception, folder: Path) -> str:
    """Say what a file of an author's raised, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"{folder.name}/{Path(error.filename or '').name}, line {error.lineno}: {error.msg}"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).parent == folder]
    place = f"/{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{folder.name}{place}: {type(error).__name__}: {str(error)[:300]}"


def load_assignment(folder: Path) -> Assignment:
    """Load checks, hidden checks, misconceptions and alternatives from ``solutions/<assignment>/``."""
    visible, module = load_exam(folder / "checks.py")
    hidden, _ = load_exam(folder / "hidden_checks.py")
    if visible.hidden or not hidden.hidden:
        raise CourseError(f"{folder}: the exam of hidden_checks.py is made with hidden=True, that of checks.py without")
    misconceptions = [one for one in collect(folder / "misconceptions.py") if isinstance(one, Misconception)]
    alternatives = [one for one in collect(folder / "alternatives.py") if isinstance(one, Alternative)]
    return Assignment(folder.name, folder, visible, hidden, misconceptions, alternatives, module)
