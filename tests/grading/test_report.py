"""The report about a class: what it counts, what it shows, and which answers it calls alike."""

from __future__ import annotations

import random
import re
import time
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from autograder.__main__ import main
from autograder.course import Course
from autograder.grading.deadlines import deadlines_file
from autograder.grading.manual_grading import graded_notebook
from autograder.grading.records import read_record
from autograder.reporting.class_data import class_summary
from autograder.reporting.class_page import page_of, write_class_page
from autograder.reporting.similarity import FEWEST_RUNS, compare, elements, functions, known_runs, shared_lines
from tests.grading.test_feedback import assert_self_contained

OWN = """
def smooth(values, width):
    result = []
    for start in range(len(values) - width + 1):
        window = sorted(values[start:start + width])
        result.append((window[0] + window[-1] + 2 * window[width // 2]) / 4)
    return result
"""
RENAMED = """
def smooth(xs, k):
    '''My own work.'''
    out = []
    # every window
    for i in range(len(xs) - k + 1):
        part = sorted(xs[i : i + k])

        out.append((part[0] + part[-1] + 2 * part[k // 2]) / 4)
    return out
"""
OTHER = """
def smooth(values, width):
    from collections import deque
    window, result = deque(maxlen=width), []
    for value in values:
        window.append(value)
        if len(window) == width:
            result.append(sum(window) / width)
    return result
"""


# ---- similarity


def test_names_comments_and_spaces_do_not_hide_a_copy() -> None:
    assert [element.text for element in elements(OWN)] == [element.text for element in elements(RENAMED)]
    pairs = compare({"smooth": {"ada": OWN, "ben": RENAMED, "cem": OTHER}}, set())
    assert [(pair.first, pair.second) for pair in pairs] == [("ada", "ben")]
    assert pairs[0].shares == {"smooth": 1.0}


def test_what_the_release_or_a_known_answer_holds_does_not_count() -> None:
    known = known_runs(functions(f"@alternative('smooth')\n{OWN.strip()}\n"))
    assert compare({"smooth": {"ada": OWN, "ben": RENAMED, "cem": OTHER}}, known) == []


def test_short_answers_are_never_called_alike() -> None:
    short = "def double(values):\n    return 2 * values + values.sum()"
    assert 0 < len(known_runs([short])) < FEWEST_RUNS
    assert compare({"double": {"ada": short, "ben": short}}, set()) == []


def test_what_half_a_class_writes_weighs_less_than_what_two_share() -> None:
    sources = {f"many{number}": OWN for number in range(10)} | {"ada": OTHER, "ben": OTHER}
    pairs = compare({"smooth": sources}, set(), most=100)
    assert (pairs[0].first, pairs[0].second) == ("ada", "ben") and pairs[0].weight > 2 * pairs[1].weight


def test_code_that_python_cannot_read_is_compared_too() -> None:
    broken = OWN.replace("return result", "return result)")
    pairs = compare({"smooth": {"ada": broken, "ben": broken, "cem": "((((" * 5000, "dan": "\x00", "eve": ""}}, set())
    assert [(pair.first, pair.second) for pair in pairs] == [("ada", "ben")]


def test_shared_lines_are_those_of_the_shared_code() -> None:
    mixed = OTHER + OWN.replace("smooth", "smoother")
    first, second = shared_lines(OWN, mixed, set())
    shift = len(OTHER.splitlines()) - 1 + 1
    assert {3, 4, 5, 6} <= first and {line + shift for line in (4, 5, 6)} <= second
    assert not second & {4, 5, 6, 7}


def test_three_hundred_students_with_ten_exercises_take_seconds() -> None:
    statements = [
        line for source in (OWN, OTHER) for line in source.splitlines() if line.startswith("    ") and ":" not in line
    ]
    chooser = random.Random(0)

    def answer() -> str:
        lines = [f"    v{number} = v{number // 2} * {chooser.randrange(50)} - k" for number in range(12)]
        return "def smooth(values, width):\n" + "\n".join(lines) + "\n    " + chooser.choice(statements).strip()

    answers = {f"exercise {one}": {f"s{number:03}": answer() for number in range(300)} for one in range(10)}
    answers["exercise 3"]["s017"] = answers["exercise 3"]["s222"].replace("v", "w")
    began = time.process_time()
    pairs = compare(answers, set())
    assert time.process_time() - began < 20
    assert (pairs[0].first, pairs[0].second) == ("s017", "s222")


# ---- the page


def shown(course: Course) -> tuple[str, str]:
    """The page about the class and that of similar answers."""
    path = write_class_page(course, class_summary(course, "classwork"))
    return path.read_text(), path.with_name("classwork-similar.html").read_text()


def test_the_command_prints_tables_and_names_the_page(own_class: Course, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "classwork", "--course", str(own_class.folder)]) == 0
    printed = capsys.readouterr().out
    assert "hidden-two" in printed and "square instead" in printed
    assert str(page_of(own_class, "classwork")) in printed.replace("\n", "")


def test_every_student_is_counted_once_in_each_exercise(own_class: Course) -> None:
    summary = class_summary(own_class, "classwork")
    counted = {one.name: (one.full, one.partial, one.zero, one.blank) for one in summary.exercises}
    assert counted == {"one": (4, 0, 1, 1), "two": (3, 0, 2, 1), "three": (3, 0, 2, 1)}
    two = summary.exercises[1]
    assert two.misconceptions == {"the square instead of the double": 1}
    assert two.failed == {"three numbers by hand": 1, "numbers drawn at random": 1}
    assert summary.histogram(3) == [2, 0, 3] and sum(summary.histogram()) == 5
    assert (summary.mean, summary.median) == (4, 6)


def test_the_page_shows_all_of_it_and_fetches_nothing(own_class: Course) -> None:
    with own_class.gradebook() as gradebook:
        gradebook.find_submission("classwork", "ben").timestamp = datetime(2000, 1, 3)
        gradebook.update_or_create_student("zoe")
        gradebook.db.commit()
    deadlines_file(own_class).write_text("[late]\npercent_per_day = 20\n[assignment.classwork]\ndue = 2000-01-01\n")
    record = read_record(own_class, "ben", "classwork")
    assert record is not None
    record.cells[0].error, record.cells[1].unanswered, record.seconds = "KeyError: <b>x</b>", True, 98.5
    record.write(own_class.record("ben", "classwork"))
    page, similar = shown(own_class)
    assert_self_contained(page)
    assert_self_contained(similar)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for part in (
        "nothing handed in: 1",
        "one 1.6 2 4 (80 %) 0 (0 %) 1 (20 %)", "the square instead of the double 1 20 %",
        "KeyError: &lt;b&gt;x", "ben: 1 day late: 20 % of the points earned, 0.4 off", "longest 98.5 s",
        "had been edited; it was restored", "likeness proves nothing",
        "No answer in time, or the process ended ben: one",
        "Students by score: 4 with 0 to 0.9, 1 with 0.9 to 1.8",
    ):  # fmt: skip
        assert part in text, part


def test_similar_answers_link_to_both_side_by_side(own_class: Course) -> None:
    for student, source in {"ada": OWN, "dan": RENAMED, "eve": OTHER}.items():
        notebook = graded_notebook(own_class, student, "classwork")
        assert notebook is not None
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "answer-two":
                cell.source = source + "\n# <script>alert(1)</script>"
        nbformat.write(notebook, own_class.data / "autograded" / student / "classwork" / "classwork.ipynb")
    page, similar = shown(own_class)
    assert '<a href="classwork-similar.html#pair-1">ada and dan</a>' in page and "two 100 %" in page
    assert 'id="pair-1"' in similar and "<mark>    for start in range" in similar and "ada and eve" not in similar
    assert_self_contained(similar)


def test_a_page_about_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "classwork", "--course", str(tmp_path / "autograder")]) == 2
    assert "nothing has been graded" in capsys.readouterr().err
