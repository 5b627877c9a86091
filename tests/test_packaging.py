"""One source for each version: pyproject.toml names, constraints.txt pins, environment.yml repeats the pins."""

import json
import os
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


def test_the_container_has_the_python_that_is_tested_and_sets_up_with_make():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    assert container["image"] == workflow["jobs"]["test"]["container"] and "python:3.11-" in container["image"]
    make, *targets = container["postCreateCommand"].split()
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert make == "make" and targets[0] == "setup" and set(targets) <= set(known)
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert interpreter == "${containerWorkspaceFolder}/.venv/bin/python"


def test_binder_gets_the_same_python_and_torch_and_the_pins_for_the_rest():
    binder = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8"))
    ours = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert (binder["name"], binder["channels"]) == (ours["name"], ours["channels"])
    assert {"python=3.11", f"pytorch-cpu={pins()['torch']}"} <= set(binder["dependencies"])
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK) and subprocess.run(["bash", "-n", script]).returncode == 0
    install, release = script.read_text(encoding="utf-8").splitlines()[-2:]
    (extra,) = re.findall(r"-e '\.\[(\w+)\]'", install)
    assert "-c constraints.txt" in install and extra in declared()
    assert release == "python -m autograder release"


def test_the_published_branch_is_the_one_that_colab_opens():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    from run_elsewhere import MAIN_BRANCH, SITE_BRANCH

    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8"))
    push = workflow["jobs"]["publish"]["steps"][-1]
    assert push["working-directory"] == "_build/html"
    assert push["run"].count(SITE_BRANCH) == 2 and workflow[True]["push"]["branches"] == [MAIN_BRANCH]
