"""Which misconception does an answer behave like?

A probe calls the answer on some inputs and returns what happened. When grading, the misconceptions themselves are
probed on the same fresh inputs. At home there is no wrong answer to run: a release holds, for each misconception, what
it did on fixed inputs (`compile_misconceptions`), and nothing from which an answer could be read off.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterable
from typing import Any

from autograder import wire
from autograder.checks import HOME_KEY, Exam, Misconception
from autograder.comparison import same_behaviour
from autograder.subject import Gone, Late, Subject, probed, subject_of

Named = tuple[str, str]
PROBE_SECONDS = 5.0


def behaviour(exam: Exam, exercise: str, subject: Subject, key: bytes = HOME_KEY) -> Any:
    """Return what an answer does on the probe's inputs, as plain data; None if it gave no usable answer."""
    probe = exam.probes[exercise]
    exam.at(key, f"{exercise}/probe")
    try:
        # What the student's code prints has been shown with the checks.
        with contextlib.redirect_stdout(io.StringIO()), exam.limit(PROBE_SECONDS):
            return probe.run(probed(subject), exam.random())
    except (Late, Gone):
        raise
    except Exception:
        return None  # the answer has no form that the probe can use: it is like no misconception


def name_of(
    exam: Exam, exercise: str, subject: Subject, misconceptions: Iterable[Misconception], key: bytes
) -> Named | None:
    """When grading: the name and hint of the misconception that behaves as the answer does, on fresh inputs."""
    if exercise not in exam.probes:
        return None
    seen = behaviour(exam, exercise, subject, key)
    if seen is None:
        return None
    for wrong in misconceptions:
        if wrong.exercise != exercise:
            continue
        if _same(exam, exercise, seen, behaviour(exam, exercise, subject_of(wrong.function), key)):
            return wrong.name, wrong.hint
    return None


def _same(exam: Exam, exercise: str, seen: Any, known: Any) -> bool:
    return known is not None and same_behaviour(seen, known, exam.probes[exercise].tolerance)


def compile_misconceptions(exam: Exam, misconceptions: Iterable[Misconception]) -> dict[str, list[dict[str, Any]]]:
    """Return what a release holds of the misconceptions: by exercise, name, hint and behaviour on fixed inputs."""
    compiled: dict[str, list[dict[str, Any]]] = {}
    for wrong in misconceptions:
        if wrong.exercise not in exam.probes:
            continue
        buffers: list[bytes] = []
        try:
            tree = wire.pack(behaviour(exam, wrong.exercise, subject_of(wrong.function)), buffers)
        except Late:
            tree = None  # it will be named as nothing, which `verify` reports
        encoded = [base64.b64encode(buffer).decode() for buffer in buffers]
        entry = {"name": wrong.name, "hint": wrong.hint, "behaviour": tree, "buffers": encoded}
        compiled.setdefault(wrong.exercise, []).append(entry)
    return compiled


def recorded(entry: dict[str, Any]) -> Any:
    """Return the behaviour that a release holds of one misconception; ``ValueError`` if it is damaged."""
    return wire.unpack(entry["behaviour"], [base64.b64decode(buffer, validate=True) for buffer in entry["buffers"]])


def name_from_release(
    exam: Exam, exercise: str, subject: Subject, compiled: dict[str, list[dict[str, Any]]]
) -> Named | None:
    """At home: the name and hint of the misconception whose recorded behaviour the answer shows."""
    if exercise not in exam.probes or not compiled.get(exercise):
        return None
    seen = behaviour(exam, exercise, subject)
    if seen is None:
        return None
    for entry in compiled[exercise]:
        if _same(exam, exercise, seen, recorded(entry)):
            return entry["name"], entry["hint"]
    return None
