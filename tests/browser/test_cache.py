"""The build runs each chapter once: the key under which it keeps outputs is the one that Sphinx looks for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from table_of_contents import chapters_in_contents

from tests.browser.conftest import ROOT


@pytest.mark.parametrize("chapter", chapters_in_contents())
def test_the_outputs_on_the_page_are_those_of_the_parallel_run(chapter: str, site: Path) -> None:
    spec = importlib.util.spec_from_file_location("book_build", ROOT / "book" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    cache = get_cache(str(build.CACHE))
    by_sphinx = nbformat.read(site.parent / "jupyter_execute" / f"{chapter}.ipynb", as_version=4)
    by_build = build.read_chapter(ROOT / "book" / f"{chapter}.md")
    keys = {cache.create_hashed_notebook(notebook)[1] for notebook in (by_sphinx, by_build)}
    assert len(keys) == 1, "Sphinx does not find the outputs, and runs the chapter again"
