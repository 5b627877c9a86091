"""Downloads and gradebooks as Canvas and Moodle write them, for a class of fifty with the names that people have.

The rules for names, columns and encodings are those of the platforms' sources (see submission_names.py, rosters.py).
"""

from __future__ import annotations

import copy
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests.grading.small_notebook import answered_notebook, content

ASSIGNMENT = "doubling"
NAMES = """
Ada Lovelace|Jürgen Müller|Zoë O'Brien|José García Márquez|Łukasz Żółć|Søren Ørsted|Đặng Thị Hồng|伟 王|花子 山田
민준 김|Иван Петров|Ελένη Παπαδοπούλου|محمد علي|דוד כהן|अनिता शर्मा|สมชาย ใจดี|Mary-Jane Smith-Jones|Jean-Luc d'Arc
Björk Guðmundsdóttir|Ñandú Peña|Martin Luther King, Jr.|Anna van der Berg|Li Na|Ana Ana|Ana Anna|Noël Noel|Şebnem İnci
Eve =2+2|X Æ A-12|Élodie Étienne|Robert'); DROP TABLE Students;-- Tables|=SUM(A1) Formula|@home At|+Plus Sign
-Minus Sign|Emoji 😀|Quote "Quote" Mark|Semi;Colon Name|Percent % Sign|Slash/Name Person|O'Neil O'Neil|Ann +1
Late LATE|Anon anon|Nr 12|Frank 345 Number|Ümit Özgür|Chloë Brontë|Renée Zellweger|Último Alumno
"""


@dataclass(frozen=True)
class Person:
    """One student, with the numbers that the platforms gave."""

    first: str
    last: str
    email: str
    canvas: str
    participant: str

    @property
    def full(self) -> str:
        """The name as Moodle shows it."""
        return f"{self.first} {self.last}"

    @property
    def sortable(self) -> str:
        """The name as Canvas sorts it."""
        return f"{self.last}, {self.first}"


def class_of_fifty() -> list[Person]:
    """Fifty students; nobody's id can be guessed from the name."""
    names = [name for line in NAMES.strip().splitlines() for name in line.split("|")]
    people = []
    for place, name in enumerate(names):
        first, _, last = name.partition(" ")
        # Every third name comes as a Mac writes it, accents apart from their letters.
        first, last = (unicodedata.normalize("NFD" if place % 3 == 0 else "NFC", part) for part in (first, last))
        people.append(Person(first, last, f"s{place:02}.x-y@uni.example", f"{40117 + 7 * place}", f"{900311 - place}"))
    assert len(people) == 50
    return people


def notebook(release: nbformat.NotebookNode, person: Person, version: str = "only") -> bytes:
    """A submission from which can be told whose it is, and which of several."""
    answered = answered_notebook(copy.deepcopy(release))
    answered.cells[3].source = f"def double(x):\n    return 2 * x  # {person.email} {version}"
    return content(answered)


class NamedAsByRuby(zipfile.ZipInfo):
    """A file in a zip whose name is UTF-8 without saying so, as Canvas's library writes it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode(), self.flag_bits & ~0x800


def canvas_name(person: Person, upload: int, file: str, late: bool = False) -> str:
    """The name that Canvas gives a file."""
    words = "".join(
        letter
        for letter in re.sub(r"_(\d+)_", r"\1", person.sortable).lower()
        if letter == "_" or letter.isalnum() or unicodedata.category(letter).startswith("M")
    )
    return "_".join([words, *(["LATE"] if late else []), person.canvas, str(upload), file])


def moodle_folder(person: Person, ending: str = "_") -> str:
    """The name that Moodle gives a student's folder; it leaves some characters out."""
    kept = re.sub(r"""[\x00-\x1f\x7f&<>"`|':\\/]""", "", person.full.replace("_", " "))
    return f"{kept}_{person.participant}_assignsubmission_file{ending}"


def write_zip(path: Path, files: Iterable[tuple[str, bytes]], as_by_ruby: bool = False) -> Path:
    """Write a zip in which all files have the time of the download."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = (NamedAsByRuby if as_by_ruby else zipfile.ZipInfo)(name, (2026, 12, 24, 20, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip that a student handed in."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


MISSING, UNREADABLE, IN_A_ZIP, RENAMED = 7, 11, 13, 17
LATE, AGAIN = frozenset(range(0, 50, 9)), frozenset(range(2, 50, 10))


def handed_in(release: nbformat.NotebookNode, place: int, person: Person) -> Iterator[tuple[str, bytes]]:
    """Yield the files of one student, the oldest first."""
    if place == MISSING:
        return
    if place == UNREADABLE:
        yield f"{ASSIGNMENT}.ipynb", notebook(release, person)[:300]
    elif place == IN_A_ZIP:
        files = [
            ("__MACOSX/work/._doubling.ipynb", b"\0\5"),
            ("work/.DS_Store", b"\0"),
            (f"work/{ASSIGNMENT}.ipynb", notebook(release, person)),
            ("work/data.csv", b"1,2\n"),
        ]
        yield "homework.zip", zipped(files)
    elif place == RENAMED:
        yield "final FINAL.ipynb", notebook(release, person)
    elif place in AGAIN:
        for version in range(3):
            ending = f"-{version}" if version else ""
            label = ("first", "second", "newest")[version]
            yield f"{ASSIGNMENT}{ending}.ipynb", notebook(release, person, label)
    else:
        yield f"{ASSIGNMENT}.ipynb", notebook(release, person)


def canvas_download(path: Path, release: nbformat.NotebookNode, people: list[Person]) -> Path:
    """Write ``submissions.zip``; the files of one student stand in no order."""
    files = [("__MACOSX/._x", b"\0"), (".DS_Store", b"\0")]
    for place, person in enumerate(people):
        for count, (file, data) in enumerate(handed_in(release, place, person)):
            files.append((canvas_name(person, 7_000_000 + 100 * count + place, file, place in LATE), data))
    return write_zip(path, sorted(files, key=lambda file: file[0][::-1]), as_by_ruby=True)


def moodle_download(path: Path, release: nbformat.NotebookNode, people: list[Person], folders: bool = True) -> Path:
    """Write Moodle's zip, with a folder for each student or side by side files."""
    files = []
    for place, person in enumerate(people):
        ending = ("_/" if place % 2 else "/") if folders else "_"
        files += [(moodle_folder(person, ending) + file, data) for file, data in handed_in(release, place, person)]
    return write_zip(path, files)


def canvas_gradebook(path: Path, people: list[Person], delimiter: str = ",") -> Path:
    """Write the gradebook that Canvas exports."""
    totals = ["Current Score", "Final Score"]
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Warm-up (7001)", "Doubling (12345)", *totals]
    rows = [
        ["", "", "", "", "", "", "Manual Posting", "", ""],
        ["    Points Possible", "", "", "", "", "10", "5", "(read only)", "(read only)"],
        *(
            [f'="{one.sortable}"' if one.sortable.startswith("=") else one.sortable,
             one.canvas, f"u{one.canvas}", one.email, "RL, autumn", "3.5", "", "35", "35"]
            for one in people
        ),
        ["Student, Test", "99999", "", "b6d767d2f8ed5d21a44b0e5886680cb9", "RL, autumn", "", "1", "", ""],
    ]  # fmt: skip
    return write_csv(path, [header, *rows], delimiter)


def moodle_worksheet(path: Path, people: list[Person], delimiter: str = ",") -> Path:
    """Write the grading worksheet that Moodle gives."""
    header = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade", "Grade can be changed"]
    header += ["Last modified (submission)", "Last modified (grade)", "Feedback comments"]
    rows = []
    for place, one in enumerate(people):
        status = "No submission" if place == MISSING else "Submitted for grading"
        status += " - 3 mins 31 secs late" if place in LATE else ""
        when = "-" if place == MISSING else f"Wednesday, 10 June 2026, {1 + place // 12}:{place:02} PM"
        participant = f"Participant {one.participant}"
        rows.append([participant, one.full, one.email, status, "", "5.00", "Yes", when, "-", 'Said "hello",\nand left'])
    return write_csv(path, [header, *rows], delimiter)


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ",") -> Path:
    """Write rows in UTF-8 with a byte order mark, as both platforms do."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    """Read all rows."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, delimiter=delimiter))
