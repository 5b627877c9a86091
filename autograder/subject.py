"""Something a student defined, as the author of a check sees it: callable, wherever it lives.

Arguments and results are plain data that is copied both ways (see `wire.py`). At home the student's object lives in
the same process; when graded it lives in the candidate kernel. Both go through the same codec.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from autograder import wire
from autograder.candidate import serve

Ask = Callable[[dict[str, Any], list[bytes]], tuple[dict[str, Any], list[bytes]]]


class StudentError(Exception):
    """The student's code failed or answered with something unusable; the text is meant for the student."""

    def __init__(self, message: str, kind: str = "", traceback: str = "") -> None:
        super().__init__(message[:1000])
        self.kind, self.traceback = kind, traceback[-4000:]

    @property
    def is_blank(self) -> bool:
        """Whether it is the error that stands where an answer should; torch raises others of its kind, with a text."""
        return str(self).strip() == "NotImplementedError:"


class Late(StudentError):  # noqa: N818 - reads as a statement
    """There was no answer in time."""


class Gone(StudentError):  # noqa: N818 - reads as a statement
    """The process of the student's code ended."""


class Subject:
    """A student's function, class or value.

    Parameters
    ----------
    ask : callable
        Carries one request to the student's side and returns its answer.
    **target
        What is meant: ``name``, or ``handle`` of an object made earlier, and ``attribute``.
    """

    def __init__(self, ask: Ask, **target: Any) -> None:
        self._ask, self._target = ask, target

    def _request(self, verb: str, args: tuple = (), kwargs: dict[str, Any] | None = None, **extra: Any) -> Any:
        buffers: list[bytes] = []
        arguments = [wire.pack(list(args), buffers), wire.pack(kwargs or {}, buffers)]
        reply, answer = self._ask({**self._target, **extra, "verb": verb, "args": arguments}, buffers)
        if "ok" not in reply:
            kind, message = str(reply.get("error")), str(reply.get("message"))
            if kind == Late.__name__:  # the alarm of this process rang inside the answer (see limits.py)
                raise Late(message)
            raise StudentError(f"{kind}: {message}", kind, str(reply.get("traceback", "")))
        try:
            return wire.unpack(reply["ok"], answer)
        except ValueError as error:
            raise StudentError(f"the answer could not be read ({error})") from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._request("call", args, kwargs)

    def outcome(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; if it raises, return ``"raises <error>"`` instead."""
        try:
            return self._request("call", args, kwargs)
        except (Late, Gone):
            raise
        except StudentError as error:
            return f"raises {error.kind or 'an error'}"

    def repeat(self, times: int, *args: Any, **kwargs: Any) -> list[Any]:
        """Call the function *times* times in one go; generators passed in keep advancing."""
        return self._request("repeat", args, kwargs, times=times)

    def gradients(self, *args: Any, wrt: tuple[int, ...] = (0,), **kwargs: Any) -> tuple[Any, list[Any]]:
        """``(value, [gradient or None, ...])`` of a function with one number as result."""
        return self._request("gradients", args, kwargs, wrt=list(wrt))

    def value(self) -> Any:
        """The value of a name."""
        return self._request("value")

    def make(self, *args: Any, **kwargs: Any) -> Subject:
        """Construct an object that stays with the student; its methods are called through the result."""
        handle = self._request("make", args, kwargs)
        return Subject(self._ask, handle=handle if type(handle) is int else -1)

    def __getattr__(self, attribute: str) -> Subject:
        """A method or attribute of the object."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return Subject(self._ask, **{**self._target, "attribute": attribute})


class ProbedSubject(Subject):
    """A subject whose plain calls never raise: what a probe sees."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result, or ``"raises <error>"``."""
        return self.outcome(*args, **kwargs)


def subject_of(thing: Any) -> Subject:
    """Wrap an object of this process so that it behaves as it will when graded."""
    if isinstance(thing, Subject):
        return thing
    name, handles = getattr(thing, "__name__", None), []  # type: ignore[var-annotated]
    name = name if type(name) is str else "your answer"

    def ask(request: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        reply, answer = serve(json.loads(json.dumps(request)), buffers, {name: thing}, handles)
        return json.loads(json.dumps(reply)), answer

    return Subject(ask, name=name)


def probed(subject: Subject) -> ProbedSubject:
    """Return the same subject for use in a probe."""
    return ProbedSubject(subject._ask, **subject._target)
