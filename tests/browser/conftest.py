"""The built site, served on a free port of this computer, and one browser for all tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from tests.debian_packages import CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PATIENCE = 240  # seconds; no page needs 30 on a busy machine
Seen = TypeVar("Seen")
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


class Chromium:
    """One browser for all tests, started again where it has ended."""

    def __init__(self, driver, program: str) -> None:
        self._driver, self._program, self._running = driver, program, None

    def _browser(self):
        if not self.is_there():
            launch = self._driver.chromium.launch
            self._running = launch(executable_path=self._program, args=CHROMIUM_ARGUMENTS)
        return self._running

    def is_there(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.is_connected()

    def new_context(self, **options):
        """Return a window without anything of the others."""
        context = self._browser().new_context(**options)
        context.set_default_timeout(PATIENCE / 2 * 1000)
        return context

    def new_page(self, **options):
        """Return a page in such a window."""
        page = self._browser().new_page(**options)
        page.set_default_timeout(PATIENCE / 2 * 1000)
        return page

    def close(self) -> None:
        """End it."""
        if self.is_there():
            self._running.close()

    def end(self) -> None:
        """End it though it does not answer: whoever waits for it is told."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "chrom" in process.name():
                    process.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """Debian's Chromium; without it the test is skipped, but not in continuous integration."""
    program = CHROMIUM.path()
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright axe-playwright-python")
    with playwright.sync_playwright() as driver:
        chromium = Chromium(driver, program)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def patience(request) -> Iterator[None]:
    """End a browser that does not answer: playwright would wait for what a page computes without any limit."""
    timer = None
    if "browser" in request.fixturenames:
        timer = threading.Timer(PATIENCE, request.getfixturevalue("browser").end)
        timer.start()
    yield
    if timer:
        timer.cancel()


def seen(browser: Chromium, look: Callable[[], Seen]) -> Seen:
    """Return what *look* sees; where the browser was lost on the way, look once more in a new one."""
    from playwright.sync_api import Error

    try:
        return look()
    except Error:
        if browser.is_there():
            raise
        return look()
