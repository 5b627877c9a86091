"""Group advantages and the GRPO family's loss: loops, closed forms, masks, exact expected gradients."""

import itertools

import pytest
import torch

from rlkit.group_objective import (
    aggregate,
    clip_fraction,
    group_advantages,
    grpo_loss,
    importance_ratio,
    overlong_penalty,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_advantages_of_interleaved_groups_equal_a_loop():
    rewards, groups = draw(12), torch.tensor([3, 1, 3, 7, 1, 7, 3, 1, 7, 3, 3, 1])
    for divide, leave in itertools.product((True, False), (True, False)):
        found = group_advantages(rewards, groups, divide, "leave_one_out" if leave else "mean")
        for i in range(12):
            mine = [rewards[j].item() for j in range(12) if groups[j] == groups[i]]
            mean = sum(mine) / len(mine)
            rest = (sum(mine) - rewards[i].item()) / (len(mine) - 1)
            expected = rewards[i].item() - (rest if leave else mean)
            if divide:
                expected /= (sum((x - mean) ** 2 for x in mine) / (len(mine) - 1)) ** 0.5 + 1e-4
            assert found[i].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("reward", [0.9, 0.1, -0.3, 1e6])
def test_equal_rewards_give_exactly_zero(count, reward):
    """The float32 mean of seven rewards of 0.9 is not 0.9; dividing the rest by a tiny deviation would not be 0."""
    rewards, groups = torch.full((count,), reward), torch.zeros(count, dtype=torch.long)
    for baseline in ("mean", "leave_one_out"):
        assert (group_advantages(rewards, groups, baseline=baseline) == 0).all()


def test_bad_rewards_and_names_are_refused():
    with pytest.raises(ValueError, match=r"rewards\[1\] is nan"):
        group_advantages(torch.tensor([1.0, float("nan")]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="'median'"):
        group_advantages(torch.ones(2), torch.tensor([0, 0]), baseline="median")
    with pytest.raises(ValueError, match="shapes disagree"):
        group_advantages(torch.ones(2), torch.tensor([0, 0, 1]))


def loop_loss(policy, old, advantages, mask, low, high, aggregation, reference, beta):
    """The losses of DeepSeekMath, DAPO and Dr. GRPO, token by token."""
    rows = []
    for b in range(len(policy)):
        losses = []
        for t in range(policy.shape[1]):
            if mask[b, t]:
                ratio = (policy[b, t] - old[b, t]).exp()
                gain = torch.minimum(ratio * advantages[b], ratio.clamp(1 - low, 1 + high) * advantages[b])
                log_ratio = reference[b, t] - policy[b, t]
                losses.append(-gain + beta * (log_ratio.exp() - log_ratio - 1))
        rows.append(losses)
    if aggregation == "sequence_mean":
        return sum(sum(row) / len(row) for row in rows) / len(rows)
    total = sum(sum(row) for row in rows)
    return total / (sum(map(len, rows)) if aggregation == "token_mean" else len(rows) * policy.shape[1])


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean", "fixed_length"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_the_loss_and_its_gradient_equal_a_loop(aggregation, beta):
    policy = (0.5 * draw(4, 6) - 1).requires_grad_()
    old, reference = policy.detach() + 0.3 * draw(4, 6, seed=1), policy.detach() + 0.3 * draw(4, 6, seed=2)
    advantages, mask = draw(4, seed=3), torch.arange(6) < torch.tensor([6, 1, 3, 5])[:, None]
    options = {"reference_log_probabilities": reference, "kl_coefficient": beta}
    found = grpo_loss(policy, old, advantages, mask, 0.2, 0.28, aggregation, **options)
    expected = loop_loss(policy, old, advantages, mask, 0.2, 0.28, aggregation, reference, beta)
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    ours, theirs = (torch.autograd.grad(loss, policy)[0] for loss in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert (ours[~mask] == 0).all()


def test_what_the_mask_leaves_out_may_be_infinite():
    mask = torch.tensor([[True, False]])
    policy = torch.tensor([[-1.0, -1000.0]], requires_grad=True)
    wild = torch.tensor([[-1.0, 1000.0]])
    options = {"reference_log_probabilities": wild, "kl_coefficient": 0.1}
    loss = grpo_loss(policy, wild, torch.ones(1), mask, **options)
    loss.backward()
    assert torch.isfinite(loss) and policy.grad.tolist() == [[-1.0, 0.0]]


def test_leading_axes_stay():
    policy, old, advantages = draw(3, 4, 5), draw(3, 4, 5, seed=1), draw(3, 4, seed=2)
    mask = draw(3, 4, 5, seed=3) > -0.5
    for aggregation in ("sequence_mean", "token_mean", "fixed_length"):
        whole = grpo_loss(policy, old, advantages, mask, aggregation=aggregation)
        parts = [grpo_loss(*some, aggregation=aggregation) for some in zip(policy, old, advantages, mask, strict=True)]
        assert torch.allclose(whole, torch.stack(parts))


def test_parts_with_the_whole_batchs_normaliser_sum_to_the_whole():
    losses, mask = draw(6, 5), draw(6, 5, seed=1) > 0
    for aggregation, whole in (("sequence_mean", 6), ("token_mean", int(mask.sum())), ("fixed_length", 30)):
        parts = [aggregate(losses[i : i + 2], mask[i : i + 2], aggregation, whole) for i in (0, 2, 4)]
        assert torch.allclose(sum(parts), aggregate(losses, mask, aggregation))


def test_the_sequence_ratio_is_the_geometric_mean_of_the_tokens_ratios():
    policy, old = draw(2, 4), draw(2, 4, seed=1)
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    found = importance_ratio(policy, old, mask, "sequence")
    for b, length in enumerate((3, 4)):
        expected = (policy[b, :length] - old[b, :length]).mean().exp()
        assert torch.allclose(found[b], expected.expand(4))
    with pytest.raises(ValueError, match="'word'"):
        importance_ratio(policy, old, mask, "word")


def test_without_clipping_the_expected_gradient_on_enumerated_completions_is_the_gradient_of_the_reward():
    """Two tokens of a vocabulary of three: leave-one-out groups of two, all pairs of completions weighed by chance."""
    logits = draw(4, 3).requires_grad_()  # first token; second token after each first one
    rewards = draw(9, seed=1)
    completions = torch.tensor(list(itertools.product(range(3), repeat=2)))

    def scores():
        first = logits[0].log_softmax(-1)[completions[:, 0]]
        second = logits[1:].log_softmax(-1)[completions[:, 0], completions[:, 1]]
        return torch.stack([first, second], dim=1)

    chances = scores().sum(1).exp()
    (exact,) = torch.autograd.grad((chances * rewards).sum(), logits, retain_graph=True)
    total = torch.zeros_like(logits)
    mask, groups = torch.ones(2, 2, dtype=torch.bool), torch.zeros(2, dtype=torch.long)
    for i, j in itertools.product(range(9), repeat=2):
        pair, policy = [i, j], scores()[[i, j]]
        advantages = group_advantages(rewards[pair], groups, divide_by_std=False, baseline="leave_one_out")
        loss = grpo_loss(policy, policy.detach(), advantages, mask, aggregation="fixed_length", normaliser=2)
        (gradient,) = torch.autograd.grad(loss, logits)
        total -= (chances[i] * chances[j]).detach() * gradient
    assert torch.allclose(total, exact, atol=1e-12)


def test_clip_fraction_counts_only_the_advantages_side():
    weight = torch.tensor([[1.5, 0.5], [1.5, 0.5]])
    advantages, mask = torch.tensor([1.0, -1.0]), torch.ones(2, 2, dtype=torch.bool)
    assert clip_fraction(weight, advantages, mask, 0.2, 0.2).item() == 0.5
    assert clip_fraction(weight, advantages, torch.tensor([[True, False], [False, False]]), 0.2, 0.2).item() == 1


def test_the_overlong_penalty_by_hand():
    assert overlong_penalty(torch.tensor([1, 8, 9, 10, 12]), 12, 4).tolist() == [0, 0, -0.25, -0.5, -1]
    with pytest.raises(ValueError, match="buffer"):
        overlong_penalty(torch.tensor([1]), 4, 5)


@pytest.mark.parametrize("bad", [{"aggregation": "median"}, {"clip_low": -0.1}, {"kl_coefficient": 0.1}])
def test_bad_settings_are_named(bad):
    with pytest.raises(ValueError, match="|".join(bad)):
        grpo_loss(draw(2, 3), draw(2, 3), torch.ones(2), torch.ones(2, 3, dtype=torch.bool), **bad)
