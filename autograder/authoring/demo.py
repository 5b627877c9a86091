"""A class of three made-up students: one right, one half right, one hostile.

Their submissions are made from the released notebook, and collected and graded as real ones are, in a course folder of
their own. The right one must get all automatic marks, every misconception handed in must be named as itself, and the
hostile one must get what its honest answers earn, to the point.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment

from autograder.assignment import Assignment, load_assignment
from autograder.authoring.author import solution_cells
from autograder.authoring.demo_answers import ATTACKS, DemoStudent, half_right, hostile, right
from autograder.configuration import load_configuration, source_folder
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.converters import run_converter
from autograder.grading.grade import grade
from autograder.grading.records import Record, read_record
from autograder.grading.scores import print_scores
from autograder.receiving.collect import collect
from autograder.reporting.feedback import write_feedback


def run(course: Course, assignment: str | None = None, sandbox: bool = True) -> int:
    """Grade the demo class and print its scores; return 0 if each got what it should."""
    name = assignment or choose(course)
    demo = prepare(course, name)
    students = make_students(demo, name)
    inbox = demo.folder.parent / "handed-in"
    for student in students:
        hand_in(demo, inbox, student, name)
    collect(demo, inbox, name, progress=False)
    scores = grade(demo, name, force=True, sandbox=sandbox)
    pages = write_feedback(demo, name).pages
    print_scores(scores, f"demo class, {name}")
    records = {student.name: read_record(demo, student.name, name) for student in students}
    problems = [problem for student in students for problem in judge(student, records[student.name])]
    for student in students:
        record = records[student.name]
        earned = sum(cell.points for cell in record.cells) if record else 0.0
        due = f"{'' if student.exact else 'at least '}{student.expected:g}"
        print(f"{student.name:8s} {earned:g} automatic points, expected {due}: {student.story}")
    for problem in problems:
        print(f"WRONG    {problem}")
    if pages:
        print(f"feedback: {pages[0].parents[2]}; demo course: {demo.folder}")
    return 1 if problems else 0


def choose(course: Course) -> str:
    """The assignment to show: bellman if it is released."""
    released = course.assignments()
    if not released:
        raise CourseError(f"nothing is released in {course.release}; run `python -m autograder release` first")
    return "bellman" if "bellman" in released else released[0]


def prepare(course: Course, name: str) -> Course:
    """Make a fresh course folder for the demo class, with the compiled assignment of the real one."""
    course.release_notebook(name)
    source = source_folder(course, name)
    if not (source / f"{name}.ipynb").is_file():
        raise CourseError(f"{source} does not hold {name}.ipynb; run `python -m autograder release {name}` first")
    folder = course.data / "demo" / name
    shutil.rmtree(folder, ignore_errors=True)
    # Whatever gradebook the real course has, this one's is a file of its own.
    demo = replace(Course.at(folder / "autograder", course.solutions), database="")
    shutil.copytree(source, source_folder(demo, name))
    run_converter(GenerateAssignment, load_configuration(demo), ".", name)
    return demo


def make_students(demo: Course, name: str) -> list[DemoStudent]:
    """Write three sets of answers."""
    assignment = load_assignment(demo.solutions / name)
    notebook = nbformat.read(source_folder(demo, name) / f"{name}.ipynb", as_version=4)
    solutions, points = solution_cells(notebook), points_by_exercise(assignment)
    if len(solutions) < len(ATTACKS):
        raise CourseError(f"{name} has {len(solutions)} exercises, the demo needs at least {len(ATTACKS)}")
    return [right(solutions, points), half_right(solutions, points, assignment), hostile(solutions, points)]


def points_by_exercise(assignment: Assignment) -> dict[str, float]:
    """Points of the visible and hidden checks of each exercise."""
    points: dict[str, float] = {}
    for exam in (assignment.visible, assignment.hidden):
        for exercise, checks in exam.checks.items():
            points[exercise] = points.get(exercise, 0.0) + sum(check.points for check in checks)
    return points


def hand_in(demo: Course, inbox: Path, student: DemoStudent, name: str) -> None:
    """Fill the released notebook with a student's answers."""
    notebook = nbformat.read(demo.release_notebook(name), as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        kind, _, exercise = grade_id.partition("-")
        if kind == "answer" and exercise in student.answers:
            cell.source = student.answers[exercise]
        elif kind == "written" and student.written:
            cell.source = student.written
        elif kind in ("check", "hidden") and student.tampers:
            cell.source = "1.0"
            cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "1.0"}, execution_count=1)]
    folder = inbox / student.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook))


def judge(student: DemoStudent, record: Record | None) -> Sequence[str]:
    """What a student got that they should not have, or did not get that they should have."""
    if record is None:
        return [f"{student.name} was not graded"]
    problems = []
    earned = sum(cell.points for cell in record.cells)
    if student.exact and abs(earned - student.expected) > 1e-9:
        problems.append(f"{student.name} has {earned:g} automatic points, expected {student.expected:g}")
    if not student.exact and earned < student.expected:
        problems.append(f"{student.name} has {earned:g} automatic points, expected at least {student.expected:g}")
    named = {(cell.cell.partition("-")[2], cell.misconception) for cell in record.cells}
    unnamed = [f"{mistake!r} in {exercise}" for exercise, mistake in student.mistakes.items() - named]
    return problems + [f"{student.name}: the misconception {mistake} was not named" for mistake in unnamed]
