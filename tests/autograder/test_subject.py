"""A subject stands for something of the student's: functions, objects, values."""

import pytest
import torch

from autograder.checks import build
from autograder.subject import StudentError, probed, subject_of


def refuse(value):
    if value > 3:
        raise ValueError(f"{value} is more than 3")
    return value


class Counter:
    """A student's class."""

    def __init__(self, start=0):
        self.count = start

    def add(self, number):
        self.count += number
        return self.count


def test_an_object_stays_with_the_student():
    counter = subject_of(Counter).make(start=2)
    assert counter.add(3) == 5 and counter.add(1) == 6 and counter.count.value() == 6
    with pytest.raises(StudentError, match="AttributeError"):
        counter.missing()


def test_a_value_is_read():
    assert subject_of([1, 2]).value() == [1, 2]
    with pytest.raises(StudentError, match="`your answer` is of type list, expected a function"):
        subject_of([1, 2])()


def test_repeated_calls_advance_a_generator():
    def draw(generator):
        return torch.rand(1, generator=generator)

    drawn = subject_of(draw).repeat(3, torch.Generator().manual_seed(1))
    assert len({float(one) for one in drawn}) == 3


def test_gradients_are_taken_beside_the_student():
    value, (gradient, unused) = subject_of(lambda x, y: (x * x).sum()).gradients(
        torch.tensor([3.0]), torch.ones(1), wrt=(0, 1)
    )
    assert value == 9 and gradient == 6 and unused is None


@pytest.mark.parametrize("function", [lambda x: x.detach().sum(), lambda x: torch.tensor(x.sum().item())])
def test_a_cut_graph_is_told(function):
    with pytest.raises(StudentError, match="cut the graph"):
        subject_of(function).gradients(torch.ones(2))


def test_an_environment_is_built_on_the_student_side():
    def actions(environment):
        return int(environment.action_space.n)

    assert subject_of(actions)(build("gymnasium:make", "FrozenLake-v1", is_slippery=False)) == 4


def test_an_outcome_is_the_value_or_the_error():
    subject = probed(subject_of(refuse))
    assert subject(1) == subject.outcome(1) == 1 and subject(4) == "raises ValueError"
