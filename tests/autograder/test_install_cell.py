"""The first cell of a released notebook: nothing at home, the packages and the checks where they are missing."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
import yaml

from autograder.authoring import release as releasing
from autograder.authoring.install_cell import (
    GRADE_ID,
    REPOSITORY,
    install_cell,
    pinned_dependencies,
    site_address,
    with_install_cell,
)
from autograder.errors import CourseError

INSTALLED = Path(sysconfig.get_paths()["purelib"])
THEN = "\nimport autograder, rlkit; print(autograder.__file__); print(rlkit.__file__)"


def released_cell(folder):
    notebook = nbformat.read(folder / "lottery.ipynb", as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.metadata.nbgrader.grade_id == GRADE_ID
    return first


@pytest.fixture
def stranger(tmp_path):
    """A Python as on Colab: pip and what the course needs are there, the course's packages are not."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for one in INSTALLED.iterdir():
        if not one.name.startswith(("mastering", "__editable__", "_mastering")) and one.suffix != ".pth":
            (packages / one.name).symlink_to(one)
    place = tmp_path / "stranger"
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    # Only what is here may be installed: no index is asked.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }

    def run(source, folder):
        command = [str(place / "bin" / "python"), "-c", source]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    missing = run("import autograder", tmp_path)
    assert "No module named 'autograder'" in missing.stderr
    run.site = site
    return run


def test_the_cell_is_locked_and_costs_nothing_where_the_packages_are(unpacked):
    cell = released_cell(unpacked.folder)
    assert cell.metadata.nbgrader.locked and not cell.metadata.nbgrader.grade and cell.metadata.editable is False
    environment = {**os.environ, "PYTHONPATH": str(unpacked.installed)}
    watched = "import sys, subprocess, urllib.request\nsubprocess.run = urllib.request.urlopen = None\n" + cell.source
    done = subprocess.run([sys.executable, "-c", watched], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_wheel_beside_the_notebook_is_installed_by_the_real_pip(unpacked, stranger):
    done = stranger(released_cell(unpacked.folder).source + THEN, unpacked.folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Installing mastering_rl-") and len(lines) == 3
    assert all(line.startswith(str(stranger.site)) for line in lines[1:]), lines
    again = stranger(released_cell(unpacked.folder).source, unpacked.folder)
    assert (again.returncode, again.stdout) == (0, "")


def test_a_notebook_alone_fetches_the_rest_from_the_site(unpacked, stranger, released, tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    site = tmp_path / "site" / "exercises"
    site.mkdir(parents=True)
    shutil.copy(released.archive, site)
    address = site.parent.as_uri()
    cell = install_cell("lottery", address)
    done = stranger(cell.source + "\nfrom autograder import exam\ncheck = exam('lottery')", folder)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {
        "lottery_checks.py", "lottery_misconceptions.json", next(unpacked.folder.glob("*.whl")).name,
    }  # fmt: skip


def test_without_wheel_and_site_it_says_what_to_do(stranger, tmp_path):
    done = stranger(install_cell("lottery", "").source, tmp_path)
    assert "Unpack the whole lottery.zip here, or choose the kernel in which they are installed" in done.stderr


def test_what_pip_says_is_told(unpacked, stranger):
    cell = install_cell("lottery", "")
    done = stranger(cell.source.replace("torch==", "torch==99."), unpacked.folder)
    assert "The packages could not be installed:" in done.stderr and "torch==99." in done.stderr


def test_the_pins_are_those_that_are_tested():
    pins = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    needed = pinned_dependencies()
    assert any(pin.startswith("torch==") for pin in needed) and set(needed) <= set(pins)
    assert all(f'"{pin}"' in install_cell("lottery", "").source for pin in needed)
    ast.parse(install_cell("lottery", "https://someone.github.io/course").source)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (None, ""),
        ("", ""),
        ("https://a.github.io/course/", "https://a.github.io/course"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_the_site_s_address_is_one_setting(tmp_path, written, address):
    path = tmp_path / "_config.yml"
    path.write_text(yaml.safe_dump({"html": {"baseurl": written}}))
    assert site_address(path) == address


@pytest.mark.parametrize("written", ["a.github.io", "ftp://a", "https://", 'https://a/"quoted', 7])
def test_an_address_that_is_none_is_told(tmp_path, written):
    path = tmp_path / "_config.yml"
    path.write_text(yaml.safe_dump({"html": {"baseurl": written}}))
    with pytest.raises(CourseError, match=r"expected one like https://NAME\.github\.io/COURSE"):
        site_address(path)


def test_a_release_takes_the_address_from_the_configuration(monkeypatch):
    monkeypatch.setattr(releasing, "site_address", lambda: "https://someone.github.io/course")
    prepared = releasing._prepare(REPOSITORY / "solutions" / "warm_up")
    assert "https://someone.github.io/course/exercises/warm_up.zip" in prepared.notebook.cells[1].source


def test_it_stands_before_the_first_code_cell():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("#"), nbformat.v4.new_code_cell("1")])
    with_install_cell(notebook, "lottery", "")
    assert [cell.id == GRADE_ID for cell in notebook.cells] == [False, True, False]
