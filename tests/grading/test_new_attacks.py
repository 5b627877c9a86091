"""Ways to a point that is not earned, out of the sandbox, or to another student's harm, that were found by trying."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import wire
from autograder.authoring.release import release
from autograder.course import CONFIGURATION, Course
from autograder.grading.grade import grade
from autograder.grading.outputs import LONGEST_PICTURE, MOST_PICTURES, Room, Transcript
from autograder.grading.records import read_record
from autograder.grading.scores import Score, Status
from autograder.receiving.collect import collect
from autograder.sandboxing import template as template_module
from autograder.sandboxing.kernels import Kernel, WarmKernel, kernel_starter
from autograder.sandboxing.memory_limit import Group, Watched, descendants
from autograder.sandboxing.sandbox import Allowance
from autograder.sandboxing.template import Template, template
from tests.grading.attacks import answers, named
from tests.grading.conftest import empty_wheel
from tests.grading.course_writer import hand_in, points, submission, write_assignment
from tests.grading.new_attacks import ANSWERS, FIRST_CELLS, NOT_DATA, WAYS_OUT
from tests.grading.test_sandbox import said

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
TASKS = ("one", "two", "three")
HONEST = {name: f"def {name}(values):\n    return 2 * values" for name in TASKS}
WRONG = {name: f"def {name}(values):\n    return values" for name in TASKS}
# Honest answers may be lost with what the first cell did to their own kernel.
MAY_LOSE_ALL = {"other_words_for_what_is_asked", "a_shallow_stack", "an_alarm_for_later", "its_own_check"}
LIMITS = "\nc.ExaminerExecute.student_cell_seconds = 4.0\nc.ExaminerExecute.notebook_seconds = 30.0\n"
SMALL = Allowance(memory_megabytes=1000, disk_megabytes=20)
BARE: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A course of its own, with room for all answers."""
    course = Course.at(tmp_path_factory.mktemp("attacked") / "autograder")
    write_assignment(course.solutions, "doubling", list(TASKS))
    write_assignment(course.solutions, "answers", list(named(ANSWERS, "answers")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])
        patch.setattr("autograder.authoring.release.build_wheel", empty_wheel)
        release(course, progress=False)
        with (course.folder / CONFIGURATION).open("a") as file:
            file.write(LIMITS)
        yield course


def look_alike(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with marks that look like the tests', answers marked as tests, and cells before the first."""
    for cell in list(notebook.cells):
        marks = cell.metadata.get("nbgrader", {})
        name = str(marks.get("grade_id", ""))
        if name.startswith(("check", "hidden")):
            other = copy.deepcopy(cell)
            marks["grade_id"] = name.replace("o", "\N{CYRILLIC SMALL LETTER O}")
            other["cell_type"], other["source"] = "raw", "1.0"
            other["metadata"]["nbgrader"] = {**marks, "grade_id": f"{name} "}
            cell.source, cell["attachments"] = "1.0", {"x.png": {"image/png": "AAAA"}}
            notebook.cells.insert(0, other)
        elif name.startswith("answer"):
            marks.update(grade=True, points=99, solution=True, locked=True)
            cell["id"] = "first-cell"
    return notebook


@pytest.fixture(scope="module")
def scores(attacked: Course, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Score]:
    """Everyone's score; one worker examines all of them, each hostile one before an honest one."""
    inbox, released = tmp_path_factory.mktemp("inbox"), attacked.release_notebook("doubling")
    for number, (name, first) in enumerate(FIRST_CELLS.items()):
        hand_in(inbox, f"s{number}_{name}", "doubling", submission(released, HONEST, first))
        if number % 2 == 0:
            hand_in(inbox, f"s{number}_then_honest", "doubling", submission(released, HONEST))
    hand_in(inbox, "wrong_and_other_words", "doubling", submission(released, WRONG, FIRST_CELLS["its_own_check"]))
    hand_in(inbox, "wrong_and_alike", "doubling", look_alike(submission(released, WRONG)))
    hand_in(inbox, "honest_and_alike", "doubling", look_alike(submission(released, HONEST)))
    collect(attacked, inbox, "doubling", progress=False)
    found = grade(attacked, "doubling", progress=False, workers=1)
    return {score.student: score for score in found if score.status is not Status.MISSING}


@pytest.mark.timeout(200)
def test_answers_earn_what_their_honest_part_does(attacked: Course, tmp_path: Path) -> None:
    released = attacked.release_notebook("answers")
    hand_in(tmp_path, "mallory", "answers", submission(released, answers(ANSWERS, "answers")))
    collect(attacked, tmp_path, "answers", progress=False)
    (score,) = grade(attacked, "answers", ["mallory"], progress=False, workers=1)
    record = read_record(attacked, "mallory", "answers")
    assert record is not None and score.status is Status.GRADED, score.problem
    earned, expected = points(record), {name: attack for name, attack in named(ANSWERS, "answers").items()}
    assert {expected[name].name: got for name, got in earned.items() if got != expected[name].earns} == {}


@pytest.mark.timeout(200)
def test_everyone_after_a_hostile_submission_is_graded_by_the_same_worker(scores: dict[str, Score]) -> None:
    assert {score.status for score in scores.values()} == {Status.GRADED}
    honest = {
        name: score.earned for name, score in scores.items() if name.endswith(("then_honest", "honest_and_alike"))
    }
    assert honest == dict.fromkeys(honest, 6.0) and len(honest) >= 5


def test_no_first_cell_earns_more_than_the_answers(scores: dict[str, Score]) -> None:
    unexpected = {
        name: score.earned
        for name, score in scores.items()
        if score.earned != 6.0 and not (score.earned < 6.0 and name.partition("_")[2] in MAY_LOSE_ALL)
    }
    assert unexpected == {"wrong_and_other_words": 0.0, "wrong_and_alike": 0.0}


def test_a_notebook_of_pictures_stays_small(attacked: Course, scores: dict[str, Score]) -> None:
    (student,) = [name for name in scores if name.endswith("pictures_without_end")]
    graded = attacked.data / "autograded" / student / "doubling" / "doubling.ipynb"
    assert LONGEST_PICTURE < graded.stat().st_size < MOST_PICTURES + 1_000_000


def test_room_for_pictures_is_shared_by_the_cells_of_a_notebook() -> None:
    room, kept = Room(1_000), []
    for _ in range(3):
        transcript = Transcript(100, room)
        transcript.add("display_data", {"data": {"image/png": "A" * 400, "text/plain": "a figure"}})
        kept += [len(output.data.get("image/png", "")) for output in transcript.outputs]
    assert kept == [400, 400, 0]


@pytest.mark.parametrize("name", NOT_DATA)
def test_what_is_no_data_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="malformed data"):
        wire.unpack(*NOT_DATA[name])


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """One kernel for all that only looks."""
    running = kernel_starter(True, SMALL, BARE, False)({})
    yield running
    running.close()


@pytest.mark.parametrize("name", WAYS_OUT)
def test_no_way_out(kernel: Kernel, name: str) -> None:
    shown = said(kernel, WAYS_OUT[name])
    assert shown.strip() and "reached" not in shown and "late" not in shown and "gone" not in shown


def test_where_memory_runs_out_the_students_process_goes_first(kernel: Kernel) -> None:
    assert said(kernel, "print(open('/proc/self/oom_score_adj').read())").strip() == "1000"


def test_the_keys_of_the_session_are_not_inherited() -> None:
    program = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
join, add, search = {"x86_64": (250, 248, 250), "aarch64": (219, 217, 219)}[os.uname().machine]
libc.syscall(join, 1, b"a session")
assert libc.syscall(add, b"user", b"ticket", b"password", 8, -3) > 0
assert libc.syscall(search, 10, -3, b"user", b"ticket", 0) > 0
import namespaces
namespaces.forget_keys()
print(libc.syscall(search, 10, -3, b"user", b"ticket", 0))
"""
    inside = Path(template_module.__file__).with_name("inside")
    result = subprocess.run([sys.executable, "-c", program], cwd=inside, capture_output=True, text=True, timeout=30)
    if "AssertionError" in result.stderr:
        pytest.skip("this system keeps no keys")
    assert result.stdout.strip() == "-1", result.stderr


@pytest.mark.parametrize("while_it_has_a_kernel", [True, False])
def test_a_template_that_gives_no_answer_is_replaced(
    monkeypatch: pytest.MonkeyPatch, while_it_has_a_kernel: bool
) -> None:
    start = kernel_starter(True, SMALL, BARE, False)
    kernel, stuck = start({}), template(BARE, False, SMALL.memory_megabytes)
    if not while_it_has_a_kernel:
        kernel.close()
    os.kill(descendants(stuck._process.pid)[2], signal.SIGSTOP)
    with monkeypatch.context() as short:
        short.setattr(template_module, "END_SECONDS", 0.5)
        # A new kernel, where the old template should make it, has to be given up before another is tried.
        short.setattr(template_module, "COPY_SECONDS", 3.0)
        if while_it_has_a_kernel:
            kernel.close()
            assert not stuck.runs, "it did not end its kernel, so it makes no other"
        again = start({})
    assert "4" in said(again, "print(2 + 2)")
    again.close()
    assert not stuck.runs


@pytest.mark.timeout(120)
def test_busy_processes_of_one_student_leave_the_others_their_time() -> None:
    with contextlib.ExitStack() as stack:
        busy, other = (stack.enter_context(contextlib.closing(Template(BARE, False, 1000))) for _ in range(2))
        if isinstance(busy._memory, Watched) or not _has_a_processor(busy._memory):
            pytest.skip("this system does not share time out by groups")
        first, second = (
            stack.enter_context(contextlib.closing(WarmKernel(source, {}, SMALL))) for source in (busy, other)
        )
        code = "import time\nbegan = time.perf_counter()\nfor _ in range(1_000_000): pass\n"
        code += "print(time.perf_counter() - began)"
        alone = float(said(second, code))
        said(first, FIRST_CELLS["takes_all_processors"])
        beside = float(said(second, code))
        assert beside < 6 * max(alone, 0.05), "it was twenty times slower"


def _has_a_processor(group: Any) -> bool:
    assert isinstance(group, Group)
    return len(group.folders) > 1 or (group.folder / "cpu.max").exists()


def test_there_are_many_new_attacks() -> None:
    assert len(ANSWERS) + len(FIRST_CELLS) + len(WAYS_OUT) + len(NOT_DATA) >= 45
