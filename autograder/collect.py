"""Find the submissions in a folder and take them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from autograder.course import Course
from autograder.errors import CourseError
from autograder.intake import Received, take_in


@dataclass
class Collection:
    """What a folder of submissions held.

    Attributes
    ----------
    received : list of Received
        One per student whose work was taken in, with notes about oddities.
    problems : list of str
        Files and folders that were not taken in, and why.
    """

    received: list[Received] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(course: Course, folder: Path, assignment: str, progress: bool = True) -> Collection:
    """Take in ``<student>/<assignment>.ipynb`` and ``<student>_<assignment>.ipynb`` files; change nothing in *folder*.

    One bad file never stops the others: it is listed among the problems.
    """
    course.release_notebook(assignment)
    if not folder.is_dir():
        raise CourseError(f"no folder at {folder}: expected a folder of submissions of {assignment!r}")
    collection = Collection()
    found = find_submissions(folder, assignment, collection.problems)
    with course.gradebook() as gradebook:
        for student, path in tqdm(sorted(found.items()), desc="collecting", unit="student", disable=not progress):
            try:
                collection.received.append(take_in(course, student, assignment, path))
                gradebook.update_or_create_student(student)
            except (CourseError, OSError) as error:
                collection.problems.append(f"{path}: {error}")
    if not found:
        collection.problems.append(
            f"{folder} holds no submissions: expected <student>/{assignment}.ipynb or <student>_{assignment}.ipynb"
        )
    return collection


def find_submissions(folder: Path, assignment: str, problems: list[str]) -> dict[str, Path]:
    """Return each student's file, and note what was not recognised in *problems*."""
    found: dict[str, Path] = {}
    ending = f"_{assignment}.ipynb"
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            student, notebook = path.name, _notebook_in(path, assignment, problems)
        elif path.name.endswith(ending):
            student, notebook = path.name.removesuffix(ending), path
        else:
            problems.append(f"{path}: not recognised; expected <student>{ending} or a folder named after the student")
            continue
        if notebook is None:
            continue
        if student in found:
            problems.append(f"{notebook}: {student} has also handed in {found[student]}, which was taken")
            continue
        found[student] = notebook
    return found


def _notebook_in(folder: Path, assignment: str, problems: list[str]) -> Path | None:
    """Return the notebook in a student's folder; a browser or Jupyter may have renamed it."""
    expected = folder / f"{assignment}.ipynb"
    if expected.is_file():
        return expected
    others = sorted(folder.glob("*.ipynb"))
    renamed = [path for path in others if path.name.startswith(assignment)]
    if len(renamed) == 1:
        problems.append(f"{renamed[0]}: taken as {assignment}.ipynb, though it has another name")
        return renamed[0]
    names = ", ".join(path.name for path in others) or "no notebook"
    problems.append(f"{folder}: expected {assignment}.ipynb, found {names}; nothing was taken from this student")
    return None
