"""What the agents' measurements change in the loss and in the reward is what they say."""

import importlib
from pathlib import Path

import pytest
import torch

from rlkit.agents.data_agent import ITEMS
from rlkit.group_objective import grpo_loss

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def differences(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("agent_differences")


def batch():
    """Two rows: padding behind the first; what the policy wrote, and one advantage a row."""
    policy = torch.tensor([[-1.0, -0.5, -2.0, 0.0], [-0.7, -0.2, -0.1, -1.5]], requires_grad=True)
    mask = torch.tensor([[False, True, False, False], [False, True, True, False]])
    advantages = torch.tensor([[2.0], [-1.0]]).expand(2, 4).masked_fill(~mask, 0.0)
    return policy, policy.detach().masked_fill(~mask, 0.0), advantages, mask


def test_the_forgotten_mask_reinforces_what_the_environment_said_and_leaves_padding_alone(differences):
    policy, old, advantages, mask = batch()
    (gradient,) = torch.autograd.grad(differences.unmasked_loss(policy, old, advantages, mask), policy)
    # Seven real tokens; at ratio 1 the gradient of each is minus its row's advantage over their number.
    expected = torch.tensor([[-2.0, -2.0, -2.0, 0.0], [1.0, 1.0, 1.0, 1.0]]) / 7
    torch.testing.assert_close(gradient, expected)
    (masked,) = torch.autograd.grad(grpo_loss(policy, old, advantages, mask), policy)
    assert masked[~mask].eq(0).all()


def test_progress_is_paid_when_the_right_number_is_read_once_a_part(differences):
    world = differences.ProgressDataAgent(two_parts=0.0, locked=0.0)
    question = next(seed for seed in range(50) if world.reset(seed=seed)[0].startswith("stock"))
    world.reset(seed=question)
    (_, item), (truth,) = world.parts[0], world.truth
    paid = [world.step(command)[1] for command in (f"SCAN {item}", f"SCAN {item}", f"SAVE {truth // 10} {truth % 10}")]
    assert paid == pytest.approx([differences.PROGRESS_REWARD - 0.3, -0.3, 1.0])
    world.reset(seed=question)
    assert world.step(f"SCAN {item}")[1] == pytest.approx(differences.PROGRESS_REWARD - 0.3), "paid again after reset"


def test_reading_another_items_number_is_no_progress(differences):
    world = differences.ProgressDataAgent(two_parts=0.0, locked=0.0)
    for seed in range(50):
        world.reset(seed=seed)
        (kind, item), (truth,) = world.parts[0], world.truth
        other = next(name for name in ITEMS if name != item)
        observation, reward, *_ = world.step(f"SCAN {other}")
        if kind == "stock" and observation != "= " + " ".join(str(truth)):
            assert reward == pytest.approx(-0.3)
            return
    pytest.fail("no such task among fifty")
