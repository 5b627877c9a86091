"""Read a folder or a zip of submissions without changing it, and without believing what it says about itself.

Nothing is unpacked to the disk: a file is read into memory when it is asked for, one at a time, and the bytes that
really come are counted. So a name cannot lead anywhere, and a file that unpacks to more than it should is given up.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from autograder.errors import CourseError

LARGEST_FILE = 64_000_000
MOST_UNPACKED = 8_000_000_000
MOST_FILES = 50_000
MOST_FILES_OF_A_STUDENT = 2_000
MOST_TIMES_LARGER = 200
LONGEST_NAME = 1_000
ALWAYS_ALLOWED = 4_000_000
SILENTLY_IGNORED = {"__macosx", "thumbs.db", "desktop.ini"}
DIRECTORY_ENTRY = b"PK\x01\x02"
UTF8_NAME, ENCRYPTED = 0x800, 0x1
READABLE_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)


@dataclass
class Item:
    """One file of a download: its path there (with ``/``), its time, and how to read it."""

    name: str
    modified: datetime | None
    read: Callable[[], bytes]


@dataclass
class Download:
    """What a download holds.

    Attributes
    ----------
    items : list of Item
        The ordinary files, by name.
    refused : list of (str, str)
        Names of what is no ordinary file or tries to leave its place, and why.
    folders : set of str
        The folders at the top, also empty ones.
    """

    items: list[Item] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)


@dataclass
class BytesLeft:
    """How many bytes may still be unpacked from one download, all its files together."""

    left: int = MOST_UNPACKED


@contextlib.contextmanager
def opened(path: Path, allowance: BytesLeft) -> Iterator[Download]:
    """Open a folder or a zip; its items can be read until the end of the block."""
    if path.is_dir():
        yield _folder(path)
        return
    if not path.exists():
        raise CourseError(f"no folder at {path}: expected a folder of submissions, or the zip that a platform gives")
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise CourseError(
            f"{path} is neither a folder nor a zip that can be read ({error}); download it again, or unpack it "
            "yourself and name the folder"
        ) from None
    with archive:
        if len(archive.infolist()) > MOST_FILES:
            raise CourseError(f"{path} holds {len(archive.infolist()):,} files; at most {MOST_FILES:,} are read")
        yield _archive(archive, allowance)


@contextlib.contextmanager
def opened_inside(content: bytes, allowance: BytesLeft) -> Iterator[Download]:
    """Open a zip that a student handed in; raise `CourseError` with the reason if it cannot be read."""
    # Counted before the directory is read: each of its entries takes a hundred times more memory than it does bytes.
    if content.count(DIRECTORY_ENTRY) > MOST_FILES_OF_A_STUDENT:
        raise CourseError(f"the zip holds more than {MOST_FILES_OF_A_STUDENT:,} files")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except BROKEN as error:
        raise CourseError(f"the zip cannot be read ({error})") from None
    with archive:
        yield _archive(archive, allowance)


def _archive(archive: zipfile.ZipFile, allowance: BytesLeft) -> Download:
    download = Download()
    for info in archive.infolist():
        name = _name_in_zip(info)
        if _ignored(name):
            continue
        if reason := _reason_to_refuse(info, name):
            download.refused.append((name[:LONGEST_NAME], reason))
            continue
        if "/" in name:
            download.folders.add(name.split("/")[0])
        if not name.endswith("/"):
            download.items.append(Item(name, _time_in_zip(info), partial(_read_member, archive, info, allowance)))
    return _sorted(download)


def _folder(path: Path) -> Download:
    download = Download()
    for folder, folders, files in os.walk(path):
        inside = Path(folder).relative_to(path)
        folders[:] = sorted(name for name in folders if not _ignored(name))
        if inside == Path():
            download.folders.update(map(_shown, folders))
        for name in files + [name for name in folders if (Path(folder) / name).is_symlink()]:
            place, shown = Path(folder) / name, _shown((inside / name).as_posix())
            if _ignored(shown):
                continue
            details = place.lstat()
            if not stat.S_ISREG(details.st_mode):
                download.refused.append((shown, "it is not an ordinary file; links and devices are not read"))
                continue
            modified = datetime.fromtimestamp(details.st_mtime, UTC)
            download.items.append(Item(shown, modified, partial(_read_file, place)))
    if len(download.items) > MOST_FILES:
        raise CourseError(f"{path} holds {len(download.items):,} files; at most {MOST_FILES:,} are read")
    return _sorted(download)


def _sorted(download: Download) -> Download:
    download.items.sort(key=lambda item: item.name)
    return download


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise CourseError(f"it has {path.stat().st_size:,} bytes; at most {LARGEST_FILE:,} are taken in")
    return content


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: BytesLeft) -> bytes:
    if info.flag_bits & ENCRYPTED:
        raise CourseError("it is encrypted; ask the student for one without a password")
    # The others unpack a whole piece before its size can be seen.
    if info.compress_type not in READABLE_METHODS:
        raise CourseError("it is compressed in an unusual way; unpack it yourself and collect the file")
    content = bytearray()
    most = min(LARGEST_FILE, allowance.left, max(ALWAYS_ALLOWED, MOST_TIMES_LARGER * info.compress_size))
    try:
        with archive.open(info) as stream:
            while len(content) <= most and (piece := stream.read(1_000_000)):
                content += piece
                allowance.left -= len(piece)
    except BROKEN as error:
        raise CourseError(f"it cannot be unpacked ({error}); download it again, or ask the student") from None
    if len(content) > most:
        raise CourseError(f"it unpacks to more than {most:,} bytes, from {info.compress_size:,} in the zip")
    return bytes(content)


def _reason_to_refuse(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why a file in a zip is left alone, if it is."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":" or "\0" in name:
        return "its name leads out of the zip"
    if len(name) > LONGEST_NAME:
        return f"its name has {len(name):,} characters"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is not an ordinary file; links and devices are not read"
    return None


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Return a name as it was meant: Canvas writes UTF-8 without saying so, and Python then reads another alphabet."""
    name = info.orig_filename
    if not info.flag_bits & UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return _shown(name).replace("\\", "/")


def _time_in_zip(info: zipfile.ZipInfo) -> datetime | None:
    """Return the time of a file in a zip, which is local time without a zone."""
    try:
        return datetime(*info.date_time).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _shown(name: str) -> str:
    """Return a name that can be compared and printed: composed, and without half characters."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _ignored(name: str) -> bool:
    """Whether a path is an operating system's or Jupyter's own."""
    return any((part.startswith(".") and part != "..") or part.lower() in SILENTLY_IGNORED for part in name.split("/"))
