"""Run the bridges' tests, each with its real framework: ``python -m tests.bridges.run``.

Frameworks cannot share an environment with the project, nor with one another. For each
``tests/bridges/<framework>.txt`` there is an environment ``.venv-bridges/<framework>``, made when it is missing or
older than its list, and ``tests/bridges/test_<framework>.py`` is run in it. TRL is in the project's own environment,
and its tests run with all others too. What was found is printed as a table and kept in ``.venv-bridges/results.json``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).parent
ENVIRONMENTS = ROOT / ".venv-bridges"
OWN = ("trl",)  # frameworks that share the project's environment
VERSION = "import sys; from importlib import metadata; print(metadata.version(sys.argv[1]))"


def every_framework() -> list[str]:
    """Frameworks that have tests here."""
    return sorted([*OWN, *(path.stem for path in LISTS.glob("*.txt"))])


def python_of(framework: str) -> Path:
    """Python of a framework's environment, whether it is there or not."""
    return Path(sys.executable) if framework in OWN else ENVIRONMENTS / framework / "bin" / "python"


def is_ready(framework: str) -> bool:
    """Whether the environment is there and no older than its list."""
    ready, wanted = ENVIRONMENTS / framework / ".ready", LISTS / f"{framework}.txt"
    return framework in OWN or (ready.exists() and ready.stat().st_mtime >= wanted.stat().st_mtime)


def make_environment(framework: str) -> None:
    """Make the environment of a framework from its list."""
    folder, wanted = ENVIRONMENTS / framework, LISTS / f"{framework}.txt"
    print(f"{framework}: making {folder.relative_to(ROOT)} (some minutes)", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    install = [python_of(framework), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, torch], check=True)
    subprocess.run([*install, torch, "-r", wanted], check=True)
    (folder / ".ready").touch()


def version_of(framework: str) -> str:
    """Version that is installed in the framework's environment, or a dash."""
    from rlkit.bridges.episodes import FRAMEWORKS

    command = [python_of(framework), "-c", VERSION, FRAMEWORKS[framework].package]
    if not Path(command[0]).exists():
        return "-"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "-"


def run_tests(framework: str, record: bool) -> dict[str, Any]:
    """Run the tests of a framework; return how many passed, failed and were skipped, and how long they took."""
    with tempfile.TemporaryDirectory() as folder:
        report, started = Path(folder) / "report.xml", time.perf_counter()
        command = [python_of(framework), "-m", "pytest", LISTS / f"test_{framework}.py", "-p", "no:cacheprovider"]
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **({"RLKIT_RECORD": "1"} if record else {})}
        code = subprocess.run([*command, f"--junitxml={report}"], cwd=ROOT, env=settings, check=False).returncode
        seconds = round(time.perf_counter() - started, 1)
        suites = list(ElementTree.parse(report).getroot().iter("testsuite")) if report.exists() else []
    number = {
        name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    failed = number["failures"] + number["errors"]
    passed = number["tests"] - failed - number["skipped"]
    # A module that skips itself, because its framework is not there, shows nothing.
    good = code == 0 and passed > 0
    return {"good": good, "passed": passed, "failed": failed, "skipped": number["skipped"], "seconds": seconds}


def try_framework(framework: str, record: bool) -> dict[str, Any]:
    """Make the environment if it must be made, run the tests, and say how it went; one that fails stops no other."""
    state = "the project's" if framework in OWN else "was there" if is_ready(framework) else "made now"
    nothing = {"good": False, "passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0}
    try:
        if not is_ready(framework):
            make_environment(framework)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{framework}: its environment could not be made: {error}", file=sys.stderr)
        return {"version": "-", "environment": "cannot be made", **nothing}
    return {"version": version_of(framework), "environment": state, **run_tests(framework, record)}


def table(results: dict[str, dict[str, Any]]) -> str:
    """Results as lines of text, one a framework."""
    names = ("version", "environment", "passed", "failed", "skipped", "seconds")
    rows = [("framework", *names), *((name, *(str(one[key]) for key in names)) for name, one in results.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def remember(results: dict[str, dict[str, Any]]) -> None:
    """Keep the latest results of every framework, with their date."""
    path, today = ENVIRONMENTS / "results.json", datetime.date.today().isoformat()
    ENVIRONMENTS.mkdir(exist_ok=True)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    now = {name: {**one, "date": today} for name, one in results.items()}
    path.write_text(json.dumps({**before, **now}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the tests of the frameworks that are named, or of all; return the number of frameworks that failed."""
    every = every_framework()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help=f"{', '.join(every)}; all, if none is named")
    parser.add_argument("--record", action="store_true", help="write what was measured into benchmarks/results")
    parser.add_argument("--list", action="store_true", help="say which environments are there, and run nothing")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.frameworks) - set(every))
    if unknown:
        parser.error(f"no tests for {', '.join(unknown)} in tests/bridges, expected some of {', '.join(every)}")
    if given.list:
        for framework in given.frameworks or every:
            print(f"{framework}: {version_of(framework)}, {'ready' if is_ready(framework) else 'to be made'}")
        return 0
    results = {framework: try_framework(framework, given.record) for framework in given.frameworks or every}
    remember(results)
    failed = [name for name, one in results.items() if not one["good"]]
    print(table(results))
    print(f"bridges: {', '.join(failed)} failed" if failed else "bridges: all passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
