"""Setting up a course: key, gradebook, private solutions, the commands and their errors, the demo class."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.__main__ import main
from autograder.course import Course, find_commands_of_this_python
from autograder.errors import CourseError
from autograder.grading.records import read_record
from tests.grading.course_writer import hand_in, points, submission, write_assignment
from tests.grading.example_class import HONEST, nbgrader


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    course = Course.at(tmp_path / "autograder")
    key = course.secret()
    assert len(key) == 64 and Course.at(tmp_path / "autograder").secret() == key
    assert stat.S_IMODE((course.data / "secret").stat().st_mode) == 0o600
    (course.data / "secret").write_text("")
    with pytest.raises(CourseError, match=r"is empty.*Delete it"):
        course.secret()


def test_the_course_folder_is_not_in_version_control() -> None:
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert "/autograder/course/" in ignored


def test_a_gradebook_is_made_though_alembic_is_not_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    course = Course.at(tmp_path / "autograder")
    course.prepare()
    assert (course.data / "gradebook.db").is_file() and (course.folder / "nbgrader_config.py").is_file()
    assert Path(sys.executable).parent == Path(os.environ["PATH"].split(os.pathsep)[0])
    find_commands_of_this_python()


def test_private_solutions_are_named_by_option_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, course: Course
) -> None:
    private = tmp_path / "private"
    write_assignment(private, "secretly", ["one"], written=True)
    teaching = tmp_path / "teaching" / "autograder"
    assert main(["release", "--course", str(teaching), "--solutions", str(private)]) == 0
    mine = Course.at(teaching, private)
    released = mine.release_notebook("secretly")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    nbformat.write(submission(released, {"one": HONEST["one"]}), inbox / "ada_secretly.ipynb")
    assert main(["collect", str(inbox), "--assignment", "secretly", "--course", str(teaching)]) == 0
    without = Course.at(teaching)
    assert without.solutions != private
    monkeypatch.setenv("AUTOGRADER_SOLUTIONS", str(private))
    assert Course.at(teaching).solutions == private
    result = nbgrader(mine, "autograde", "secretly")
    assert result.returncode == 0, result.stderr[-3000:]
    record = read_record(mine, "ada", "secretly")
    assert record is not None and points(record) == {"one": 2.0}
    written = [path for path in tmp_path.joinpath("teaching").rglob("*") if path.is_file() and path.suffix != ".db"]
    assert not any(b"SECRET-SOURCE" in path.read_bytes() for path in written), "hidden checks are copied nowhere"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade", "nothing"], r"'nothing' has no released notebook .*released: classwork"),
        (["grade", "classwork", "--student", "nobody"], r"nothing was collected from nobody for 'classwork'"),
        (["collect", "no-such-folder", "--assignment", "classwork"], "no folder at no-such-folder: expected"),
        (["export", "--assignment", "nothing"], "no assignment nothing in the gradebook; it has: classwork"),
        (["report", "kernels-of-nobody"], "nothing has been graded"),
        (["grade", "classwork", "--solutions", "no-such-folder"], "no solutions folder at .*no-such-folder"),
        (["collect", ".", "--assignment", "classwork", "--roster", "none.csv"], "no class list at none.csv"),
    ],
)
def test_errors_are_one_line_that_says_what_was_given_and_what_to_do(
    course: Course, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--course", str(course.folder)]) == 2
    shown = capsys.readouterr().err
    assert re.search(message, shown), shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    "command",
    [
        "release",
        "verify",
        "check",
        "collect",
        "grade",
        "regrade",
        "rubric",
        "deadline",
        "feedback",
        "export",
        "report",
        "demo",
    ],
)
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0 and f"python -m autograder {command}" in shown.split("examples:")[1]


@pytest.mark.timeout(300)
def test_the_demo_class_gets_what_it_should(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "demonstration", "--course", str(course.folder)]) == 0
    shown = capsys.readouterr().out
    assert "WRONG" not in shown
    for part in ("right", "half", "hostile", "waits for manual grading", "the square instead of the double"):
        assert part in shown


@pytest.mark.timeout(300)
def test_without_bubblewrap_the_demo_runs_and_says_so_and_a_class_is_refused(
    course: Course, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, inbox: Path
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # where bwrap is not
    assert main(["demo", "demonstration", "--course", str(course.folder)]) == 0
    shown = capsys.readouterr().out
    assert "without the sandbox" in shown and "apt-get install bubblewrap" in shown and "WRONG" not in shown
    hand_in(inbox, "ada", "doubling", submission(course.release_notebook("doubling"), {}))
    places = ["--course", str(course.folder)]
    assert main(["collect", str(inbox), "--assignment", "doubling", *places]) == 0
    assert main(["grade", "doubling", "--student", "ada", *places]) == 2
    assert "apt-get install bubblewrap" in capsys.readouterr().err
    assert main(["grade", "doubling", "--student", "ada", "--no-sandbox", *places]) == 0
