"""Take in what students hand in: only their answers count, everything else comes from the release notebook.

Metadata in a submission (grade ids, points, locks) can be lost, copied or forged, and one cell that nbgrader does not
expect stops its whole batch. So the notebook to be graded is always built anew (see rebuild.py), the file that was
handed in is kept byte for byte, and whatever was odd is noted for the instructor.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from autograder.course import Course, checked_student_name
from autograder.errors import CourseError
from autograder.files import write_whole
from autograder.receiving.downloads import LARGEST_FILE
from autograder.receiving.rebuild import rebuild

LOG = logging.getLogger(__name__)
RECEIPT = "intake.json"


@dataclass(frozen=True)
class HandedIn:
    """One file as a student handed it in, and what is known about it.

    Attributes
    ----------
    when : datetime or None
        When it was handed in. None if nobody knows: the times in a platform's download are those of the download.
    late : bool
        Whether the platform marked it as late.
    """

    content: bytes
    file: str = ""
    when: datetime | None = None
    late: bool = False


@dataclass
class Received:
    """One student's work as it was taken in.

    Attributes
    ----------
    changed : bool
        Whether it differs from what had been taken in before, or is the first.
    replaced : bool
        Whether another file had been taken in before, which is kept too.
    """

    student: str
    assignment: str
    notes: list[str] = field(default_factory=list)
    changed: bool = True
    replaced: bool = False


def digest(data: bytes) -> str:
    """Name of a file's content."""
    return hashlib.sha256(data).hexdigest()


def receipt(course: Course, student: str, assignment: str) -> dict[str, Any]:
    """What intake wrote about a student's work, empty where it has seen none."""
    path = course.received(student, assignment) / RECEIPT
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CourseError(f"{path} cannot be read ({error}); delete it and collect the submission again") from None


def take_in(course: Course, student: str, assignment: str, handed_in: Path | HandedIn) -> Received:
    """Keep the file that was handed in and write the notebook that will be graded.

    Parameters
    ----------
    handed_in : Path or HandedIn
        Any file, which is read and never changed; a path's time is taken as the time of handing in.

    Returns
    -------
    Received
        With one note for every oddity; ``changed`` is false if the same file had been taken in before.
    """
    checked_student_name(student)
    given = read_file(handed_in) if isinstance(handed_in, Path) else handed_in
    release = course.release_notebook(assignment).read_bytes()
    known = receipt(course, student, assignment)
    same = known.get("original") == digest(given.content)
    if same and known.get("release") == digest(release) and course.submitted(student, assignment).is_file():
        details = {**known, **_circumstances(given)}
        details["handed in"] = details["handed in"] or known.get("handed in", "")  # the same file, whose time was known
        if details != known:
            _write_receipt(course, student, assignment, details)
        return Received(student, assignment, known["notes"], changed=False)
    keep(course, student, assignment, given.content)
    received = _write_rebuilt(course, student, assignment, given.content, release, _circumstances(given))
    received.replaced = bool(known) and not same
    return received


def read_file(path: Path) -> HandedIn:
    """Read a file that was handed in, with its time."""
    if path.is_symlink() or not path.is_file():
        raise CourseError(f"{path} is not an ordinary file; expected a notebook")
    if path.stat().st_size > LARGEST_FILE:
        raise CourseError(f"{path} has {path.stat().st_size:,} bytes; at most {LARGEST_FILE:,} are taken in")
    return HandedIn(path.read_bytes(), path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC))


def _collected_by_nbgrader(path: Path) -> HandedIn:
    """Read a file that nbgrader's own collecting has put there, with the time that it wrote beside it."""
    from nbgrader.utils import parse_utc

    found, timestamp = read_file(path), path.with_name("timestamp.txt")
    if not timestamp.is_file():
        return found
    try:
        return replace(found, when=parse_utc(timestamp.read_text().strip()).replace(tzinfo=UTC))
    except (ValueError, OverflowError):  # not written by nbgrader
        return found


def keep(course: Course, student: str, assignment: str, content: bytes) -> Path:
    """Keep a file as it was handed in, byte for byte, beside all others of this student."""
    folder = course.received(student, assignment)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{assignment}.{digest(content)[:12]}.ipynb"
    if not kept.exists():
        write_whole(kept, content)
    return kept


def _circumstances(given: HandedIn) -> dict[str, Any]:
    """Say in a receipt when a file was handed in, empty if nobody knows, and whether the platform called it late."""
    when = f"{given.when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if given.when else ""
    return {"file": given.file, "handed in": when, "late mark": given.late}


def refresh(course: Course, student: str, assignment: str) -> Received:
    """Make sure that the notebook to be graded was built by intake, from the present release.

    A file that something else put there (nbgrader's own collect, a copy by hand) is taken in now.
    """
    path, known = course.submitted(student, assignment), receipt(course, student, assignment)
    if not path.is_file():
        raise CourseError(f"no submission of {student} at {path}; collect it first")
    if known.get("rebuilt") != digest(path.read_bytes()):
        return take_in(course, student, assignment, path if known else _collected_by_nbgrader(path))
    release = course.release_notebook(assignment).read_bytes()
    if known["release"] == digest(release):
        return Received(student, assignment, known["notes"], changed=False)
    kept = course.received(student, assignment) / f"{assignment}.{known['original'][:12]}.ipynb"
    circumstances: dict[str, Any] = {key: known[key] for key in ("file", "handed in", "late mark") if key in known}
    return _write_rebuilt(course, student, assignment, kept.read_bytes(), release, circumstances)


def _write_rebuilt(
    course: Course, student: str, assignment: str, content: bytes, release: bytes, circumstances: dict[str, Any]
) -> Received:
    notebook, notes = rebuild(content, nbformat.reads(release.decode(), as_version=4))
    rebuilt = nbformat.writes(notebook).encode()
    path = course.submitted(student, assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, rebuilt)
    details = {
        "original": digest(content), "release": digest(release), "rebuilt": digest(rebuilt),
        **circumstances, "notes": notes,
    }  # fmt: skip
    _write_receipt(course, student, assignment, details)
    return Received(student, assignment, notes)


def _write_receipt(course: Course, student: str, assignment: str, details: dict[str, Any]) -> None:
    """Write down what is known of a submission, its time also where nbgrader looks for it."""
    timestamp = course.submitted(student, assignment).with_name("timestamp.txt")
    if details.get("handed in"):
        write_whole(timestamp, details["handed in"].encode())
    else:
        timestamp.unlink(missing_ok=True)
    write_whole(course.received(student, assignment) / RECEIPT, json.dumps(details, indent=1).encode())


def before_autograde(assignment: str, student: str, notebooks: list[str]) -> None:
    """Run intake inside nbgrader's own `autograde` command, on submissions that it is about to read.

    nbgrader passes patterns for *assignment* and *student*, and the paths that matched for *notebooks*, which lie in
    ``<course folder>/course/submitted/<student>/<assignment>/``.
    """
    for notebook in map(Path, notebooks):
        course = Course.at(notebook.parents[4])
        student_name, assignment_name = notebook.parent.parent.name, notebook.parent.name
        if notebook.stem != assignment_name:
            continue
        try:
            received = refresh(course, student_name, assignment_name)
            for note in received.notes if received.changed else []:
                LOG.warning("%s, %s: %s", student_name, assignment_name, note)
        except CourseError as error:
            LOG.error("%s, %s: %s", student_name, assignment_name, error)
