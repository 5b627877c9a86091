"""A folder or zip of submissions can hold anything; it is read safely, and one bad file never stops the others."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.course import Course
from autograder.errors import CourseError
from autograder.receiving import downloads
from autograder.receiving.collect import Collection, collect
from autograder.receiving.downloads import BytesLeft, opened, opened_inside
from autograder.receiving.outcomes import Outcome, print_outcomes
from tests.grading.simulated_downloads import NamedAsByRuby, write_zip, zipped
from tests.grading.small_notebook import content, released

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def plain_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with one released notebook; every test has students of its own."""
    course = Course.at(tmp_path_factory.mktemp("downloads") / "autograder")
    folder = course.release / "doubling"
    folder.mkdir(parents=True)
    nbformat.write(released(), folder / "doubling.ipynb")
    return course


def taken(course: Course, path: Path) -> Collection:
    return collect(course, path, "doubling", progress=False)


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    """A file in a zip with the kind that a Unix system gives it."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def test_names_that_lead_out_of_a_zip_and_links_are_refused(
    plain_course: Course, tmp_path: Path, answered: Any
) -> None:
    good = content(answered)
    path, outside = tmp_path / "inbox" / "class.zip", tmp_path / "outside"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("escape-good/doubling.ipynb", good)
        for name in ("../outside/doubling.ipynb", "a/../../outside/x_doubling.ipynb", f"{outside}/doubling.ipynb"):
            archive.writestr(name, good)
        for name in ("C:/outside/doubling.ipynb", "..\\outside\\doubling.ipynb"):
            archive.writestr(name, good)
        archive.writestr(entry("link/doubling.ipynb", 0o120777), str(path))
        archive.writestr(entry("device/doubling.ipynb", 0o020666), b"")
        archive.writestr("1_" * 30_000 + "doubling.ipynb", good)
    collection = taken(plain_course, path)
    assert [received.student for received in collection.received] == ["escape-good"]
    assert not outside.exists() and [each.name for each in path.parent.iterdir()] == ["class.zip"]
    refused = [line for line in collection.lines if line.status is Outcome.SKIPPED]
    assert sum("leads out of the zip" in line.note for line in refused) == 5
    assert sum("not an ordinary file" in line.note for line in refused) == 2
    assert sum("its name has 60,014 characters" in line.note for line in refused) == 1


def bomb(size: int, method: int = zipfile.ZIP_DEFLATED, claimed: int | None = None) -> bytes:
    """A zip with a notebook of *size* zeros, that may claim another size."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, archive.open("doubling.ipynb", "w") as file:
        for _ in range(size // MEGABYTE):
            file.write(bytes(MEGABYTE))
    data = stream.getvalue()
    return data if claimed is None else data.replace(size.to_bytes(4, "little"), claimed.to_bytes(4, "little"))


def many_files() -> bytes:
    return zipped((f"{number}.ipynb", b"") for number in range(3000))


def broken() -> bytes:
    data = bytearray(zipped([("doubling.ipynb", os.urandom(5000))]))
    data[1000:1010] = bytes(10)
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(zipped([("doubling.ipynb", b"{}")]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("bomb", lambda: bomb(70 * MEGABYTE), "unpacks to more than"),
        ("ratio", lambda: bomb(20 * MEGABYTE), "unpacks to more than"),
        ("liar", lambda: bomb(20 * MEGABYTE, claimed=100), "cannot be unpacked"),
        ("bzip", lambda: bomb(20 * MEGABYTE, zipfile.ZIP_BZIP2), "compressed in an unusual way"),
        ("lzma", lambda: bomb(20 * MEGABYTE, zipfile.ZIP_LZMA), "compressed in an unusual way"),
        ("many", many_files, "more than 2,000 files"),
        ("nested", lambda: zipped([("doubling.zip", zipped([("doubling.ipynb", b"{}")]))]), "holds no notebook"),
        ("broken", broken, "cannot be unpacked"),
        ("encrypted", encrypted, "encrypted; ask the student"),
        ("half", lambda: zipped([("doubling.ipynb", b"{}" * 500)])[:80], "the zip cannot be read"),
        ("empty", lambda: b"", "the zip cannot be read"),
        ("nozip", lambda: b"not a zip", "the zip cannot be read"),
        ("wrong", lambda: zipped([("essay.ipynb", b"{}")]), "the zip holds essay.ipynb, expected doubling.ipynb"),
        ("escape", lambda: zipped([("../doubling.ipynb", b"{}")]), "leads out of the zip"),
    ],
)
def test_a_hostile_zip_of_a_student_is_listed_and_the_others_go_on(
    plain_course: Course, tmp_path: Path, answered: Any, name: str, make: Callable[[], bytes], reason: str
) -> None:
    path = write_zip(
        tmp_path / "class.zip",
        [(f"a-{name}/doubling.zip", make()), (f"z-{name}/doubling.ipynb", content(answered))],
    )
    tracemalloc.start()
    collection = taken(plain_course, path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [received.student for received in collection.received] == [f"z-{name}"]
    line = next(line for line in collection.lines if line.student == f"a-{name}")
    assert any(part in line.note for part in reason.split("|")), line.note
    assert most < 160 * MEGABYTE


def test_a_bomb_in_the_download_itself_is_given_up_and_the_sum_of_all_files_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "class.zip", [(f"{number}_doubling.ipynb", os.urandom(90_000)) for number in range(5)])
    allowance = BytesLeft(200_000)
    with opened(path, allowance) as download:
        for item in download.items[:2]:
            assert len(item.read()) == 90_000
        with pytest.raises(CourseError, match=r"unpacks to more than 20,000 bytes"):
            download.items[2].read()
    monkeypatch.setattr(downloads, "MOST_FILES", 3)
    with pytest.raises(CourseError, match=r"class.zip holds 5 files; at most 3 are read"), opened(path, BytesLeft()):
        pass


def test_a_zip_of_a_million_names_is_refused_before_its_directory_is_read() -> None:
    record = zipped([("doubling.ipynb", b"")])
    directory = record.index(b"PK\x01\x02")
    entries, end = record[directory : record.index(b"PK\x05\x06")], record[record.index(b"PK\x05\x06") :]
    count = 1_000_000
    size = (len(entries) * count).to_bytes(4, "little")
    many = record[:directory] + entries * count + end[:12] + size + end[16:]
    tracemalloc.start()
    with pytest.raises(CourseError, match="more than 2,000 files"), opened_inside(many, BytesLeft()):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MEGABYTE


def test_a_plain_zip_is_read_as_its_folder_is(plain_course: Course, tmp_path: Path, answered: Any) -> None:
    good = content(answered)
    files = [
        ("Class/__MACOSX/x", b""),
        ("Class/.DS_Store", b""),
        ("Class/Thumbs.db", b""),
        ("Class/p-ada/doubling.ipynb", good),
        ("Class/p-ada/.ipynb_checkpoints/doubling-checkpoint.ipynb", b"{}"),
        ("Class/p-ben_doubling.ipynb", good),
        ("Class/p-cem_doubling.zip", zipped([("work/doubling.ipynb", good)])),
        ("Class\\p-dan\\doubling.ipynb", good),
        ("Class/p-eve/week 1/DOUBLING.IPYNB", good),
    ]
    collection = taken(plain_course, write_zip(tmp_path / "class.zip", files))
    assert [each.student for each in collection.received] == ["p-ada", "p-ben", "p-cem", "p-dan", "p-eve"]
    mine = [line for line in collection.lines if line.student.startswith("p-")]
    assert [line.note for line in mine] == ["", "", "it was in a zip", "", ""]
    when = plain_course.submitted("p-ada", "doubling").with_name("timestamp.txt").read_text()
    assert when.startswith("2026-12-2")


def test_names_in_other_alphabets_are_read_though_the_zip_does_not_say_how_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    names = {"Łukasz Żółć/doubling.ipynb", "山田花子/doubling.ipynb"}
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(NamedAsByRuby(name), b"{}")
        old = zipfile.ZipInfo("J?rgen/doubling.ipynb")
        archive.writestr(old, b"{}")
    path.write_bytes(path.read_bytes().replace(b"J?rgen", b"J\x81rgen"))  # ü as Windows wrote it
    with opened(path, BytesLeft()) as download:
        assert {item.name for item in download.items} == {*names, "Jürgen/doubling.ipynb"}


def test_strange_names_in_a_folder_can_be_read_listed_and_printed(
    plain_course: Course, tmp_path: Path, answered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    longest = "x" * (255 - len("_doubling.ipynb")) + "_doubling.ipynb"
    (inbox / longest).write_bytes(content(answered))
    (inbox / "strange-ok_doubling.ipynb").write_bytes(content(answered))
    Path(os.fsdecode(os.fsencode(inbox) + b"/not-utf8-\xff\xfe_doubling.ipynb")).write_bytes(content(answered))
    (inbox / "line\nbreak\x1b[31m[bold]_doubling.ipynb").write_bytes(content(answered))
    os.mkfifo(inbox / "pipe_doubling.ipynb")
    (inbox / "loop").symlink_to(inbox)
    collection = taken(plain_course, inbox)
    assert [each.student for each in collection.received] == ["strange-ok"]
    assert sum("cannot be a student's id" in problem for problem in collection.problems) == 3
    assert sum("not an ordinary file" in problem for problem in collection.problems) == 2
    print_outcomes(collection.lines, "doubling")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "[bold]" in shown


def test_ids_that_differ_in_capitals_or_in_how_accents_are_written_are_one_student(
    plain_course: Course, tmp_path: Path, answered: Any
) -> None:
    with plain_course.gradebook() as gradebook:
        gradebook.update_or_create_student("René@uni.example")
    first = tmp_path / "first"
    first.mkdir()
    (first / "rene\N{COMBINING ACUTE ACCENT}@UNI.example_doubling.ipynb").write_bytes(content(answered))
    (first / "Zoe\N{COMBINING DIAERESIS}_doubling.ipynb").write_bytes(content(answered))
    assert {each.student for each in taken(plain_course, first).received} == {"René@uni.example", "Zoë"}


def test_a_file_that_is_no_zip_or_no_file_is_an_error_that_says_what_to_do(
    plain_course: Course, tmp_path: Path
) -> None:
    (tmp_path / "class.zip").write_bytes(b"<html>Your session has expired</html>")
    with pytest.raises(CourseError, match=r"class.zip is neither a folder nor a zip .*; download it again"):
        taken(plain_course, tmp_path / "class.zip")
    (tmp_path / "empty").mkdir()
    assert (
        "it holds no submissions: expected <student>/doubling.ipynb"
        in taken(plain_course, tmp_path / "empty").problems[0]
    )
