"""A gradebook on a real PostgreSQL server: the same scores, the same commands, and errors without its password."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.__main__ import main
from autograder.authoring.release import release
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.database import database_url, open_gradebook
from autograder.grading.grade import grade
from autograder.grading.worker_process import environment
from autograder.sandboxing.kernels import candidate_environment
from autograder.sandboxing.sandbox import environment as sandbox_environment
from tests.grading.conftest import empty_wheel
from tests.grading.example_class import nbgrader
from tests.grading.postgresql_server import PASSWORD, QUOTED, free_port, server
from tests.grading.prepared_class import prepare, rows

SIZE = 6


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of an empty database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed; it is in the extra `scale`")
    with server() as found:
        yield found


@pytest.fixture(scope="module")
def on_server(address: str, released_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class whose gradebook is on the server from the release on, graded by the command."""
    prepared = prepare(released_course, tmp_path_factory.mktemp("server"), SIZE)
    (prepared.data / "gradebook.db").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograder.authoring.release.build_wheel", empty_wheel)
        release(replace(prepared, database=address), ["classwork"], progress=False)
    folder = ["--course", str(prepared.folder), "--gradebook", address]
    assert main(["grade", "classwork", "--workers", "2", *folder]) == 0
    assert not (prepared.data / "gradebook.db").exists()
    return replace(prepared, database=address)


def test_the_server_holds_the_same_gradebook_as_a_file(
    on_server: Course, released_course: Course, tmp_path: Path
) -> None:
    in_file = prepare(released_course, tmp_path, SIZE)
    grade(in_file, "classwork", progress=False, workers=1)
    assert len(rows(in_file)) > SIZE and rows(on_server) == rows(in_file)


def test_the_environment_variable_is_read_by_our_commands_and_by_nbgraders(
    on_server: Course, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRADER_GRADEBOOK", address)
    result = nbgrader(on_server, "export", "--to", str(tmp_path / "theirs.csv"))
    assert result.returncode == 0, result.stderr[-2000:]
    theirs = {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader((tmp_path / "theirs.csv").open())}
    assert theirs == {row[0]: row[2] for row in rows(on_server) if len(row) == 4 and "comment" not in str(row[1])}
    before = rows(on_server)
    assert {score.earned for score in grade(Course.at(on_server.folder), "classwork", progress=False)} == {
        6.0,
        2.0,
        0.0,
    }
    assert rows(on_server) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda address: address.replace(QUOTED, "wrong"), "password authentication failed"),
        (lambda address: address.replace("/course", "/nothing"), 'database "nothing" does not exist'),
        (lambda address: f"postgresql://teacher:{QUOTED}@127.0.0.1:{free_port()}/course", "[Cc]onnection refused"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_message_without_the_password(
    address: str, on_server: Course, capsys: pytest.CaptureFixture[str], change: object, message: str
) -> None:
    assert callable(change)
    wrong = change(address)
    assert main(["grade", "classwork", "--course", str(on_server.folder), "--gradebook", wrong]) == 2
    shown = "".join(capsys.readouterr())
    assert "cannot be opened" in shown and "teacher:***@127.0.0.1" in shown and "Traceback" not in shown
    assert PASSWORD not in shown and QUOTED not in shown and "wrong" not in shown
    with pytest.raises(CourseError, match=message):
        open_gradebook(database_url(wrong))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hunter2", "address cannot be read: expected an address such as postgresql://"),
        ("nosuchdatabase://me:hunter2@host/course", "no database of the kind 'nosuchdatabase' is known"),
        ("mysql+pymysql://me:hunter2@host/course", r"mysql\+pymysql://me:\*\*\*@host/course needs the Python package"),
    ],
)
def test_an_address_that_is_none_is_one_sentence_without_the_password(address: str, message: str) -> None:
    with pytest.raises(CourseError, match=message) as caught:
        open_gradebook(database_url(address))
    assert "hunter2" not in str(caught.value)


def test_plain_postgresql_means_the_driver_that_is_installed() -> None:
    assert database_url("postgresql://a:b%40c@host/course") == "postgresql+psycopg://a:b%40c@host/course"
    assert database_url("sqlite:////tmp/x.db") == "sqlite:////tmp/x.db"


def test_no_kernel_of_a_student_finds_the_address_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_GRADEBOOK", "postgresql://teacher:hunter2@host/course")
    for found in (environment("folder"), candidate_environment(), sandbox_environment()):
        assert "PATH" in found and not any("hunter2" in value for value in found.values())
