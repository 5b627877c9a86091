"""A browser that does not answer is ended, and the next page is opened in a new one."""

from __future__ import annotations

import threading

import pytest

from tests.browser.conftest import seen

pytestmark = pytest.mark.browser
NEVER = "() => new Promise(() => {})"


def test_what_waits_for_a_page_for_ever_is_told_and_the_next_page_opens(browser) -> None:
    from playwright.sync_api import Error

    page = browser.new_page()
    threading.Timer(1, browser.end).start()
    with pytest.raises(Error):
        page.evaluate(NEVER)
    assert browser.new_page().evaluate("() => 6 * 7") == 42


def test_a_page_is_looked_at_once_more_where_the_browser_was_lost_and_only_there(browser) -> None:
    from playwright.sync_api import Error

    looks = []

    def look() -> int:
        looks.append(browser.new_page())
        if len(looks) == 1:
            threading.Timer(1, browser.end).start()
            looks[0].evaluate(NEVER)
        return looks[-1].evaluate("() => 6 * 7")

    assert seen(browser, look) == 42 and len(looks) == 2
    with pytest.raises(Error, match="nonsense"):
        seen(browser, lambda: browser.new_page().evaluate("() => nonsense"))
