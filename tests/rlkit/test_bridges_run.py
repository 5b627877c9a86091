"""What runs the bridges' tests says what it found."""

import json
import subprocess
import sys

import pytest

from tests.bridges import run


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Return a folder for lists and tests, with one environment that is there: that of these tests."""
    monkeypatch.setattr(run, "LISTS", tmp_path)
    monkeypatch.setattr(run, "ENVIRONMENTS", tmp_path / "environments")
    return tmp_path


def write_test(workplace, framework, text):
    (workplace / f"test_{framework}.py").write_text(text)


def test_every_list_of_versions_has_tests_and_a_framework():
    from rlkit.bridges.episodes import FRAMEWORKS

    assert {"trl", "verl"} <= set(run.every_framework()) <= set(FRAMEWORKS)
    assert all((run.LISTS / f"test_{framework}.py").is_file() for framework in run.every_framework())


def test_the_table_counts_what_passed_and_what_failed(workplace, capfd):
    write_test(workplace, "trl", "def test_a(): pass\ndef test_b(): pass\ndef test_c(): assert False\n")
    assert run.main(["trl"]) == 1
    head, row, last = capfd.readouterr().out.splitlines()[-3:]
    assert head.split()[:3] == ["framework", "version", "environment"]
    assert row.startswith("trl ") and "the project's" in row and row.split()[-4:-1] == ["2", "1", "0"]
    assert last == "bridges: trl failed"
    kept = json.loads((workplace / "environments" / "results.json").read_text())
    assert kept["trl"]["passed"] == 2 and not kept["trl"]["good"]


def test_tests_that_skip_themselves_do_not_pass(workplace, capfd):
    write_test(workplace, "trl", "import pytest\npytest.importorskip('no_such_framework')\n")
    assert run.main(["trl"]) == 1 and "bridges: trl failed" in capfd.readouterr().out


def test_an_environment_that_cannot_be_made_stops_no_other(workplace, monkeypatch, capfd):
    def broken(framework):
        raise subprocess.CalledProcessError(1, ["pip", "install"])

    monkeypatch.setattr(run, "make_environment", broken)
    write_test(workplace, "trl", "def test_a(): pass\n")
    (workplace / "verl.txt").write_text("verl==0.0\n")
    assert run.main(["verl", "trl"]) == 1
    out = capfd.readouterr().out
    assert "cannot be made" in out and "bridges: verl failed" in out and "the project's" in out


def test_the_list_of_environments_runs_nothing(workplace, capsys):
    (workplace / "verl.txt").write_text("verl==0.0\n")
    assert run.main(["--list"]) == 0
    assert "verl: -, to be made" in capsys.readouterr().out and not (workplace / "environments").exists()


def test_an_unknown_framework_is_told_which_there_are():
    command = [sys.executable, "-m", "tests.bridges.run", "ray"]
    done = subprocess.run(command, cwd=run.ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no tests for ray" in done.stderr and "trl" in done.stderr
