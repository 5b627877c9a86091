import pytest
import torch

from rlkit.device import choose_device
from rlkit.seeding import make_generator


def test_the_argument_wins_over_the_environment_variable(monkeypatch):
    monkeypatch.setenv("RLKIT_DEVICE", "no such device")
    assert choose_device("cpu") == torch.device("cpu")


def test_the_environment_variable_wins_over_the_best_device(monkeypatch):
    monkeypatch.setenv("RLKIT_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")


def test_without_either_the_best_device_present_is_taken(monkeypatch):
    monkeypatch.delenv("RLKIT_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device() == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")


def test_an_unknown_device_is_named_with_those_present():
    with pytest.raises(ValueError, match=r"argument device asks for device 'tpu'.*has: .*cpu"):
        choose_device("tpu")


def test_an_unknown_device_in_the_environment_says_where_it_came_from(monkeypatch):
    monkeypatch.setenv("RLKIT_DEVICE", "cuda:77")
    with pytest.raises(ValueError, match="environment variable RLKIT_DEVICE asks for device 'cuda:77'"):
        choose_device()


def test_purposes_have_streams_of_their_own():
    def draw(seed, purpose):
        return torch.rand(4, generator=make_generator(seed, purpose))

    assert torch.equal(draw(0, "environment"), draw(0, "environment"))
    assert not torch.equal(draw(0, "environment"), draw(0, "exploration"))
    assert not torch.equal(draw(0, "environment"), draw(1, "environment"))


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_no_count_is_refused(seed):
    with pytest.raises(ValueError, match="expected an integer of at least 0"):
        make_generator(seed, "environment")
