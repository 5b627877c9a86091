"""Write scores into the file that Canvas or Moodle gave, so that it can be imported there.

Canvas (``lib/gradebook_importer.rb``) finds a student by ``ID`` and a column by the number in its header, as in
``Bellman (12345)``. An empty cell takes a score away, ``EX`` means excused. Moodle
(``mod/assign/feedback/offline/importgradeslib.php``) finds a student by the number in ``Identifier``, reads ``Grade``
and the feedback columns, leaves a grade alone where the cell is empty, and skips a row whose ``Last modified (grade)``
is older than its own.

So the file is written back as it was: every row, every column, their order, separator and byte order mark. Only the
scores are new, with a decimal point, and empty unless they are final. Students choose their names, which neither
platform looks at where there is a number; so a name that a spreadsheet would run as a formula gets an apostrophe before
it. Canvas's own ``="…"`` around such a name is harmless and stays. All columns by which somebody is found stay as they
are, whatever they begin with: the platform must find them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import read_deadlines
from autograder.grading.scores import Score, Status, read_score
from autograder.receiving.rosters import Enrolled, Roster, is_test_student, read_roster
from autograder.receiving.submission_names import Platform, alike, letters
from autograder.reporting.export import checked_assignment, final_points
from autograder.spreadsheets import guarded, write_table

ASSIGNMENT = re.compile(r"(?P<title>.*)\s\((?P<number>\d+)\)", re.DOTALL)
CHOSEN_BY_STUDENTS = {
    Platform.CANVAS: ("Student", "LastName", "FirstName"),
    Platform.MOODLE: ("Full name", "Online text"),
}
QUOTED_BY_CANVAS = re.compile(r'="[^"]*"', re.DOTALL)
EXCUSED = "EX"


@dataclass
class Exported:
    """What was written.

    Attributes
    ----------
    column : str
        The header of the column with the scores.
    filled, empty : int
        Students with a score, and students of this course whose score is not final.
    problems : list of str
        Students in only one of the two places, and what else should be looked at.
    """

    column: str
    filled: int = 0
    empty: int = 0
    problems: list[str] = field(default_factory=list)


def export_to_canvas(
    course: Course,
    template: Path,
    output: Path,
    assignment: str,
    column: str | None = None,
    id_column: str | None = None,
) -> Exported:
    """Write the scores of *assignment* into a Canvas gradebook.

    Parameters
    ----------
    template : Path
        What Canvas gives by Grades, Export. It is not changed.
    column : str, optional
        The header of the column to fill, or the number in it; else the one with the assignment's name.
    id_column : str, optional
        The column with the ids of students in this course, if another was named when collecting.
    """
    roster = _expect(read_roster(template, id_column), Platform.CANVAS)
    place = canvas_column(roster, assignment, column)
    return _write(course, roster, output, assignment, place, "Points Possible")


def export_to_moodle(
    course: Course, template: Path, output: Path, assignment: str, id_column: str | None = None
) -> Exported:
    """Write the scores of *assignment* into the column Grade of its Moodle grading worksheet."""
    roster = _expect(read_roster(template, id_column), Platform.MOODLE)
    place = roster.table.needed("Grade", "takes the scores")
    return _write(course, roster, output, assignment, place, "Maximum grade")


def canvas_column(roster: Roster, assignment: str, chosen: str | None = None) -> int:
    """Return the place of the column that takes the scores."""
    header = roster.table.header
    found = {place: match for place, name in enumerate(header) if (match := ASSIGNMENT.fullmatch(name))}
    candidates = ", ".join(repr(header[place]) for place in found) or "none"
    if chosen:
        number = chosen.strip().strip("()")
        places = [place for place, name in enumerate(header) if name == chosen.strip() and place in found]
        places = places or [place for place, match in found.items() if number in (match["number"], match["title"])]
    else:
        wanted = letters(assignment)
        places = [place for place, match in found.items() if letters(match["title"]) == wanted]
        places = places or [place for place, match in found.items() if wanted in letters(match["title"])]
    if len(places) != 1:
        given = f"column {chosen!r}" if chosen else f"name {assignment!r}"
        raise CourseError(
            f"{roster.table.path}: {len(places) or 'no'} columns fit the {given}; name one with --column. "
            f"Assignments in the file: {candidates}"
        )
    return places[0]


def _expect(roster: Roster, platform: Platform) -> Roster:
    if roster.platform is not platform:
        expected = "a gradebook of Canvas" if platform is Platform.CANVAS else "a grading worksheet of Moodle"
        raise CourseError(
            f"{roster.table.path} is not {expected}; it has the columns {', '.join(roster.table.header[:8])}"
        )
    return roster


def _write(course: Course, roster: Roster, output: Path, assignment: str, place: int, possible_name: str) -> Exported:
    table = roster.table
    if output.resolve() == table.path.resolve():
        raise CourseError(f"{output} is the file that the platform gave; name another with --output")
    exported = Exported(table.header[place], problems=[f"not exported: {problem}" for problem in roster.problems])
    deadlines = read_deadlines(course)
    with course.gradebook() as gradebook:
        checked_assignment(gradebook, assignment)
        find = _finder(gradebook, roster)
        without_row = {student.id for student in gradebook.students}
        for enrolled in roster.students:
            student = find(enrolled)
            if student is None:
                exported.problems.append(f"{enrolled.student} ({enrolled.shown}) is not in this course; left as it was")
                continue
            without_row.discard(student)
            score = read_score(course, gradebook, student, assignment, deadlines)
            _fill(table.rows[enrolled.row], place, score, exported)
        for student in sorted(without_row):
            score = read_score(course, gradebook, student, assignment, deadlines)
            what = f"a score of {final_points(score)}" if score.status is Status.GRADED else str(score.status)
            exported.problems.append(f"{student} has no row in {table.path.name}: {what}")
        exported.problems += _other_possible(
            roster, place, possible_name, gradebook.find_assignment(assignment).max_score
        )
    for row in table.rows:
        _guard_names(roster, row)
    write_table(table, output)
    return exported


def _fill(row: list[str], place: int, score: Score, exported: Exported) -> None:
    points = final_points(score)
    if row[place].strip().upper() == EXCUSED:
        exported.problems.append(f"{score.student} is excused in Canvas, and stays so; here: {points or score.status}")
        return
    if points and score.final > score.possible:
        exported.problems.append(f"{score.student} has {points} of {score.possible:g} points")
    if not points and row[place].strip() == "N/A":
        return
    row[place] = points
    exported.filled += bool(points)
    exported.empty += not points


def _finder(gradebook: Gradebook, roster: Roster) -> Callable[[Enrolled], str | None]:
    """Return how to find a student of the class list in the gradebook: by Canvas's user id, else by id."""
    students = list(gradebook.students)
    ids = {alike(student.id): student.id for student in students}
    numbers = {student.lms_user_id: student.id for student in students if student.lms_user_id}
    by_number = numbers if roster.platform is Platform.CANVAS else {}
    return lambda one: by_number.get(one.number) or ids.get(alike(one.student))


def _other_possible(roster: Roster, place: int, name: str, possible: float) -> list[str]:
    """Say so if the platform expects another number of points than this course gives."""
    table = roster.table
    if roster.platform is Platform.MOODLE:
        found = {table.value(row, name) for row in table.rows}
    else:
        found = {row[place].strip() for row in table.rows if name.casefold() in row[0].casefold()}
    others = sorted(text for text in found if text and _number(text) not in (None, possible))
    return [f"{roster.platform.capitalize()} gives {text} points, this course {possible:g}" for text in others]


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _guard_names(roster: Roster, row: list[str]) -> None:
    table = roster.table
    identifier = table.column("ID" if roster.platform is Platform.CANVAS else "Identifier")
    if identifier is None or not row[identifier].strip() or is_test_student(table, row):
        return
    for name in CHOSEN_BY_STUDENTS[roster.platform]:
        place = table.column(name)
        if place is not None and not QUOTED_BY_CANVAS.fullmatch(row[place]):
            row[place] = guarded(row[place])
