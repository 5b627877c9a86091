"""Run the tests beside frameworks that cannot share an environment with the project: ``python -m tests.bridges.run``.

For each ``tests/bridges/<framework>.txt`` there is an environment ``.venv-bridges/<framework>``, made when it is
missing or older than its list, and ``tests/bridges/test_<framework>.py`` is run in it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).parent


def environment(framework: str) -> Path:
    """Make the environment of a framework if it is missing or out of date; return its Python."""
    folder, wanted = ROOT / ".venv-bridges" / framework, LISTS / f"{framework}.txt"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists() and ready.stat().st_mtime >= wanted.stat().st_mtime:
        return python
    print(f"{framework}: making {folder.relative_to(ROOT)} (some minutes)", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, torch], check=True)
    subprocess.run([*install, torch, "-r", wanted], check=True)
    ready.touch()
    return python


def main(arguments: list[str] | None = None) -> int:
    """Run the tests of the frameworks that are named, or of all; return the number of frameworks that failed."""
    every = sorted(path.stem for path in LISTS.glob("*.txt"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help=f"{', '.join(every)}; all, if none is named")
    parser.add_argument("--record", action="store_true", help="write what was measured into benchmarks/results")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.frameworks) - set(every))
    if unknown:
        parser.error(f"no list for {', '.join(unknown)} in tests/bridges, expected some of {', '.join(every)}")
    failed = []
    for framework in given.frameworks or every:
        command = [environment(framework), "-m", "pytest", LISTS / f"test_{framework}.py", "-p", "no:cacheprovider"]
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **({"RLKIT_RECORD": "1"} if given.record else {})}
        if subprocess.run(command, cwd=ROOT, env=settings, check=False).returncode:
            failed.append(framework)
    print(f"bridges: {', '.join(failed)} failed" if failed else "bridges: all passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
