"""Comparisons accept any container and dtype, and say what was expected and what came."""

import numpy as np
import pytest
import torch

from autograder.checks import Failed, close, holds, is_shape, numbers, raises
from autograder.subject import subject_of


def failure(check, *args, **kwargs):
    with pytest.raises(Failed) as raised:
        check(*args, **kwargs)
    return str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([[1.0, 2.0]], dtype=torch.float64),
        torch.tensor([[1, 2]]),
        torch.tensor([[1.0, 2.0]], dtype=torch.float16),
        np.array([[1.0, 2.0]]),
        [[1, 2.0]],
        ((1, 2),),
        [torch.tensor([1.0, 2.0])],
        [[torch.tensor(1.0), np.float32(2.0)]],
    ],
    ids=lambda answer: f"{type(answer).__name__}-{getattr(answer, 'dtype', '')}",
)
def test_equal_values_pass_in_any_container_and_dtype(answer):
    close(answer, torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    close(torch.tensor([[1.0, 2.0]]), answer)


def test_small_results_are_shown_whole():
    assert failure(close, torch.tensor([5.5, 5.5]), [5.5, 1.0]) == "expected [5.5, 1.0], got [5.5, 5.5]"
    assert failure(close, 2, 3.0) == "expected 3.0, got 2.0"


def test_large_results_are_shown_by_their_first_difference():
    due, came = torch.zeros(10, 20), torch.zeros(10, 20)
    came[3, 7] = came[8, 1] = 0.25
    assert failure(close, came, due) == "2 of 200 entries differ; the first at index [3, 7]: expected 0.0, got 0.25"


def test_a_difference_too_small_for_six_digits_is_still_seen():
    text = failure(close, 0.1234567801, 0.12345678, tolerance=1e-12)
    assert text == "expected 0.12345678, got 0.1234567801"
    assert "0.12345678010" in failure(close, [0.1234567801] * 20, [0.12345678] * 20, tolerance=1e-12) + "0"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "got None (does the function return its result?)"),
        ("three", "expected numbers, got 'three'"),
        ({"a": 1}, "expected numbers, got {'a': 1}"),
        ([1, [2, 3]], "expected numbers in a regular shape, got [1, [2, 3]]"),
        ([torch.ones(1), torch.ones(2)], "expected numbers in a regular shape"),
        ([1.0, 2.0, 3.0], "expected shape (2,), got shape (3,): [1.0, 2.0, 3.0]"),
        (torch.ones(2, 1), "expected shape (2,), got shape (2, 1): [[1.0], [1.0]]"),
        (torch.ones(50), "expected shape (2,), got shape (50,): a tensor of shape (50,)"),
        ([float("nan"), 2.0], "expected [1.0, 2.0], got [nan, 2.0]"),
        ([float("inf"), 2.0], "got [inf, 2.0]"),
    ],
    ids=str,
)
def test_an_unusable_result_is_described(answer, says):
    assert says in failure(close, answer, [1.0, 2.0])


def test_infinities_and_missing_numbers_are_equal_to_themselves():
    close([float("inf"), float("nan")], [float("inf"), float("nan")])
    assert failure(close, float("-inf"), float("inf"))
    assert failure(close, 5.0, float("inf")) == "expected inf, got 5.0"
    assert failure(close, float("inf"), 5.0)


def test_the_tolerance_is_relative_for_large_numbers():
    close(1_000_000.5, 1_000_000.0, tolerance=1e-6)
    assert failure(close, 1.5e-6, 0.0, tolerance=1e-6)


def test_other_expectations():
    is_shape([[1, 2]], (1, 2))
    assert failure(is_shape, [1, 2], (3,)) == "expected shape (3,), got shape (2,)"
    holds(np.bool_(True), "")
    assert failure(holds, torch.tensor(0.0) > 1, "too small") == "too small"
    assert numbers([1, 2]).dtype == torch.float64 and failure(numbers, [1, 2], (3,))


def refuse(value):
    if value > 3:
        raise ValueError(f"{value} is more than 3")
    return value


def test_raises_wants_the_right_error_with_the_right_words():
    subject = subject_of(refuse)
    raises(subject, 4, error="ValueError", mentions=("4", "more than"))
    assert failure(raises, subject, 2) == "expected ValueError, but the call returned 2"
    assert failure(raises, subject, "a").startswith("expected ValueError, got TypeError")
    assert "should mention 'five'" in failure(raises, subject, 4, mentions=("five", "4"))


def test_lists_of_tensors_compare_as_one_array():
    close([[torch.ones(2)], [torch.zeros(2)]], [[[1, 1]], [[0, 0]]])
