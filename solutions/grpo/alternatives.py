"""Right answers to *grpo* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("group_advantages")
def advantages_by_scatter(rewards, group_ids):
    """Sums by group with index_add, without a loop."""
    _, group = group_ids.unique(return_inverse=True)
    zeros = torch.zeros(int(group.max()) + 1, dtype=rewards.dtype)
    count = zeros.index_add(0, group, torch.ones_like(rewards))
    centred = rewards - (zeros.index_add(0, group, rewards) / count)[group]
    deviation = (zeros.index_add(0, group, centred**2) / (count - 1).clamp_min(1)).sqrt()
    same = (zeros.scatter_reduce(0, group, rewards, "amax", include_self=False)
            == zeros.scatter_reduce(0, group, rewards, "amin", include_self=False))  # fmt: skip
    return torch.where(same[group], torch.zeros_like(rewards), centred / (deviation[group] + 1e-4))


@alternative("group_advantages")
def advantages_in_numpy(rewards, group_ids):
    """NumPy and a dictionary of places."""
    values, result = rewards.numpy(), np.zeros(len(rewards), dtype=rewards.numpy().dtype)
    for group in set(group_ids.tolist()):
        places = np.flatnonzero(group_ids.numpy() == group)
        mine = values[places]
        if len(set(mine.tolist())) > 1:
            result[places] = (mine - mine.mean()) / (mine.std(ddof=1) + 1e-4)
    return result


@alternative("grpo_loss")
def loss_by_selection(new, old, advantages, mask, clip_low, clip_high):
    """Only the tokens that count, as one list."""
    ratio = (new[mask] - old[mask]).exp()
    weights = advantages[:, None].expand_as(new)[mask]
    clipped = torch.clip(ratio, 1 - clip_low, 1 + clip_high)
    return -torch.min(ratio * weights, clipped * weights).mean()


@alternative("grpo_loss")
def loss_by_cases(new, old, advantages, mask, clip_low, clip_high):
    """The limit depends on the sign of the advantage."""
    zero = torch.zeros_like(new)
    ratio = torch.exp(torch.where(mask, new, zero) - torch.where(mask, old, zero))
    good = (advantages >= 0)[:, None]
    limited = torch.where(good, ratio.clamp(max=1 + clip_high), ratio.clamp(min=1 - clip_low))
    return -torch.where(mask, limited * advantages[:, None], zero).sum() / mask.double().sum()


@alternative("three_averages")
def averages_by_rows(losses, mask):
    """Answer by answer."""
    rows = [row[kept] for row, kept in zip(losses, mask, strict=True)]
    every = torch.cat(rows)
    return [torch.stack([row.mean() for row in rows]).mean(), every.mean(), every.sum() / losses.numel()]


@alternative("three_averages")
def averages_by_where(losses, mask):
    """Weights for each token."""
    kept = torch.where(mask, losses, torch.zeros_like(losses))
    weights = 1 / mask.sum(1, keepdim=True)
    return (kept * weights).sum() / len(mask), kept.sum() / mask.sum(), kept.sum() / (mask.shape[0] * mask.shape[1])


@alternative("sequence_ratio")
def ratio_by_rows(new, old, mask):
    """Answer by answer."""
    rows = zip(new, old, mask, strict=True)
    return torch.stack([(one[kept] - two[kept]).mean().exp() for one, two, kept in rows])


@alternative("sequence_ratio")
def ratio_in_numpy(new, old, mask):
    """NumPy."""
    kept = np.where(mask.numpy(), new.numpy() - old.numpy(), 0.0)
    return np.exp(kept.sum(1) / mask.numpy().sum(1))


@alternative("pass_at_k")
def pass_by_product(num_correct, n, k):
    """The chance that one sample after another is wrong."""
    wrong = n - num_correct.double()
    missed = torch.ones_like(wrong)
    for i in range(k):
        missed = missed * (wrong - i).clamp_min(0) / (n - i)
    return 1 - missed


@alternative("pass_at_k")
def pass_by_gamma(num_correct, n, k):
    """Logarithms of factorials, with the cases that have none."""
    wrong = n - num_correct.double()
    choose = torch.lgamma(wrong + 1) - torch.lgamma((wrong - k).clamp_min(0) + 1)
    every = torch.lgamma(torch.tensor(n + 1.0).double()) - torch.lgamma(torch.tensor(n - k + 1.0).double())
    return torch.where(wrong < k, torch.ones_like(wrong), 1 - (choose - every).exp())


def run(seed, num_steps, advantages, loss, **settings):
    """Train and return the model."""
    from rlkit.grpo import GRPOConfig, train
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    config = GRPOConfig(seed=seed, num_steps=num_steps, **settings)
    train(model, tokenizer, chain.prompts, chain.reward, config, advantages=advantages, loss=loss)
    return model


@alternative("train_chain")
def with_other_formulas(seed, num_steps):
    """Formulas written in another way, three passes over each batch; NumPy arrays."""

    def loss(new, old, advantages, mask, clip_low, clip_high, **options):
        return loss_by_selection(new, old, advantages, mask, clip_low, clip_high)

    model = run(seed, num_steps, advantages_by_scatter, loss, kl_coefficient=0.0, num_epochs=3)
    return [parameter.detach().numpy() for parameter in model.parameters()]


@alternative("train_chain")
def with_two_minibatches(seed, num_steps):
    """Two minibatches and a wider upper clip."""

    def loss(new, old, advantages, mask, **options):
        return loss_by_cases(new, old, advantages, mask, 0.2, 0.28)

    return list(run(seed, num_steps, advantages_by_scatter, loss, kl_coefficient=0.0, num_minibatches=2).parameters())
