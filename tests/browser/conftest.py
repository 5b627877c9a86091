"""The built site, served on a free port of this computer, and one browser for all tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debian_packages import CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book" / "_ext")]

from served import CHROMIUM_ARGUMENTS, served  # noqa: E402


@pytest.fixture(scope="session")
def site() -> Path:
    """Build the site if needed (seconds when no chapter has changed) and return its folder."""
    run = subprocess.run([sys.executable, str(ROOT / "book" / "build.py")], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"the site does not build:\n{run.stdout[-3000:]}\n{run.stderr[-6000:]}"
    return SITE


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Serve the site until the tests end."""
    with served(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; without it the test is skipped, but not in continuous integration."""
    program = CHROMIUM.path()
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright axe-playwright-python")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()
