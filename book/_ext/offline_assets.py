"""No request to another host, and no script that a page does not use.

MathJax comes from the pip package ``sphinx-mathjax-offline`` (24 MB, of which 3 MB are needed). Sphinx and Jupyter
Book put every script under ``_static`` into every page, and the theme adds a live-code script whose constant is
declared twice, which throws on every page: both are taken out here.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions", "a11y", "ui")
MATHJAX_LEFT_OUT = shutil.ignore_patterns("all-packages.js", "sre*", "mathmaps", "explorer.js", "complexity.js")
LEFT_OUT = ("sphinx-thebe", "THEBE_JS_URL", "thebelab", "launch_buttons.js")


def copy_mathjax(app) -> None:
    """Copy the parts of MathJax that TeX input and HTML output use."""
    if app.builder.format != "html":
        return
    try:
        package = importlib.metadata.distribution("sphinx-mathjax-offline")
    except importlib.metadata.PackageNotFoundError as error:
        raise RuntimeError("MathJax is missing: pip install sphinx-mathjax-offline") from error
    origin = Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))
    target = Path(app.outdir, "_static", "vendor", "mathjax")
    for part in MATHJAX_PARTS:
        if (origin / part).is_dir():
            shutil.copytree(origin / part, target / part, dirs_exist_ok=True, ignore=MATHJAX_LEFT_OUT)
        elif not (target / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin / part, target / part)


def filter_scripts(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Take out duplicated scripts, the live-code script, and widgets that the page does not use."""
    widgets = app.env.metadata.get(pagename, {}).get("widgets", "").split()
    seen: set[tuple[str, str]] = set()
    kept = []
    for script in context.get("script_files", []):
        name = str(getattr(script, "filename", script))
        body = (getattr(script, "attributes", None) or {}).get("body") or ""
        unused = any(word in name + body for word in LEFT_OUT)
        widget = name in {f"_static/{own}" for own in app.config.page_widgets} and Path(name).stem not in widgets
        if not unused and not widget and (name, body) not in seen:
            seen.add((name, body))
            kept.append(script)
    context["script_files"] = kept
    context["css_files"] = [
        style for style in context.get("css_files", []) if "sphinx-thebe" not in str(getattr(style, "filename", style))
    ]


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("page_widgets", ["gridworld-planner.js", "trace-player.js"], "html")
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", filter_scripts, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
