"""What may be shown of a student's output: plain text and pictures, well formed and bounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

PICTURES = ("image/png", "image/jpeg")
# HTML, SVG and JavaScript are left out: pages with this output are opened by students and instructors.
UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_PICTURE = 2_000_000
MOST_PICTURES = 16_000_000
LONGEST_TRACEBACK = 40
MOST_PICTURES_AND_ERRORS = 20


def plain(text: str) -> str:
    """Return *text* without terminal colours and control characters."""
    return UNPRINTABLE.sub("", text)


def printed(text: str) -> NotebookNode:
    """A stream output; always stdout, because nbgrader scores a cell with anything on stderr 0."""
    return new_output("stream", name="stdout", text=plain(text))


def failure(name: str, message: str) -> NotebookNode:
    """An error output, which nbgrader scores 0 in a graded cell."""
    return new_output("error", ename=name, evalue=plain(message), traceback=[f"{name}: {plain(message)}"])


def score(value: float) -> NotebookNode:
    """The output from which nbgrader reads the points of a graded cell."""
    return new_output("execute_result", data={"text/plain": repr(float(value))}, execution_count=None)


@dataclass
class Room:
    """Characters of pictures that a whole notebook may still show: the process with the gradebook reads them all."""

    left: int = MOST_PICTURES


class Transcript:
    """Outputs of one cell, collected from a kernel's messages up to a number of characters.

    Parameters
    ----------
    room : int
        Characters that are kept; then one line says that the rest was left out.
    pictures : Room, optional
        What is left for pictures, shared by the cells of a notebook.
    """

    def __init__(self, room: int, pictures: Room | None = None) -> None:
        self.room, self.pictures = room, pictures or Room()
        self.outputs: list[NotebookNode] = []
        self._full = False
        self._large = 0

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Keep one message. Messages come from the student's process and may hold anything."""
        if kind == "stream":
            self._add_text(str(content.get("text", "")))
        elif kind == "error":
            self._add_error(content)
        elif kind in ("display_data", "execute_result"):
            self._add_display(content.get("data"))

    @property
    def text(self) -> str:
        """Everything that was printed, without pictures and errors."""
        return "".join(output.text for output in self.outputs if output.output_type == "stream")

    def _fits(self, length: int) -> bool:
        if length <= self.room:
            self.room -= length
            return True
        if not self._full:
            self._full = True
            self.outputs.append(printed("\n[more output was left out]\n"))
        return False

    def _one_more(self) -> bool:
        self._large += 1
        return self._large <= MOST_PICTURES_AND_ERRORS

    def _add_text(self, text: str) -> None:
        kept = text[: self.room]
        last = self.outputs[-1] if self.outputs else None
        if kept and self._fits(len(kept)):
            if last is not None and last.output_type == "stream":
                last.text += plain(kept)
            else:
                self.outputs.append(printed(kept))
        if len(text) > len(kept):
            self._fits(len(text))

    def _add_error(self, content: dict[str, Any]) -> None:
        if not self._one_more():
            return
        lines = content.get("traceback")
        traceback = [plain(str(line)) for line in lines[-LONGEST_TRACEBACK:]] if isinstance(lines, list) else []
        name, message = plain(str(content.get("ename")))[:200], plain(str(content.get("evalue")))[:2000]
        if not self._fits(len(message) + sum(map(len, traceback))):
            traceback = []
        self.outputs.append(
            new_output("error", ename=name, evalue=message, traceback=traceback or [f"{name}: {message}"])
        )

    def _add_display(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        shown: dict[str, str] = {}
        text = data.get("text/plain")
        if isinstance(text, str) and self._fits(len(text)):
            shown["text/plain"] = plain(text)
        for kind in PICTURES:
            picture = data.get(kind)
            if (
                isinstance(picture, str)
                and len(picture) <= min(LONGEST_PICTURE, self.pictures.left)
                and re.fullmatch(r"[A-Za-z0-9+/=\s]*", picture)
            ):
                shown[kind] = picture
                self.pictures.left -= len(picture)
        if shown and (not shown.keys() & set(PICTURES) or self._one_more()):
            self.outputs.append(new_output("display_data", data=shown))
