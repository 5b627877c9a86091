"""MathJax in a V8 engine of its own: formulas come in on standard input, HTML goes out, a line of JSON each.

It is a process apart because an engine does not survive the forks that Sphinx makes to write pages side by side.
The first line in holds the macros; the first line out is the style sheet of all formulas.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

PARTS = (
    "startup.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
FONTS = "vendor/mathjax/output/chtml/fonts/woff-v2"
# An unknown command is an error, not red text: hence without the two packages that hide it.
START = r"""
globalThis.console = {log() {}, warn() {}, error() {}};
globalThis.setTimeout = () => 0;
globalThis.MathJax = {
    loader: {
        paths: {mathjax: "mathjax"},
        require: name => { (0, eval)(parts[name.replace("mathjax/", "")]); return {}; },
        load: ["adaptors/liteDOM", "input/tex-full", "output/chtml", "a11y/assistive-mml"],
    },
    startup: {typeset: false},
    options: {enableAssistiveMml: true},
    tex: {macros, packages: {"[-]": ["noerrors", "noundefined"]}},
    chtml: {fontURL: fonts, adaptiveCSS: false},
};
(0, eval)(parts["startup.js"]);
globalThis.typeset = (latex, display) => {
    MathJax.texReset();
    return MathJax.startup.adaptor.outerHTML(MathJax.tex2chtml(latex, {display}));
};
globalThis.styleSheet = () => MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet());
"""


def mathjax_folder() -> Path:
    """Return where pip has put MathJax."""
    try:
        package = importlib.metadata.distribution("sphinx-mathjax-offline")
    except importlib.metadata.PackageNotFoundError as error:
        raise RuntimeError("MathJax is missing: pip install sphinx-mathjax-offline") from error
    return Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))


def main() -> None:
    """Answer until standard input ends."""
    from py_mini_racer import MiniRacer

    macros = json.loads(sys.stdin.readline())
    parts = {part: (mathjax_folder() / part).read_text(encoding="utf-8") for part in PARTS}
    given = {"parts": parts, "macros": macros, "fonts": FONTS}
    engine = MiniRacer()
    engine.eval("".join(f"globalThis.{name} = {json.dumps(value)};" for name, value in given.items()) + "1")
    engine.eval(START + "1")
    print(json.dumps(engine.eval("styleSheet()")), flush=True)
    for line in sys.stdin:
        latex, display = json.loads(line)
        print(json.dumps(engine.eval(f"typeset({json.dumps(latex)}, {json.dumps(display)})")), flush=True)


if __name__ == "__main__":
    main()
