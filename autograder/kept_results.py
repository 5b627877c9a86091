"""The latest result of each exercise, kept in the folder of the notebook: one small file an exercise.

``.progress/<assignment>/<exercise>.json`` holds points and a digest of the answer's cell. It is replaced as a whole, so
that two notebooks open at once cannot spoil it, and it stays where it is: nothing is sent anywhere, and grading neither
reads nor writes it.
"""

from __future__ import annotations

import hashlib
import json
import linecache
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.checks import ExerciseResult
from autograder.errors import CourseError

FOLDER = ".progress"


@dataclass(frozen=True)
class KeptResult:
    """What a check found when it ran last."""

    points: float
    possible: float
    answer: str  # digest of the cell that defined the answer; "" where it is not known


def place_of(folder: Path, assignment: str, exercise: str) -> Path:
    """The file of one exercise."""
    return folder / FOLDER / assignment / f"{exercise}.json"


def cell_digest(source: str) -> str:
    """Tell the text of one cell from another, whatever space surrounds its lines."""
    return hashlib.sha256("\n".join(line.rstrip() for line in source.strip().splitlines()).encode()).hexdigest()[:16]


def answer_digest(answer: Any) -> str:
    """Return the digest of the notebook cell that defined a function or class; "" where there is none."""
    parts = vars(answer).values() if isinstance(answer, type) else [answer]
    files = {code.co_filename for part in parts if (code := getattr(part, "__code__", None)) is not None}
    if len(files) != 1 or os.path.isfile(file := files.pop()):
        return ""
    source = "".join(linecache.getlines(file))
    return cell_digest(source) if source else ""


def keep(folder: Path, assignment: str, result: ExerciseResult, answer: Any) -> str:
    """Keep a result; return "" or, without ever raising, why that was not possible."""
    try:
        path = place_of(folder, assignment, result.exercise)
        content = {"points": result.points, "possible": result.possible, "answer": answer_digest(answer)}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")  # two notebooks may be open at once
        unfinished.write_text(json.dumps(content) + "\n", encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        return error.strerror or type(error).__name__
    except Exception as error:  # an answer may be any object at all, and raise when it is looked at
        return f"{type(error).__name__}"
    return ""


def read_kept(folder: Path, assignment: str, exercise: str) -> KeptResult | None:
    """Return what was kept of an exercise, None if nothing was.

    Raises
    ------
    CourseError
        If the file is damaged. It has then been set aside, so that the next check writes a new one.
    """
    path = place_of(folder, assignment, exercise)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = KeptResult(float(content["points"]), float(content["possible"]), str(content["answer"]))
        if not (0 <= found.points <= found.possible and math.isfinite(found.possible)):
            raise ValueError(f"{found.points:g} of {found.possible:g} points")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror}); {exercise} counts as never checked") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CourseError(f"{path} {_set_aside(path)}; {exercise} counts as never checked: run its check") from None
    return found


def _set_aside(path: Path) -> str:
    aside = path.with_suffix(".damaged")
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"is damaged, and cannot be set aside ({error.strerror})"
    return f"was damaged and is now {aside.name}"
