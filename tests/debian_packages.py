"""Programs that some tests need and pip does not bring: found, or installed from Debian where this user may.

``python -m tests.debian_packages`` installs what is missing and ends with 0 also where it cannot: the tests that need
it are then skipped with a reason, and fail only in continuous integration (CI=true).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Needed:
    """A program by any of its names, the Debian package that holds it, and the tests that need it."""

    package: str
    programs: tuple[str, ...]
    tests: str

    def find(self) -> str | None:
        """Return the path of the program, or None. Debian keeps PostgreSQL's programs apart, by version."""
        folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])
        return next((found for name in self.programs if (found := shutil.which(name, path=path))), None)

    @property
    def advice(self) -> str:
        """What to do without it."""
        install = f"apt-get install -y --no-install-recommends {self.package}"
        return f"no {self.programs[0]} found: {self.tests} are skipped. Install it with: {install}"

    def path(self) -> str:
        """Return the path of the program in a test, or skip the test; in continuous integration, fail."""
        found = self.find()
        if found is None:
            pytest.fail(self.advice) if os.environ.get("CI") == "true" else pytest.skip(self.advice)
        return found


CHROMIUM = Needed(
    "chromium", ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"), "the browser tests"
)
BUBBLEWRAP = Needed("bubblewrap", ("bwrap",), "the tests that run student code in the sandbox")
POSTGRESQL = Needed("postgresql", ("initdb",), "the tests with a gradebook on a PostgreSQL server")


def main() -> int:
    """Install what is missing, if this user may."""
    missing = [needed for needed in (CHROMIUM, BUBBLEWRAP, POSTGRESQL) if needed.find() is None]
    if missing and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        packages = [needed.package for needed in missing]
        print(f"Installing what the tests need: apt-get install {' '.join(packages)}", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-y", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *command], check=False, stdout=subprocess.DEVNULL, env=environment)
        if POSTGRESQL in missing and shutil.which("service"):
            # Debian starts a server of its own; the tests start theirs.
            subprocess.run(["service", "postgresql", "stop"], check=False, stdout=subprocess.DEVNULL)
    for needed in missing:
        if needed.find() is None:
            print(needed.advice)
    return 0


if __name__ == "__main__":
    sys.exit(main())
