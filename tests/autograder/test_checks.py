"""Checks say what was expected and what came, and no answer, however odd, stops them."""

import time

import pytest
import torch

from autograder.assignment import load_assignment
from autograder.checks import Exam, close, is_shape
from autograder.diagnosis import behaviour, compile_misconceptions, name_from_release, name_of
from autograder.display import Report, as_html, as_text
from autograder.errors import CourseError
from autograder.limits import alarm
from autograder.subject import Late, subject_of
from tests.autograder.conftest import FIXTURE, change


def exam_of(*checks, **kwargs):
    exam = Exam("lottery")
    for number, check in enumerate(checks):
        exam.add("f", points=1, message=f"check {number}", hint="a hint", **kwargs)(check)
    return exam


def run(answer, *checks):
    return exam_of(*checks).run("f", subject_of(answer))


def test_points_are_those_of_the_checks_that_pass():
    result = run(lambda: 1, lambda f: close(f(), 1), lambda f: close(f(), 2))
    assert (result.points, result.possible) == (1, 2)
    assert [check.passed for check in result.checks] == [True, False]


def test_an_error_in_the_answer_is_told_with_the_part_of_the_student():
    def answer():
        raise IndexError("index 5 is out of range")

    (check,) = run(answer, lambda f: f()).checks
    assert check.problem == "IndexError: index 5 is out of range" and "in answer" in check.traceback


def stub():
    raise NotImplementedError()


def test_a_blank_is_not_answered_yet_and_gets_no_hints():
    result = run(stub, lambda f: f(), lambda f: f())
    assert [check.problem for check in result.checks] == ["not answered yet"] * 2
    assert not any(check.hint or check.traceback for check in result.checks)


def test_an_operation_that_torch_has_not_implemented_is_no_blank():
    (check,) = run(lambda: torch.arange(3).softmax(0), lambda f: f()).checks
    assert "not implemented for 'Long'" in check.problem


def test_a_result_that_a_check_cannot_use_costs_its_points_only():
    result = run(lambda: "text", lambda f: f() / 2, lambda f: close(len(f()), 4))
    assert result.points == 1 and "could not be examined (TypeError" in result.checks[0].problem


def test_a_result_that_is_not_plain_is_named():
    (check,) = run(lambda: object(), lambda f: f()).checks
    assert "`<lambda>` returned a object object; expected numbers, text, lists" in check.problem


def test_what_the_answer_prints_is_kept_and_shortened(capsys):
    def answer(lines):
        for number in range(lines):
            print("line", number)
        return 1

    assert run(answer, lambda f: f(2)).printed == "line 0\nline 1"
    printed = run(answer, lambda f: f(1000)).printed
    assert printed.endswith("line 19\n...") and capsys.readouterr().out == ""
    assert len(run(lambda: print("x" * 10_000), lambda f: f()).printed) < 2_100


def test_an_endless_answer_costs_its_check_and_those_after_it():
    def endless():
        while True:
            pass

    exam = exam_of(lambda f: f(), lambda f: f(), seconds=0.2)
    exam.limit = alarm
    began = time.monotonic()
    result = exam.run("f", subject_of(endless))
    assert time.monotonic() - began < 2
    assert result.checks[0].problem == "no answer within 0.2 seconds"
    assert "not run" in result.checks[1].problem


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_alarm_that_is_lost_rings_again():
    class Slow:
        def __del__(self):  # Python goes on after what is raised here
            time.sleep(0.2)

    with pytest.raises(Late), alarm(0.1):
        Slow()
        while True:
            pass


def test_an_alarm_inside_another_leaves_the_other_on():
    with pytest.raises(Late, match=r"0\.3 seconds"), alarm(0.3):
        with alarm(5):
            pass
        time.sleep(5)


def test_an_interruption_ends_the_checks():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, lambda f: f())


def test_an_unknown_exercise_is_told_with_those_that_exist():
    with pytest.raises(KeyError, match="it has: f"):
        exam_of(lambda f: f()).run("g", subject_of(len))


def test_random_inputs_depend_on_key_and_place_only():
    seen = []
    exam = exam_of(lambda f: seen.append(torch.rand(2, generator=exam.random()).tolist()))
    for key in (b"one", b"two", b"one"):
        exam.run("f", subject_of(len), key)
    assert seen[0] == seen[2] != seen[1]


# ---- which misconception


@pytest.fixture
def loaded():
    return load_assignment(FIXTURE / "lottery")


def square(rewards, discount):
    return (rewards**2).sum()


@pytest.mark.parametrize("key", [b"at home", b"secret"])
def test_each_mistake_is_named_by_its_behaviour(loaded, key):
    for wrong in loaded.misconceptions:
        named = name_of(loaded.visible, wrong.exercise, subject_of(wrong.function), loaded.misconceptions, key)
        assert named == (wrong.name, wrong.hint)


def test_a_mistake_that_nobody_described_is_not_named(loaded):
    compiled = compile_misconceptions(loaded.visible, loaded.misconceptions)
    for answer in (square, stub, lambda *_: None, lambda *_: "text", lambda *_: [[1], 2], lambda *_: object()):
        subject = subject_of(answer)
        assert name_of(loaded.visible, "discounted_sum", subject, loaded.misconceptions, b"key") is None
        assert name_from_release(loaded.visible, "discounted_sum", subject, compiled) is None


def test_a_probe_that_fails_gives_no_name(loaded):
    loaded.visible.probe("discounted_sum")(lambda answer, random: is_shape(answer(torch.ones(2), 0.5), (7,)))
    assert behaviour(loaded.visible, "discounted_sum", subject_of(square)) is None


def test_probing_prints_nothing(loaded, capsys):
    def talkative(rewards, discount):
        print("here")
        return rewards.sum()

    behaviour(loaded.visible, "discounted_sum", subject_of(talkative))
    assert capsys.readouterr().out == ""


# ---- what the student sees


def example():
    result = run(lambda: [5.5, 5.5], lambda f: None, lambda f: close(f(), [5.5, 1.0]))
    result.misconception = ("bootstraps past the end", "There is no next state <there>.")
    return result


def test_the_report_as_text():
    assert as_text(example()).splitlines() == [
        "f",
        f"  passed   {'check 0':68} 1 / 1",
        f"  failed   {'check 1':68} 0 / 1",
        "           expected [5.5, 1.0], got [5.5, 5.5]",
        "           hint: a hint",
        "           Your answer behaves like: bootstraps past the end.",
        "           There is no next state <there>.",
        "1 of 2 points; further checks run after you hand in.",
    ]


def test_one_point_is_no_points():
    exam = exam_of(lambda f: None)
    assert as_text(exam.run("f", subject_of(lambda: 0))).splitlines()[-1].startswith("1 of 1 point; further")


def test_the_report_as_html_says_passed_and_failed_in_words_and_escapes_everything():
    result = example()
    result.checks[1].problem = "<script>alert(1)</script>"
    page = as_html(result)
    assert (
        "<strong>passed</strong>" in page and "<strong>failed</strong>" in page and "aria-label='checks of f'" in page
    )
    assert "<script>" not in page and "<there>" not in page
    assert "color:inherit" in page and "background:transparent" in page  # light and dark themes


def test_a_report_shows_itself_and_has_points_but_is_no_number():
    report = Report(example())
    shown = report._repr_mimebundle_()
    assert report.points == 1 and not isinstance(report, float)
    assert shown["text/plain"] == repr(report) and "text/html" in shown


# ---- files of an author


def test_missing_and_wrong_files_are_told(lottery):
    change(lottery / "hidden_checks.py", ", hidden=True)", ")")
    with pytest.raises(CourseError, match=r"hidden_checks\.py is made with hidden=True"):
        load_assignment(lottery)
    change(lottery / "checks.py", 'exam = Exam("lottery")', 'exam = "lottery"')
    with pytest.raises((CourseError, AttributeError)):
        load_assignment(lottery)
    (lottery / "checks.py").write_text("")
    with pytest.raises(CourseError, match="defines no exam"):
        load_assignment(lottery)
    (lottery / "checks.py").unlink()
    with pytest.raises(CourseError, match="is missing"):
        load_assignment(lottery)
