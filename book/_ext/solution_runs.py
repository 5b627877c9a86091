"""Runs wrong answers in the kernel of a solution page, on the visible checks of their exercise.

A page's first, hidden cell makes ``SolutionRuns("mdp")``; ``check`` is the one that a student's notebook has, and
`answers` glues what each wrong answer to an exercise did, for the page to show beside its code.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
from collections.abc import Iterator

import numpy as np
import torch
from IPython.display import Markdown
from myst_nb import glue

from autograder.assignment import Assignment, load_assignment
from autograder.candidate import allow_again, forbid
from autograder.checks import Check, CheckResult, Exam
from autograder.display import RESULT_TYPE, Report
from autograder.home import SOLUTIONS
from autograder.limits import alarm
from autograder.subject import subject_of

LONGEST_RUN = 30  # seconds that a check may ask for and still be run on answers that are wrong: more means training
LONGEST_TEXT = 600
AFTER = "The checks of the notebook let it pass. The first check after handing in that it fails"
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class PageReport(Report):
    """A report without the numbers that are meant for programs."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        bundle = super()._repr_mimebundle_(include, exclude)
        return {kind: value for kind, value in bundle.items() if kind != RESULT_TYPE}


class SolutionRuns:
    """One assignment: its check, and the runs of its wrong answers."""

    def __init__(self, name: str) -> None:
        # Loaded before anything is forbidden: answers that are not the student's may call what they like.
        self.assignment = load_assignment(SOLUTIONS / name)
        self._replaced = forbid(self.assignment.visible.forbidden)

    def check(self, exercise: str, answer: object) -> Report:
        """Run the visible checks on a solution, as a notebook does, and keep nothing."""
        return PageReport(self.assignment.visible.run(exercise, subject_of(answer)))

    def answers(self, exercise: str) -> None:
        """Run every wrong answer to an exercise and glue what came of it."""
        wrong = [one for one in self.assignment.misconceptions if one.exercise == exercise]
        with self._as_an_author():
            reports = [told(self.assignment, exercise, one.function) for one in wrong]
        for number, report in enumerate(reports):
            glue(f"wrong-{exercise}-{number}", Markdown(report), display=False)

    @contextlib.contextmanager
    def _as_an_author(self) -> Iterator[None]:
        """Nothing is forbidden, no check takes longer than it says, and nothing is printed."""
        allow_again(self._replaced)
        for exam in (self.assignment.visible, self.assignment.hidden):
            exam.limit = alarm
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            self.assignment.visible.limit = contextlib.nullcontext
            self._replaced = forbid(self.assignment.visible.forbidden)


def told(assignment: Assignment, exercise: str, function: object) -> str:
    """Return, as Markdown, the first check that an answer fails: one of the notebook or one after handing in."""
    for exam, where in ((assignment.visible, "The first check that it fails"), (assignment.hidden, AFTER)):
        quick_first = sorted(exam.checks[exercise], key=lambda check: check.seconds > LONGEST_RUN)
        for number, check in enumerate(quick_first):
            if check.seconds > LONGEST_RUN:
                before = "It passes the quicker checks. " if number else ""
                return f"{before}Not run for this page: a check that trains for up to {check.seconds:g} seconds."
            failed = run_one(exam, exercise, check, function)
            if failed:
                return f"{where}: *{escaped(failed.message)}*\n\n```text\n{shown(failed.problem)}\n```"
    return "It passes every check."


def shown(problem: str) -> str:
    """Return what a check said, the same in every run, and with nothing that could end the block that shows it."""
    problem = ADDRESS.sub("0x…", problem).replace("```", "'''")
    return problem if len(problem) <= LONGEST_TEXT else f"{problem[:LONGEST_TEXT]} …"


def run_one(exam: Exam, exercise: str, check: Check, function: object) -> CheckResult | None:
    """Run one check on an answer, from the same state of the global random generators; None if it passes."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    kept = exam.checks[exercise]
    exam.checks[exercise] = [check]
    try:
        (result,) = exam.run(exercise, subject_of(function)).checks
    finally:
        exam.checks[exercise] = kept
    return None if result.passed else result


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>$#])", r"\\\1", text)
