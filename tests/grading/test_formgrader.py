"""formgrader, over HTTP on this machine, as an instructor starts it in the course folder."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from autograder.course import Course
from autograder.grading.records import read_record
from tests.grading.course_writer import points


@pytest.fixture(scope="module")
def formgrader(graded_class: Course) -> Iterator[str]:
    """A Jupyter server with formgrader, as an instructor starts it in the course folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--IdentityProvider.token=course", "--ServerApp.port_retries=0",
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
    ]  # fmt: skip
    log = (graded_class.data / "server.log").open("w")
    server = subprocess.Popen(command, cwd=graded_class.folder, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                fetch(f"{address}/api/status")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.25)
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def fetch(address: str, method: str = "GET") -> str:
    """Get a page of the server, or ask it to do something."""
    request = urllib.request.Request(address, method=method, headers={"Authorization": "token course"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def test_formgrader_shows_the_class(formgrader: str) -> None:
    assert "formgrader" in fetch(f"{formgrader}/formgrader")
    assignments = {entry["name"]: entry for entry in json.loads(fetch(f"{formgrader}/formgrader/api/assignments"))}
    assert assignments["classwork"]["num_submissions"] == 5 and assignments["classwork"]["max_score"] == 9
    submissions = json.loads(fetch(f"{formgrader}/formgrader/api/submissions/classwork"))
    found = {entry["student"]: entry for entry in submissions}
    assert found["ada"]["score"] == 6 and found["ada"]["needs_manual_grade"]


def test_formgrader_shows_a_students_answer_without_its_scripts(formgrader: str) -> None:
    notebooks = json.loads(fetch(f"{formgrader}/formgrader/api/submitted_notebooks/classwork/classwork"))
    ada = next(entry for entry in notebooks if entry["student"] == "ada")
    page = fetch(f"{formgrader}/formgrader/submissions/{ada['id']}/")
    assert "Because two." in page and "check-one" in page
    assert "<script>alert('student')" not in page and "<img src=x" not in page


def test_formgrader_can_grade_a_submission_itself(formgrader: str, graded_class: Course) -> None:
    graded_class.record("dan", "classwork").unlink()
    answer = json.loads(fetch(f"{formgrader}/formgrader/api/submission/classwork/dan/autograde", "POST"))
    assert answer["success"], answer["log"]
    record = read_record(graded_class, "dan", "classwork")
    assert record is not None and sum(points(record).values()) == 6
