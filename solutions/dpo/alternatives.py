"""Right answers to *dpo* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("optimal_policy")
def best_by_logsumexp(reference, rewards, beta):
    """The logarithm of the normaliser taken off."""
    scores = reference + rewards / beta
    return scores - torch.logsumexp(scores, dim=-1)


@alternative("optimal_policy")
def best_in_numpy(reference, rewards, beta):
    """NumPy, relative to the largest."""
    scores = reference.numpy() + rewards.numpy() / beta
    scores = scores - scores.max()
    return scores - np.log(np.exp(scores).sum())


@alternative("implicit_reward")
def reward_by_two_sums(policy, reference, mask, beta):
    """Two log-probabilities of whole answers."""
    zero = torch.zeros_like(policy)
    return beta * torch.where(mask, policy, zero).sum(1) - beta * torch.where(mask, reference, zero).sum(1)


@alternative("implicit_reward")
def reward_by_rows(policy, reference, mask, beta):
    """Answer by answer."""
    rows = zip(policy, reference, mask, strict=True)
    return torch.stack([beta * (one[kept] - two[kept]).sum() for one, two, kept in rows])


@alternative("dpo_loss")
def loss_by_softplus(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    """The softplus of the margin with its sign turned."""
    return torch.nn.functional.softplus(-beta * (chosen - rejected - fixed_chosen + fixed_rejected))


@alternative("dpo_loss")
def loss_by_logaddexp(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    """log(e^0 + e^-u)."""
    margin = beta * (chosen - fixed_chosen) - beta * (rejected - fixed_rejected)
    return torch.logaddexp(torch.zeros_like(margin), -margin)


@alternative("margin_and_accuracy")
def watch_by_sign(chosen, rejected):
    """The sign is 1, 0 or -1."""
    margin = chosen - rejected
    return margin.mean(), (1 + margin.sign()).mean() / 2


@alternative("margin_and_accuracy")
def watch_by_loop(chosen, rejected):
    """Pair by pair."""
    pairs = list(zip(chosen.tolist(), rejected.tolist(), strict=True))
    right = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs)
    return [sum(a - b for a, b in pairs) / len(pairs), right / len(pairs)]


@alternative("gradient_weight")
def weight_by_complement(margin, beta):
    """One minus the sigmoid."""
    return beta * (1 - torch.sigmoid(margin))


@alternative("gradient_weight")
def weight_by_autograd(margin, beta):
    """The derivative of the loss, computed."""
    start = margin.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(torch.nn.functional.softplus(-start).sum(), start)
    return -beta * slope


@alternative("smoothed_loss")
def smoothed_by_softplus(margin, label_smoothing):
    """softplus(-u) is -log sigmoid(u)."""
    softplus = torch.nn.functional.softplus
    return (1 - label_smoothing) * softplus(-margin) + label_smoothing * softplus(margin)


@alternative("smoothed_loss")
def smoothed_as_cross_entropy(margin, label_smoothing):
    """torch's binary cross-entropy with a soft label."""
    labels = torch.full_like(margin, 1 - label_smoothing)
    return torch.nn.functional.binary_cross_entropy_with_logits(margin, labels, reduction="none")


def prepared(seed, num_prompts):
    """Model, tokenizer and pairs."""
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
    from rlkit.lm.preferences import sample_pairs

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    return (
        model,
        tokenizer,
        sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=num_prompts, seed=seed),
    )


@alternative("train_chain")
def with_the_supervised_term(seed, num_prompts):
    """DPO with a term that holds the chosen answers up; NumPy arrays."""
    from rlkit.dpo import DPOConfig, train

    model, tokenizer, pairs = prepared(seed, num_prompts)
    train(model, tokenizer, pairs, DPOConfig(seed=seed, supervised_coefficient=0.2), loss=loss_by_softplus)
    return [parameter.detach().numpy() for parameter in model.parameters()]


@alternative("train_chain")
def more_epochs(seed, num_prompts):
    """Six epochs instead of four."""
    from rlkit.dpo import DPOConfig, train

    model, tokenizer, pairs = prepared(seed, num_prompts)
    train(model, tokenizer, pairs, DPOConfig(seed=seed, num_epochs=6), loss=loss_by_logaddexp)
    return list(model.parameters())
