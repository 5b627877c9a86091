"""No request to another host, and no script that a page does not use.

MathJax runs when the book is built (mathematics.py); of its pip package the pages need the fonts. Sphinx and Jupyter
Book put every script under ``_static`` into every page, and the theme adds a live-code script whose constant is
declared twice, which throws on every page: both are taken out here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mathjax_worker import FONTS, mathjax_folder

# By what a page must contain to need them from its first moment; the rest is fetched when it is met.
PRELOADED = {
    "<h1": ("fonts/source-sans-3-latin-wght-normal.woff2", "fonts/source-serif-4-latin-wght-normal.woff2"),
    "<em": ("fonts/source-serif-4-latin-wght-italic.woff2",),
    "<mjx-container": (f"{FONTS}/MathJax_Main-Regular.woff", f"{FONTS}/MathJax_Math-Italic.woff"),
}
LEFT_OUT = ("sphinx-thebe", "THEBE_JS_URL", "thebelab", "launch_buttons.js")


def copy_fonts(app) -> None:
    """Copy the fonts of the formulas."""
    if app.builder.format == "html":
        target = Path(app.outdir, "_static", FONTS)
        shutil.copytree(mathjax_folder() / FONTS.removeprefix("vendor/mathjax/"), target, dirs_exist_ok=True)


def preload_fonts(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Sphinx event: let the fonts that the page needs at once arrive together with its style."""
    up = "../" * pagename.count("/")
    for mark, fonts in PRELOADED.items():
        if mark in context.get("body", "<h1"):
            links = (f'<link rel="preload" as="font" crossorigin href="{up}_static/{font}">' for font in fonts)
            context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(links)


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
    app.connect("builder-inited", copy_fonts)
    app.connect("html-page-context", preload_fonts)
    app.connect("html-page-context", filter_scripts, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
