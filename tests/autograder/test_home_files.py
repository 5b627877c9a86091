"""The files beside a notebook: found, used, and told apart from damaged or changed ones."""

import re

import pytest

from autograder import home
from autograder.errors import CourseError
from tests.autograder.conftest import FIXTURE, change


@pytest.fixture
def beside(unpacked, tmp_path, monkeypatch):
    """A copy of the files beside the notebook; nothing in this process is forbidden."""
    monkeypatch.setattr(home, "forbid", lambda paths: None)
    for path in unpacked.folder.glob("lottery_*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def forgets(rewards, discount):
    return rewards.sum()


NAMED = "Your answer behaves like: forgets the discount."


def test_the_files_beside_the_notebook_are_used(beside, capsys):
    check = home.exam("lottery", beside)
    assert NAMED in repr(check("discounted_sum", forgets)) and capsys.readouterr().out == ""


def test_missing_checks_are_told_with_the_place(tmp_path):
    with pytest.raises(
        CourseError, match=re.escape(f"expected lottery_checks.py in the folder of the notebook ({tmp_path})")
    ):
        home.exam("lottery", tmp_path)


def test_missing_misconceptions_cost_only_their_names(beside):
    (beside / "lottery_misconceptions.json").unlink()
    shown = repr(home.exam("lottery", beside)("discounted_sum", forgets))
    assert "expected 3.0, got 7.0" in shown and "behaves like" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"checks": "x", "misconceptions": []}',
        '{"checks": "x", "misconceptions": {"discounted_sum": [{}]}}',
        '{"checks": "", "misconceptions": {"f": [{"name": "n", "hint": "h", "behaviour": {"$": 1}, "buffers": []}]}}',
        '{"checks": "x", "misconceptions": {"f": [{"name": 1, "hint": "h", "behaviour": 1, "buffers": []}]}}',
        '{"checks": "x", "misconceptions": {"f": [{"name": "n", "hint": "h", "behaviour": 1, "buffers": ["%"]}]}}',
    ],
)
def test_damaged_misconceptions_are_told(beside, text):
    (beside / "lottery_misconceptions.json").write_text(text)
    with pytest.raises(
        CourseError, match=r"lottery_misconceptions\.json is damaged .* take a fresh copy from lottery\.zip"
    ):
        home.exam("lottery", beside)


def test_changed_checks_are_told_and_still_run(beside, capsys):
    change(beside / "lottery_checks.py", "0.5), 3.0)", "0.5), 7.0)")
    check = home.exam("lottery", beside)
    assert "lottery_checks.py is not the file that was handed out" in capsys.readouterr().out
    assert "1 / 1" in repr(check("discounted_sum", forgets))


def test_other_line_ends_are_no_change(beside, capsys):
    path = beside / "lottery_checks.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    home.exam("lottery", beside)
    assert capsys.readouterr().out == ""


def test_checks_that_are_not_python_are_told(beside):
    (beside / "lottery_checks.py").write_text("exam = = 3")
    with pytest.raises(
        CourseError, match=r"lottery_checks\.py cannot be used \(SyntaxError.*fresh copy from lottery\.zip"
    ):
        home.exam("lottery", beside)


def test_another_version_of_rlkit_is_told(beside, monkeypatch):
    from autograder.candidate import forbid

    monkeypatch.setattr(home, "forbid", forbid)
    change(beside / "lottery_checks.py", "rlkit.returns.discounted_return", "rlkit.returns.not_yet_written")
    with pytest.raises(CourseError, match="rlkit is not the version that belongs to lottery"):
        home.exam("lottery", beside)


def test_in_a_clone_the_checks_and_mistakes_of_the_solutions_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "forbid", lambda paths: None)
    monkeypatch.setattr(home, "SOLUTIONS", FIXTURE)
    assert NAMED in repr(home.exam("lottery", tmp_path)("discounted_sum", forgets))
