"""Bradley-Terry, DPO, IPO and the regularised optimum: closed forms, enumeration, gradients."""

import math

import pytest
import torch

from rlkit.dpo import dpo_loss, implicit_reward, ipo_loss, optimal_policy
from rlkit.lm.divergence import kl_divergence
from rlkit.reward_model import bradley_terry_loss, preference_accuracy
from rlkit.rlhf import last_token, normalise, shaped_rewards, token_advantages


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bradley_terry_by_hand_and_stable_far_out():
    assert bradley_terry_loss(torch.tensor(1.0), torch.tensor(0.0)).item() == pytest.approx(math.log(1 + math.exp(-1)))
    far = bradley_terry_loss(torch.tensor(-1000.0), torch.tensor(0.0))
    assert far.item() == 1000.0
    a, b = draw(5), draw(5, seed=1)
    assert torch.allclose(bradley_terry_loss(a + 3, b + 3), bradley_terry_loss(a, b))
    assert preference_accuracy(torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.0, 0.0, 3.0])).item() == 0.5


def test_dpo_is_the_reward_models_loss_on_implicit_rewards():
    a, b, c, d = (draw(3, 4, seed=i) for i in range(4))
    expected = bradley_terry_loss(implicit_reward(a, c, 0.3), implicit_reward(b, d, 0.3))
    assert torch.allclose(dpo_loss(a, b, c, d, 0.3), expected)
    zero = torch.zeros(2)
    assert torch.allclose(dpo_loss(zero, zero, zero, zero, 0.1), torch.full((2,), math.log(2)))


def test_the_gradient_weighs_pairs_by_how_wrong_they_are():
    a, b, c, d = (draw(6, seed=i) for i in range(4))
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(dpo_loss(a, b, c, d, 0.5).sum(), a)
    margin = 0.5 * ((a - c) - (b - d)).detach()
    assert torch.allclose(gradient, -0.5 * torch.sigmoid(-margin))


def test_label_smoothing_is_a_mixture_and_has_its_minimum_inside():
    a, b, c, d = (draw(4, seed=i) for i in range(4))
    mixed = 0.9 * dpo_loss(a, b, c, d, 0.2) + 0.1 * dpo_loss(b, a, d, c, 0.2)
    assert torch.allclose(dpo_loss(a, b, c, d, 0.2, 0.1), mixed)
    margins = torch.linspace(0, 60, 6001, dtype=torch.float64)
    zero = torch.zeros_like(margins)
    best = margins[dpo_loss(margins, zero, zero, zero, 0.1, 0.1).argmin()].item()
    assert best == pytest.approx(math.log(0.9 / 0.1) / 0.1, abs=0.01)


def test_ipo_wants_a_margin_of_one_over_two_beta():
    zero = torch.zeros(())
    assert ipo_loss(torch.tensor(5.0), zero, zero, zero, 0.1).item() == pytest.approx(0, abs=1e-12)
    assert ipo_loss(torch.tensor(7.0), zero, zero, zero, 0.1).item() == pytest.approx(4, abs=1e-5)
    assert ipo_loss(torch.tensor(3.0), zero, zero, zero, 0.1).item() == pytest.approx(4, abs=1e-5)


def test_the_optimal_policy_beats_every_other_and_its_implicit_reward_is_the_reward():
    reference, rewards, beta = draw(7).log_softmax(-1), draw(7, seed=1), 0.4
    best = optimal_policy(reference, rewards, beta)

    def objective(policy):
        return (policy.exp() * rewards).sum() - beta * kl_divergence(policy, reference)

    others = [(best + 0.3 * draw(7, seed=i)).log_softmax(-1) for i in range(2, 30)]
    assert all(objective(other) < objective(best) for other in others)
    normaliser = torch.logsumexp(reference + rewards / beta, -1)
    assert objective(best).item() == pytest.approx((beta * normaliser).item())
    difference = implicit_reward(best, reference, beta) - rewards
    assert (difference - difference[0]).abs().max() < 1e-12


def test_dpos_minimum_over_all_pairs_is_the_optimal_policy():
    """Preferences drawn from Bradley-Terry with known rewards, their mean loss in place of samples."""
    reference, rewards, beta = draw(4).log_softmax(-1), draw(4, seed=1), 0.5
    wanted = optimal_policy(reference, rewards, beta)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)
    first, second = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    chance = torch.sigmoid(rewards[first] - rewards[second])

    def closure():
        optimizer.zero_grad()
        policy = logits.log_softmax(-1)
        losses = dpo_loss(policy[first], policy[second], reference[first], reference[second], beta)
        total = (chance * losses).sum()
        total.backward()
        return total

    optimizer.step(closure)
    assert torch.allclose(logits.log_softmax(-1), wanted, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_beta_must_be_positive(beta):
    zero = torch.zeros(2)
    with pytest.raises(ValueError, match="beta is"):
        dpo_loss(zero, zero, zero, zero, beta)
    with pytest.raises(ValueError, match="label_smoothing"):
        dpo_loss(zero, zero, zero, zero, 0.1, 0.5)


def test_shaped_rewards_put_the_score_on_the_last_token_and_sum_to_score_minus_beta_times_the_log_ratio():
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    old, reference = draw(2, 4), draw(2, 4, seed=1)
    scores = torch.tensor([2.0, -1.0]).double()
    found = shaped_rewards(scores, old, reference, mask, 0.1)
    assert (found[~mask] == 0).all()
    price = 0.1 * ((old - reference) * mask).sum(1)
    assert torch.allclose(found.sum(1), scores - price)
    free = shaped_rewards(scores, old, reference, mask, 0.0)
    assert free.tolist() == [[0, 0, 2, 0], [-1, 0, 0, 0]]
    with pytest.raises(ValueError, match="no token"):
        shaped_rewards(scores, old, reference, torch.zeros_like(mask), 0.1)


def test_the_last_token_is_found_also_when_the_mask_has_gaps():
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])
    assert last_token(mask).long().tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]


def test_token_advantages_equal_a_loop_and_nothing_leaks_from_behind_the_end():
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    rewards, values = draw(2, 4), draw(2, 4, seed=1)
    found = token_advantages(rewards, values, mask, 0.9, 0.8)
    for b, length in enumerate((3, 4)):
        running = 0.0
        for t in reversed(range(length)):
            following = values[b, t + 1].item() if t + 1 < length else 0.0
            running = rewards[b, t].item() + 0.9 * following - values[b, t].item() + 0.9 * 0.8 * running
            assert found[b, t].item() == pytest.approx(running, abs=1e-12)
    behind = values.clone()
    behind[0, 3] = 1e6
    assert torch.equal(token_advantages(rewards, behind, mask, 0.9, 0.8)[0, :3], found[0, :3])
    scaled = normalise(found, mask)[mask]
    assert scaled.mean().abs() < 1e-12 and scaled.std().item() == pytest.approx(1, abs=1e-6)
