"""Whose a file is: from what its name says to a student's id in this course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder.errors import CourseError
from autograder.receiving.downloads import Download, Item
from autograder.receiving.rosters import Enrolled, Roster
from autograder.receiving.submission_names import NamedFile, Platform, alike, canvas_readings, letters, moodle_reading

WHERE_TO_FIND = {
    Platform.CANVAS: (
        "a Canvas download names students by Canvas's user ids; give the gradebook that has them (Canvas: Grades, "
        "Export) with --roster gradebook.csv"
    ),
    Platform.MOODLE: (
        "a Moodle download names students by the participant numbers of this assignment; give its grading worksheet "
        "(Moodle: the assignment's submissions, Download grading worksheet) with --roster worksheet.csv"
    ),
}


@dataclass
class Class:
    """The students of a course, to be found by id or by a platform's number.

    Attributes
    ----------
    ids : dict of str to str
        The ids as they are written here, by what they have in common with other spellings.
    numbers : dict of str to Enrolled
        Students by Canvas's user id or Moodle's participant number.
    enrolled : dict of str to Enrolled
        What the class list says, by id.
    listed : bool
        Whether a class list was given.
    numbered_by : Platform
        Whose numbers these are.
    """

    ids: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Enrolled] = field(default_factory=dict)
    enrolled: dict[str, Enrolled] = field(default_factory=dict)
    listed: bool = False
    numbered_by: Platform = Platform.CANVAS

    @classmethod
    def of(cls, gradebook: Any, roster: Roster | None) -> Class:
        """Return the students of the class list if there is one, else those of the gradebook."""
        group = cls(listed=roster is not None)
        if roster is not None and roster.platform is not Platform.PLAIN:
            group.numbered_by = roster.platform
        for student in gradebook.students:
            if student.lms_user_id and (roster is None or roster.platform is Platform.PLAIN):
                shown = " ".join(filter(None, (student.last_name, student.first_name)))
                group.numbers[student.lms_user_id] = Enrolled(student.id, student.lms_user_id, shown)
            if roster is None:
                group.ids[alike(student.id)] = student.id
        for one in roster.students if roster else []:
            group.ids[alike(one.student)] = one.student
            group.enrolled[one.student] = one
            if one.number:
                group.numbers[one.number] = one
        return group

    def remarks(self, student: str, named: NamedFile) -> list[str]:
        """What is odd about a file's being this student's."""
        one = self.numbers.get(named.who)
        if one and named.shown and not _same_name(one, named.shown):
            return [f"the download shows the name {named.shown!r}, the class list {one.shown!r}: a group, or renamed?"]
        return ["not in the class list"] if self.listed and alike(student) not in self.ids else []


def identify(
    download: Download, platform: Platform, assignment: str, group: Class
) -> Iterator[tuple[Item, NamedFile | None, str, str]]:
    """Yield every file with what its name says, its student's id, and the problem if there is one."""
    if platform is not Platform.PLAIN and (group.numbered_by is not platform or not group.numbers):
        raise CourseError(WHERE_TO_FIND[platform])
    wrapper = _wrapper([item.name for item in download.items], assignment) if platform is Platform.PLAIN else ""
    for item in download.items:
        if platform is Platform.PLAIN:
            named = plain_reading(item.name.removeprefix(wrapper), assignment)
            if named is None:
                yield item, None, "", _not_recognised(item.name, assignment)
            else:
                yield item, named, group.ids.get(alike(named.who), named.who), ""
            continue
        named = _canvas(item.name, group) if platform is Platform.CANVAS else moodle_reading(item.name)
        if named is None:
            yield item, None, "", f"not recognised: it has not the name of a file in a {platform.capitalize()} download"
        elif named.who in group.numbers:
            yield item, named, group.numbers[named.who].student, ""
        else:
            yield item, named, "", _unknown(named, platform)


def plain_reading(path: str, assignment: str) -> NamedFile | None:
    """Return what a path of a plain folder or zip says, or None if it is no submission."""
    top, _, inside = path.partition("/")
    if inside:
        return NamedFile(top, top, inside)
    for kind in (".ipynb", ".zip"):
        ending = f"_{assignment}{kind}"
        if top.lower().endswith(ending.lower()) and len(top) > len(ending):
            student = top[: -len(ending)]
            return NamedFile(student, student, assignment + kind)
    return None


def _wrapper(paths: list[str], assignment: str) -> str:
    """Return the one folder in which all submissions lie, as zips of a folder have it, or nothing."""
    tops = {path.split("/")[0] for path in paths}
    if len(tops) != 1 or not paths:
        return ""
    inside = [path.partition("/")[2] for path in paths]
    deeper = [path.split("/")[0] for path in inside if "/" in path]
    flat = [path for path in inside if "/" not in path]
    if all(plain_reading(path, assignment) for path in flat) and alike(assignment) not in map(alike, deeper):
        return f"{tops.pop()}/" if all(inside) else ""
    return ""


def _canvas(path: str, group: Class) -> NamedFile | None:
    """Return the reading whose name belongs to its number; the first if there is none."""
    readings = canvas_readings(path)
    for named in readings:
        one = group.numbers.get(named.who)
        if one and _same_name(one, named.shown):
            return named
    return readings[0] if readings else None


def _same_name(one: Enrolled, shown: str) -> bool:
    """Whether a name in a download is a student's; platforms drop spaces and punctuation, and turn names around."""
    names = {one.shown, f"{one.last_name} {one.first_name}", f"{one.first_name} {one.last_name}"}
    return letters(shown) in {letters(name) for name in names if name}


def _not_recognised(name: str, assignment: str) -> str:
    hint = "; if it is a platform's download, name the zip itself" if name.lower().endswith(".zip") else ""
    return f"not recognised; expected <student>_{assignment}.ipynb or a folder named after the student{hint}"


def _unknown(named: NamedFile, platform: Platform) -> str:
    if named.who.startswith("anon_"):
        return "the download is anonymous: nobody can tell whose it is. Show the names in Canvas and download it again"
    number = "user id" if platform is Platform.CANVAS else "participant number"
    other = (
        "" if platform is Platform.CANVAS else "; is it the worksheet of this assignment, and no group's submission?"
    )
    return f"the {number} {named.who} ({named.shown or 'no name'}) is not in the class list{other}"
