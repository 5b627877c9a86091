"""The build command: a failing cell is named, and a chapter's outputs can be found again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.book.conftest import ROOT
from tests.book.test_build_tools import CHAPTER


@pytest.fixture(scope="module")
def build():
    """Return book/build.py as a module."""
    spec = importlib.util.spec_from_file_location("book_build", ROOT / "book" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chapter(folder: Path, code: str) -> Path:
    """Write a chapter with one more cell."""
    path = folder / "chapter.md"
    path.write_text(f"{CHAPTER}\n```{{code-cell}} ipython3\n{code}\n```\n", encoding="utf-8")
    return path


def test_a_chapter_that_runs_has_outputs_and_a_peak_memory(build, tmp_path: Path) -> None:
    _, notebook, seconds, error = build.execute(chapter(tmp_path, "print(6 * 7)"))
    assert error == "" and seconds > 0
    assert notebook.cells[-2].outputs[0].text == "42\n"
    assert build.peak_memory(notebook) > 50


def test_a_failing_cell_is_shown_with_its_error(build, tmp_path: Path) -> None:
    _, _, _, error = build.execute(chapter(tmp_path, "value = 1 / 0"))
    assert "value = 1 / 0" in error and "ZeroDivisionError" in error


def test_a_page_without_cells_is_not_run(build, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Notation\n", encoding="utf-8")
    assert build.read_chapter(tmp_path / "page.md") is None


def test_what_was_kept_is_found_again(build, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(build, "BOOK", tmp_path)
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    path = chapter(tmp_path, "print(1)")
    assert build.chapters_to_run(["chapter"]) == [path]
    monkeypatch.setattr(build, "ProcessPoolExecutor", InThisProcess)
    assert build.run_chapters([path])
    assert build.chapters_to_run(["chapter"]) == []


class InThisProcess:
    """Stands for a pool of processes."""

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def submit(self, function, *arguments):
        """Run now."""
        from concurrent.futures import Future

        future: Future = Future()
        future.set_result(function(*arguments))
        return future
