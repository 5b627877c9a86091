"""Which of a student's files is graded.

The newest with the assignment's name: Canvas counts uploads, and adds ``-1``, ``-2`` … to a name used before. In a
plain folder the file with exactly the assignment's name goes first. A platform's download belongs to one assignment, so
there a single notebook is taken whatever its name. A zip stands for the notebook in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from autograder.errors import CourseError
from autograder.receiving.downloads import BytesLeft, Item, opened_inside
from autograder.receiving.outcomes import Line, Outcome
from autograder.receiving.submission_names import NamedFile, Platform, alike, begins_like, is_named_after, times_renamed

NOTEBOOK, ZIP = ".ipynb", ".zip"


@dataclass(frozen=True)
class Candidate:
    """One file of a download and what its name says."""

    named: NamedFile
    item: Item

    @property
    def is_notebook(self) -> bool:
        """Whether the file has a notebook's name."""
        return self.named.file.lower().endswith(NOTEBOOK)


@dataclass
class Choice:
    """The file that is graded, if any, its content, and what became of the others.

    Attributes
    ----------
    older : list of Candidate
        Other files with the assignment's name, to be kept.
    remarks : list of str
        What the instructor should know about the chosen one.
    lines : list of Line
        About files that were not chosen.
    """

    chosen: Candidate | None = None
    content: bytes = b""
    older: list[Candidate] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def choose(
    student: str, candidates: Iterable[Candidate], assignment: str, platform: Platform, allowance: BytesLeft
) -> Choice:
    """Choose among the files of one student, and read the chosen one."""
    given = sorted(candidates, key=lambda one: one.item.name)
    choice = Choice()
    notebooks = _fitting([one for one in given if one.is_notebook], assignment, platform)
    zips = [one for one in given if one.named.file.lower().endswith(ZIP)]
    for one in sorted(notebooks + zips, key=lambda one: _rank(one, assignment, platform), reverse=True):
        try:
            choice.content, choice.chosen = _read(one, assignment, platform, allowance)
        except LookupError as error:
            choice.lines.append(Line(student, one.item.name, Outcome.SKIPPED, str(error)))
            continue
        except (CourseError, OSError) as error:
            others = "; no older file was taken instead" if len(notebooks) > 1 else ""
            choice.lines.append(Line(student, one.item.name, Outcome.UNREADABLE, f"{error}{others}"))
            return choice
        _describe(choice, one, [other for other in notebooks if other is not one], assignment, platform)
        return choice
    if not choice.lines:
        choice.lines.append(Line(student, _place(given), Outcome.SKIPPED, _nothing_fits(given, assignment)))
    return choice


def _fitting(notebooks: list[Candidate], assignment: str, platform: Platform) -> list[Candidate]:
    """Return the notebooks that may be the submission."""
    exact = [one for one in notebooks if is_named_after(one.named.file, assignment)]
    if platform is Platform.PLAIN:
        unchanged = [one for one in exact if _has_exact_name(one, assignment)]
        exact = unchanged or (exact if len(exact) == 1 else [])
    if exact:
        return exact
    similar = [one for one in notebooks if begins_like(one.named.file, assignment)]
    if len(similar) == 1:
        return similar
    return notebooks if len(notebooks) == 1 and platform is not Platform.PLAIN else []


def _rank(one: Candidate, assignment: str, platform: Platform) -> tuple[int, bool, int, bool, int]:
    """Rank a file: of the highest, the first by name is graded (sorting keeps the order of equals)."""
    renamed = 0 if platform is Platform.PLAIN else times_renamed(one.named.file)
    return one.named.upload, one.is_notebook, renamed, _has_exact_name(one, assignment), -one.item.name.count("/")


def _has_exact_name(one: Candidate, assignment: str) -> bool:
    return alike(one.named.file.rsplit("/", 1)[-1]) == alike(assignment + NOTEBOOK)


def _read(one: Candidate, assignment: str, platform: Platform, allowance: BytesLeft) -> tuple[bytes, Candidate]:
    """Read a notebook, if need be from a zip; `LookupError` if the zip holds none that fits."""
    content = one.item.read()
    if one.is_notebook:
        return content, one
    with ExitStack() as stack:
        inside = stack.enter_context(opened_inside(content, allowance))
        found = [
            Candidate(replace(one.named, file=item.name), replace(item, name=f"{one.item.name}/{item.name}"))
            for item in inside.items
        ]
        notebooks = [each for each in found if each.is_notebook]
        fitting = _fitting(notebooks, assignment, platform)
        if not fitting:
            refused = "; ".join(f"{name}: {reason}" for name, reason in inside.refused[:3])
            names = ", ".join(each.named.file for each in notebooks[:5]) or "no notebook"
            raise LookupError(f"the zip holds {names}, expected {assignment}{NOTEBOOK}{refused and f' ({refused})'}")
        best = max(fitting, key=lambda each: _rank(each, assignment, platform))
        return best.item.read(), best


def _describe(choice: Choice, taken: Candidate, others: list[Candidate], assignment: str, platform: Platform) -> None:
    """Say what the instructor should know about a choice."""
    chosen = choice.chosen
    assert chosen is not None
    file = chosen.named.file.rsplit("/", 1)[-1]
    if not is_named_after(file, assignment) or (platform is Platform.PLAIN and not _has_exact_name(chosen, assignment)):
        choice.remarks.append(f"taken as {assignment}{NOTEBOOK}, though it has another name")
    if not taken.is_notebook:
        choice.remarks.append("it was in a zip")
    choice.older = others
    if others:
        which = "the first by name" if platform is Platform.PLAIN else "the newest"
        choice.remarks.append(f"handed in {len(others) + 1} times; this is {which}, the others are kept")
        if any(times_renamed(other.named.file) > times_renamed(file) for other in others):
            choice.remarks.append("the numbers that Canvas put into the names tell another order: look at all of them")


def _place(given: list[Candidate]) -> str:
    names = {one.item.name.rsplit("/", 1)[0] for one in given}
    return names.pop() if len(names) == 1 else ""


def _nothing_fits(given: list[Candidate], assignment: str) -> str:
    typed = {one.named.kind for one in given} - {"file"}
    if typed and all(one.named.kind != "file" for one in given):
        return f"handed in as {', '.join(sorted(typed))}, not as a file; nothing was taken from this student"
    names = ", ".join(one.named.file for one in given if one.is_notebook)
    found = names or ", ".join(one.named.file for one in given[:5]) or "no notebook"
    return f"expected {assignment}{NOTEBOOK}, found {found}; nothing was taken from this student"
