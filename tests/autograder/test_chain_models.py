"""Judging models handed in: the base adds hardly anything, damaged lists are named, changes have the right sign."""

import pytest
import torch

from autograder.chain_models import base, changes, model_of, share_right
from autograder.checks import Failed


def parameters():
    return [parameter.detach().clone() for parameter in base()[0].parameters()]


def test_the_base_as_handed_in_is_the_base():
    assert share_right(parameters(), torch.Generator().manual_seed(0)) <= 0.2
    assert changes(parameters()) == [0.0, 0.0]
    assert changes([part.numpy() for part in parameters()]) == [0.0, 0.0]


def test_judging_leaves_the_base_as_it_was():
    before = parameters()
    share_right([part + 0.1 for part in before], torch.Generator().manual_seed(0))
    assert all(torch.equal(one, two) for one, two in zip(before, parameters(), strict=True))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda parts: 0.93, "expected a list of"),
        (lambda parts: parts[:-1], "expected a list of"),
        (lambda parts: [part.T if part.ndim == 2 else part for part in parts], "other shapes"),
        (lambda parts: [part * float("nan") for part in parts], "NaN"),
    ],
)
def test_damaged_answers_are_named(damage, message):
    with pytest.raises(Failed, match=message):
        model_of(damage(parameters()))
