"""Try answers of every kind on one exercise: the solution, the blank, wrong ones, and others that are right."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder import diagnosis
from autograder.assignment import Assignment
from autograder.authoring.verification import Row, Verification
from autograder.checks import Alternative, Exam, Misconception
from autograder.diagnosis import Named, compile_misconceptions, name_from_release, name_of
from autograder.limits import alarm
from autograder.subject import StudentError, Subject, probed, subject_of


@contextlib.contextmanager
def forget_what_is_printed() -> Iterator[None]:
    """Notebooks and answers may print; a report is not the place for it."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@dataclass
class Marks:
    """Points for visible and hidden checks, and what failed."""

    visible: float = 0.0
    hidden: float = 0.0
    failed: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """All points."""
        return self.visible + self.hidden


class Trial:
    """One exercise with everything that is needed to judge answers to it.

    Parameters
    ----------
    namespace : dict
        What the notebook with solutions defines.
    blank : str
        The answer cell as students get it.
    alternatives : list of Alternative
        Those of the assignment, loaded where the functions that it asks for refuse.
    """

    def __init__(
        self,
        assignment: Assignment,
        name: str,
        namespace: dict[str, Any],
        blank: str,
        alternatives: list[Alternative],
        report: Verification,
    ) -> None:
        self.assignment, self.name, self.report = assignment, name, report
        self.where = f"{assignment.name}/{name}"
        self._namespace, self._blank = namespace, blank
        self._alternatives = [one for one in alternatives if one.exercise == name]
        self._misconceptions = [one for one in assignment.misconceptions if one.exercise == name]
        self._compiled: dict[str, list[dict[str, Any]]] | None = None
        for exam in (assignment.visible, assignment.hidden):
            exam.limit = alarm

    @property
    def possible(self) -> float:
        """Points of all checks."""
        exams = (self.assignment.visible, self.assignment.hidden)
        return sum(check.points for exam in exams for check in exam.checks.get(self.name, []))

    def points(self, answer: Subject | Callable, key: bytes) -> Marks:
        """Run visible and hidden checks on an answer."""
        marks = Marks()
        marks.visible = self._points(self.assignment.visible, answer, key, marks.failed)
        marks.hidden = self._points(self.assignment.hidden, answer, key, marks.failed)
        return marks

    def _points(self, exam: Exam, answer: Subject | Callable, key: bytes, failed: list[str]) -> float:
        if self.name not in exam.checks:
            return 0.0
        result = exam.run(self.name, subject_of(answer), key)
        failed += [f"{check.message}: {check.problem}" for check in result.checks if not check.passed]
        return result.points

    def right_answers_call_nothing_forbidden(self) -> None:
        """Run the visible checks where the functions that the assignment asks for refuse."""
        due = sum(check.points for check in self.assignment.visible.checks[self.name])
        answers = {"the solution": self._namespace[self.name]}
        answers |= {f"the alternative {one.name!r}": one.function for one in self._alternatives}
        for label, answer in answers.items():
            marks = Marks()
            earned = self._points(self.assignment.visible, answer, b"forbidden", marks.failed)
            text = f"{self.where}: {label} fails in a student's notebook: {marks.failed}"
            self.report.expect(earned == due, "right answers that call no function asked for", text)

    def run(self, key: bytes, row: Row) -> None:
        """Try every answer on the inputs of one key."""
        solution = self._namespace[self.name]
        self.probe_sees_the_solution(solution, key)
        self.is_right(solution, "the solution", "solutions with full marks", key)
        for one in self._alternatives:
            self.is_right(one.function, f"the alternative {one.name!r}", "alternatives with full marks", key)
        self.blank_gets_nothing(key)
        caught = [self.is_wrong(wrong, key) for wrong in self._misconceptions]
        row.misconceptions, row.caught_at_home = len(caught), sum(caught)
        row.alternatives = len(self._alternatives)

    def probe_sees_the_solution(self, solution: Any, key: bytes) -> None:
        """A probe that fails on the solution could never tell wrong answers apart."""
        exam, problem = self.assignment.visible, ""
        exam.at(key, f"{self.name}/probe")
        try:
            with alarm(diagnosis.PROBE_SECONDS):
                exam.probes[self.name].run(probed(subject_of(solution)), exam.random())
        except Exception as error:
            problem = f"{type(error).__name__}: {str(error)[:300]}"
        self.report.expect(not problem, "probes that fit", f"{self.where}: the probe fails on the solution: {problem}")

    def is_right(self, answer: Callable, label: str, kind: str, key: bytes) -> None:
        """Expect full marks, and no name of a mistake."""
        marks = self.points(answer, key)
        self.report.expect(marks.total == self.possible, kind, f"{self.where}: {label} fails {marks.failed}")
        named = self._name(answer, key)
        text = f"{self.where}: {label} behaves like the misconception {named!r} on the inputs of the probe"
        self.report.expect(named is None, "right answers named as no misconception", text)

    def blank_gets_nothing(self, key: bytes) -> None:
        """Expect 0 points for the cell that students start from."""
        namespace = {name: value for name, value in self._namespace.items() if name != self.name}
        with contextlib.suppress(Exception):  # a blank that is no function may raise as it stands
            exec(compile(self._blank, f"<blank {self.name}>", "exec"), namespace)
        unfinished = namespace.get(self.name)
        earned = self.points(unfinished, key).total if unfinished is not None else 0.0
        self.report.expect(earned == 0, "blanks with 0", f"{self.where}: the blank gets {earned:g} points")

    def is_wrong(self, wrong: Misconception, key: bytes) -> bool:
        """Expect that a wrong answer loses marks and is named; return whether a visible check rejects it."""
        where = f"{self.where}: the misconception {wrong.name!r}"
        marks = self.points(wrong.function, key)
        due = sum(check.points for check in self.assignment.visible.checks[self.name])
        self.report.expect(marks.total < self.possible, "misconceptions rejected", f"{where} gets full marks")
        graded = self._name(wrong.function, key)
        if self._compiled is None:
            self._compiled = compile_misconceptions(self.assignment.visible, self._misconceptions)
        compiled = self._compiled
        home = self._named(
            lambda: name_from_release(self.assignment.visible, self.name, subject_of(wrong.function), compiled)
        )
        for named, place in ((graded, "when grading"), (home, "at home")):
            text = f"{where} is named {named or 'nothing'!r} {place}"
            self.report.expect(named == wrong.name, f"misconceptions named {place}", text)
        return marks.visible < due

    def _name(self, answer: Callable, key: bytes) -> str | None:
        return self._named(
            lambda: name_of(self.assignment.visible, self.name, subject_of(answer), self._misconceptions, key)
        )

    def _named(self, find: Callable[[], Named | None]) -> str | None:
        try:
            named = find()
        except StudentError as error:  # too slow
            return f"nothing ({error})"
        return named[0] if named else None
