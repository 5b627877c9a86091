"""A class with hostile and broken submissions in it: nobody gains, nobody else loses, everyone has a score."""

from __future__ import annotations

import json
import os
import shutil

import nbformat
import pytest

from autograder.course import CONFIGURATION, Course
from autograder.grading.grade import grade
from autograder.grading.records import read_record
from autograder.grading.scores import Score, Status
from autograder.receiving.collect import collect
from tests.grading.course_writer import hand_in, submission
from tests.grading.hostile_class import FILES, FIRST_CELLS, HONEST_WITH_WARNINGS
from tests.grading.test_hostile import KERNELS, PROCESSES, VALUES

TASKS = ("one", "two", "three")
HONEST = {name: f"def {name}(values):\n    return 2 * values" for name in TASKS}
# Honest answers may be lost with the process that ran them: then they are worth nothing, and the student is told.
MAY_LOSE_ALL = {
    "fork_bomb", "another_shell", "closes_every_file", "no_memory_for_itself", "no_time_for_itself", "large_messages",
    "messages_of_other_kinds", "broken_frames", "output_without_end", "memory_in_many_processes",
}  # fmt: skip
LIMITS = """
c.ExaminerExecute.student_cell_seconds = 3.0
c.ExaminerExecute.notebook_seconds = 40.0
c.ExaminerExecute.restarts = 3
"""
pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def scores(released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Score]:
    """Everyone's score after one run over the whole class, hostile and honest students side by side."""
    hostile = Course.at(tmp_path_factory.mktemp("hostile") / "autograder", released_course.solutions)
    shutil.copytree(released_course.folder, hostile.folder)
    shutil.copytree(released_course.release, hostile.release)
    (hostile.folder / CONFIGURATION).write_text((released_course.folder / CONFIGURATION).read_text() + LIMITS)
    inbox = tmp_path_factory.mktemp("inbox")
    released = hostile.release_notebook("doubling")
    for name, first in FIRST_CELLS.items():
        hand_in(inbox, name, "doubling", submission(released, HONEST, first))
    for name, content in FILES.items():
        hand_in(inbox, f"file_{name}", "doubling", content)
    hand_in(inbox, "forged", "doubling", forged(submission(released, {}, "one = two = three = lambda values: values")))
    for number in range(4):
        hand_in(inbox, f"honest_{number}", "doubling", submission(released, HONEST))
    hand_in(inbox, "honest_with_warnings", "doubling", submission(released, HONEST, HONEST_WITH_WARNINGS))
    collect(hostile, inbox, "doubling", progress=False)
    found = {score.student: score for score in grade(hostile, "doubling", progress=False, workers=2)}
    for score in found.values():
        record = read_record(hostile, score.student, "doubling")
        assert record is not None and len(record.cells) == 2 * len(TASKS), (
            f"{score.student} has a result for every cell"
        )
        assert all(cell.points == cell.possible or cell.failed or cell.error for cell in record.cells), "and a message"
    return found


def forged(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with tests, points and ids of the student's own."""
    for cell in list(notebook.cells):
        marks = cell.metadata.get("nbgrader", {})
        if str(marks.get("grade_id", "")).startswith(("check", "hidden")):
            cell.source = "1e9"
            marks["points"] = 1e9
            copy = json.loads(json.dumps(cell))
            copy["metadata"]["nbgrader"]["grade_id"] += "-more"
            notebook.cells.append(nbformat.from_dict(copy))
        marks["schema_version"] = 99
    return notebook


@pytest.mark.timeout(600)
def test_everyone_has_a_score_and_the_run_goes_to_its_end(scores: dict[str, Score]) -> None:
    assert len(scores) == len(FIRST_CELLS) + len(FILES) + 6
    assert {score.status for score in scores.values()} <= {Status.GRADED, Status.PENDING}


def test_honest_students_keep_full_marks_beside_them(scores: dict[str, Score]) -> None:
    honest = {name: score.earned for name, score in scores.items() if name.startswith("honest")}
    assert honest == dict.fromkeys(honest, 6.0) and len(honest) == 5


def test_a_hostile_submission_earns_what_its_answers_do_and_never_more(scores: dict[str, Score]) -> None:
    earned = {name: scores[name].earned for name in FIRST_CELLS}
    allowed = {name: (0.0, 6.0) if name in MAY_LOSE_ALL else (6.0,) for name in FIRST_CELLS}
    assert {name: points for name, points in earned.items() if points not in allowed[name]} == {}


def test_what_is_no_notebook_earns_nothing(scores: dict[str, Score]) -> None:
    assert {score.earned for name, score in scores.items() if name.startswith("file_")} == {0.0}
    assert scores["forged"].earned == 0.0


@pytest.mark.skipif(not os.environ.get("RLKIT_RECORD"), reason="RLKIT_RECORD=1 writes the evidence record")
def test_the_record_is_written(scores: dict[str, Score]) -> None:
    from benchmarks.evidence import ROOT, write_record

    worth = {name: 6.0 if name in FIRST_CELLS or name.startswith("honest") else 0.0 for name in scores}
    unearned = sum(max(0.0, score.earned - worth[name]) for name, score in scores.items())
    honest = [score for name, score in scores.items() if name.startswith("honest")]
    record = write_record(
        "grading-hostile",
        "Points that hostile or broken submissions got beyond what their honest answers are worth, in one run over a "
        "class with honest students in it; one of those emits warnings.",
        unearned,
        "points",
        sources=[str(path.relative_to(ROOT)) for path in sorted((ROOT / "autograder").glob("*ing/**/*.py"))],
        packages=["nbgrader", "ipykernel", "torch"],
        command="RLKIT_RECORD=1 python -m pytest tests/grading/test_hostile_class.py",
        hostile_or_broken=len(scores) - len(honest),
        honest=len(honest),
        honest_with_full_marks=sum(score.earned == 6.0 for score in honest),
        without_a_score=sum(score.status not in (Status.GRADED, Status.PENDING) for score in scores.values()),
        attacks_within_answers=len(VALUES) + len(PROCESSES) + len(KERNELS),
    )
    assert record["value"] == 0


def test_the_suite_is_large() -> None:
    assert len(FIRST_CELLS) + len(FILES) + len(VALUES) + len(PROCESSES) + len(KERNELS) >= 90
