"""From the author's file to nbgrader's notebook, and what each mistake in it is told."""

import nbformat
import pytest
from nbgrader import utils

from autograder.assignment import load_assignment
from autograder.authoring.author import blanked, compile_notebook, points_problems, solution_cells, solution_regions
from autograder.errors import CourseError
from tests.autograder.conftest import FIXTURE, change


@pytest.fixture(scope="module")
def compiled():
    return compile_notebook(FIXTURE / "lottery" / "lottery.py")


def test_the_cells_carry_what_nbgrader_needs(compiled):
    notebook, _ = compiled
    nbformat.validate(notebook)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert all(set(cell.metadata) == {"nbgrader"} for cell in marked)
    assert all(cell.metadata.nbgrader.schema_version == 3 for cell in marked)
    kinds = {
        cell.metadata.nbgrader.grade_id: (utils.is_grade(cell), utils.is_solution(cell), utils.is_locked(cell))
        for cell in marked
    }
    assert kinds["answer-draw_tickets"] == (False, True, False)
    assert kinds["check-draw_tickets"] == kinds["hidden-draw_tickets"] == (True, False, True)
    assert kinds["written-later_wins"] == (True, True, False)
    assert [kinds[name] for name in kinds if name.startswith("locked-")] == [(False, False, True)]


def test_cell_ids_are_grade_ids_and_jupytext_leaves_nothing(compiled):
    notebook, _ = compiled
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and "hidden-discounted_sum" in ids
    assert all(not cell.metadata for cell in notebook.cells if "nbgrader" not in cell.metadata)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_the_outline_counts_points(compiled):
    _, outline = compiled
    assert outline.visible == {"discounted_sum": 2, "draw_tickets": 2} and outline.written == {"later_wins": 2}
    assert (outline.automatic, outline.by_hand) == (6, 2)


def test_a_blank_is_the_cell_without_its_solution(compiled):
    blank = blanked(solution_cells(compiled[0])["discounted_sum"])
    assert "raise NotImplementedError()" in blank and "powers" not in blank and '"""Discounted sum' in blank


def test_the_solution_is_what_stands_between_the_marks():
    assert solution_regions("def f():\n    ### BEGIN SOLUTION\n    x = 1\n\n    return x\n    ### END SOLUTION\n") == [
        "x = 1\nreturn x"
    ]


MISTAKES = {
    "unknown mark": ('answer="draw_tickets"', 'answr="draw_tickets"', "unknown mark answr"),
    "mark without quotes": ('answer="draw_tickets"', "answer=draw_tickets", "cannot be read"),
    "a title that is no mark": ('# %% answer="draw_tickets"', '# %% Two answer="draw_tickets"', "unknown mark title"),
    "name that is none": ('answer="draw_tickets"', 'answer="draw tickets"', "expected a name that Python can use"),
    "answer without a name": ('answer="draw_tickets"', "answer", "unknown mark title"),
    "two kinds": ('answer="draw_tickets"', 'answer="draw_tickets" check="draw_tickets"', "answer and check"),
    "no begin mark": ("### BEGIN SOLUTION\n    if", "if", "BEGIN SOLUTION"),
    "no end mark": ("### END SOLUTION\n\n\n# %% check=\"discounted", "\n\n\n# %% check=\"discounted", "END SOLUTION"),
    "marks exchanged": (
        "### BEGIN SOLUTION\n    return (torch.rand(count, generator=generator) < probability).long()\n    ### END",
        "### END SOLUTION\n    return (torch.rand(count, generator=generator) < probability).long()\n    ### BEGIN",
        "between",
    ),
    "solution in a free cell": ("# %%\nimport torch", "# %%\n### BEGIN SOLUTION\nimport torch", "would be released"),
    "answer that is not Python": ("def draw_tickets(", "def draw_tickets(:", "not Python"),
    "answer that defines another name": ("def draw_tickets(", "def draw_ticket(", "defines no draw_tickets"),
    "points of a word": ('check="draw_tickets" points=2', 'check="draw_tickets" points="two"', "points='two'"),
    "no points": ('check="draw_tickets" points=2', 'check="draw_tickets"', "points=None"),
    "negative points": ('check="draw_tickets" points=2', 'check="draw_tickets" points=-2', "points=-2"),
    "endless points": ('check="draw_tickets" points=2', 'check="draw_tickets" points=1e400', "points=inf"),
    "points on an answer": ('answer="draw_tickets"', 'answer="draw_tickets" points=2', "points belong to a check"),
    "hidden answer": ('answer="draw_tickets"', 'answer="draw_tickets" hidden=true', "hidden belongs to a check"),
    "hidden perhaps": ("points=1 hidden=true", 'points=1 hidden="perhaps"', "hidden='perhaps'"),
    "another body": ('check("draw_tickets", draw_tickets)', 'check("draw_tickets", other)', "expected 'check"),
    "hidden without the word": ("discounted_sum, hidden=True)", "discounted_sum)", "hidden=True"),
    "written as code": ('# %% [markdown] written="later', '# %% written="later', "only written answers are"),
    "answer as text": ('# %% answer="draw_tickets"', '# %% [markdown] answer="draw_tickets"', "stands on a markdown"),
    "written without a model answer": ("# ### BEGIN SOLUTION\n", "", "BEGIN SOLUTION"),
    "no answer": ('# %% answer="draw_tickets"', "# %%", "would be released"),
    "no hidden check": (
        '# %% check="draw_tickets" points=1 hidden=true\ncheck("draw_tickets", draw_tickets, hidden=True)\n',
        "",
        "hidden-draw_tickets",
    ),
    "second cell of a name": ('check="draw_tickets" points=2', 'check="discounted_sum" points=2', "expected 'check"),
    "first cell not locked": ("# %% locked=true", "# %%", "first code cell"),
    "first cell of another assignment": ('exam("lottery")', 'exam("lotery")', 'exam\\("lottery"\\)'),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_author_is_told_with_file_and_line(mistake, lottery):
    old, new, says = MISTAKES[mistake]
    change(lottery / "lottery.py", old, new)
    with pytest.raises(CourseError, match=says) as raised:
        compile_notebook(lottery / "lottery.py")
    assert "lottery.py, line " in str(raised.value)


def test_the_line_is_that_of_the_cell(lottery):
    path = lottery / "lottery.py"
    change(path, 'answer="draw_tickets"', 'answr="draw_tickets"')
    line = path.read_text().splitlines().index('# %% answr="draw_tickets"') + 1
    with pytest.raises(CourseError, match=rf"lottery\.py, line {line}: "):
        compile_notebook(path)


def test_duplicate_names_are_told_with_both_lines(lottery):
    path = lottery / "lottery.py"
    text = path.read_text()
    cell = text[text.index('# %% check="draw_tickets" points=2') : text.index('# %% check="draw_tickets" points=1')]
    path.write_text(text + "\n" + cell)
    with pytest.raises(CourseError, match=r"a second cell 'check-draw_tickets'; the first is in line \d+"):
        compile_notebook(path)


def test_a_check_before_its_answer_is_told(lottery):
    path = lottery / "lottery.py"
    text = path.read_text()
    start, end = text.index('# %% check="draw_tickets" points=2'), text.index('# %% check="draw_tickets" points=1')
    cell = text[start:end]
    text = text.replace(cell, "")
    path.write_text(text.replace('# %% answer="draw_tickets"', cell + '# %% answer="draw_tickets"'))
    with pytest.raises(CourseError, match="stands before its answer"):
        compile_notebook(path)


def test_an_empty_or_missing_file_is_told(lottery):
    (lottery / "lottery.py").write_text("")
    with pytest.raises(CourseError, match=r"lottery\.py"):
        compile_notebook(lottery / "lottery.py")
    with pytest.raises(CourseError, match="is missing"):
        compile_notebook(lottery / "other.py")


def test_text_before_the_first_mark_is_told(lottery):
    path = lottery / "lottery.py"
    path.write_text("import torch\n" + path.read_text())
    with pytest.raises(CourseError, match="begin the file with `# %%`"):
        compile_notebook(path)


def test_points_that_disagree_with_the_checks_are_told_with_the_line(lottery):
    path = lottery / "lottery.py"
    change(path, 'check="draw_tickets" points=2', 'check="draw_tickets" points=3')
    line = path.read_text().splitlines().index('# %% check="draw_tickets" points=3') + 1
    _, outline = compile_notebook(path)
    assignment = load_assignment(lottery)
    (problem,) = points_problems(outline, assignment.visible, path)
    assert problem == f"lottery.py, line {line}: 'draw_tickets' has 3 points, but its checks in checks.py sum to 2"
    assert list(points_problems(outline, assignment.hidden, path)) == []


def test_checks_without_a_cell_are_told(lottery):
    change(
        lottery / "checks.py",
        '@exam.add("draw_tickets", points=1, message="the cert',
        '@exam.add("draw", points=1, message="the cert',
    )
    _, outline = compile_notebook(lottery / "lottery.py")
    problems = list(points_problems(outline, load_assignment(lottery).visible, lottery / "lottery.py"))
    assert any("checks 'draw', but lottery.py has no such cell" in problem for problem in problems)
