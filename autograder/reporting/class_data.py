"""How a class did on an assignment, as plain data: what the report prints and its page shows."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import nbformat
from tqdm import tqdm

from autograder.authoring.author import compile_notebook, solution_cells
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import read_deadlines
from autograder.grading.late_policy import refresh_penalties
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.records import Record, read_records
from autograder.grading.scores import Score, Status, read_score
from autograder.receiving.intake import receipt
from autograder.reporting.feedback_data import NOT_ANSWERED, marked_cells
from autograder.reporting.similarity import Pair, Run, compare, functions, known_runs

KNOWN_ANSWERS = ("alternatives.py", "misconceptions.py")


@dataclass
class ExerciseSummary:
    """One exercise: how many students earned all, a part or none of its points, and what went wrong.

    Attributes
    ----------
    blank, unanswered : int
        Students who left it blank, and whose code gave no answer in time or ended the process.
    misconceptions : dict
        Students by the mistake that their answer behaves like.
    failed : dict
        Students by the check that failed, blanks left out.
    """

    name: str
    possible: float
    full: int = 0
    partial: int = 0
    zero: int = 0
    blank: int = 0
    unanswered: int = 0
    points: float = 0.0
    misconceptions: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def students(self) -> int:
        """Students whose work was graded."""
        return self.full + self.partial + self.zero


@dataclass
class ClassSummary:
    """Everything the report tells."""

    assignment: str
    scores: list[Score]
    records: list[Record]
    exercises: list[ExerciseSummary]
    notes: dict[str, list[str]]
    pairs: list[Pair]
    answers: dict[str, dict[str, str]]
    known: set[Run]

    @property
    def graded(self) -> list[Score]:
        """The scores of those who have one."""
        return [score for score in self.scores if score.status in (Status.GRADED, Status.PENDING)]

    @property
    def possible(self) -> float:
        """Points of the assignment."""
        return self.scores[0].possible if self.scores else 0.0

    @property
    def mean(self) -> float:
        """Mean of the final scores."""
        return statistics.fmean(score.final for score in self.graded)

    @property
    def median(self) -> float:
        """Median of the final scores."""
        return statistics.median(score.final for score in self.graded)

    def histogram(self, bins: int = 10) -> list[int]:
        """Students by tenths of the points; full marks are in the last."""
        counts = [0] * bins
        for score in self.graded:
            counts[min(bins - 1, int(bins * score.final / self.possible)) if self.possible else 0] += 1
        return counts


def class_summary(course: Course, assignment: str, progress: bool = False) -> ClassSummary:
    """Gather how everyone in the gradebook did.

    Raises
    ------
    CourseError
        If nothing has been graded.
    """
    records = list(read_records(course, assignment))
    if not records:
        raise CourseError(f"nothing has been graded for {assignment!r}; run `python -m autograder grade {assignment}`")
    deadlines = read_deadlines(course)
    with course.gradebook() as gradebook:
        refresh_penalties(course, gradebook, assignment)
        students = sorted({*course.students(assignment), *(student.id for student in gradebook.students)})
        scores = [
            read_score(course, gradebook, student, assignment, deadlines)
            for student in tqdm(students, desc="reading scores", unit="student", disable=not progress)
        ]
    notes = {student: list(receipt(course, student, assignment).get("notes", [])) for student in students}
    answers = code_answers(course, assignment, [record.student for record in records])
    known = known_runs(known_sources(course, assignment))
    return ClassSummary(
        assignment,
        scores,
        records,
        exercise_summaries(records),
        {student: found for student, found in notes.items() if found},
        compare(answers, known, progress=progress),
        answers,
        known,
    )


def exercise_summaries(records: list[Record]) -> list[ExerciseSummary]:
    """Add up the records by exercise, visible and hidden cell together."""
    summaries: dict[str, ExerciseSummary] = {}
    for record in records:
        cells = defaultdict(list)
        for cell in record.cells:
            cells[cell.exercise].append(cell)
        for name, own in cells.items():
            points, possible = sum(cell.points for cell in own), sum(cell.possible for cell in own)
            one = summaries.setdefault(name, ExerciseSummary(name, possible))
            one.points += points
            one.full += points >= possible
            one.partial += 0 < points < possible
            one.zero += points <= 0
            checks = [check for cell in own for check in cell.checks]
            blank = bool(checks) and all(check.problem == NOT_ANSWERED for check in checks)
            one.blank += blank
            one.unanswered += any(cell.unanswered for cell in own)
            # Both cells name the same mistake; it is one mistake of one student.
            one.misconceptions.update({cell.misconception for cell in own if cell.misconception})
            one.failed.update({check.message for check in checks if check.problem and not blank})
    return list(summaries.values())


def code_answers(course: Course, assignment: str, students: list[str]) -> dict[str, dict[str, str]]:
    """The code of every answer, by exercise and student."""
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    for student in students:
        notebook = graded_notebook(course, student, assignment)
        for name, cell in marked_cells(notebook).items() if notebook else ():
            if cell.cell_type == "code" and name.startswith("answer-"):
                answers[name.removeprefix("answer-")][student] = cell.source
    return dict(answers)


def known_sources(course: Course, assignment: str) -> list[str]:
    """Code that everyone may have: the release, and the answers that the assignment's author wrote."""
    released = nbformat.read(course.release_notebook(assignment), as_version=4)
    sources = [cell.source for cell in released.cells if cell.cell_type == "code"]
    folder = course.solutions / assignment
    if (folder / f"{assignment}.py").is_file():
        sources += solution_cells(compile_notebook(folder / f"{assignment}.py")[0]).values()
    files = [folder / name for name in KNOWN_ANSWERS if (folder / name).is_file()]
    for path in files:
        sources += functions(path.read_text(encoding="utf-8"))
    return sources
