"""The real assignments: what they claim about their exercises holds, and a wrong answer is named where it is read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import load_assignment
from autograder.authoring.demo import points_by_exercise
from autograder.authoring.demo_answers import as_answer
from autograder.authoring.release import release
from autograder.authoring.verify import verify
from autograder.check_notebook import check_notebook
from autograder.course import Course
from autograder.grading.grade import grade
from autograder.grading.records import read_record
from autograder.receiving.collect import collect
from autograder.reporting.feedback import write_feedback
from tests.grading.conftest import empty_wheel
from tests.grading.course_writer import hand_in, points, submission

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
ASSIGNMENTS = sorted(path.name for path in SOLUTIONS.iterdir() if (path / "checks.py").is_file())
CLASSIC = ("q_learning", "dqn", "reinforce", "ppo")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_solutions_get_full_marks_blanks_none_and_every_misconception_is_named(name: str) -> None:
    assert verify([SOLUTIONS / name], progress=False).problems == []


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_has_20_to_30_points(name: str) -> None:
    automatic = points_by_exercise(load_assignment(SOLUTIONS / name))
    assert 20 <= sum(automatic.values()) + 3 <= 30  # and 3 for the written answer, as a rule


def test_classic_control_has_at_least_22_graded_exercises() -> None:
    assert sum(len(points_by_exercise(load_assignment(SOLUTIONS / name))) for name in CLASSIC) >= 22


@pytest.fixture(scope="module")
def ppo_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with the assignment on PPO released."""
    folder = tmp_path_factory.mktemp("classic")
    shutil.copytree(SOLUTIONS / "ppo", folder / "solutions" / "ppo")
    course = Course.at(folder / "autograder", folder / "solutions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])
        patch.setattr("autograder.authoring.release.build_wheel", empty_wheel)
        release(course, progress=False)
    return course


@pytest.mark.timeout(600)
def test_a_truncation_taken_for_a_termination_is_named_in_the_notebook_and_in_the_feedback(
    ppo_course: Course, inbox: Path, tmp_path: Path
) -> None:
    name = "truncation treated as termination"
    wrong = next(
        each
        for each in load_assignment(SOLUTIONS / "ppo").misconceptions
        if (each.exercise, each.name) == ("generalized_advantage_estimate", name)
    )
    handed_in = submission(ppo_course.release_notebook("ppo"), {wrong.exercise: as_answer(wrong)})

    for part in ppo_course.release_notebook("ppo").parent.glob("ppo_*"):
        shutil.copy(part, tmp_path)
    nbformat.write(handed_in, tmp_path / "ppo.ipynb")
    at_home = check_notebook(tmp_path / "ppo.ipynb", progress=False)
    assert 0 <= at_home.points < at_home.possible
    assert name in str(at_home)

    hand_in(inbox, "ada", "ppo", handed_in)
    collect(ppo_course, inbox, "ppo", progress=False)
    grade(ppo_course, "ppo", progress=False)
    record = read_record(ppo_course, "ada", "ppo")
    assert record is not None and points(record)[wrong.exercise] < 4
    (page,) = write_feedback(ppo_course, "ppo").pages
    assert name in page.read_text(encoding="utf-8")
