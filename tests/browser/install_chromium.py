"""Install Debian's Chromium for the browser tests where this user may; otherwise say which command does.

``python -m tests.browser.install_chromium`` ends with 0 also without a browser: the tests are then skipped, and
fail only in continuous integration (CI=true).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install -y --no-install-recommends chromium"
ADVICE = f"No Chromium found: the browser tests are skipped. Install it with: {INSTALL}"


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main() -> int:
    """Install the browser if it is missing and this user may."""
    if find_chromium():
        return 0
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print(f"Installing the browser for the tests: {INSTALL}", flush=True)
        for command in ("apt-get update -q", INSTALL):
            subprocess.run(command.split(), check=False, stdout=subprocess.DEVNULL)
    if not find_chromium():
        print(ADVICE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
