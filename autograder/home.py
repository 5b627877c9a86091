"""`check` in a student's own notebook.

``check = exam("bellman")`` finds the public checks that were handed out with the notebook (or, in a clone of the
course, those in the solutions folder) and returns the function that checks one answer. When a notebook is graded,
`check` is something else: the examiner's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.assignment import load_exam
from autograder.candidate import forbid
from autograder.checks import Exam
from autograder.diagnosis import name_from_release
from autograder.display import Report
from autograder.errors import CourseError
from autograder.subject import subject_of

SOLUTIONS = Path(__file__).resolve().parents[1] / "solutions"


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


def load_compiled_misconceptions(name: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the recorded behaviour of misconceptions; none if the file is missing, which only costs their names."""
    path = folder / f"{name}_misconceptions.json"
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CourseError(f"{path.name} is damaged ({error}); take a fresh copy from {name}.zip") from None


def exam(name: str, folder: str | Path = ".") -> Callable[..., Report | HiddenReport]:
    """Return the function that checks an answer: ``check("exercise", answer)``.

    Parameters
    ----------
    name : str
        The assignment.
    folder : str or Path
        Where its public checks lie; the folder of the notebook.
    """
    place = Path(folder).resolve()
    path = find_checks(name, place)
    loaded, _ = load_exam(path)
    compiled = load_compiled_misconceptions(name, place)
    forbid(loaded.forbidden)
    return make_check(loaded, compiled)


def make_check(loaded: Exam, compiled: dict[str, list[dict[str, Any]]]) -> Callable[..., Report | HiddenReport]:
    """Return `check` for a loaded exam."""

    def check(exercise: str, answer: Any, hidden: bool = False) -> Report | HiddenReport:
        """Check one answer and show, check by check, what was expected and what came."""
        if hidden:
            return HiddenReport(exercise)
        subject = subject_of(answer)
        result = loaded.run(exercise, subject)
        if result.points < result.possible:
            result.misconception = name_from_release(loaded, exercise, subject, compiled)
        return Report(result)

    return check
