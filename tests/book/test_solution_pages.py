"""Solution pages: complete in the public site, absent without a trace from the instructor's, and never released."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from execution_cache import is_notebook
from solution_pages import fingerprint, pages_of_solutions, solution_page
from solution_source import SOLUTIONS, read_answers, read_discussion, read_solution
from table_of_contents import (
    CONTENTS,
    assignments_in_order,
    chapters_of_assignments,
    contents_of_site,
    pages_in_contents,
    pages_of_site,
)

from autograder.assignment import collect
from autograder.authoring.author import compile_notebook, solution_regions, stripped_lines
from autograder.checks import Misconception
from tests.book.conftest import ROOT

ASSIGNMENTS = assignments_in_order()
SENTENCE = re.compile(r"[.!?:](?=\s|$)")
assignment = pytest.mark.parametrize("name", ASSIGNMENTS)


def test_the_contents_with_solutions_have_one_page_more_for_each_assignment_and_a_landing_page() -> None:
    public, instructors = pages_of_site(), pages_of_site(with_solutions=False)
    assert [page for page in public if page not in instructors] == [
        "solutions/index",
        *(f"solutions/{name}" for name in ASSIGNMENTS),
    ]
    assert instructors == pages_in_contents() == [page for page in public if not page.startswith("solutions")]
    assert contents_of_site(with_solutions=False) == yaml.safe_load(CONTENTS.read_text(encoding="utf-8"))
    assert set(ASSIGNMENTS) == set(chapters_of_assignments()), "an assignment without a chapter, or the other way round"


@assignment
def test_every_exercise_is_discussed_and_every_discussion_has_its_exercise_or_mistake(name: str) -> None:
    source = read_solution(name)
    discussions, whys = read_discussion(SOLUTIONS / name / "discussion.md")
    exercises = {one.name for one in source.exercises}
    assert discussions.keys() == exercises
    for exercise, text in discussions.items():
        prose = re.sub(r"\$[^$]*\$|`[^`]*`", "x", text)
        assert 1 <= len(SENTENCE.findall(prose)) <= 9, f"{name}/{exercise}: two to six sentences"
    mistakes = {(one.name, wrong.name) for one in source.exercises for wrong in one.wrong}
    assert whys.keys() <= mistakes, f"{name}: discussed, but no misconception: {sorted(whys.keys() - mistakes)}"


def test_a_cell_stands_where_the_notebook_has_it_and_what_follows_an_answer_stays_with_it() -> None:
    agents = read_solution("agents")
    text = next(one.text for one in agents.exercises if one.name == "append_turn")
    assert text.index("holds a tokeniser") < text.index("def encode(") < text.index("By hand: with the vocabulary")
    assert "`group_ids` | (B,)" in agents.start and "import torch" in agents.start
    after = {one.name: one.after for one in read_solution("reinforce").exercises if one.after}
    assert after.keys() == {"leave_one_out_baseline", "exact_gradient"}
    assert after["leave_one_out_baseline"].startswith("What would the mean of all N do?")
    assert "def expected_gradient(" in after["leave_one_out_baseline"]
    assert not any("ot graded" in text for text in after.values())
    assert not any(one.after for one in read_solution("bellman").exercises), "a map that the page does not draw"


def test_the_chapters_of_an_assignment_are_those_that_send_their_reader_to_it() -> None:
    chapters = chapters_of_assignments()["agents"]
    assert chapters == ["agents/agentic-rl", "agents/tool-agents"]
    source = read_solution("warm_up")
    for names, told in (
        (["a"], "Chapter: {doc}`/a`."),
        (["a", "b"], "Chapters: {doc}`/a` and {doc}`/b`."),
        (["a", "b", "c"], "Chapters: {doc}`/a`, {doc}`/b` and {doc}`/c`."),
    ):
        assert told in solution_page(source, names)


@assignment
def test_a_page_shows_every_exercise_answer_and_mistake(name: str) -> None:
    source = read_solution(name)
    page = solution_page(source, chapters_of_assignments()[name])
    registered = [one for one in collect(SOLUTIONS / name / "misconceptions.py") if isinstance(one, Misconception)]
    read = read_answers(SOLUTIONS / name / "misconceptions.py")
    assert [(one.exercise, one.name, one.hint) for one in read] == [
        (one.exercise, one.name, one.hint) for one in registered
    ]
    assert is_notebook(page) and "BEGIN SOLUTION" not in page and "END SOLUTION" not in page
    for exercise in source.exercises:
        assert f"\n## {exercise.title}\n" in page and exercise.discussion in page and exercise.text
        for number, wrong in enumerate(exercise.wrong):
            assert f"wrong-{exercise.name}-{number}\n" in page
            compile(wrong.code, wrong.name, "exec")
    hidden = (SOLUTIONS / name / "hidden_checks.py").read_text(encoding="utf-8")
    long_lines = {line.strip() for line in hidden.splitlines() if len(line.strip()) > 60 and "import" not in line}
    shown = {line.strip() for line in page.splitlines()}
    shared = {line for answers in (read, read_answers(SOLUTIONS / name / "alternatives.py")) for one in answers
              for text in (one.code, *one.helpers.values()) for line in map(str.strip, text.splitlines())}  # fmt: skip
    assert not long_lines & shown - shared, "a hidden check is shown"


def test_the_pages_exist_during_a_build_only_and_not_without_solutions(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("solution_pages.PAGES", tmp_path / "solutions")
    with pages_of_solutions(True, tmp_path / "_toc.yml"):
        written = {path.stem for path in (tmp_path / "solutions").iterdir()}
        assert written == {"index", *ASSIGNMENTS}
    assert not (tmp_path / "solutions").exists()
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "mdp.md").write_text("left behind by a build that was killed")
    with pages_of_solutions(False, tmp_path / "_toc.yml"):
        assert not (tmp_path / "solutions").exists()
        assert pages_in_contents(tmp_path / "_toc.yml") == pages_in_contents()


def test_a_changed_check_or_mistake_runs_the_page_again_and_a_changed_discussion_does_not(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("solution_pages.SOLUTIONS", tmp_path)
    monkeypatch.setattr("solution_pages.ROOT", tmp_path)
    for stem in ("checks", "hidden_checks", "misconceptions"):
        (tmp_path / "mdp").mkdir(exist_ok=True)
        (tmp_path / "mdp" / f"{stem}.py").write_bytes((SOLUTIONS / "mdp" / f"{stem}.py").read_bytes())
    monkeypatch.setattr("solution_pages.run_by", list)
    monkeypatch.setattr("solution_pages.sources_of", lambda text: [])
    before = fingerprint("mdp")
    (tmp_path / "mdp" / "discussion.md").write_text("## occupancy\n\nOther words.\n")
    assert fingerprint("mdp") == before
    with (tmp_path / "mdp" / "misconceptions.py").open("a") as file:
        file.write("\nanother = 1\n")
    assert fingerprint("mdp") != before


SMALL = {
    "format": "jb-book",
    "root": "index",
    "parts": [{"caption": "Foundations", "numbered": True, "chapters": [{"file": "chapter"}]}],
}
CONFIGURATION = {
    "title": "A book",
    "only_build_toc_files": True,
    "execute": {"execute_notebooks": "off"},
    "parse": yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["parse"],
    "sphinx": {"local_extensions": dict.fromkeys(("chapter_header", "execution_cache"), str(ROOT / "book" / "_ext"))},
}
CHAPTER = """# A chapter

```{chapter-header}
:assignment: warm_up
:points: 22
```

## Exercises

The exercises are {assignment}`warm_up`.
"""


@pytest.fixture(scope="module")
def small_sites(tmp_path_factory) -> dict[bool, Path]:
    """Build a book of two pages with and without the page of one assignment, as Jupyter Book builds it."""
    sites = {}
    for wanted in (True, False):
        folder = tmp_path_factory.mktemp("with" if wanted else "without")
        book = folder / "book"
        book.mkdir()
        (book / "index.md").write_text("# A book\n\nIt has one chapter.\n", encoding="utf-8")
        (book / "chapter.md").write_text(CHAPTER, encoding="utf-8")
        contents = yaml.safe_load(yaml.safe_dump(SMALL))
        if wanted:
            (book / "solutions").mkdir()
            page = solution_page(read_solution("warm_up"), ["chapter"])
            (book / "solutions" / "warm_up.md").write_text(page, encoding="utf-8")
            contents["parts"].append({"caption": "Solutions", "chapters": [{"file": "solutions/warm_up"}]})
        (folder / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
        (folder / "_config.yml").write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")
        command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(book), "-q"]
        command += ["--config", str(folder / "_config.yml"), "--toc", str(folder / "_toc.yml")]
        run = subprocess.run([*command, "--path-output", str(folder)], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[-3000:]
        sites[wanted] = folder / "_build" / "html"
    return sites


def everything(site: Path) -> str:
    """Return all text of a site: pages, search index, downloads."""
    kinds = (".html", ".js", ".json", ".md", ".txt", ".ipynb", ".xml", ".inv")
    buffer = io.StringIO()
    for path in sorted(site.rglob("*")):
        if path.suffix in kinds and "_static" not in path.relative_to(site).parts[:1]:
            buffer.write(path.read_text(encoding="utf-8", errors="replace"))
    return buffer.getvalue()


def test_a_site_without_solutions_has_no_trace_of_them_and_the_other_one_has(small_sites) -> None:
    public, instructors = everything(small_sites[True]), everything(small_sites[False])
    assert "solutions/warm_up" in public and "after you have tried" in public
    assert "solutions/" not in instructors and "after you have tried" not in instructors
    discussions, whys = read_discussion(SOLUTIONS / "warm_up" / "discussion.md")
    firsts = [text.split("\n")[0][:40] for text in [*discussions.values(), *whys.values()]]
    firsts = [text for text in firsts if not set("`$*") & set(text)]
    assert all(text in public for text in firsts), [text for text in firsts if text not in public]
    assert not [text for text in firsts if text in instructors]


@assignment
def test_what_students_get_holds_no_discussion_and_no_solution(name: str) -> None:
    released = ROOT / "book" / "exercises" / name
    if not released.is_dir():
        pytest.skip("not released here; `python -m autograder release` writes it")
    texts = "\n".join(stripped_lines(path.read_text(encoding="utf-8")) for path in released.iterdir() if path.is_file())
    discussions, whys = read_discussion(SOLUTIONS / name / "discussion.md")
    for text in [*discussions.values(), *whys.values()]:
        assert stripped_lines(text).splitlines()[0] not in texts, text
    notebook, _ = compile_notebook(SOLUTIONS / name / f"{name}.py")
    regions = [region for cell in notebook.cells for region in solution_regions(cell.source)]
    assert not [region for region in regions if region.count("\n") > 1 and region in texts]
