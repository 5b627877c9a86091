"""What the author of an assignment writes with: exams of named checks, probes, misconceptions, alternatives.

The same checks run at home, in the student's process, and when grading, in the examiner's: they see the student's
work only as `Subject`s. A check fails by raising `Failed` (through `close`, `raises`, `holds`, `is_shape`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.comparison import Failed, close, describe, holds, is_shape, numbers, raises
from autograder.subject import Gone, Late, StudentError, Subject
from autograder.wire import Recipe

__all__ = [
    "Exam", "Failed", "StudentError", "alternative", "build", "close", "describe", "holds", "is_shape",
    "misconception", "numbers", "raises",
]  # fmt: skip

LOG = logging.getLogger(__name__)
HOME_KEY = b"at home"
MOST_PRINTED, MOST_LINES = 2_000, 20


@dataclass(frozen=True)
class Check:
    """One named check of an exercise."""

    run: Callable[[Subject], Any]
    points: float
    message: str
    hint: str
    seconds: float


@dataclass(frozen=True)
class Probe:
    """What behaviour of an answer is compared with the misconceptions."""

    run: Callable[[Subject, Any], Any]
    tolerance: float


@dataclass
class CheckResult:
    """How one check went."""

    message: str
    points: float
    possible: float
    hint: str = ""
    problem: str = ""
    traceback: str = ""

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return not self.problem


@dataclass
class ExerciseResult:
    """How an exercise went; ``misconception`` is the (name, hint) of the mistake that the answer behaves like."""

    exercise: str
    hidden: bool
    checks: list[CheckResult] = field(default_factory=list)
    misconception: tuple[str, str] | None = None
    printed: str = ""

    @property
    def points(self) -> float:
        """Points earned."""
        return sum(check.points for check in self.checks)

    @property
    def possible(self) -> float:
        """Points of all checks."""
        return sum(check.possible for check in self.checks)


class Exam:
    """The checks of one assignment: the visible ones in `checks.py`, the hidden ones in `hidden_checks.py`."""

    def __init__(self, name: str, hidden: bool = False, graphics_card: bool = False) -> None:
        self.name, self.hidden, self.graphics_card = name, hidden, graphics_card
        self.checks: dict[str, list[Check]] = {}
        self.probes: dict[str, Probe] = {}
        self.forbidden: dict[str, str] = {}
        # Called with the seconds that the next check may take; the examiner sets it, at home nothing limits.
        self.limit: Callable[[float], contextlib.AbstractContextManager] = lambda seconds: contextlib.nullcontext()
        self._key, self._place, self._draws = HOME_KEY, "", 0

    def add(self, exercise: str, points: float, message: str, hint: str = "", seconds: float = 5) -> Callable:
        """Register a check, a function of the student's work that raises `Failed`."""

        def register(run: Callable) -> Callable:
            self.checks.setdefault(exercise, []).append(Check(run, points, message, hint, seconds))
            return run

        return register

    def probe(self, exercise: str, tolerance: float = 1e-6) -> Callable:
        """Register a function of the student's work and a generator that returns behaviour as plain data."""

        def register(run: Callable) -> Callable:
            self.probes[exercise] = Probe(run, tolerance)
            return run

        return register

    def asks_for(self, exercise: str, *paths: str) -> None:
        """Name functions of rlkit that the exercise asks for: they refuse to be called from a student's code."""
        self.forbidden.update(dict.fromkeys(paths, exercise))

    def random(self) -> Any:
        """Return a new torch generator: the same at home every time; when grading, from the course's secret."""
        import torch

        self._draws += 1
        digest = hashlib.sha256(self._key + f"/{self.name}/{self._place}/{self._draws}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def at(self, key: bytes, place: str) -> None:
        """Set where random inputs come from; the same key and place give the same inputs in any order of checks."""
        self._key, self._place, self._draws = key, place, 0

    def run(self, exercise: str, subject: Subject, key: bytes = HOME_KEY) -> ExerciseResult:
        """Run the checks of one exercise. Whatever the student's code does becomes part of the result."""
        if exercise not in self.checks:
            known = ", ".join(self.checks) or "none"
            raise KeyError(f"{self.name} has no {'hidden ' * self.hidden}checks for {exercise!r}; it has: {known}")
        result = ExerciseResult(exercise, self.hidden)
        printed, stopped = io.StringIO(), ""
        for check in self.checks[exercise]:
            one = CheckResult(check.message, 0.0, check.points, check.hint)
            result.checks.append(one)
            if stopped:
                one.problem, one.hint = stopped, ""
                continue
            self.at(key, f"{exercise}/{check.run.__name__}/{check.message}")
            try:
                with contextlib.redirect_stdout(printed), self.limit(check.seconds):
                    check.run(subject)
                one.points = check.points
            except Failed as failed:
                one.problem = str(failed)[:2000] or "not as expected"
            except (Late, Gone) as failed:
                one.problem = str(failed)
                stopped = "not run, because the check before it got no answer"
            except StudentError as failed:
                one.problem, one.traceback = str(failed), failed.traceback
                if failed.is_blank:
                    stopped = one.problem = "not answered yet"
                    one.traceback = one.hint = ""
            except Exception as error:
                # An answer of an unexpected kind, or a mistake in the check: the instructor's log tells them apart.
                LOG.warning("check %r of %s could not examine an answer", check.message, exercise, exc_info=error)
                one.problem = f"the result could not be examined ({type(error).__name__}: {str(error)[:300]})"
        result.printed = shortened(printed.getvalue())
        return result


def shortened(text: str) -> str:
    """What a student's code printed, as much as fits a report."""
    lines = text.rstrip().splitlines()
    kept = "\n".join(lines[:MOST_LINES])[:MOST_PRINTED]
    return kept if len(kept) == len("\n".join(lines)) else f"{kept}\n..."


def build(path: str, *args: Any, **kwargs: Any) -> Recipe:
    """Return an argument that is constructed on the student's side: ``build("gymnasium:make", "FrozenLake-v1")``."""
    return Recipe(path, args, kwargs)


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that students give, with its name and a hint."""

    exercise: str
    name: str
    hint: str
    function: Callable


@dataclass(frozen=True)
class Alternative:
    """A right answer written differently."""

    exercise: str
    name: str
    function: Callable


# Filled while a misconceptions.py or alternatives.py is being loaded, emptied by the loader (see assignment.py).
COLLECTED: list[Misconception | Alternative] = []


def misconception(exercise: str, name: str, hint: str) -> Callable:
    """Register a wrong answer."""

    def register(function: Callable) -> Callable:
        COLLECTED.append(Misconception(exercise, name, hint, function))
        return function

    return register


def alternative(exercise: str) -> Callable:
    """Register a right answer."""

    def register(function: Callable) -> Callable:
        COLLECTED.append(Alternative(exercise, function.__name__, function))
        return function

    return register
