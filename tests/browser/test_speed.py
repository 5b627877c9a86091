"""Pages are light, and nothing on them moves while they arrive: neither formulas nor fonts nor widgets come late."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import served
from table_of_contents import pages_in_contents

from tests.browser.conftest import seen
from tests.browser.speed import WINDOWS, CompressingHandler, arrive

pytestmark = pytest.mark.browser

HEAVIEST_PAGE = 1_500_000  # bytes, with compression
# A tenth is what browsers call good; formulas that came late moved a chapter by 0.23, a font that comes late 0.02.
LARGEST_SHIFT = 0.05


@pytest.fixture(scope="module")
def compressed(site: Path) -> Iterator[str]:
    """Serve the site with compression."""
    with served(site, CompressingHandler) as address:
        yield address


@pytest.mark.parametrize("page_name", [*pages_in_contents(), "search"])
def test_a_page_is_light_and_nothing_on_it_moves_as_it_arrives(page_name: str, browser, compressed: str) -> None:
    for window in WINDOWS:
        page = seen(browser, functools.partial(arrive, browser, compressed, page_name, window))
        assert page.weight <= HEAVIEST_PAGE, f"{window}: {page.weight / 1e6:.2f} MB"
        assert page.shift <= LARGEST_SHIFT, f"{window}: {page.shift:.3f}, moved: {page.moved[:4]}"
