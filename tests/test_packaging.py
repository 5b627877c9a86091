"""One source for each version: pyproject.toml names, constraints.txt pins, environment.yml repeats the pins."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
MISSION = ["jupyter-book", "numpy", "torch", "gymnasium", "transformers", "nbgrader", "pytest"]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def name_of(requirement):
    return re.split(r"[\[<>=!~ ;]", requirement.lower())[0]


def test_every_declared_package_is_pinned():
    names = {name_of(requirement) for group in declared().values() for requirement in group} - {"mastering-rl"}
    assert names - pins().keys() == set()


def test_a_fresh_environment_would_get_what_is_installed_here():
    from importlib import metadata

    wrong = {
        name: (metadata.version(name), pin)
        for name in {name_of(requirement) for group in declared().values() for requirement in group} - {"mastering-rl"}
        if metadata.version(name).split("+")[0] != (pin := pins()[name])
    }
    assert wrong == {}


def test_the_conda_door_repeats_the_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda, pip = environment["dependencies"][:-1], environment["dependencies"][-1]["pip"]
    assert "python=3.11" in conda
    assert {name: pins()[name] for name in MISSION} == dict(line.split("==") for line in pip if "==" in line)
    assert "-e .[dev]" in pip


def test_jupyter_book_stays_below_two():
    assert pins()["jupyter-book"].startswith("1.")
    assert any(requirement.startswith("jupyter-book") and "<2" in requirement for requirement in declared()["book"])


def test_the_wheel_holds_the_two_packages_and_no_solution(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"rlkit/bridges/plugins/rlkit_verl.py", "autograder/sandboxing/inside/namespaces.py"} <= set(names)
    folders = {name.split("/")[0] for name in names}
    assert folders == {"rlkit", "autograder", f"mastering_rl-{wheel.name.split('-')[1]}.dist-info"}
