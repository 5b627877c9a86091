"""The build runs each chapter once: what it keeps is what Sphinx looks for."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from table_of_contents import chapters_in_contents


@pytest.mark.parametrize("chapter", chapters_in_contents())
def test_the_outputs_on_the_page_are_those_of_the_parallel_run(chapter: str, site: Path) -> None:
    notebook = nbformat.read(site.parent / "jupyter_execute" / f"{chapter}.ipynb", as_version=4)
    record = get_cache(str(site.parent / ".jupyter_cache")).match_cache_notebook(notebook)
    assert record.data.get("run_by") == "build.py", "Sphinx did not find the outputs and ran the chapter again"
