"""Find the submissions in a folder or a zip, find out whose they are, and take them in.

Platforms name files in their own ways (see submission_names.py) and number students in their own ways (see rosters.py).
One bad file never stops the others: whatever was odd becomes a line about the student.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tqdm import tqdm

from autograder.course import Course, checked_student_name
from autograder.errors import CourseError
from autograder.receiving.choosing import Candidate, choose
from autograder.receiving.downloads import BytesLeft, Download, opened
from autograder.receiving.intake import HandedIn, Received, keep, take_in
from autograder.receiving.naming import Class, identify
from autograder.receiving.outcomes import Line, Outcome
from autograder.receiving.rebuild import UNREADABLE
from autograder.receiving.rosters import Roster
from autograder.receiving.submission_names import Platform, alike, detect_platform


@dataclass
class Collection:
    """What a download held.

    Attributes
    ----------
    received : list of Received
        One per student whose work was taken in, with notes about oddities.
    lines : list of Line
        What became of every file, and of every student of the class list who handed in nothing.
    platform : Platform
        Whose download it was taken for.
    without_time : int
        Of how many submissions nobody knows when they were handed in.
    """

    received: list[Received] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    platform: Platform = Platform.PLAIN
    without_time: int = 0

    @property
    def problems(self) -> list[str]:
        """What was not as expected, one sentence each."""
        return [f"{line.file or line.student}: {line.note}" for line in self.lines if line.note]


def collect(
    course: Course,
    path: Path,
    assignment: str,
    progress: bool = True,
    *,
    platform: Platform | None = None,
    roster: Roster | None = None,
    times: Mapping[str, datetime] | None = None,
) -> Collection:
    """Take in a folder or a zip of submissions; nothing in it is changed and nothing is unpacked to the disk.

    Parameters
    ----------
    platform : Platform, optional
        Whose names the files have; found out from the names if not given.
    roster : Roster, optional
        The class list, which joins a platform's numbers with students' ids. Without it, Canvas's user ids are looked up
        in the gradebook.
    times : mapping of str to datetime, optional
        When students handed in. Else a Moodle worksheet says so; the times of files count only in a plain folder or
        zip, because in a platform's download they are those of the download.
    """
    course.release_notebook(assignment)
    allowance = BytesLeft()
    with opened(path, allowance) as download, course.gradebook() as gradebook:
        found = platform or detect_platform(item.name for item in download.items)
        collection = Collection(platform=found)
        group = Class.of(gradebook, roster)
        by_student = _sort_files(download, found, assignment, group, collection, path)
        for student, files in tqdm(by_student.items(), desc="collecting", unit="student", disable=not progress):
            if _take_one(course, student, files, assignment, allowance, group, times or {}, collection):
                gradebook.update_or_create_student(student)
        _list_the_others(course, assignment, group, roster, times or {}, collection)
    return collection


def _sort_files(
    download: Download, platform: Platform, assignment: str, group: Class, collection: Collection, path: Path
) -> dict[str, list[Candidate]]:
    """Give every file to its student, in the order of their ids; list what belongs to nobody."""
    by_student: dict[str, list[Candidate]] = defaultdict(list)
    for name, reason in download.refused:
        collection.lines.append(Line("", name, Outcome.SKIPPED, reason))
    for item, named, student, problem in identify(download, platform, assignment, group):
        if named is None or problem:
            collection.lines.append(Line("", item.name, Outcome.SKIPPED, problem))
        else:
            by_student[student].append(Candidate(named, item))
    if platform is Platform.PLAIN:
        with_files = {alike(item.name.split("/")[0]) for item in download.items}
        for folder in sorted(download.folders):
            if alike(folder) not in with_files:
                note = f"expected {assignment}.ipynb, found no notebook; nothing was taken from this student"
                collection.lines.append(Line(folder, folder, Outcome.SKIPPED, note))
    if not by_student:
        note = (
            f"it holds no submissions: expected <student>/{assignment}.ipynb or <student>_{assignment}.ipynb, or the "
        )
        collection.lines.append(Line("", str(path), Outcome.SKIPPED, note + "download of Canvas or Moodle"))
    return dict(sorted(by_student.items()))


def _take_one(
    course: Course,
    student: str,
    files: list[Candidate],
    assignment: str,
    allowance: BytesLeft,
    group: Class,
    times: Mapping[str, datetime],
    collection: Collection,
) -> bool:
    """Take in one student's submission; return whether there was one."""
    file = files[0].item.name
    try:
        checked_student_name(student)
        choice = choose(student, files, assignment, collection.platform, allowance)
        collection.lines.extend(choice.lines)
        chosen = choice.chosen
        if chosen is None:
            return False
        file = chosen.item.name
        enrolled = group.enrolled.get(student)
        when = times.get(student) or (enrolled.handed_in if enrolled else None)
        if when is None and collection.platform is Platform.PLAIN:
            when = chosen.item.modified
        collection.without_time += when is None
        late = chosen.named.late or bool(enrolled and enrolled.late)
        for older in choice.older:
            _keep_older(course, student, assignment, older, file, collection)
        received = take_in(course, student, assignment, HandedIn(choice.content, file, when, late))
    except (CourseError, OSError) as error:
        collection.lines.append(Line(student, file, Outcome.SKIPPED, str(error)))
        return False
    collection.received.append(received)
    remarks = [*group.remarks(student, chosen.named), *choice.remarks, *received.notes]
    note = "; ".join([*(["marked late"] if late else []), *remarks])
    collection.lines.append(Line(student, file, _outcome(received), note))
    return True


def _outcome(received: Received) -> Outcome:
    if any(note.startswith(UNREADABLE) for note in received.notes):
        return Outcome.BLANK
    if received.replaced:
        return Outcome.REPLACED
    return Outcome.TAKEN if received.changed else Outcome.UNCHANGED


def _keep_older(
    course: Course, student: str, assignment: str, older: Candidate, newest: str, collection: Collection
) -> None:
    note = f"{student} has also handed in {newest}, which was taken"
    try:
        keep(course, student, assignment, older.item.read())
        collection.lines.append(Line(student, older.item.name, Outcome.OLDER, note))
    except (CourseError, OSError) as error:
        collection.lines.append(Line(student, older.item.name, Outcome.UNREADABLE, f"{error}; {note}"))


def _list_the_others(
    course: Course,
    assignment: str,
    group: Class,
    roster: Roster | None,
    times: Mapping[str, datetime],
    collection: Collection,
) -> None:
    """List who is in the class list but not in the download, and what of the lists themselves could not be used."""
    mentioned = {line.student for line in collection.lines if line.student}
    taken = set(course.students(assignment))
    for student in sorted(set(group.ids.values()) - mentioned):
        collection.lines.append(Line(student, "", Outcome.ABSENT if student in taken else Outcome.MISSING))
    for problem in roster.problems if roster else []:
        collection.lines.append(Line("", roster.table.path.name if roster else "", Outcome.CLASS_LIST, problem))
    for student in sorted(set(times) - set(group.ids.values()) - mentioned):
        note = "there is a submission time for this student, who is in no class list and no download"
        collection.lines.append(Line(student, "", Outcome.CLASS_LIST, note))
