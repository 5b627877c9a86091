"""The class run: many processes, the same gradebook; a lost worker costs one submission, a killed run nothing."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from autograder.authoring.release import release
from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.class_run import ClassRun
from autograder.grading.course_lock import only_run
from autograder.grading.examine import Conditions, Examined
from autograder.grading.grade import grade
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.records import read_record
from autograder.grading.scores import Score, Status, read_score
from autograder.grading.workers import LocalWorkers
from autograder.receiving.intake import refresh
from autograder.reporting.feedback import write_feedback
from tests.grading.conftest import empty_wheel
from tests.grading.course_writer import hand_in, submission, write_assignment
from tests.grading.example_class import nbgrader
from tests.grading.prepared_class import by_student, command, family, finished, gone, prepare, rows, wait_for

SIZE = 6


@pytest.fixture(scope="module")
def undisturbed(released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class graded by one worker."""
    prepared = prepare(released_course, tmp_path_factory.mktemp("undisturbed"), SIZE)
    grade(prepared, "classwork", progress=False, workers=1)
    return prepared


def files(course: Course, kind: str) -> dict[str, tuple[int, bytes]]:
    """Modes and contents of the files of a folder of the course, without what a clock decides."""
    folder = course.data / kind
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = (path.stat().st_mode, path.read_bytes())
    return found


def test_what_is_written_is_what_nbgraders_own_command_writes(
    released_course: Course, undisturbed: Course, tmp_path: Path
) -> None:
    theirs = prepare(released_course, tmp_path, SIZE)
    result = nbgrader(theirs, "autograde", "classwork")
    assert result.returncode == 0, result.stderr[-3000:]
    assert rows(theirs) == rows(undisturbed) and len(by_student(rows(theirs))) == SIZE
    assert {row[3] for row in rows(theirs) if isinstance(row[1], datetime)} == {0.0, 0.4}, "some pay for being late"
    assert files(theirs, "autograded") == files(undisturbed, "autograded")


def test_two_workers_write_the_same_gradebook_as_one(
    released_course: Course, undisturbed: Course, tmp_path: Path
) -> None:
    prepared = prepare(released_course, tmp_path, SIZE)
    scores = grade(prepared, "classwork", progress=False, workers=2)
    assert rows(prepared) == rows(undisturbed)
    assert {score.earned for score in scores} == {6.0, 2.0, 0.0}


def kill_when(course: Course, number: int) -> set[str]:
    """Start grading, kill its process group once so many submissions are finished; return who was finished."""
    before = len(finished(course))
    with command(course, "grade", "classwork", "--workers", "2") as process:
        wait_for(lambda: len(finished(course)) >= before + number, process)
        started = family(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert gone(started), "processes were left behind"
    return set(finished(course))


@pytest.mark.timeout(300)
def test_a_run_that_was_killed_goes_on_where_it_stopped(
    released_course: Course, undisturbed: Course, tmp_path: Path
) -> None:
    prepared = prepare(released_course, tmp_path, SIZE)
    reference = by_student(rows(undisturbed))
    for number in (1, 2):
        times = finished(prepared)
        done = kill_when(prepared, number)
        assert {student: when for student, when in finished(prepared).items() if student in times} == times
        written = by_student(rows(prepared))
        assert all(written[student] == reference[student] for student in done), "a finished grade was lost"
    times = finished(prepared)
    assert 3 <= len(times) < SIZE
    grade(prepared, "classwork", progress=False, workers=1)
    again = [student for student, when in finished(prepared).items() if times.get(student) != when]
    assert len(again) == SIZE - len(times)
    assert rows(prepared) == rows(undisturbed)


def write(course: Course, examined: Examined) -> None:
    """Write what became of one submission."""
    with GradebookWriter(course, load_configuration(course), "classwork") as writer:
        writer.write(examined)


KILLED_AT = """
import os, pickle, signal, sys
import autograder.grading.gradebook_writer as module
from autograder.course import Course
from tests.grading.test_class_run import write

place, name = {place}
original = getattr(place, name)

def last(*arguments, **options):
    if {after}:
        original(*arguments, **options)
    os.killpg(0, signal.SIGKILL)

setattr(place, name, last)
write(Course.at(sys.argv[1]), pickle.load(sys.stdin.buffer))
"""


@pytest.mark.parametrize(
    ("place", "after"),
    [
        ("module, 'start'", False),  # the old record is gone, nothing is written
        ("module.WriteExamined, 'convert_single_notebook'", True),  # the files are written, the gradebook is not
        ("module, 'start'", True),  # the transaction is open
        ("module.GradebookWriter, 'write'", True),  # everything is written
    ],
)
def test_no_moment_of_writing_leaves_half_a_grade(
    released_course: Course, undisturbed: Course, tmp_path: Path, place: str, after: bool
) -> None:
    prepared = prepare(released_course, tmp_path, 1)
    refresh(prepared, "s00", "classwork")
    executed = (undisturbed.data / "autograded" / "s00" / "classwork" / "classwork.ipynb").read_bytes()
    record = read_record(undisturbed, "s00", "classwork")
    assert record is not None
    examined, reference = Examined(executed, record), by_student(rows(undisturbed))["s00"]
    command_line = [sys.executable, "-c", KILLED_AT.format(place=place, after=after), str(prepared.folder)]
    run = subprocess.run(command_line, input=pickle.dumps(examined), start_new_session=True, check=False)
    assert run.returncode == -signal.SIGKILL
    written = "write'" in place
    assert ("s00" in finished(prepared)) == written and rows(prepared) == (reference if written else [])
    write(prepared, examined)
    assert rows(prepared) == reference and "s00" in finished(prepared)


def test_a_second_run_is_refused_and_ctrl_c_ends_the_first_with_all_it_started(
    released_course: Course, tmp_path: Path
) -> None:
    prepared = prepare(released_course, tmp_path, 30)
    with command(prepared, "grade", "classwork", "--workers", "2") as process:
        wait_for(lambda: len(finished(prepared)) >= 1, process)
        with pytest.raises(CourseError, match=rf"process {process.pid} on .*: grading classwork\. Wait .* nothing was"):
            grade(prepared, "classwork", progress=False)
        started = family(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        shown, _ = process.communicate(timeout=20)
    assert process.returncode == 130 and "Run the same command again" in shown
    assert len(started) >= 2 and gone(started, 2.0)
    with only_run(prepared, "what comes after"):
        pass


def test_a_killed_coordinator_takes_everything_with_it_and_lets_go_of_the_course(
    released_course: Course, tmp_path: Path
) -> None:
    prepared, scratch = prepare(released_course, tmp_path, 30), tmp_path / "t"
    scratch.mkdir()
    with command(prepared, "grade", "classwork", "--workers", "1", TMPDIR=str(scratch)) as process:
        wait_for(lambda: len(finished(prepared)) >= 1, process)
        started = family(process.pid)
        process.kill()
        process.wait()
        assert len(started) >= 2 and gone(started)
    with only_run(prepared, "what comes after"):
        pass
    assert list(scratch.iterdir()) == []


DEADLY = """
    @exam.add(task, points=1, message="ends the process that examines", seconds=60)
    def deadly(double):
        import os, signal, time
        import torch
        what = int(double(torch.tensor([1.0]))[0])
        if what == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if what == 14:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM])
            time.sleep(1000)
        if what == 15:
            bytearray(6_000_000_000)
"""


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class whose hidden check ends, hangs or floods the worker for some answers."""
    teaching = Course.at(tmp_path_factory.mktemp("deadly") / "autograder")
    write_assignment(teaching.solutions, "deadly", ["one", "two"])
    hidden = teaching.solutions / "deadly" / "hidden_checks.py"
    hidden.write_text(hidden.read_text().replace("\n\nfor task in", f"\n{DEADLY}\n\nfor task in"))
    source = teaching.solutions / "deadly" / "deadly.py"
    source.write_text(source.read_text().replace("points=1 hidden=true", "points=2 hidden=true"))
    with pytest.MonkeyPatch.context() as short:
        short.setattr("autograder.authoring.release.build_wheel", empty_wheel)
        release(teaching, progress=False)
    for student, constant in {"ada": 2, "ben": 13, "cem": 14, "dan": 15, "eve": 2}.items():
        answers = {name: f"def {name}(values):\n    return {constant} * values" for name in ("one", "two")}
        notebook = submission(teaching.release_notebook("deadly"), answers)
        hand_in(teaching.data / "submitted", f"{student}/deadly", "deadly", notebook)
    return teaching


@pytest.fixture(scope="module")
def after_losses(deadly: Course) -> dict[str, Score]:
    """Scores of that class, graded with little patience."""
    config = load_configuration(deadly)
    with (
        LocalWorkers(2, margin=3.0) as workers,
        GradebookWriter(deadly, config, "deadly") as writer,
    ):
        run = ClassRun(writer, workers, Conditions(notebook_seconds=10.0))
        run.go(deadly.students("deadly"), progress=False)
        assert run.failures == {}
    with deadly.gradebook() as gradebook:
        return {student: read_score(deadly, gradebook, student, "deadly") for student in deadly.students("deadly")}


def test_a_lost_worker_costs_only_the_submission_it_was_on(after_losses: dict[str, Score]) -> None:
    assert {student: score.earned for student, score in after_losses.items()} == {
        "ada": 6.0, "ben": 0.0, "cem": 0.0, "dan": 0.0, "eve": 6.0
    }  # fmt: skip
    assert {score.status for score in after_losses.values()} == {Status.GRADED}
    assert "was ended by the signal SIGKILL" in after_losses["ben"].problem
    assert "gave no answer within 13 seconds" in after_losses["cem"].problem
    assert "--student ben" in after_losses["ben"].problem


def test_a_check_that_wants_all_memory_is_stopped_by_the_workers_limit(
    deadly: Course, after_losses: dict[str, Score]
) -> None:
    record = read_record(deadly, "dan", "deadly")
    assert after_losses["dan"].status is Status.GRADED and record is not None
    assert "MemoryError" in record.cells[1].checks[-1].problem


def test_a_student_whose_worker_was_lost_is_told_and_tried_again(
    deadly: Course, after_losses: dict[str, Score]
) -> None:
    executed = (deadly.data / "autograded" / "ben" / "deadly" / "deadly.ipynb").read_text()
    assert executed.count("Your instructor will look at it") >= 4
    record = read_record(deadly, "ben", "deadly")
    assert record is not None and record.fingerprint == "" and len(record.cells) == 4
    assert write_feedback(deadly, "deadly", ["ben"], progress=False).problems == []
    assert deadly.feedback("ben", "deadly").read_text().count("Your instructor will look at it") >= 2
    notebook = submission(deadly.release_notebook("deadly"), {"one": "def one(values):\n    return 2 * values"})
    before = finished(deadly, "deadly")
    deadly.submitted("ben", "deadly").write_text(json.dumps(notebook))
    scores = grade(deadly, "deadly", ["ben", "eve"], progress=False, workers=1)
    assert [score.earned for score in scores] == [3.0, 6.0]
    assert finished(deadly, "deadly")["eve"] == before["eve"]
