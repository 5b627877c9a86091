"""The half beside a student's code answers every request, whatever that code does."""

import subprocess
import sys

import pytest
import torch

from autograder import candidate, wire


def serve(thing, verb="call", *args, **request):
    buffers = []
    packed = [wire.pack(list(args), buffers), wire.pack({}, buffers)]
    return candidate.serve({"name": "f", "verb": verb, "args": packed, **request}, buffers, {"f": thing}, [])[0]


class UnspeakableError(Exception):
    """An error that raises another when it is shown."""

    def __str__(self):
        raise RuntimeError("no text")


def stop(error):
    raise error


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), RecursionError(), MemoryError(), UnspeakableError()])
def test_whatever_an_answer_raises_becomes_a_reply(error):
    reply = serve(lambda: stop(error))
    assert "ok" not in reply and isinstance(reply["error"], str) and isinstance(reply["message"], str)


def test_a_keyboard_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        serve(lambda: stop(KeyboardInterrupt()))


def test_a_result_that_is_too_large_is_refused_with_its_size():
    reply = serve(lambda: torch.zeros(5_000_000, dtype=torch.float64))
    assert "40 MB" in reply["message"] and "at most 32 MB" in reply["message"]


def test_the_traceback_shows_the_student_part_only():
    reply = serve(lambda: stop(ValueError("mine")))
    assert "test_candidate.py" in reply["traceback"] and "autograder/candidate.py" not in reply["traceback"]


def test_arguments_are_copies_so_that_changing_them_in_place_harms_nobody():
    given = torch.ones(2)
    serve(lambda x: x.zero_(), "call", given)
    assert given.sum() == 2


def test_the_source_runs_where_the_package_is_not_installed():
    """As in the candidate kernel: only the text of two files arrives."""
    code = candidate.opening({"rlkit.returns.discounted_return": "discounted_sum"}) + (
        "\nimport sys; assert 'autograder.checks' not in sys.modules"
        "\nfrom autograder import exam; check = exam('lottery'); assert check('x', None) is None"
        "\nfrom rlkit.returns import discounted_return"
        "\ntry: discounted_return(None, 1)"
        "\nexcept RuntimeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'discounted_sum' asks you to write" in done.stdout, done.stderr
