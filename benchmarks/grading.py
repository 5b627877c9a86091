"""Grading a class: beside stock nbgrader, with one worker and with two, and 300 submissions killed twice on the way.

    python benchmarks/grading.py                    # all of it: about half an hour on two cores
    python benchmarks/grading.py --only nbgrader    # the two graders side by side, alternating
    python benchmarks/grading.py --only workers
    python benchmarks/grading.py --only class       # 300 submissions of q_learning in one command
    python benchmarks/grading.py --quick            # small classes, nothing written

Seconds are wall time of whole commands, each worker and kernel with one thread. Every class is in a folder of its own
that is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import nbformat
import psutil
from evidence import ROOT, write_record
from stock_nbgrader import nbgrader, write_course

from autograder.authoring.author import solution_cells
from autograder.authoring.demo_answers import as_answer, half_right
from autograder.authoring.release import release
from autograder.configuration import source_folder
from autograder.course import Course
from autograder.receiving.collect import collect
from tests.grading.course_writer import hand_in, submission, write_assignment

TASKS = ["one", "two", "three", "four"]
RIGHT = "def {task}(values):\n    return 2 * values"
WRONG = "def {task}(values):\n    return values * values"
SOURCES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("autograder/*.py", "autograder/*ing/**/*.py", "benchmarks/*grad*.py")
    for path in ROOT.glob(pattern)
)
PACKAGES = ["nbgrader", "nbclient", "jupyter_client", "ipykernel", "torch", "sqlalchemy"]


def answers(number: int) -> dict[str, str]:
    """One student's answers: all right, or one of them wrong."""
    return {task: (WRONG if number % 5 == place else RIGHT).replace("{task}", task) for place, task in enumerate(TASKS)}


def new_course(folder: Path, students: int) -> Course:
    """A course with the small assignment released and the students' work collected."""
    course = Course.at(folder / "autograder")
    write_assignment(course.solutions, "doubling", TASKS)
    release(course, ["doubling"], progress=False)
    for number in range(students):
        notebook = submission(course.release_notebook("doubling"), answers(number))
        hand_in(folder / "inbox", f"student{number:03}", "doubling", notebook)
    collect(course, folder / "inbox", "doubling", progress=False)
    return course


def command(course: Course, assignment: str, *options: str) -> list[str]:
    """The command that grades."""
    places = ["--course", str(course.folder), "--solutions", str(course.solutions)]
    return [sys.executable, "-m", "autograder", "grade", assignment, *places, *options]


def timed(course: Course, *options: str, assignment: str = "doubling") -> float:
    """Seconds in which everything is graded anew."""
    began = time.perf_counter()
    subprocess.run(command(course, assignment, "--force", *options), cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def scores(path: Path) -> list[tuple]:
    """Every automatic score in a gradebook."""
    query = """select s.student_id, c.name, g.auto_score, g.needs_manual_grade from grade g
               join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id = s.id
               join base_cell c on g.cell_id = c.id order by 1, 2"""
    with sqlite3.connect(path) as database:
        return database.execute(query).fetchall()


def beside_nbgrader(students: int, runs: int, write: bool) -> None:
    """Both graders on the same answers, taking turns."""
    with tempfile.TemporaryDirectory() as place:
        stock, ours = Path(place, "stock"), new_course(Path(place, "ours"), students)
        stock.mkdir()
        write_course(stock, TASKS, {f"student{number:03}": answers(number) for number in range(students)})
        seconds: dict[str, list[float]] = {"stock": [], "ours": []}
        for run in range(runs):
            began = time.perf_counter()
            nbgrader(stock, "autograde", "doubling", "--force")
            seconds["stock"].append((time.perf_counter() - began) / students)
            seconds["ours"].append(timed(ours, "--workers", "1") / students)
            print(f"  run {run + 1}/{runs}: {seconds['stock'][-1]:.2f} and {seconds['ours'][-1]:.2f} s a submission")
        theirs, mine = scores(stock / "gradebook.db"), scores(ours.data / "gradebook.db")
        assert [row[:3] for row in theirs] == [row[:3] for row in mine], "both give the same scores"
        parts = profile(ours)
    stock_seconds, our_seconds = (statistics.median(seconds[name]) for name in ("stock", "ours"))
    ratio = stock_seconds / our_seconds
    print(f"stock nbgrader {stock_seconds:.2f} s, with sandbox and examiner {our_seconds:.2f} s: {ratio:.2f} x")
    print(parts)
    if write:
        write_record(
            "grading-nbgrader-autograde",
            "One submission with 8 graded torch cells, in the sandbox and by the examiner, beside stock nbgrader "
            "autograde, which has neither; one worker, start-up shared by the class.",
            our_seconds, "s a submission", SOURCES, PACKAGES, peer="nbgrader autograde", peer_value=stock_seconds,
            ratio=ratio, goal=2.0, seeds=runs, students=students, all_seconds=seconds, seconds_by_part=parts,
        )  # fmt: skip


def profile(course: Course) -> dict[str, float]:
    """Where the time of one submission goes: seconds of a warm worker, median over the class, in this process."""
    from autograder.configuration import load_configuration
    from autograder.grading.examination import Examination
    from autograder.grading.examine import examine
    from autograder.grading.grade import conditions
    from autograder.grading.gradebook_writer import GradebookWriter
    from autograder.grading.jobs import make_job
    from autograder.sandboxing import kernel_session, kernels

    spent: dict[str, list[float]] = {}

    def measured(holder: Any, name: str, part: str) -> None:
        real = getattr(holder, name)

        def call(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return real(*arguments, **options)
            finally:
                spent.setdefault(part, []).append(time.perf_counter() - began)

        setattr(holder, name, call)

    measured(kernels.WarmKernel, "__init__", "copying the kernel")
    measured(kernels.WarmKernel, "close", "ending the kernel")
    measured(Examination, "student_cell", "the student's cells")
    measured(Examination, "test_cell", "the tests")
    measured(kernel_session.KernelSession, "_start", "starting, with the opening")
    config, totals = load_configuration(course), []
    with GradebookWriter(course, config, "doubling") as writer:
        tests = writer.tests()
        for student in course.students("doubling"):
            began = time.perf_counter()
            job = make_job(course, student, "doubling", writer.sanitised(student), tests, conditions(config))
            prepared = time.perf_counter()
            examined = examine(job)
            done = time.perf_counter()
            writer.write(examined)
            spent.setdefault("making the job", []).append(prepared - began)
            spent.setdefault("writing", []).append(time.perf_counter() - done)
            totals.append(time.perf_counter() - began)
    count = len(totals)
    parts = {part: sum(values[-len(values) * (count - 1) // count :]) / (count - 1) for part, values in spent.items()}
    parts["starting, with the opening"] -= parts["copying the kernel"]
    return {**{part: round(value, 4) for part, value in parts.items()}, "all": round(statistics.median(totals), 4)}


def workers(students: int, runs: int, write: bool) -> None:
    """One worker and two, taking turns, on a real assignment.

    On small submissions two cores are busy with one worker already: its kernel, and the process that writes.
    """
    with tempfile.TemporaryDirectory() as place:
        course = Course.at(Path(place, "autograder"), ROOT / "solutions")
        class_of(course, Path(place), students)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for run in range(runs):
            for count in seconds:
                seconds[count].append(timed(course, "--workers", str(count), assignment="q_learning"))
            print(
                f"  run {run + 1}/{runs}: {seconds[1][-1]:.1f} s with one, {seconds[2][-1]:.1f} s with two", flush=True
            )
            one, two = (statistics.median(seconds[count]) for count in seconds)
            print(f"{students} submissions: {one:.1f} s with one worker, {two:.1f} s with two: {one / two:.2f} x")
            if write:
                write_record(
                    "grading-workers", f"{students} submissions of q_learning graded by two workers beside one.",
                    two, "s", SOURCES, PACKAGES, peer="one worker", peer_value=one, ratio=one / two, goal=1.7,
                    seeds=run + 1, all_seconds={str(count): values for count, values in seconds.items()},
                )  # fmt: skip


class Watch(threading.Thread):
    """Watches the memory of a process and all that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.stopped = pid, 0, False

    def run(self) -> None:
        """Look five times a second; shared memory counts once (proportional set size)."""
        while not self.stopped:
            total = 0
            try:
                for process in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
                    try:
                        total += process.memory_full_info().pss
                    except psutil.Error:
                        continue
            except psutil.Error:
                return
            self.peak = max(self.peak, total)
            time.sleep(0.2)


def class_of(course: Course, folder: Path, students: int) -> None:
    """Hand in the work of a class: every fifth right, the others with a mistake or a blank here and there."""
    from autograder.assignment import load_assignment

    name = "q_learning"
    release(course, [name], progress=False)
    assignment = load_assignment(course.solutions / name)
    right = solution_cells(nbformat.read(source_folder(course, name) / f"{name}.ipynb", as_version=4))
    half = half_right(right, dict.fromkeys(right, 1.0), assignment).answers
    wrong = {one.exercise: as_answer(one) for one in assignment.misconceptions}
    for number in range(students):
        chosen = dict(half) if number % 5 == 1 else dict(right)
        if number % 5 > 1:
            exercise = list(right)[number % len(right)]
            chosen[exercise] = wrong.get(exercise, right[exercise])
        notebook = submission(course.release_notebook(name), chosen)
        hand_in(folder / "inbox", f"student{number:03}", name, notebook)
    collect(course, folder / "inbox", name, progress=False)


def whole_class(students: int, write: bool) -> None:
    """One command for a class; and the same killed twice on the way and started again."""
    with tempfile.TemporaryDirectory() as place:
        course = Course.at(Path(place, "autograder"), ROOT / "solutions")
        class_of(course, Path(place), students)
        copy = Path(place, "copy")
        shutil.copytree(Path(place, "autograder"), copy / "autograder")
        shutil.copytree(Path(place, "book"), copy / "book")
        began = time.perf_counter()
        running = subprocess.Popen(
            command(course, "q_learning"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        watch = Watch(running.pid)
        watch.start()
        running.communicate()
        seconds = time.perf_counter() - began
        watch.stopped = True
        undisturbed = scores(course.data / "gradebook.db")
        each, peak = seconds / students, watch.peak / 2**30
        print(f"{students} submissions in {seconds:.0f} s, {each:.2f} s each; {peak:.2f} GiB at most", flush=True)
        if write:
            record_class(students, seconds, peak)
        killed, again = killed_twice(Course.at(copy / "autograder", ROOT / "solutions"), seconds, students)
        same = scores(copy / "autograder" / "course" / "gradebook.db") == undisturbed
        print(f"killed after {killed} finished; graded more than once: {again}; the same gradebook: {same}")
    assert same
    if write:
        record_class(students, seconds, peak, finished_when_killed=killed, graded_more_than_once=again,
                     same_gradebook_after_kills=same)  # fmt: skip


def record_class(students: int, seconds: float, peak: float, **kills: Any) -> None:
    """Write the record of a whole class: once after the undisturbed run, again with what the kills showed."""
    and_killed = "; killed twice on the way and started again, the final gradebook is the same" if kills else ""
    write_record(
        "grading-class-of-300", f"{students} submissions of q_learning graded by one command{and_killed}.",
        seconds, "s", SOURCES, PACKAGES, students=students, seconds_a_submission=seconds / students,
        peak_memory_gib=peak, **kills,
    )  # fmt: skip


def killed_twice(course: Course, seconds: float, students: int) -> tuple[list[int], int]:
    """Kill the command with -9 after a third of the time, twice; then let it end."""
    killed, modified = [], {}
    records = course.data / "records" / "q_learning"
    for _ in range(2):
        running = subprocess.Popen(
            command(course, "q_learning"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(seconds / 3)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        killed.append(len(list(records.glob("*.json"))))
        modified |= {path.name: path.stat().st_mtime_ns for path in records.glob("*.json") if path.name not in modified}
        time.sleep(6)  # its workers notice and end
    ended = subprocess.run(command(course, "q_learning"), cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    again = sum(
        path.stat().st_mtime_ns != modified.get(path.name, path.stat().st_mtime_ns) for path in records.glob("*")
    )
    assert len(list(records.glob("*.json"))) == students
    return killed, again


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=re.sub(r"\n\n.*", "", __doc__ or "", flags=re.DOTALL))
    parser.add_argument("--only", choices=["nbgrader", "workers", "class"])
    parser.add_argument("--quick", action="store_true", help="small classes, nothing written")
    chosen = parser.parse_args()
    small, write = chosen.quick, not chosen.quick
    if chosen.only in (None, "nbgrader"):
        beside_nbgrader(4 if small else 20, 1 if small else 3, write)
    if chosen.only in (None, "workers"):
        workers(6 if small else 40, 1 if small else 3, write)
    if chosen.only in (None, "class"):
        whole_class(6 if small else 300, write)


if __name__ == "__main__":
    main()
