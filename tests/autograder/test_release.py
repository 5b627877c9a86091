"""What students get: everything that they need, and nothing of the solutions."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.author import compile_notebook, solution_regions, stripped_lines
from autograder.authoring.release import assignment_folders, release, require_no_solution
from autograder.course import Course
from autograder.errors import CourseError
from tests.autograder.conftest import FIXTURE, change

REPOSITORY = Path(__file__).resolve().parents[2]
NOT_FOR_STUDENTS = ["HIDDEN-MARK", "WRONG-MARK", "OTHER-MARK", "BEGIN SOLUTION", "reference_sum_in_float64", "horner"]


def texts(archive):
    """Every member of a zip as text; notebooks as the sources of their cells."""
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            content = packed.read(name)
            if name.endswith(".whl"):
                continue
            text = content.decode()
            if name.endswith(".ipynb"):
                text += "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
            yield name, text


def test_the_zip_holds_what_a_student_needs(released):
    with zipfile.ZipFile(released.archive) as packed:
        names = sorted(packed.namelist())
        readme = packed.read("lottery/README.txt").decode()
    wheel = next(name for name in names if name.endswith(".whl"))
    due = ["README.txt", "lottery.ipynb", "lottery_checks.py", "lottery_misconceptions.json"]
    assert names == sorted([wheel, *(f"lottery/{name}" for name in due)])
    assert Path(wheel).name in readme and "lottery.ipynb" in readme
    pin = re.search(r"^torch==.*$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert pin and pin.group() in readme


def test_nothing_of_the_solutions_is_in_the_zip(released):
    source, _ = compile_notebook(FIXTURE / "lottery" / "lottery.py")
    regions = [region for cell in source.cells for region in solution_regions(cell.source)]
    assert len(regions) == 3
    for name, text in texts(released.archive):
        assert not [word for word in NOT_FOR_STUDENTS if word in text], name
        assert not [region for region in regions if region in stripped_lines(text)], name


def test_the_wheel_in_the_zip_holds_the_packages_and_no_assignment(released, tmp_path):
    with zipfile.ZipFile(released.archive) as packed:
        wheel = packed.extract(next(name for name in packed.namelist() if name.endswith(".whl")), tmp_path)
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        assert {"rlkit/__init__.py", "autograder/home.py", "autograder/course.py"} <= set(names)
        assert not [name for name in names if "hidden_checks" in name or "lottery" in name or "solutions/" in name]
        python = b"".join(packed.read(name) for name in names if name.endswith(".py"))
    assert b"HIDDEN-MARK" not in python


def test_the_released_notebook_has_empty_answers_and_no_outputs(released):
    notebook = nbformat.read(released.folder / "lottery.ipynb", as_version=4)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
    assert "raise NotImplementedError()" in cells["answer-draw_tickets"].source
    assert cells["check-draw_tickets"].source == 'check("draw_tickets", draw_tickets)'
    assert cells["hidden-draw_tickets"].source == 'check("draw_tickets", draw_tickets, hidden=True)'
    assert "interest" not in cells["written-later_wins"].source.replace("interest or", "")
    assert all(not cell.get("outputs") for cell in notebook.cells)


def test_the_recorded_misconceptions_hold_names_hints_and_numbers_only(released):
    content = json.loads((released.folder / "lottery_misconceptions.json").read_text())
    assert content["checks"] and set(content["misconceptions"]) == {"discounted_sum", "draw_tickets"}
    for entries in content["misconceptions"].values():
        assert len(entries) == 3 and all(set(entry) == {"name", "hint", "behaviour", "buffers"} for entry in entries)


def test_the_counts_are_reported(released):
    assert (released.exercises, released.automatic, released.by_hand) == (2, 6, 2)


def digests(course):
    files = [*course.release.rglob("*.ipynb"), *course.release.glob("*.zip")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_releasing_again_gives_the_same_bytes(course):
    release(course, ["lottery"], progress=False)
    before = digests(course)
    release(course, ["lottery"], progress=False)
    assert digests(course) == before


def test_nothing_unfinished_is_left_behind(course, released):
    assert not list(course.release.glob("*.part"))


def test_unknown_assignments_and_folders_are_told(course, tmp_path):
    with pytest.raises(CourseError, match=r"no assignment poker in .*; there are: lottery"):
        release(course, ["poker"], progress=False)
    with pytest.raises(CourseError, match="no solutions folder"):
        assignment_folders(Course.at(tmp_path / "autograder", tmp_path / "missing"))


MISTAKES = {
    "points": ("lottery.py", 'check="draw_tickets" points=2', 'check="draw_tickets" points=3', "line .* has 3 points"),
    "mark": ("lottery.py", 'answer="draw_tickets"', 'answr="draw_tickets"', "unknown mark"),
    "syntax": ("misconceptions.py", "import torch", "import import torch", r"lottery/misconceptions\.py, line 3"),
    "name": (
        "hidden_checks.py",
        "exam = Exam",
        "missing\nexam = Exam",
        r"lottery/hidden_checks\.py, line 7: NameError",
    ),
    "leak into the checks": (
        "checks.py",
        "exam = Exam",
        "# return (torch.rand(count, generator=generator) < probability).long()\nexam = Exam",
        "lottery_checks.py holds the solution of answer-draw_tickets",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_author_mistake_stops_the_release_and_leaves_nothing_half_done(mistake, lottery, tmp_path):
    file, old, new, says = MISTAKES[mistake]
    change(lottery / file, old, new)
    course = Course.at(tmp_path / "autograder", lottery.parent)
    with pytest.raises(CourseError, match=says):
        release(course, progress=False)
    assert not (course.release / "lottery.zip").exists() and not (course.release / "lottery").exists()


def test_a_mistake_in_one_assignment_keeps_the_old_release_of_all(lottery, tmp_path):
    course = Course.at(tmp_path / "autograder", lottery.parent)
    release(course, progress=False)
    before = digests(course)
    change(lottery / "checks.py", "exam = Exam", "missing\nexam = Exam")
    with pytest.raises(CourseError):
        release(course, progress=False)
    assert digests(course) == before


def test_a_solution_left_in_the_notebook_is_noticed(released, tmp_path):
    source, _ = compile_notebook(FIXTURE / "lottery" / "lottery.py")
    folder = tmp_path / "lottery"
    folder.mkdir()
    nbformat.write(source, folder / "lottery.ipynb")
    with pytest.raises(CourseError, match="mark of a solution"):
        require_no_solution(folder, source)
    for cell in source.cells:
        cell.source = cell.source.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
    nbformat.write(source, folder / "lottery.ipynb")
    original, _ = compile_notebook(FIXTURE / "lottery" / "lottery.py")
    with pytest.raises(CourseError, match="holds the solution of answer-discounted_sum"):
        require_no_solution(folder, original)


def test_a_student_needs_nothing_of_what_teaching_needs():
    """`from autograder import exam` in an environment without nbgrader, jupytext, nbclient and the like."""
    code = (
        "import sys\n"
        "for name in ('nbgrader', 'nbconvert', 'jupytext', 'nbclient', 'nbformat', 'rich', 'alembic', 'tqdm'):\n"
        "    sys.modules[name] = None\n"
        "from autograder import exam; print('imported')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "imported\n", done.stderr


@pytest.mark.parametrize("folder", sorted(path.parent for path in REPOSITORY.glob("solutions/*/checks.py")), ids=str)
def test_no_real_assignment_shows_its_solutions_in_prose_or_checks(folder):
    path = folder / f"{folder.name}.py"
    if not path.is_file():
        pytest.skip("has no notebook yet")
    source, _ = compile_notebook(path)
    regions = [region for cell in source.cells for region in solution_regions(cell.source)]
    prose = [cell.source for cell in source.cells if not cell.metadata.get("nbgrader", {}).get("solution")]
    shown = [*map(stripped_lines, prose), stripped_lines((folder / "checks.py").read_text())]
    assert regions and not [region for region in regions for text in shown if region in text]
