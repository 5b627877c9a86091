"""What the names of handed-in files say: who, late or not, and which of several.

Written down from the two platforms' own sources.

Canvas (``lib/content_zipper.rb``) puts all files of a download side by side::

    müllerjürgen_LATE_12345_67890_bellman-1.ipynb
    name, LATE if it was, user id, file id, the file's own name

The name is the sortable one ("Müller, Jürgen") in small letters, without spaces and punctuation; for a group it is the
group's name beside the user id of one member; where grading is anonymous it is left out and ``anon_AbC12`` stands for
the user id. Canvas adds ``-1``, ``-2`` … where a student had used the file name before, and from the eighth on random
letters; the file id grows with every upload, so it decides which file is the newest.

Moodle (``mod/assign/classes/downloader.php``) makes a folder for each student, or side by side files if the teacher has
switched folders off; the underscore at the end of the folder's name is older versions'::

    Jürgen Müller_1234567_assignsubmission_file_/bellman.ipynb
    Jürgen Müller_1234567_assignsubmission_file/bellman.ipynb
    Jürgen Müller_1234567_assignsubmission_file_bellman.ipynb

The number is the participant's of this one assignment, as in the grading worksheet. Moodle writes no lateness here.

Anything else is plain: ``<student>/<assignment>.ipynb`` or ``<student>_<assignment>.ipynb``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MOODLE = re.compile(
    r"(?P<name>[^/]*?)_(?P<who>\d+)_assignsubmission_(?P<kind>[a-z0-9]+)(?:_(?P<file>[^/]*))?", re.DOTALL
)
CANVAS_END = re.compile(r"(?P<who>\d+|anon_[0-9A-Za-z]+)_(?P<upload>\d+)_(?P<file>[^/]+)", re.DOTALL)
LATE = "LATE_"
ADDED = re.compile(
    r"(?P<before>.*)(?:-\d{1,4}|-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\s*\(\d+\)|-Copy\d+)", re.DOTALL
)


class Platform(StrEnum):
    """Where a download or a class list comes from."""

    CANVAS = "canvas"
    MOODLE = "moodle"
    PLAIN = "plain"


@dataclass(frozen=True)
class NamedFile:
    """What a file's name says.

    Attributes
    ----------
    who : str
        Canvas's user id (or ``anon_…``), Moodle's participant number, or a student's id.
    shown : str
        The name the platform shows; it identifies nobody.
    file : str
        The name that the student gave the file.
    late : bool
        Whether the platform marked the file as late.
    upload : int
        Grows with every upload where the platform counts them, else 0.
    kind : str
        Moodle's kind of submission: ``file``, ``onlinetext``, …
    """

    who: str
    shown: str
    file: str
    late: bool = False
    upload: int = 0
    kind: str = "file"


def canvas_readings(path: str) -> list[NamedFile]:
    """Return all ways to read a path of a Canvas download, the likeliest first; none if it is no such file.

    There is more than one where a name ends, or a file's own name begins, with digits between underscores. The first
    digits after the name are the likeliest: what follows was chosen by the student.
    """
    name = path.rsplit("/", 1)[-1]
    starts = [0, *(place + 1 for place, letter in enumerate(name) if letter == "_")]
    readings = []
    for start in starts:
        late = name.startswith(LATE, start)
        found = CANVAS_END.fullmatch(name, start + len(LATE) * late)
        if found and not name[:start].endswith(f"_{LATE}") and name[:start] != LATE:
            shown = name[: max(start - 1, 0)]
            readings.append(NamedFile(found["who"], shown, found["file"], late, int(found["upload"])))
    # A file without a name before the numbers is rare (anonymous grading), so that reading comes last.
    return sorted(readings, key=lambda reading: not reading.shown and not reading.who.startswith("anon_"))


def moodle_reading(path: str) -> NamedFile | None:
    """Return what a path of a Moodle download says, or None if it is no such file."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        found = MOODLE.fullmatch(part)
        if found is None:
            continue
        inside = "/".join(parts[place + 1 :])
        file = inside or found["file"]
        if file:
            return NamedFile(found["who"], found["name"], file, kind=found["kind"])
    return None


def detect_platform(paths: Iterable[str]) -> Platform:
    """Tell whose download this is: that of the platform whose names most of the files have."""
    files = list(paths)
    moodle = sum(moodle_reading(path) is not None for path in files)
    canvas = sum(bool(canvas_readings(path)) for path in files)
    if 2 * moodle > len(files):
        return Platform.MOODLE
    return Platform.CANVAS if 2 * canvas > len(files) else Platform.PLAIN


def is_named_after(file: str, assignment: str) -> bool:
    """Whether a file has the assignment's name, apart from capitals and what platforms and browsers add to it."""
    name = _stem(file)
    while alike(name) != alike(assignment):
        found = ADDED.fullmatch(name)
        if found is None:
            return False
        name = found["before"].rstrip()
    return True


def begins_like(file: str, assignment: str) -> bool:
    """Whether a file's name begins with the assignment's."""
    return alike(_stem(file)).startswith(alike(assignment))


def times_renamed(file: str) -> int:
    """Return the number that Canvas added to a name that had been used before, 0 if none."""
    found = re.fullmatch(r".*-(\d{1,4})", _stem(file), re.DOTALL)
    return int(found[1]) if found else 0


def alike(text: str) -> str:
    """Return *text* in the one form in which names are compared: composed, without capitals."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def letters(name: str) -> str:
    """Return only the letters and digits of a name, without accents: platforms drop different characters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())))


def _stem(file: str) -> str:
    name = file.rsplit("/", 1)[-1]
    return name[: -len(".ipynb")] if name.lower().endswith(".ipynb") else name
