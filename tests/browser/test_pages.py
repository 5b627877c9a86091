"""Every page of the book in a browser: quiet, self-contained, accessible, and inside the window on a phone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from table_of_contents import chapters_in_contents, pages_of_site

from tests.browser.conftest import SCREENSHOTS, seen

pytestmark = pytest.mark.browser

PAGES = pages_of_site()
CHAPTERS = chapters_in_contents()
WIDTHS = (390, 768, 1440)
HEAVIEST_PAGE = 4_000_000
AXE = {
    "light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "preload": False},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "preload": False},  # only colours differ
}
# Rules that the theme itself breaks in places that we do not write; each with the reason.
KNOWN_THEME_ISSUES: dict[str, str] = {}
SCHEMES = ("light", "dark")
MADE_BY_THE_BUILD = [
    "search",
    "genindex",
    "code/rlkit.dynamic_programming",
    "api/rlkit.tabular",
    "api/rlkit.agents.training",
]

RAW_MATHEMATICS = """() => {
    const walker = document.createTreeWalker(document.querySelector('article') ?? document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const text = walker.currentNode, parent = text.parentElement;
        if (parent.closest('pre, code, script, style, mjx-container, svg')) continue;
        const raw = /\\$[^\\s]|\\\\\\(|\\\\\\[|\\{(eq|term|cite|glue|numref|ref|prf)[:\\w]*\\}/;
        if (raw.test(text.data)) found.push(text.data.trim());
    }
    return found;
}"""

# Wide formulas scroll in a box of their own; one that sticks out of the window cannot be read.
CUT_MATHEMATICS = """() => [...document.querySelectorAll('article mjx-container')]
    .filter(node => !node.closest('table, details:not([open]), div.math'))
    .filter(node => node.getBoundingClientRect().right > window.innerWidth)
    .map(node => node.querySelector('math').textContent)"""


@dataclass
class Visit:
    """What one visit to a page in one colour scheme left behind."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    weight: int = 0
    overflow: dict[int, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    without_description: list[str] = field(default_factory=list)
    raw_mathematics: list[str] = field(default_factory=list)
    cut_mathematics: list[str] = field(default_factory=list)
    rendered_mathematics: tuple[int, int] = (0, 0)
    failed_cells: int = 0
    has_planner: bool = False


def visit(browser, address: str, page_name: str, scheme: str) -> Visit:
    """Open a page once and collect everything that the tests ask about."""
    found = Visit()
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.on("console", lambda message: found.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))

    def note(response) -> None:
        if response.url.startswith(address):
            found.weight += int(response.headers.get("content-length", 0))
            found.scripts += [response.url] if response.url.split("?")[0].endswith(".js") else []
        elif not response.url.startswith(("data:", "blob:")):
            found.foreign.append(response.url)

    page.on("response", note)
    page.on("requestfailed", lambda request: found.errors.append(f"failed: {request.url}"))
    page.goto(f"{address}/{page_name}.html", wait_until="load")
    page.wait_for_load_state("networkidle")
    results = Axe().run(page, options=AXE[scheme]).response["violations"]
    for rule in results:
        if rule["id"] not in KNOWN_THEME_ISSUES:
            places = "; ".join(f"{node['target']} {node['html'][:120]}" for node in rule["nodes"][:3])
            found.violations.append(f"{rule['id']}: {rule['help']} ({len(rule['nodes'])}: {places})")
    found.without_description = page.eval_on_selector_all(
        "article img:not([alt]), article img[alt=''], article svg.figure-svg:not([aria-label])",
        "nodes => nodes.map(node => node.outerHTML.slice(0, 120))",
    )
    found.raw_mathematics = page.evaluate(RAW_MATHEMATICS)
    written, rendered = page.locator("article .math"), page.locator("article .math mjx-container")
    found.rendered_mathematics = (written.count(), rendered.count())
    found.failed_cells = page.locator("article .cell_output .traceback, article .output.stderr").count()
    found.has_planner = page.locator("gridworld-planner").count() > 0
    stem = f"{page_name.replace('/', '-')}-{scheme}"
    page.screenshot(path=SCREENSHOTS / f"{stem}.png", full_page=True)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(60)
        found.overflow[width] = page.evaluate("() => document.documentElement.scrollWidth")
        if width == WIDTHS[0]:
            found.cut_mathematics = page.evaluate(CUT_MATHEMATICS)
            page.screenshot(path=SCREENSHOTS / f"{stem}-phone.png", full_page=scheme == "light")
    context.close()
    return found


def problems(visited: Visit) -> list[str]:
    """Return what is wrong with a page, in words."""
    written, rendered = visited.rendered_mathematics
    too_wide = {width: actual for width, actual in visited.overflow.items() if actual > width}
    planner_loaded = any("gridworld-planner.js" in script for script in visited.scripts)
    found = [f"request to another host: {address}" for address in visited.foreign]
    found += [f"console: {error}" for error in visited.errors]
    found += [f"scrolls sideways, window and content: {width}, {actual}" for width, actual in too_wide.items()]
    found += [f"sticks out of a phone: {latex}" for latex in visited.cut_mathematics]
    found += [f"accessibility: {violation}" for violation in visited.violations]
    found += [f"picture without description: {picture}" for picture in visited.without_description]
    found += [f"not rendered: {text}" for text in visited.raw_mathematics]
    found += [f"{written} pieces of mathematics, {rendered} rendered"] if rendered < written else []
    found += [f"{visited.failed_cells} cells with a traceback or standard error"] if visited.failed_cells else []
    found += [f"weighs {visited.weight / 1e6:.1f} MB"] if visited.weight >= HEAVIEST_PAGE else []
    found += ["loads the planner, which it does not use"] if planner_loaded and not visited.has_planner else []
    found += ["has a planner whose script is not loaded"] if visited.has_planner and not planner_loaded else []
    return found


# One test a page and scheme, so that each page is opened once however the tests are spread over processes.
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page_name", PAGES + MADE_BY_THE_BUILD)
def test_a_page_is_quiet_self_contained_accessible_and_fits_a_phone(browser, address, page_name, scheme) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found = problems(seen(browser, lambda: visit(browser, address, page_name, scheme)))
    assert not found, f"{page_name} in {scheme}:\n" + "\n".join(found)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_search_finds_a_chapter_by_its_title(chapter: str, browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/{chapter}.html")
    title = page.evaluate("() => document.title.split(' — ')[0].replace(/^[\\d.\\s]+/, '')")
    page.goto(f"{address}/search.html?q={title}")
    result = page.locator(f"#search-results a[href*='{chapter}.html']").first
    result.wait_for(timeout=10_000)
    assert title and result.is_visible()
    page.close()
