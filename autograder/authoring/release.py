"""Release assignments: what students get, and nothing else.

Each assignment becomes ``release/<assignment>/`` with the notebook without solutions, the public checks
``<assignment>_checks.py`` and the recorded behaviour of misconceptions ``<assignment>_misconceptions.json``, and a
``<assignment>.zip`` of these with a wheel of `rlkit` and `autograder`, so that a student needs no repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from tqdm import tqdm
from traitlets.config import Config

from autograder.assignment import Assignment, load_assignment, told_with_place
from autograder.authoring.author import (
    BEGIN,
    END,
    Outline,
    compile_notebook,
    points_problems,
    solution_regions,
    stripped_lines,
)
from autograder.authoring.chapters import chapters_by_assignment
from autograder.authoring.install_cell import pinned, site_address, with_install_cell
from autograder.configuration import load_configuration, source_folder
from autograder.course import Course
from autograder.diagnosis import compile_misconceptions
from autograder.errors import CourseError
from autograder.grading.converters import run_converter
from autograder.home import released_misconceptions

REPOSITORY = Path(__file__).resolve().parents[2]
WHEEL_SOURCES = ("rlkit", "autograder", "pyproject.toml", "README.md", "LICENSE", "constraints.txt")
FIXED_TIME = "1767225600"  # 1 January 2026
README = """{name}

1. Python 3.11. In this folder:   python3.11 -m venv .venv && .venv/bin/pip install {torch}
2. Then                           .venv/bin/pip install jupyterlab {wheel}
3. Then                           .venv/bin/jupyter lab {name}.ipynb

Keep {name}_checks.py and {name}_misconceptions.json beside the notebook, which reads them.
To check the whole notebook:    .venv/bin/python -m autograder check {name}.ipynb
What is done and what is next:  .venv/bin/python -m autograder progress .
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
    prepared = [_prepare(folder) for folder in assignment_folders(course, names)]
    config = load_configuration(course)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        shown = tqdm(prepared, desc="releasing", unit="assignment", disable=not progress)
        return [_release_one(course, config, one, wheel) for one in shown]


@dataclass
class Prepared:
    """An assignment without problems, ready to be released."""

    assignment: Assignment
    notebook: NotebookNode
    outline: Outline
    misconceptions: str


def _prepare(folder: Path) -> Prepared:
    path = folder / f"{folder.name}.py"
    try:
        assignment = load_assignment(folder)
        notebook, outline = compile_notebook(path)
        chapter = chapters_by_assignment().get(folder.name)
        compiled = compile_misconceptions(assignment.visible, assignment.misconceptions)
    except CourseError:
        raise
    except Exception as error:
        raise CourseError(told_with_place(error, folder)) from error
    for exam in (assignment.visible, assignment.hidden):
        for problem in points_problems(outline, exam, path):
            raise CourseError(problem)
    with_install_cell(notebook, folder.name, site_address())
    if chapter:
        notebook.metadata["mastering_rl"] = chapter
    return Prepared(assignment, notebook, outline, released_misconceptions(folder / "checks.py", compiled))


def _release_one(course: Course, config: Config, prepared: Prepared, wheel: Path) -> Released:
    name, outline = prepared.assignment.name, prepared.outline
    source, target, archive = source_folder(course, name), course.release / name, course.release / f"{name}.zip"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    nbformat.write(prepared.notebook, source / f"{name}.ipynb")
    shutil.copyfile(prepared.assignment.folder / "checks.py", source / f"{name}_checks.py")
    (source / f"{name}_misconceptions.json").write_text(prepared.misconceptions, encoding="utf-8")
    try:
        run_converter(GenerateAssignment, config, ".", name)
        require_no_solution(target, prepared.notebook)
        write_archive(target, archive, wheel)
    except Exception as error:
        # Nothing half done may lie where students' copies are taken from.
        shutil.rmtree(target, ignore_errors=True)
        archive.unlink(missing_ok=True)
        if isinstance(error, CourseError):
            raise
        raise CourseError(f"{name} was not released: {error}") from error
    return Released(name, target, archive, len(outline.visible), outline.automatic, outline.by_hand)


def require_no_solution(folder: Path, notebook: NotebookNode) -> None:
    """Raise `CourseError` if a solution of the source *notebook* stands in a file that students get."""
    regions = {
        cell.metadata.nbgrader.grade_id: solution_regions(cell.source)
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    for path, text in _released_texts(folder):
        if BEGIN in text or END in text:
            raise CourseError(f"{path.name} still has a mark of a solution; {folder.name} was not released")
        for grade_id, found in regions.items():
            if any(region in text for region in found):
                raise CourseError(f"{path.name} holds the solution of {grade_id}; {folder.name} was not released")


def _released_texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.iterdir()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
        yield path, stripped_lines(text)


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
    options = ["-q", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(copy)]
    fixed_time = {**os.environ, "SOURCE_DATE_EPOCH": FIXED_TIME}  # the same source gives the same bytes
    result = subprocess.run(command, capture_output=True, text=True, env=fixed_time)
    if result.returncode != 0:
        raise CourseError(f"the wheel could not be built: {result.stderr.strip()[-2000:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def write_archive(folder: Path, archive: Path, wheel: Path) -> None:
    """Zip the files that students need; the same content gives the same bytes."""
    name = folder.name
    files = [folder / f"{name}.ipynb", folder / f"{name}_checks.py", folder / f"{name}_misconceptions.json"]
    members = {path.name: path.read_bytes() for path in [*files, wheel]}
    members["README.txt"] = README.format(name=name, wheel=wheel.name, torch=pinned("torch")).encode()
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, content in sorted(members.items()):
            packed.writestr(zipfile.ZipInfo(f"{name}/{member}", (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    unfinished.replace(archive)
