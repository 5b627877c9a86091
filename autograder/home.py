"""`check` in a student's own notebook.

``check = exam("bellman")`` finds the public checks that were handed out with the notebook (or, in a clone of the
course, those in the solutions folder) and returns the function that checks one answer. When a notebook is graded,
`check` is something else: the examiner's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.assignment import collect, load_exam
from autograder.candidate import forbid
from autograder.checks import Exam, Misconception
from autograder.diagnosis import compile_misconceptions, name_from_release, recorded
from autograder.display import Report
from autograder.errors import CourseError
from autograder.kept_results import keep
from autograder.limits import alarm
from autograder.subject import Late, subject_of

PATIENCE = 3  # times the seconds that a check has when grading: a laptop may be slower
SOLUTIONS = Path(__file__).resolve().parents[1] / "solutions"
Compiled = dict[str, list[dict[str, Any]]]

# What a check could not examine is told in its report; a traceback of the check itself helps nobody at home.
logging.getLogger("autograder").addHandler(logging.NullHandler())


class HiddenReport:
    """What a check shows at home that runs only after handing in."""

    def __init__(self, exercise: str) -> None:
        self.exercise = exercise

    def __repr__(self) -> str:
        """One line."""
        return f"{self.exercise}: further checks run after you hand in."


def find_checks(name: str, folder: Path) -> Path:
    """Return the file of public checks: beside the notebook, or in a clone of the course.

    Raises
    ------
    CourseError
        With the places that were looked at and what to do.
    """
    beside, cloned = folder / f"{name}_checks.py", SOLUTIONS / name / "checks.py"
    for path in (beside, cloned):
        if path.is_file():
            return path
    raise CourseError(
        f"the checks of {name!r} were not found: expected {beside.name} in the folder of the notebook ({folder}). "
        f"Unpack the whole {name}.zip there and start the notebook from that folder."
    )


def load_checks(name: str, path: Path) -> Exam:
    """Load public checks; say what to do where the file has been damaged."""
    try:
        return load_exam(path)[0]
    except CourseError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise CourseError(f"{path.name} cannot be used ({text}); take a fresh copy from {name}.zip") from error


def digest(text: str) -> str:
    """Tell one text from another, whatever ends its lines."""
    return hashlib.sha256("\n".join(text.splitlines()).encode()).hexdigest()


def released_misconceptions(checks: Path, compiled: Compiled) -> str:
    """What stands in ``<name>_misconceptions.json``."""
    content = {"checks": digest(checks.read_text(encoding="utf-8")), "misconceptions": compiled}
    return json.dumps(content, indent=1, ensure_ascii=False)


def load_compiled_misconceptions(name: str, checks: Path) -> Compiled:
    """Return the recorded behaviour of misconceptions; none if the file is missing, which only costs their names."""
    path = checks.with_name(f"{name}_misconceptions.json")
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        due, compiled = content["checks"], content["misconceptions"]
        for entry in (entry for entries in compiled.values() for entry in entries):
            recorded(entry), entry["name"] + entry["hint"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CourseError(f"{path.name} is damaged ({error}); take a fresh copy from {name}.zip") from None
    if due != digest(checks.read_text(encoding="utf-8")):
        print(f"{checks.name} is not the file that was handed out: the points shown here may not be those you get.")
    return compiled


def exam(name: str, folder: str | Path = ".") -> Callable[..., Report | HiddenReport]:
    """Return the function that checks an answer: ``check("exercise", answer)``.

    Parameters
    ----------
    name : str
        The assignment.
    folder : str or Path
        Where its public checks lie; the folder of the notebook.
    """
    here = Path(folder).resolve()
    path = find_checks(name, here)
    loaded = load_checks(name, path)
    if path.parent == SOLUTIONS / name:
        wrong = [one for one in collect(path.with_name("misconceptions.py")) if isinstance(one, Misconception)]
        compiled = compile_misconceptions(loaded, wrong)
    else:
        compiled = load_compiled_misconceptions(name, path)
    try:
        forbid(loaded.forbidden)
    except (ImportError, AttributeError) as error:
        raise CourseError(f"rlkit is not the version that belongs to {name} ({error}); install it again") from None
    return make_check(loaded, compiled, here)


def make_check(loaded: Exam, compiled: Compiled, folder: Path | None = None) -> Callable[..., Report | HiddenReport]:
    """Return `check` for a loaded exam; in *folder*, results are kept for `python -m autograder progress`."""
    loaded.limit = lambda seconds: alarm(PATIENCE * seconds)
    told: list[str] = []

    def check(exercise: str, answer: Any, hidden: bool = False) -> Report | HiddenReport:
        """Check one answer and show, check by check, what was expected and what came."""
        if hidden:
            return HiddenReport(exercise)
        if exercise not in loaded.checks:
            known = ", ".join(loaded.checks)
            raise CourseError(f"{loaded.name} has no exercise {exercise!r}; expected one of {known}")
        subject = subject_of(answer)
        result = loaded.run(exercise, subject)
        if result.points < result.possible:
            with contextlib.suppress(Late):  # an answer without an end has no behaviour to compare
                result.misconception = name_from_release(loaded, exercise, subject, compiled)
        reason = keep(folder, loaded.name, result, answer) if folder else ""
        if reason and not told:
            told.append(reason)
            print(f"This result is not kept for `python -m autograder progress`: {folder}: {reason}.")
        return Report(result)

    return check
