"""What is made of a built site: a comparison with another, a zip, links to the copies; and what a build reads again."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.book.conftest import ROOT
from tests.book.test_build import build  # noqa: F401  (a fixture)

sys.path.insert(0, str(ROOT / "book"))
import compare
import publish

PAGE = '<link rel="preload" as="font" crossorigin href="a.woff2">\n<dl><dt>Run</dt><dd>{time}</dd></dl><p>{text}</p>'
LANDING = '<p class="offline-copies" hidden></p>'


def site(folder: Path, time: str = "9 s, 300 MB", text: str = "x") -> Path:
    """Write a site of a landing page and a chapter."""
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "page.html").write_text(PAGE.format(time=time, text=text))
    (folder / "index.html").write_text(f"<link href='a.css?v={len(time)}'>{LANDING}")
    return folder


def test_sites_that_differ_in_measured_times_are_the_same_and_others_are_not(tmp_path: Path) -> None:
    first = site(tmp_path / "a")
    assert compare.differences(first, site(tmp_path / "b", time="12 s, 280 MB")) == []
    found = compare.differences(first, site(tmp_path / "c", text="another number"))
    assert len(found) == 1 and "part/page.html" in found[0] and "another number" in found[0]
    (first / "new.svg").write_text("<svg/>")
    assert compare.differences(first, tmp_path / "b") == [f"only in {first}: new.svg"]


def test_only_what_is_marked_as_measured_may_differ(tmp_path: Path) -> None:
    def page(name: str, seconds: str, result: str) -> Path:
        output = '<div class="output stream"><pre tabindex="0"><span></span>{text}</pre>'
        cell = f'<div class="cell {{tag}}"><pre>code</pre>{output}'
        measured, other = cell.format(tag="tag_measured", text=seconds), cell.format(tag="", text=result)
        prose = f'<span class="measured"><span class="pasted-text">{seconds}</span></span>'
        return site(tmp_path / name, text=f"{measured}</div></div>{other}</div></div>{prose}")

    assert compare.differences(page("a", "0.95 s", "1"), page("b", "0.15 s", "1")) == []
    assert len(compare.differences(tmp_path / "a", page("c", "0.95 s", "2"))) == 1


def test_the_zip_of_a_site_is_the_same_each_time_and_asks_for_no_preload(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        folder = site(tmp_path / name)
        assert publish.write_zip(folder, folder / publish.ZIP) == 2
        assert publish.write_zip(folder, folder / publish.ZIP) == 2, "the zip holds itself"
        written.append((folder / publish.ZIP).read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "a" / publish.ZIP) as archive:
        names = archive.namelist()
        page = archive.read("mastering-rl-site/part/page.html").decode()
    assert names == ["mastering-rl-site/index.html", "mastering-rl-site/part/page.html"]
    assert "preload" not in page and "<p>x</p>" in page


def test_the_landing_page_leads_to_the_copies_that_are_there_and_to_no_other(tmp_path: Path) -> None:
    folder = site(tmp_path / "a")
    publish.link_copies(folder)
    assert LANDING in (folder / "index.html").read_text()
    (folder / publish.PDF).write_bytes(b"%PDF" * 100_000)
    for _ in range(2):
        publish.link_copies(folder)
    text = (folder / "index.html").read_text()
    assert text.count(f'href="{publish.PDF}"') == 1 and publish.ZIP not in text and "(0.4 MB)" in text


def test_without_chromium_the_pdf_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(publish.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        publish.chromium()


BEFORE = {"book/a.md": "1", "book/b.md": "2", "book/_static/look.css": "3", "rlkit/x.py": "4"}


@pytest.mark.parametrize(
    ("change", "read_again"),
    [
        ({"book/a.md": "new"}, ["book/a.md"]),
        ({"book/_static/look.css": "new"}, []),
        ({"book/b.md": "new", "book/_static/look.css": "new"}, ["book/b.md"]),
        ({"book/a.md": "new", "rlkit/x.py": "new"}, None),
        ({"book/new.md": "1"}, None),
    ],
)
def test_a_build_reads_again_what_has_changed_and_all_where_more_than_texts_has(build, change, read_again) -> None:  # noqa: F811
    assert build.changed_texts(BEFORE, BEFORE | change) == read_again


def test_a_page_that_is_gone_and_a_build_that_failed_have_all_read_again(build, tmp_path, monkeypatch) -> None:  # noqa: F811
    assert build.changed_texts(BEFORE, {name: one for name, one in BEFORE.items() if name != "book/b.md"}) is None
    for name in ("BUILT_FROM", "SITE", "DOCTREES", "EXECUTED", "CACHE"):
        monkeypatch.setattr(build, name, tmp_path / name)
        (tmp_path / name).mkdir() if name != "BUILT_FROM" else None
    assert build.last_build() == {}
    build.BUILT_FROM.write_text("5f3a")  # of an interrupted build
    assert build.last_build() == {}
    build.BUILT_FROM.write_text('{"book/a.md": "1"}')
    assert build.last_build() == {"book/a.md": "1"}
    build.DOCTREES.rmdir()
    assert build.last_build() == {}
