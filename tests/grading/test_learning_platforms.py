"""A class of fifty comes from Canvas or Moodle and goes back there: every score in its student's own row."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.__main__ import main
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.grade import grade
from autograder.grading.records import Record
from autograder.receiving.collect import Collection, collect
from autograder.receiving.intake import receipt
from autograder.receiving.outcomes import Outcome
from autograder.receiving.rosters import enter, read_roster
from autograder.receiving.submission_names import Platform
from autograder.reporting.learning_platforms import Exported, export_to_canvas, export_to_moodle
from tests.grading.course_writer import submission
from tests.grading.example_class import HONEST
from tests.grading.simulated_downloads import (
    AGAIN,
    ASSIGNMENT,
    IN_A_ZIP,
    LATE,
    MISSING,
    RENAMED,
    UNREADABLE,
    Person,
    canvas_download,
    canvas_gradebook,
    canvas_name,
    class_of_fifty,
    moodle_download,
    moodle_folder,
    moodle_worksheet,
    notebook,
    read_csv,
    write_csv,
    write_zip,
)
from tests.grading.small_notebook import by_id, released

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's use of its database
PEOPLE = class_of_fifty()
PENDING, NOT_GRADED = 3, 4


@pytest.fixture(scope="module")
def untouched_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with one released notebook, of five points. Making a gradebook takes seconds; so this is made once."""
    course = Course.at(tmp_path_factory.mktemp("untouched") / "autograder")
    folder = course.release / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(released(), folder / f"{ASSIGNMENT}.ipynb")
    with course.gradebook() as gradebook:
        gradebook.add_assignment(ASSIGNMENT)
        gradebook.add_notebook(ASSIGNMENT, ASSIGNMENT)
        gradebook.add_grade_cell("check-double", ASSIGNMENT, ASSIGNMENT, max_score=2, cell_type="code")
        gradebook.add_grade_cell("written-why", ASSIGNMENT, ASSIGNMENT, max_score=3, cell_type="markdown")
    return course


@pytest.fixture
def small_course(untouched_course: Course, tmp_path: Path) -> Course:
    """A copy of the course for one test."""
    shutil.copytree(untouched_course.folder.parent, tmp_path / "teaching")
    return Course.at(tmp_path / "teaching" / "autograder")


def take(course: Course, path: Path, roster: Path, **options: Any) -> Collection:
    """Enter a class list and collect."""
    students = read_roster(roster)
    enter(course, students)
    return collect(course, path, ASSIGNMENT, progress=False, roster=students, **options)


def give(gradebook: Gradebook, course: Course, student: str, points: float | None, by_hand: float | None) -> None:
    """Enter a score as grading does; None for points that nobody has given yet."""
    Record(student, ASSIGNMENT, "").write(course.record(student, ASSIGNMENT))
    grades = gradebook.add_submission(ASSIGNMENT, student).notebooks[0].grades
    for one in grades:
        if one.name == "check-double":
            one.auto_score, one.needs_manual_grade = points, False
        else:
            one.manual_score, one.needs_manual_grade = by_hand, by_hand is None


def grade_everyone(course: Course) -> dict[str, str]:
    """Give everyone who handed in a score of their own; return what the platform must be told."""
    expected = {person.email: "" for person in PEOPLE}
    with course.gradebook() as gradebook:
        for place, person in enumerate(PEOPLE):
            if place in (MISSING, NOT_GRADED):
                continue
            give(gradebook, course, person.email, 2.0, None if place == PENDING else place / 20)
            expected[person.email] = "" if place == PENDING else f"{2 + place / 20:g}"
        gradebook.db.commit()
    return expected


def answer(course: Course, person: Person) -> str:
    """What will be graded of a student."""
    return by_id(nbformat.read(course.submitted(person.email, ASSIGNMENT), as_version=4))["answer-double"]


def assert_everyone_has_their_own(course: Course, collection: Collection) -> None:
    """Everybody's newest file will be graded, and what was odd is listed."""
    lines = {line.student: line for line in collection.lines if line.status is not Outcome.OLDER}
    assert set(lines) == {person.email for person in PEOPLE}
    for place, person in enumerate(PEOPLE):
        line = lines[person.email]
        if place == MISSING:
            assert line.status is Outcome.MISSING and not course.submitted(person.email, ASSIGNMENT).exists()
            continue
        assert line.status is (Outcome.BLANK if place == UNREADABLE else Outcome.TAKEN), line
        assert receipt(course, person.email, ASSIGNMENT)["late mark"] == (place in LATE)
        assert ("marked late" in line.note) == (place in LATE)
        assert "the class list" not in line.note, "names agree whatever the platform has dropped from them"
        if place != UNREADABLE:
            assert f"{person.email} {'newest' if place in AGAIN else 'only'}" in answer(course, person)
    assert "it was in a zip" in lines[PEOPLE[IN_A_ZIP].email].note
    assert "another name" in lines[PEOPLE[RENAMED].email].note
    for place in AGAIN:
        kept = course.received(PEOPLE[place].email, ASSIGNMENT).glob("*.ipynb")
        assert len(list(kept)) == 3, "older files are kept"
        older = [one for one in collection.lines if one.student == PEOPLE[place].email and one.status is Outcome.OLDER]
        assert len(older) == 2 and "handed in 3 times" in lines[PEOPLE[place].email].note


def assert_only_changed(before: Path, after: Path, column: str, expected: dict[str, str], by: str) -> None:
    """The file is the template, but for the scores and an apostrophe before names that are formulas."""
    old, new = read_csv(before), read_csv(after)
    place, who = old[0].index(column), old[0].index(by)
    assert after.read_bytes()[:3] == b"\xef\xbb\xbf"
    assert len(old) == len(new)
    for former, row in zip(old, new, strict=True):
        assert row[place] == expected.get(former[who], former[place]), row
        for number, (cell, was) in enumerate(zip(row, former, strict=True)):
            if number != place:
                assert cell == was or (cell == f"'{was}" and was[0] in "=+-@"), row
    formulas = {was for row in old[1:] for was in row if was.startswith(("=", "+", "-", "@")) and was != "-"}
    still = {cell for row in new[1:] for cell in row} & formulas
    assert formulas - still and all(cell.startswith('="') for cell in still), "only Canvas's own quoting is left"


def test_fifty_students_come_from_canvas_and_their_scores_go_back_to_their_own_rows(
    small_course: Course, tmp_path: Path, release: Any
) -> None:
    download = canvas_download(tmp_path / "submissions.zip", release, PEOPLE)
    template = canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE)
    untouched = hashlib.sha256(download.read_bytes()).hexdigest()
    collection = take(small_course, download, template)
    assert collection.platform is Platform.CANVAS
    assert_everyone_has_their_own(small_course, collection)
    assert hashlib.sha256(download.read_bytes()).hexdigest() == untouched
    assert not list((small_course.data / "submitted").rglob("timestamp.txt")), "the time of a download is nobody's"
    assert collection.without_time == 49

    expected = grade_everyone(small_course)
    exported = export_to_canvas(small_course, template, tmp_path / "import.csv", ASSIGNMENT)
    assert (exported.column, exported.filled, exported.empty) == ("Doubling (12345)", 47, 3)
    assert exported.problems == []
    assert_only_changed(template, tmp_path / "import.csv", "Doubling (12345)", expected, "SIS Login ID")
    rows = read_csv(tmp_path / "import.csv")
    assert rows[2][0] == "    Points Possible" and rows[-1][:2] == ["Student, Test", "99999"] and rows[-1][6] == "1"


@pytest.mark.parametrize("folders", [True, False])
def test_fifty_students_come_from_moodle_and_their_scores_go_back_to_their_own_rows(
    small_course: Course, tmp_path: Path, release: Any, folders: bool
) -> None:
    download = moodle_download(tmp_path / "Doubling.zip", release, PEOPLE, folders)
    template = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE)
    collection = take(small_course, download, template)
    assert collection.platform is Platform.MOODLE
    assert_everyone_has_their_own(small_course, collection)
    assert collection.without_time == 0
    assert receipt(small_course, PEOPLE[13].email, ASSIGNMENT)["handed in"].startswith("2026-06-10 ")

    expected = grade_everyone(small_course)
    exported = export_to_moodle(small_course, template, tmp_path / "import.csv", ASSIGNMENT)
    assert (exported.column, exported.filled, exported.empty, exported.problems) == ("Grade", 47, 3, [])
    assert_only_changed(template, tmp_path / "import.csv", "Grade", expected, "Email address")


def test_two_students_from_canvas_are_really_graded_and_exported_by_the_commands(
    course: Course, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [dataclasses.replace(person, email=f"canvas-{person.email}") for person in PEOPLE[1:3]]
    released_notebook = course.release_notebook(ASSIGNMENT)
    half = {**HONEST, "two": "def two(values):\n    return values * values"}
    files = [
        (
            canvas_name(person, 5 + place, "doubling.ipynb"),
            json.dumps(submission(released_notebook, answers)).encode(),
        )
        for place, (person, answers) in enumerate(zip(two, (HONEST, half), strict=True))
    ]
    download = write_zip(tmp_path / "submissions.zip", files, as_by_ruby=True)
    template, there = canvas_gradebook(tmp_path / "gradebook.csv", two), ["--course", str(course.folder)]
    arguments = ["--assignment", ASSIGNMENT, "--roster", str(template), *there]
    assert main(["collect", str(download), *arguments]) == 0
    shown = capsys.readouterr().out
    assert "2 students in the class list" in shown and "2 taken in" in shown and "2 submissions have no time" in shown
    graded = {
        score.student: score.earned for score in grade(course, ASSIGNMENT, [one.email for one in two], progress=False)
    }
    assert sorted(graded.values()) == [4.0, 6.0]
    output = tmp_path / "import.csv"
    arguments = ["--assignment", ASSIGNMENT, "--canvas", str(template), "--column", "12345", *there]
    assert main(["export", *arguments, "--output", str(output)]) == 0
    assert "column Doubling (12345): 2 scores" in capsys.readouterr().out
    exported = {row[3]: row[6] for row in read_csv(output)}
    assert {email: float(exported[email]) for email in graded} == graded


def test_canvas_numbers_are_remembered_so_a_second_download_needs_no_gradebook(
    small_course: Course, tmp_path: Path, release: Any
) -> None:
    first = canvas_download(tmp_path / "first.zip", release, PEOPLE)
    with pytest.raises(CourseError, match=r"names students by Canvas's user ids; give the gradebook.*--roster"):
        collect(small_course, first, ASSIGNMENT, progress=False)
    take(small_course, first, canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE))
    late = write_zip(
        tmp_path / "second.zip", [(canvas_name(PEOPLE[7], 9, "doubling.ipynb", late=True), first.read_bytes()[:9])]
    )
    collection = collect(small_course, late, ASSIGNMENT, progress=False)
    assert [received.student for received in collection.received] == [PEOPLE[MISSING].email]
    assert receipt(small_course, PEOPLE[MISSING].email, ASSIGNMENT)["late mark"] is True
    assert {line.status for line in collection.lines} == {Outcome.BLANK, Outcome.ABSENT}


def test_collecting_the_same_download_again_changes_nothing_and_a_resubmission_keeps_both(
    small_course: Course, tmp_path: Path, release: Any
) -> None:
    download = moodle_download(tmp_path / "a.zip", release, PEOPLE)
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE)
    take(small_course, download, worksheet)
    again = take(small_course, download, worksheet)
    assert not any(received.changed for received in again.received)
    person = PEOPLE[0]
    resubmitted = nbformat.from_dict(json.loads(json.dumps(release)))
    resubmitted.cells[3].source = "def double(x):\n    return x + x"
    folder = tmp_path / "b" / moodle_folder(person)
    folder.mkdir(parents=True)
    nbformat.write(resubmitted, folder / "doubling.ipynb")
    line = next(line for line in take(small_course, tmp_path / "b", worksheet).lines if line.student == person.email)
    assert line.status is Outcome.REPLACED and answer(small_course, person).endswith("return x + x")
    assert len(list(small_course.received(person.email, ASSIGNMENT).glob("*.ipynb"))) == 2


def test_a_number_that_is_in_no_class_list_and_a_name_that_is_anothers_are_listed(
    small_course: Course, tmp_path: Path, release: Any
) -> None:
    wrong_name = dataclasses.replace(PEOPLE[0], first="The", last="A-Team")
    unknown = dataclasses.replace(PEOPLE[1], canvas="1", participant="1")
    for platform, name in ((Platform.CANVAS, canvas_name), (Platform.MOODLE, moodle_folder)):
        make_roster = canvas_gradebook if platform is Platform.CANVAS else moodle_worksheet
        roster = make_roster(tmp_path / f"{platform}.csv", PEOPLE)
        names = [
            canvas_name(one, 8, "doubling.ipynb") if name is canvas_name else moodle_folder(one) + "/doubling.ipynb"
            for one in (wrong_name, unknown)
        ]
        path = write_zip(tmp_path / f"{platform}.zip", [(each, b"{}") for each in names])
        collection = take(small_course, path, roster)
        assert [received.student for received in collection.received] == [PEOPLE[0].email]
        problems = "\n".join(collection.problems)
        assert "the class list 'Lovelace, Ada'" in problems or "the class list 'Ada Lovelace'" in problems
        assert "1 (" in problems and "is not in the class list" in problems


def test_a_student_whose_name_ends_like_a_number_is_told_from_another_by_the_name(
    small_course: Course, tmp_path: Path, release: Any
) -> None:
    ada, bot = PEOPLE[0], dataclasses.replace(PEOPLE[1], last=f"Bot_{PEOPLE[0].canvas}", first="")
    files = [
        (canvas_name(one, 70 + place, "doubling.ipynb"), notebook(release, one)) for place, one in enumerate((bot, ada))
    ]
    roster = canvas_gradebook(tmp_path / "gradebook.csv", [ada, bot, *PEOPLE[2:]])
    collection = take(small_course, write_zip(tmp_path / "a.zip", files), roster)
    assert [each.student for each in collection.received] == [ada.email, bot.email]
    assert ada.email in answer(small_course, ada) and bot.email in answer(small_course, bot)


def test_an_anonymous_download_says_what_to_do(small_course: Course, tmp_path: Path) -> None:
    names = ["anon_AbC12_77_doubling.ipynb", "LATE_anon_XyZ34_78_doubling.ipynb"]
    path = write_zip(tmp_path / "anonymous.zip", [(name, b"{}") for name in names])
    collection = take(small_course, path, canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE))
    assert collection.received == []
    assert sum("the download is anonymous" in problem for problem in collection.problems) == 2


def test_submission_times_can_be_given(small_course: Course, tmp_path: Path, release: Any) -> None:
    times = tmp_path / "times.csv"
    times.write_text(f"student,timestamp\n{PEOPLE[0].email},2026-06-10T14:14:00+02:00\n")
    arguments = ["--assignment", ASSIGNMENT, "--course", str(small_course.folder), "--submitted-times", str(times)]
    roster = canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE)
    download = canvas_download(tmp_path / "submissions.zip", release, PEOPLE)
    assert main(["collect", str(download), "--roster", str(roster), *arguments]) == 0
    timestamp = small_course.submitted(PEOPLE[0].email, ASSIGNMENT).with_name("timestamp.txt")
    assert timestamp.read_text() == "2026-06-10 12:14:00 UTC"
    collect(small_course, download, ASSIGNMENT, progress=False)
    assert timestamp.read_text() == "2026-06-10 12:14:00 UTC", "the time of the same file stays known"
    again = [(canvas_name(PEOPLE[0], 9_000_000, "doubling.ipynb"), notebook(release, PEOPLE[0], "again"))]
    collect(small_course, write_zip(tmp_path / "again.zip", again), ASSIGNMENT, progress=False)
    assert answer(small_course, PEOPLE[0]).endswith("again") and not timestamp.exists()
    times.write_text("student,timestamp\nada,yesterday\n")
    assert main(["collect", str(download), *arguments]) == 2


def test_every_file_and_student_is_listed_in_a_table_that_runs_no_formula(
    small_course: Course, tmp_path: Path, release: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE)
    path = moodle_download(tmp_path / "a.zip", release, PEOPLE)
    arguments = ["--assignment", ASSIGNMENT, "--roster", str(roster), "--course", str(small_course.folder)]
    assert main(["collect", str(path), *arguments]) == 0
    shown = capsys.readouterr().out
    assert f"1 nothing handed in: {PEOPLE[MISSING].email}" in shown and "marked late" in shown
    with (small_course.data / "intake" / "doubling.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["student", "file", "status", "note"]
    assert {row["student"] for row in rows} == {person.email for person in PEOPLE}
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    formulas = {row["student"] for row in rows if row["file"].startswith("'")}
    assert len(formulas) == 4, "names of files begin with the names that students chose"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_template_keeps_its_separator_and_scores_have_a_decimal_point(
    small_course: Course, tmp_path: Path, delimiter: str
) -> None:
    template = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE[:3], delimiter)
    enter(small_course, read_roster(template))
    small_course.submitted(PEOPLE[0].email, ASSIGNMENT).parent.mkdir(parents=True)
    small_course.submitted(PEOPLE[0].email, ASSIGNMENT).write_text("{}")
    with small_course.gradebook() as gradebook:
        give(gradebook, small_course, PEOPLE[0].email, 1.25, 0.1)
        gradebook.db.commit()
    export_to_moodle(small_course, template, tmp_path / "import.csv", ASSIGNMENT)
    old, new = read_csv(template, delimiter), read_csv(tmp_path / "import.csv", delimiter)
    assert [row[4] for row in new] == ["Grade", "1.35", "", ""]
    assert [row[:4] + row[5:] for row in new] == [row[:4] + row[5:] for row in old]
    assert tmp_path.joinpath("import.csv").read_text("utf-8-sig").splitlines()[0].count(delimiter) == 9


def exported_to_canvas(course: Course, path: Path, rows: list[list[str]], **options: Any) -> Exported:
    header = ["Student", "ID", "SIS Login ID", "Section", "Doubling (1)", "Doubling again (2)", "Doubling (3)"]
    possible = ["    Points Possible", "", "", "", "5", "4", "5"]
    return export_to_canvas(course, write_csv(path, [header, possible, *rows]), path.with_name("x.csv"), **options)


def test_students_in_one_place_only_excused_ones_and_other_points_are_listed(
    small_course: Course, tmp_path: Path
) -> None:
    template = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE[:3])
    enter(small_course, read_roster(template))
    for person in PEOPLE[:3]:
        small_course.submitted(person.email, ASSIGNMENT).parent.mkdir(parents=True)
        small_course.submitted(person.email, ASSIGNMENT).write_text("{}")
    with small_course.gradebook() as gradebook:
        for person in PEOPLE[:3]:
            give(gradebook, small_course, person.email, 2, 1)
        gradebook.db.commit()
    rows = [
        ["Lovelace, Ada", "1", PEOPLE[0].email.upper(), "", "", "", ""],
        ["Müller, Jürgen", "2", PEOPLE[1].email, "", "", "EX", ""],
        ["Nobody, Known", "3", "nobody", "", "", "2.5", ""],
    ]
    exported = exported_to_canvas(
        small_course, tmp_path / "g.csv", rows, assignment=ASSIGNMENT, column="Doubling again (2)"
    )
    assert [row[5] for row in read_csv(tmp_path / "x.csv")[2:]] == ["3", "EX", "2.5"]
    problems = "\n".join(exported.problems)
    for part in (
        f"{PEOPLE[1].email} is excused in Canvas",
        "nobody (Nobody, Known) is not in this course; left as it was",
        f"{PEOPLE[2].email} has no row in g.csv: a score of 3",
        "Canvas gives 4 points, this course 5",
    ):
        assert part in problems


def test_errors_name_the_columns_that_there_are(small_course: Course, tmp_path: Path) -> None:
    with pytest.raises(
        CourseError, match=r"2 columns fit the name 'doubling'; name one with --column. .*'Doubling \(3\)'"
    ):
        exported_to_canvas(small_course, tmp_path / "g.csv", [], assignment=ASSIGNMENT)
    with pytest.raises(CourseError, match=r"no columns fit the column 'Section'"):
        exported_to_canvas(small_course, tmp_path / "g.csv", [], assignment=ASSIGNMENT, column="Section")
    with pytest.raises(CourseError, match=r"no assignment tripling in the gradebook; it has: doubling"):
        exported_to_canvas(small_course, tmp_path / "g.csv", [], assignment="tripling", column="(3)")
    with pytest.raises(CourseError, match=r"is not a grading worksheet of Moodle; it has the columns Student, ID"):
        export_to_moodle(small_course, tmp_path / "g.csv", tmp_path / "x.csv", ASSIGNMENT)
    with pytest.raises(CourseError, match=r"is the file that the platform gave; name another with --output"):
        export_to_canvas(small_course, tmp_path / "g.csv", tmp_path / "g.csv", ASSIGNMENT, "(3)")
    (tmp_path / "other.csv").write_text("name;points\nAda;3\n")
    with pytest.raises(
        CourseError, match=r"other.csv has the columns name, points; expected .*SIS Login ID.*Identifier"
    ):
        read_roster(tmp_path / "other.csv")


def test_the_choice_of_ids_is_the_instructors(tmp_path: Path) -> None:
    gradebook = canvas_gradebook(tmp_path / "gradebook.csv", PEOPLE)
    assert read_roster(gradebook).students[0].student == PEOPLE[0].email
    assert read_roster(gradebook, "SIS User ID").students[0].student == f"u{PEOPLE[0].canvas}"
    assert read_roster(gradebook, "ID").students[0].student == PEOPLE[0].canvas
    worksheet = moodle_worksheet(tmp_path / "worksheet.csv", PEOPLE)
    assert read_roster(worksheet, "Identifier").students[0].student == PEOPLE[0].participant
    with pytest.raises(CourseError, match=r"no column 'Matrikelnummer', which identifies students .*Full name"):
        read_roster(worksheet, "Matrikelnummer")
