"""The examiner fails closed, names the mistake, repeats its secret random inputs, and bounds what it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.grading.examination import Examination, Limits
from autograder.grading.jobs import imported_by, trusted_tests
from autograder.grading.outputs import MOST_PICTURES_AND_ERRORS, Transcript, failure, plain
from autograder.sandboxing.kernels import candidate_environment
from autograder.subject import StudentError
from autograder.wire import pack
from tests.grading.course_writer import write_assignment


class DoublingSession:
    """Stands in for the student's kernel: every function doubles, unless told to do something else."""

    def __init__(self, factor: float = 2.0, error: Exception | None = None) -> None:
        self.factor, self.error, self.seen = factor, error, []  # type: ignore[var-annotated]

    def ensure_running(self) -> None:
        """Do nothing: there is no kernel."""

    def ask(self, code: str, request: dict[str, Any], buffers: list[bytes], *limits: Any) -> Any:
        """Answer one request."""
        if self.error is not None:
            raise self.error
        from autograder.wire import unpack

        (values,), _ = unpack(request["args"], buffers, trusted=True)
        self.seen.append(values)
        answer: list[bytes] = []
        return {"ok": pack(self.factor * values, answer)}, answer


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    """A loaded assignment with one exercise."""
    solutions = tmp_path_factory.mktemp("solutions")
    write_assignment(solutions, "small", ["one"])
    return load_assignment(solutions / "small")


def examination(assignment: Assignment, session: Any, secret: str = "secret", who: str = "ada/small") -> Examination:
    """An examination in which nothing takes long."""
    return Examination(assignment, session, Limits(5.0, 5.0, 1000), secret, who)


@pytest.mark.parametrize(
    "source",
    ["", "x = 1", "None", "float('nan')", "float('inf')", "-0.5", "1.5", "True", "'1'", "[1]", "1 / 0", "1 +",
     "raise SystemError", "check('one', 1.0)", "check('two', one)", "check('one', one, hidden=3, more=4)"],
)  # fmt: skip
def test_a_graded_cell_that_does_not_end_in_a_number_of_its_points_earns_nothing_and_tells_the_instructor(
    assignment: Assignment, source: str
) -> None:
    cell = new_code_cell()
    result = examination(assignment, DoublingSession()).test_cell(cell, "check-one", source, 1.0)
    assert result.points == 0 and result.error
    assert [output.output_type for output in cell.outputs] == ["error"], "nbgrader gives 0 for an error"
    assert "instructor" in cell.outputs[0].evalue


def test_points_are_a_result_that_nbgrader_reads_and_nothing_goes_to_stderr(assignment: Assignment) -> None:
    cell = new_code_cell()
    result = examination(assignment, DoublingSession()).test_cell(cell, "check-one", "check('one', one)", 1.0)
    assert (result.points, result.failed, result.error) == (1.0, [], None)
    assert cell.outputs[-1].output_type == "execute_result" and cell.outputs[-1].data["text/plain"] == "1.0"
    assert all(output.get("name", "stdout") == "stdout" for output in cell.outputs)


def test_a_mistake_is_named_with_its_hint(assignment: Assignment) -> None:
    cell = new_code_cell()
    result = examination(assignment, DoublingSession(0.5)).test_cell(cell, "check-one", "check('one', one)", 1.0)
    assert result.misconception == "halves" and result.failed == ["three numbers by hand"]
    assert "behaves like: halves." in cell.outputs[0].text and "larger than it" in cell.outputs[0].text
    assert "after you hand in" not in cell.outputs[0].text


def drawn_inputs(assignment: Assignment, **who: str) -> list[float]:
    """The random inputs that a student's hidden check uses."""
    session = DoublingSession()
    examination(assignment, session, **who).test_cell(
        new_code_cell(), "hidden-one", "check('one', one, hidden=True)", 1.0
    )
    return session.seen[0].flatten().tolist()


def test_random_inputs_repeat_for_a_student_and_differ_between_students_and_courses(assignment: Assignment) -> None:
    mine = drawn_inputs(assignment)
    assert mine == drawn_inputs(assignment)
    assert mine != drawn_inputs(assignment, who="ben/small")
    assert mine != drawn_inputs(assignment, secret="another course")


class TalkingSession(DoublingSession):
    """A student's function that prints what it is given."""

    def ask(self, code: str, request: dict[str, Any], buffers: list[bytes], seconds: float, transcript: Any) -> Any:
        """Answer one request."""
        answer = super().ask(code, request, buffers)
        transcript.add("stream", {"name": "stdout", "text": f"I was given {self.seen[-1].tolist()}"})
        return answer


def test_what_code_prints_of_hidden_inputs_stays_with_the_instructor(assignment: Assignment) -> None:
    for name, hidden in (("check-one", False), ("hidden-one", True)):
        cell = new_code_cell()
        source = f"check('one', one, hidden={hidden})"
        result = examination(assignment, TalkingSession()).test_cell(cell, name, source, 1.0)
        assert "I was given" in result.printed
        assert ("I was given" in str(cell.outputs)) is not hidden


def test_an_answer_that_gives_nothing_back_costs_its_points_only(assignment: Assignment) -> None:
    cell = new_code_cell()
    broken = examination(assignment, DoublingSession(error=StudentError("ValueError: no")))
    result = broken.test_cell(cell, "check-one", "check('one', one)", 1.0)
    assert (result.points, result.error, result.misconception) == (0.0, None, None)
    assert "ValueError: no" in cell.outputs[0].text


def test_names_that_python_has_are_not_the_students(assignment: Assignment) -> None:
    one = examination(assignment, DoublingSession())
    result = one.test_cell(new_code_cell(), "check-one", "len([0]) * check('one', one)", 1.0)
    assert result.points == 1.0


def test_only_the_gradebook_says_what_a_test_is(course: Course) -> None:
    with course.gradebook() as gradebook:
        trusted = trusted_tests(gradebook, "doubling")
    assert trusted["hidden-two"] == ('check("two", two, hidden=True)', 1.0)
    assert sorted(trusted) == sorted(
        f"{kind}-{name}" for kind in ("check", "hidden") for name in ("one", "two", "three")
    )


def test_kernels_start_with_what_the_release_imports_and_not_with_what_a_submission_does() -> None:
    cells = ["import json, torch.nn as nn\nfrom rlkit.planning import solve", "%matplotlib inline", "from . import x",
             "from autograder import exam\nimport os.path"]  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell(cell) for cell in cells])
    expected = ("gymnasium", "numpy", "rlkit.planning", "torch", "torch.nn")
    assert imported_by(nbformat.writes(notebook).encode()) == expected


# ---- what is kept of a student's output


def stream(text: Any) -> dict[str, Any]:
    """The content of a stream message."""
    return {"name": "stderr", "text": text}


def test_output_is_cut_once_and_says_so() -> None:
    transcript = Transcript(100)
    for _ in range(1000):
        transcript.add("stream", stream("x" * 60))
    texts = [output.text for output in transcript.outputs]
    assert sum(map(len, texts)) < 200 and sum("left out" in text for text in texts) == 1


def test_stderr_becomes_stdout_and_control_characters_go() -> None:
    transcript = Transcript(1000)
    transcript.add("stream", stream("\x1b[31mred\x1b[0m\x00\x08\x1b]0;title\x07 ok\n"))
    assert transcript.outputs[0].name == "stdout" and transcript.text == "red]0;title ok\n"
    assert plain("naïve 数 😀\t\n") == "naïve 数 😀\t\n"


def test_only_text_and_pictures_are_kept() -> None:
    transcript = Transcript(1000)
    script = "<script>alert(1)</script>"
    transcript.add("display_data", {"data": {"text/html": script, "image/svg+xml": script, "text/javascript": script}})
    transcript.add("display_data", {"data": {"text/plain": "5", "text/html": script, "image/png": "aGk="}})
    transcript.add("display_data", {"data": {"image/png": '"><script>'}})
    transcript.add("update_display_data", {"data": {"text/plain": "6"}})
    transcript.add("comm_open", {"data": {}})
    assert len(transcript.outputs) == 1 and transcript.outputs[0].data == {"text/plain": "5", "image/png": "aGk="}


@pytest.mark.parametrize("content", [{}, stream(7), stream(None), {"data": []}, {"data": {"text/plain": 5}},
                                     {"ename": None, "evalue": [], "traceback": 3}])  # fmt: skip
def test_messages_of_any_shape_are_survived(content: dict[str, Any]) -> None:
    transcript = Transcript(1000)
    for kind in ("stream", "error", "display_data", "execute_result"):
        transcript.add(kind, content)
    for output in json.loads(json.dumps(transcript.outputs)):
        nbformat.validate(output, ref="output", version=4)


def test_a_flood_of_errors_and_pictures_ends() -> None:
    transcript = Transcript(1000)
    for _ in range(1000):
        transcript.add("error", {"ename": "E", "evalue": "v" * 5000, "traceback": ["t" * 5000] * 100})
        transcript.add("display_data", {"data": {"image/png": "aGk="}})
    assert len(transcript.outputs) <= MOST_PICTURES_AND_ERRORS + 1
    assert len(json.dumps(transcript.outputs)) < 200_000


def test_an_error_output_has_no_terminal_colours() -> None:
    assert failure("Late", "\x1b[31mno answer").evalue == "no answer"


# ---- what the candidate may know


def test_the_candidate_is_not_told_where_the_solutions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_SOLUTIONS", "private/solutions")
    monkeypatch.setenv("AUTOGRADER_COURSE", "private/course")
    assert not any("private" in value for value in candidate_environment().values())


def test_the_opening_of_a_candidate_holds_no_check(course: Course) -> None:
    from autograder.candidate import opening

    loaded = load_assignment(course.solutions / "doubling")
    code = opening(loaded.visible.forbidden)
    assert "rlkit.returns.discounted_return" in code
    for part in ("three numbers by hand", "SECRET-SOURCE", "halves", str(course.solutions), str(Path(__file__).parent)):
        assert part not in code
