"""The first cell of a released notebook: where the course's packages are missing, as on Colab, it installs them.

It is written for the Python of that computer, so it uses the standard library only. Where the packages are there it
does nothing, and in grading they are.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import yaml
from nbformat import NotebookNode

from autograder.errors import CourseError

REPOSITORY = Path(__file__).resolve().parents[2]
GRADE_ID = "locked-install"
SOURCE = """\
# Where the course's packages are missing, as on Colab, this installs them. Elsewhere it does nothing.
try:
    import autograder, rlkit
except ModuleNotFoundError:
    import importlib, io, pathlib, subprocess, sys, urllib.request, zipfile

    archive = {archive!r}
    wheels = sorted(pathlib.Path().glob("mastering_rl-*.whl"))
    if not wheels and archive:
        with urllib.request.urlopen(archive) as answer:
            packed = zipfile.ZipFile(io.BytesIO(answer.read()))
        for member in packed.namelist():
            if member.endswith((".whl", ".py", ".json")):
                pathlib.Path(member.split("/")[-1]).write_bytes(packed.read(member))
        wheels = sorted(pathlib.Path().glob("mastering_rl-*.whl"))
    if not wheels:
        raise RuntimeError(
            f"The course's packages are not installed in {{sys.executable}}, and no mastering_rl-*.whl lies beside the "
            "notebook. Unpack the whole {name}.zip here, or choose the kernel in which they are installed."
        )
    print(f"Installing {{wheels[-1]}} and what it needs into {{sys.executable}}; this takes some minutes.")
    command = [sys.executable, "-m", "pip", "install", "-q", str(wheels[-1]), {pins}]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("The packages could not be installed:\\n" + done.stderr[-2000:])
    importlib.invalidate_caches()
"""


def install_cell(name: str, site: str) -> NotebookNode:
    """Return the cell for an assignment; *site* is the address of the published site, "" if there is none."""
    archive = f"{site}/exercises/{name}.zip" if site else ""
    pins = ", ".join(f'"{pin}"' for pin in pinned_dependencies())
    cell = nbformat.v4.new_code_cell(SOURCE.format(archive=archive, name=name, pins=pins).rstrip(), id=GRADE_ID)
    cell.metadata["nbgrader"] = {
        "schema_version": 3, "grade": False, "solution": False, "locked": True, "task": False, "grade_id": GRADE_ID,
    }  # fmt: skip
    return cell


def with_install_cell(notebook: NotebookNode, name: str, site: str) -> None:
    """Put the cell before the first code cell of a notebook."""
    place = next(number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(place, install_cell(name, site))


def site_address(configuration: Path = REPOSITORY / "_config.yml") -> str:
    """Return where the site is published, `html: baseurl` in the book's configuration, without the last slash; or "".

    Raises
    ------
    CourseError
        If what stands there is no address.
    """
    settings = yaml.safe_load(configuration.read_text(encoding="utf-8")) or {}
    address = str((settings.get("html") or {}).get("baseurl") or "").strip().rstrip("/")
    parts = urlsplit(address)
    if address and (parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\s\"'\\]", address)):
        raise CourseError(
            f"{configuration.name}: baseurl is {address!r}, expected one like https://NAME.github.io/COURSE"
        )
    return address


def pinned(package: str) -> str:
    """Return the tested version of a package, ``torch==...``."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line.strip() for line in lines if line.lower().startswith(f"{package.lower()}=="))


def pinned_dependencies() -> list[str]:
    """The tested versions of what the wheel needs."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [pinned(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in project["dependencies"]]
