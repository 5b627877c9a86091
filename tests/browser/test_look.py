"""What a reader sees without scrolling or squinting: the first screen, and figures on a phone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from table_of_contents import chapters_in_contents

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
SMALLEST_LETTERS = 7.0  # pixels of the font's size, which is larger than its capitals
WITH_PANELS = ["language-models/dpo", "agents/practices"]

# Matplotlib writes text as glyphs of a font of 100 units, scaled: scale(0.11 -0.11) is 11 points.
SIZES = """() => [...document.querySelectorAll('article svg.figure-svg:not(.in-panels), article svg.figure-panel')]
    .map(svg => {
        const drawn = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        const parts = svg.matches('.figure-panel') ? [...svg.querySelectorAll('use')].map(use =>
            document.getElementById(use.getAttribute('href').slice(1))) : [svg];
        const scales = parts.flatMap(part => [...part.querySelectorAll('g[transform*="scale("]')])
            .map(group => Number(/scale\\(([\\d.]+)/.exec(group.getAttribute('transform'))[1]));
        return 100 * drawn * Math.min(...scales, 9);
    })"""


def test_the_doors_and_the_whole_path_stand_on_the_first_screen(browser, address: str) -> None:
    page = browser.new_page(viewport=DESK)
    page.goto(f"{address}/index.html", wait_until="load")
    doors = page.locator(".doors .sd-card")
    stops = page.locator("nav.course-path li a")
    assert doors.count() == 3 and stops.count() == len(chapters_in_contents())
    for part in (*doors.all(), *stops.all()):
        box = part.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= DESK["height"], part.inner_text()
    page.close()


@pytest.mark.parametrize("name", WITH_PANELS)
def test_panels_stand_side_by_side_on_a_desk_and_one_below_the_other_on_a_phone(browser, address, name) -> None:
    page = browser.new_page(viewport=DESK)
    page.goto(f"{address}/{name}.html", wait_until="load")
    whole, parts = page.locator("svg.in-panels").first, page.locator(".figure-panels").first.locator("svg")
    assert parts.count() >= 2
    assert whole.bounding_box()["width"] > 500 and not parts.first.is_visible()
    page.set_viewport_size(PHONE)
    assert whole.bounding_box()["width"] <= 1
    places = [part.bounding_box() for part in parts.all()]
    for upper, lower in pairwise(places):
        assert lower["y"] >= upper["y"] + upper["height"]
    for part, place in zip(parts.all(), places, strict=True):
        assert place["x"] >= 0 and place["x"] + place["width"] <= PHONE["width"] and place["height"] > 80
        drawn = part.locator("use").first.evaluate("use => use.getBBox().width")
        assert drawn > 50  # the elements that the part repeats are there
    page.close()


# What scrolls sideways, and whether it says so.
SCROLLING = """() => [...document.querySelectorAll('article :is(pre, mjx-container, .pst-scrollable-table-container)')]
    .filter(box => box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== 'visible')
    .map(box => ({what: box.outerHTML.slice(0, 80), shade: getComputedStyle(box).backgroundImage,
                  left: box.matches('.more-left'), right: box.matches('.more-right')}))"""


@pytest.mark.parametrize("name", ["foundations/bellman", "agents/frameworks"])
def test_what_is_cut_on_a_phone_has_a_shade_on_the_side_where_there_is_more(browser, address: str, name: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{address}/{name}.html", wait_until="load")
    boxes = page.evaluate(SCROLLING)
    assert boxes
    assert not [box for box in boxes if not box["right"] or box["left"] or "gradient" not in box["shade"]]
    box = page.locator(".more-right:visible").first.element_handle()
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    page.wait_for_function("box => box.matches('.more-left:not(.more-right)')", arg=box, polling=50)
    page.close()


def test_no_line_begins_with_the_punctuation_of_a_formula(browser, address: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{address}/algorithms/reinforce.html", wait_until="load")
    spans = page.locator("article p span.unbroken:not(:has(.wide)):visible").all()
    assert len(spans) > 20
    broken = "span => getComputedStyle(span).whiteSpace !== 'nowrap' || span.getClientRects().length > 1"
    assert not [span.inner_text() for span in spans if span.evaluate(broken)]
    page.close()


@pytest.mark.parametrize("name", chapters_in_contents())
def test_letters_of_figures_can_be_read_on_a_phone(browser, address: str, name: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{address}/{name}.html", wait_until="load")
    sizes = page.evaluate(SIZES)
    assert all(size >= SMALLEST_LETTERS for size in sizes), sizes
    page.close()
