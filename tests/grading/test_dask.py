"""A class graded on a Dask cluster: a real scheduler and two real workers on this computer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.dask_workers import DaskWorkers, differences, packages
from autograder.grading.grade import grade
from tests.grading.prepared_class import command, finished, prepare, rows, wait_for

SIZE = 6


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a Dask program."""
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"},
    )


def start_worker(address: str, folder: Path) -> subprocess.Popen[str]:
    """Start one Dask worker with one thread."""
    return start("dask_worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))


def end(process: subprocess.Popen[str]) -> None:
    """End a program and all it started."""
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        one.kill()
    process.communicate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler with two workers."""
    pytest.importorskip("distributed", reason="Dask is not installed; it is in the extra `scale`")
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    address = ""
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if found := re.search(r"Scheduler at:\s*(tcp://\S+)", line):
            address = found.group(1)
            break
    workers = [start_worker(address, tmp_path_factory.mktemp("worker")) for _ in range(2)]
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address
    for process in [*workers, scheduler]:
        end(process)


@pytest.fixture(scope="module")
def alone(released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The same class, graded by one worker without Dask."""
    prepared = prepare(released_course, tmp_path_factory.mktemp("alone"), SIZE)
    grade(prepared, "classwork", progress=False, workers=1)
    return prepared


def test_a_cluster_writes_the_same_gradebook_as_one_process(
    cluster: str, released_course: Course, alone: Course, tmp_path: Path
) -> None:
    prepared = prepare(released_course, tmp_path, SIZE)
    grade(prepared, "classwork", progress=False, scheduler=cluster)
    assert rows(prepared) == rows(alone)


def test_a_lost_computer_costs_no_submission(
    cluster: str, released_course: Course, alone: Course, tmp_path: Path
) -> None:
    prepared = prepare(released_course, tmp_path, SIZE)
    third = start_worker(cluster, tmp_path / "third")
    with command(prepared, "grade", "classwork", "--scheduler", cluster) as process:
        wait_for(lambda: len(finished(prepared)) >= 1, process)
        end(third)
        shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0, shown
    assert rows(prepared) == rows(alone)


def test_a_cluster_without_workers_or_with_other_packages_is_refused(cluster: str) -> None:
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    try:
        assert scheduler.stderr is not None
        address = next(found.group(1) for line in scheduler.stderr if (found := re.search(r"(tcp://\S+)", line)))
        with pytest.raises(CourseError, match=rf"has no workers\. Start one: dask worker {address}"):
            DaskWorkers(address)
    finally:
        end(scheduler)
    expected = packages()
    assert differences(expected, expected) == ""
    assert differences(expected, {**expected, "rlkit": "another"}) == f"rlkit another (here {expected['rlkit']})"


def test_a_scheduler_that_does_not_answer_is_one_sentence(released_course: Course, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed; it is in the extra `scale`")
    with pytest.raises(CourseError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        grade(prepare(released_course, tmp_path, 1), "classwork", progress=False, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(CourseError, match=r"no Dask scheduler answers at 'nonsense"):
        DaskWorkers("nonsense://x")
