"""Release assignments: what students get, and nothing else.

Each assignment becomes ``release/<assignment>/`` with the notebook without solutions, the public checks
``<assignment>_checks.py`` and the recorded behaviour of misconceptions ``<assignment>_misconceptions.json``, and a
``<assignment>.zip`` of these with a wheel of `rlkit` and `autograder`, so that a student needs no repository.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from tqdm import tqdm

from autograder.assignment import load_assignment
from autograder.author import BEGIN, compile_notebook, points_problems, solution_cells
from autograder.configuration import load_configuration, source_folder
from autograder.course import Course
from autograder.diagnosis import compile_misconceptions
from autograder.errors import CourseError
from autograder.grade import run_converter

REPOSITORY = Path(__file__).resolve().parents[1]
WHEEL_SOURCES = ("rlkit", "autograder", "pyproject.toml", "README.md", "LICENSE")
README = """{name}

1. Python 3.11. In this folder:   python3.11 -m venv .venv && .venv/bin/pip install torch==2.13.0
2. Then                           .venv/bin/pip install jupyterlab {wheel}
3. Then                           .venv/bin/jupyter lab {name}.ipynb

Keep {name}_checks.py and {name}_misconceptions.json beside the notebook: its first cell reads them.
Hand in {name}.ipynb. Further checks run after you hand in.
"""


@dataclass
class Released:
    """What was written for one assignment."""

    assignment: str
    folder: Path
    archive: Path
    exercises: int
    automatic: float
    by_hand: float


def assignment_folders(course: Course, names: Sequence[str] = ()) -> list[Path]:
    """Folders of the named assignments, or of all."""
    if not course.solutions.is_dir():
        raise CourseError(f"no solutions folder at {course.solutions}; name one with --solutions FOLDER")
    known = {path.name: path for path in sorted(course.solutions.iterdir()) if (path / f"{path.name}.py").is_file()}
    missing = [name for name in names if name not in known]
    if missing:
        raise CourseError(
            f"no assignment {', '.join(missing)} in {course.solutions}; there are: {', '.join(known) or 'none'}"
        )
    return [known[name] for name in names] if names else list(known.values())


def release(course: Course, names: Sequence[str] = (), progress: bool = True) -> list[Released]:
    """Compile and release assignments; every problem of an author is raised before anything is replaced."""
    folders = assignment_folders(course, names)
    config = load_configuration(course)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        shown = tqdm(folders, desc="releasing", unit="assignment", disable=not progress)
        return [_release_one(course, config, folder, wheel) for folder in shown]


def _release_one(course: Course, config: object, folder: Path, wheel: Path) -> Released:
    name = folder.name
    assignment = load_assignment(folder)
    notebook, outline = compile_notebook(folder / f"{name}.py")
    for exam in (assignment.visible, assignment.hidden):
        for problem in points_problems(outline, exam, folder / f"{name}.py"):
            raise CourseError(problem)
    source = source_folder(course, name)
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    nbformat.write(notebook, source / f"{name}.ipynb")
    shutil.copyfile(folder / "checks.py", source / f"{name}_checks.py")
    compiled = compile_misconceptions(assignment.visible, assignment.misconceptions)
    text = json.dumps(compiled, indent=1, ensure_ascii=False)
    (source / f"{name}_misconceptions.json").write_text(text, encoding="utf-8")
    run_converter(GenerateAssignment, config, ".", name)  # type: ignore[arg-type]
    target = course.release / name
    _require_no_solution(target / f"{name}.ipynb", solution_cells(notebook))
    archive = course.release / f"{name}.zip"
    write_archive(target, archive, wheel)
    return Released(name, target, archive, len(outline.visible), outline.automatic, outline.by_hand)


def _require_no_solution(path: Path, solutions: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    if BEGIN in text:
        raise CourseError(f"{path} still has a solution mark; it was not released")
    released = solution_cells(nbformat.reads(text, as_version=4))
    for name, source in solutions.items():
        if released.get(name) == source:
            raise CourseError(f"{path} still has the solution of {name!r}; it was not released")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of `rlkit` and `autograder` from a copy, without network and without leaving anything behind."""
    missing = [name for name in WHEEL_SOURCES if not (REPOSITORY / name).exists()]
    if missing:
        raise CourseError(f"a release needs a clone of the course: {', '.join(missing)} not found in {REPOSITORY}")
    copy = folder / "source"
    copy.mkdir()
    for name in WHEEL_SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("course", "__pycache__"))
        else:
            shutil.copyfile(REPOSITORY / name, copy / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(copy),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise CourseError(f"the wheel could not be built: {result.stderr.strip()[-2000:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def write_archive(folder: Path, archive: Path, wheel: Path) -> None:
    """Zip the files that students need; the same content gives the same bytes."""
    name = folder.name
    files = [folder / f"{name}.ipynb", folder / f"{name}_checks.py", folder / f"{name}_misconceptions.json"]
    members = {path.name: path.read_bytes() for path in [*files, wheel]}
    members["README.txt"] = README.format(name=name, wheel=wheel.name).encode()
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, content in sorted(members.items()):
            packed.writestr(zipfile.ZipInfo(f"{name}/{member}", (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    unfinished.replace(archive)
