"""Examine one submission: run the student's cells in the candidate, and the trusted test cells here.

A test cell's source comes from the gradebook and is run once, in a namespace where `check` is the examiner's and every
other name stands for something of the student's, over in the candidate. Whatever happens, a graded cell ends in a
number between 0 and its points, or in 0 and an error for the instructor.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import hashlib
import hmac
import io
import logging
import math
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from autograder import candidate
from autograder.assignment import Assignment
from autograder.checks import ExerciseResult, shortened
from autograder.diagnosis import name_of
from autograder.display import as_text
from autograder.grading.outputs import Room, Transcript, failure, plain, printed, score
from autograder.grading.records import CellResult, CheckOutcome
from autograder.limits import alarm
from autograder.sandboxing.kernel_session import KernelSession
from autograder.subject import Gone, Late, StudentError, Subject

LOG = logging.getLogger(__name__)
OWN_SECONDS = 10.0


class NoScoreError(Exception):
    """A test cell did not end in a number between 0 and its points."""


class Namespace(dict):
    """Globals of the test cells: a name that is not the examiner's stands for something of the student's."""

    def __init__(self, ask: Any, check: Any) -> None:
        super().__init__(__name__="examiner", __builtins__=builtins, check=check)
        self._ask = ask

    def __missing__(self, name: str) -> Subject:
        """Return the student's *name*, without looking whether there is one."""
        if hasattr(builtins, name):
            raise KeyError(name)
        return Subject(self._ask, name=name)


@dataclass(frozen=True)
class Limits:
    """How long cells may take, in seconds, and how much they may print, in characters."""

    student_cell: float
    test_cell: float
    output: int


class Examination:
    """The examination of one submission.

    Parameters
    ----------
    assignment : Assignment
        Its checks and misconceptions, loaded from the solutions.
    session : KernelSession
        The conversation with the student's code.
    secret : str
        The course's key.
    who : str
        ``student/assignment``.
    """

    def __init__(self, assignment: Assignment, session: KernelSession, limits: Limits, secret: str, who: str) -> None:
        self._assignment, self._session, self._limits = assignment, session, limits
        self._secret, self._who = secret.encode(), who
        self._namespace = Namespace(self._ask, self._check)
        self._transcript, self._pictures = Transcript(0), Room()
        self._cell, self._cell_ends, self._check_ends = "", math.inf, math.inf
        self._results: list[ExerciseResult] = []
        self._lethal: dict[str, str] = {}
        self._unanswered = False
        for exam in (assignment.visible, assignment.hidden):
            exam.limit = self._limited

    def student_cell(self, cell: NotebookNode) -> None:
        """Run a cell that is not graded and keep what it shows."""
        transcript = Transcript(self._limits.output, self._pictures)
        try:
            self._session.run_cell(cell.source, self._limits.student_cell, transcript)
        except StudentError as error:
            transcript.outputs.append(failure(type(error).__name__, str(error)))
        cell.outputs = transcript.outputs

    def test_cell(self, cell: NotebookNode, name: str, source: str, points: float) -> CellResult:
        """Run a graded cell's trusted source, write the outputs from which nbgrader takes the score."""
        self._cell, self._results, self._transcript = name, [], Transcript(self._limits.output // 2)
        self._cell_ends, self._unanswered = time.monotonic() + self._limits.test_cell, False
        value, error = 0.0, None
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                value = self._value_of(source, name)
            if type(value) not in (int, float) or not 0 <= value <= points:
                raise NoScoreError(f"it ended in {value!r}, expected a number from 0 to {points:g}")
        except Exception as problem:
            value, error = 0.0, f"{type(problem).__name__}: {problem}"[:500]
            LOG.error("%s: test cell %s failed\n%s", self._who, name, traceback.format_exc())
        finally:
            self._cell_ends = math.inf
        cell.outputs = self._outputs(value, error)
        return self._result(name, float(value), points, error)

    def _value_of(self, source: str, name: str) -> Any:
        """Run a cell and return the value of its last line."""
        tree = ast.parse(source, name)
        if not tree.body or not isinstance(tree.body[-1], ast.Expr):
            raise NoScoreError("its last line is not an expression")
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        exec(compile(tree, name, "exec"), self._namespace)
        return eval(compile(last, name, "eval"), self._namespace)

    def _check(self, exercise: str, answer: Subject, hidden: bool = False) -> float:
        """What `check` means in a test cell."""
        if not isinstance(answer, Subject):
            raise NoScoreError(f"check({exercise!r}, ...) was not given something of the student's")
        exam = self._assignment.hidden if hidden else self._assignment.visible
        key = hmac.new(self._secret, f"{self._who}/{self._cell}".encode(), hashlib.sha256).digest()
        with contextlib.suppress(StudentError):
            # A new kernel, where one is needed, is not on the time of the check; if there is none, the check says why.
            self._session.ensure_running()
        result = exam.run(exercise, answer, key)
        self._results.append(result)
        if result.points < result.possible and not self._unanswered:
            with contextlib.suppress(StudentError):
                visible = self._assignment.visible
                result.misconception = name_of(visible, exercise, answer, self._assignment.misconceptions, key)
        return result.points

    def _ask(self, request: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Carry one request of a check to the candidate."""
        name = request.get("name")
        if name in self._lethal:
            raise Gone(self._lethal[name])
        seconds = min(self._check_ends, self._cell_ends) - time.monotonic()
        try:
            if seconds <= 0:
                raise Late("the time for this check is used up")
            return self._session.ask(candidate.ASK, request, buffers, seconds, self._transcript)
        except (Late, Gone) as error:
            self._unanswered = True
            if isinstance(error, Gone) and name is not None:
                # Asking again would only cost the other answers another kernel.
                self._lethal[name] = str(error)
            raise

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Limit the time of one check."""
        self._check_ends = time.monotonic() + seconds
        try:
            # The alarm is for the check's own code: it rings only after the conversation had time to end by itself.
            with alarm(seconds + OWN_SECONDS):
                yield
        finally:
            self._check_ends = math.inf

    def _outputs(self, value: float, error: str | None) -> list[NotebookNode]:
        outputs = []
        # What the code prints during a hidden check may be its inputs; the record keeps it for the instructor.
        if self._transcript.text.strip() and not any(result.hidden for result in self._results):
            outputs.append(printed(f"--- printed by your code ---\n{self._transcript.text.rstrip()}\n---\n"))
        shown = "\n".join(as_text(result, graded=True) for result in self._results)
        if shown:
            outputs.append(printed(shown + "\n"))
        if error and not self._results:
            message = "this check could not be completed; your instructor can see why"
            return [*outputs, failure("ExaminerError", message)]
        return [*outputs, score(value)]

    def _result(self, name: str, value: float, points: float, error: str | None) -> CellResult:
        checks = [check for result in self._results for check in result.checks]
        named, hint = next((result.misconception for result in self._results if result.misconception), (None, ""))
        return CellResult(
            name,
            value,
            points,
            [check.message for check in checks if not check.passed],
            named,
            error,
            hint,
            [CheckOutcome(one.message, one.points, one.possible, plain(one.problem), one.hint) for one in checks],
            shortened(self._transcript.text),
            plain(next((check.traceback for check in checks if check.traceback), "")),
            self._unanswered,
        )
