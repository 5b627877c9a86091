"""Compare two built sites: ``python book/compare.py SITE OTHER`` names the files that differ, and how.

Dates and measured times may differ from build to build; they are masked by rules that say what each stands for.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
from pathlib import Path

# In pages, in the texts made from them, and in their search index.
MAY_DIFFER = (
    # The header of a chapter: how long its cells ran, and how much memory they took.
    (re.compile(rb"<dt>Run</dt><dd>[^<]*</dd>"), b"<dt>Run</dt><dd>measured</dd>"),
    (re.compile(rb"peak memory \d+ MB"), b"peak memory measured"),
    # What a cell says of its own time: marked by the author as measured, in the text and as the tag of the cell.
    (re.compile(rb'(class="measured">(?:<span class="pasted-text">)?)[^<]*'), rb"\1measured"),
    (re.compile(rb'(tag_measured.*?class="output.*?<pre[^>]*>(?:<span></span>)?)[^<]*', re.DOTALL), rb"\1measured"),
    # The version in an address is a hash of the file that it names, which is compared itself.
    (re.compile(rb"\?(v|digest)=[0-9a-f]+"), b""),
)
TEXTS = (".html", ".js", ".css", ".txt", ".ipynb", ".json", ".svg", ".xml")
MOST_LINES = 6


def masked(path: Path) -> bytes:
    """Return a file without what may differ."""
    content = path.read_bytes()
    if path.suffix in TEXTS:
        for pattern, replacement in MAY_DIFFER:
            content = pattern.sub(replacement, content)
    return content


def files(site: Path) -> dict[str, Path]:
    """Return the files of a site by their names in it."""
    return {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}


def differences(site: Path, other: Path) -> list[str]:
    """Return a line for each file that only one site has or that differs, with the first lines that do."""
    ours, theirs = files(site), files(other)
    found = [f"only in {site}: {name}" for name in ours.keys() - theirs.keys()]
    found += [f"only in {other}: {name}" for name in theirs.keys() - ours.keys()]
    for name in sorted(ours.keys() & theirs.keys()):
        first, second = masked(ours[name]), masked(theirs[name])
        if hashlib.sha256(first).digest() != hashlib.sha256(second).digest():
            lines = [text.decode("utf-8", "replace").splitlines() for text in (first, second)]
            changed = [
                line[:200] for line in difflib.unified_diff(*lines, lineterm="", n=0) if line[:3] not in ("---", "+++")
            ]
            found.append("\n    ".join([f"differs: {name}", *changed[:MOST_LINES]]))
    return sorted(found)


def main(arguments: list[str]) -> int:
    """Print the differences; return 0 if there is none."""
    if len(arguments) != 2 or not all(Path(one).is_dir() for one in arguments):
        print(f"Give two folders of built sites; given: {' '.join(arguments) or 'nothing'}.", file=sys.stderr)
        return 2
    found = differences(Path(arguments[0]), Path(arguments[1]))
    print("\n".join(found) or "The sites are the same, but for dates and measured times.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
