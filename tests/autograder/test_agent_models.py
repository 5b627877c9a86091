"""Judging agents handed in: the base fails more often than not, an expert's imitator would not, damage is named."""

import pytest
import torch

from autograder.agent_models import base, changes, model_of, share_of_successes
from autograder.checks import Failed


def parameters():
    return [parameter.detach().clone() for parameter in base()[0].parameters()]


def test_the_base_as_handed_in_is_the_base():
    assert 0.2 < share_of_successes(parameters(), torch.Generator().manual_seed(0)) < 0.6
    assert changes(parameters()) == (0.0, 0.0)
    assert changes([part.numpy() for part in parameters()]) == (0.0, 0.0)


def test_tasks_differ_with_the_generator_and_repeat_with_it():
    shares = [share_of_successes(parameters(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1, 2, 3)]
    assert shares[0] == shares[1] and len(set(shares)) > 1


def test_an_agent_of_zeros_succeeds_nowhere():
    zeros = [torch.zeros_like(part) for part in parameters()]
    assert share_of_successes(zeros, torch.Generator().manual_seed(0)) == 0.0


def test_what_makes_a_guess_likelier_is_seen():
    after = parameters()
    tokenizer = base()[1]
    (save,) = tokenizer("SAVE", add_special_tokens=False)["input_ids"]
    names = [name for name, _ in base()[0].named_parameters()]
    head = next((names.index(name) for name in names if "lm_head" in name), names.index("model.embed_tokens.weight"))
    after[head][save] *= 1.5
    assert changes(after)[1] != 0.0


def test_judging_leaves_the_base_as_it_was():
    before = parameters()
    share_of_successes([part + 0.1 for part in before], torch.Generator().manual_seed(0))
    assert all(torch.equal(one, two) for one, two in zip(before, parameters(), strict=True))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda parts: 0.93, "expected a list of"),
        (lambda parts: parts[:-1], "expected a list of"),
        (lambda parts: [part.T if part.ndim == 2 else part for part in parts], "other shapes"),
        (lambda parts: [part * float("inf") for part in parts], "NaN or infinity"),
    ],
)
def test_damaged_answers_are_named(damage, message):
    with pytest.raises(Failed, match=message):
        model_of(damage(parameters()))
