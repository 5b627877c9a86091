"""How a page arrives in the browser: what is transferred, what moves, and when its largest part is painted."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from served import QuietHandler

COMPRESSED = (".html", ".js", ".css", ".svg", ".json", ".txt", ".ipynb", ".xml")
WINDOWS = {"phone": (390, 844), "desktop": (1440, 900)}

OBSERVER = """
window.seen = {shift: 0, moved: [], paint: 0};
new PerformanceObserver(list => { for (const entry of list.getEntries()) {
    window.seen.shift += entry.value;
    for (const source of entry.sources)
        window.seen.moved.push((source.node?.outerHTML ?? source.node?.textContent ?? "").slice(0, 80));
} }).observe({type: "layout-shift", buffered: true});
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.seen.paint = entry.startTime; })
    .observe({type: "largest-contentful-paint", buffered: true});
"""
# Goes through the page as a reader does, but without waiting for them; gives what was seen when it is at the end.
WALK = """() => {
    const walk = async () => {
        for (let y = 0; y < document.body.scrollHeight; y += window.innerHeight) {
            window.scrollTo(0, y);
            await new Promise(done => {
                requestAnimationFrame(() => requestAnimationFrame(done));
                setTimeout(done, 2000);  // a browser that paints no frame is not waited for
            });
        }
    };
    window.walked ??= walk().then(() => { window.isAtEnd = true; });
    return window.isAtEnd;
}"""


class CompressingHandler(QuietHandler):
    """Serves files as the usual web servers do: text compressed."""

    def do_GET(self) -> None:  # noqa: N802
        """Answer with the file, or with 404."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in COMPRESSED:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass
class Arrival:
    """One page in one window: bytes transferred, layout shift, what moved, milliseconds to the largest paint."""

    weight: int
    shift: float
    moved: list[str]
    paint: float


def arrive(browser, address: str, page_name: str, window: str) -> Arrival:
    """Open a page with an empty cache, go through it to its end, and say how it arrived."""
    width, height = WINDOWS[window]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.add_init_script(OBSERVER)
    weights: dict[str, int] = {}
    page.on("response", lambda answer: weights.update({answer.url: int(answer.headers.get("content-length", 0))}))
    page.goto(f"{address}/{page_name}.html", wait_until="load")
    page.wait_for_load_state("networkidle")
    page.wait_for_function(WALK, polling=100)
    page.wait_for_load_state("networkidle")
    seen = page.evaluate("() => window.seen")
    context.close()
    return Arrival(sum(weights.values()), seen["shift"], seen["moved"], seen["paint"])
