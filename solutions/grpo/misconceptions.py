"""Wrong answers to *grpo* that students give, each with its name and a hint that does not give the answer."""

from math import comb

import torch

from autograder.checks import misconception

# ---- group_advantages


def by_group(rewards, group_ids, formula):
    """A formula applied to the rewards of each group."""
    result = torch.zeros_like(rewards)
    for group in group_ids.unique():
        mine = group_ids == group
        result[mine] = formula(rewards[mine])
    return result


def standardised(values):
    """The right formula."""
    if values.max() == values.min():
        return torch.zeros_like(values)
    return (values - values.mean()) / (values.std() + 1e-4)


@misconception(
    "group_advantages",
    name="a group without differences divides rounding errors",
    hint="Equal rewards give exactly 0. How do you find out that they are equal?",
)
def _(rewards, group_ids):
    return by_group(rewards, group_ids, lambda v: (v - v.mean()) / (v.std(correction=min(1, len(v) - 1)) + 1e-8))


@misconception(
    "group_advantages",
    name="rewards that differ by little count as equal",
    hint="Equal means equal: a small difference is a signal too, and the offset keeps it small.",
)
def _(rewards, group_ids):
    return by_group(
        rewards, group_ids, lambda v: torch.zeros_like(v) if len(v) < 2 or v.std() < 1e-3 else standardised(v)
    )


@misconception(
    "group_advantages",
    name="one group for the whole batch",
    hint="Answers are compared with answers to the same prompt.",
)
def _(rewards, group_ids):
    return standardised(rewards)


@misconception(
    "group_advantages",
    name="the deviation with G instead of G − 1",
    hint="The standard deviation of a sample was asked for.",
)
def _(rewards, group_ids):
    def formula(values):
        if values.max() == values.min():
            return torch.zeros_like(values)
        return (values - values.mean()) / (values.std(correction=0) + 1e-4)

    return by_group(rewards, group_ids, formula)


@misconception(
    "group_advantages",
    name="not divided by the standard deviation",
    hint="In a group with small differences the advantages are of the same size as in others.",
)
def _(rewards, group_ids):
    return by_group(rewards, group_ids, lambda v: v - v.mean() if v.max() > v.min() else torch.zeros_like(v))


@misconception(
    "group_advantages",
    name="groups are taken to stand together",
    hint="Answers of one group need not be neighbours.",
)
def _(rewards, group_ids):
    sizes = torch.unique(group_ids, return_counts=True)[1].tolist()
    return torch.cat([standardised(part) for part in rewards.split(sizes)])


# ---- grpo_loss


def token_losses(new, old, advantages, mask, low, high):
    """The right losses of the tokens."""
    ratio = (new - old).masked_fill(~mask, 0.0).exp()
    advantages = advantages[:, None]
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


@misconception(
    "grpo_loss",
    name="an objective instead of a loss",
    hint="It is to be minimised, and a good answer is to become likelier.",
)
def _(new, old, advantages, mask, low, high):
    return -token_losses(new, old, advantages, mask, low, high)[mask].mean()


@misconception(
    "grpo_loss",
    name="clipped without the minimum",
    hint="A bad answer that has become likelier must still be pushed down.",
)
def _(new, old, advantages, mask, low, high):
    ratio = (new - old).masked_fill(~mask, 0.0).exp().clamp(1 - low, 1 + high)
    return -(ratio * advantages[:, None])[mask].mean()


@misconception(
    "grpo_loss",
    name="the mean of the answers' means",
    hint="Every token was to count the same, whichever answer it is in.",
)
def _(new, old, advantages, mask, low, high):
    losses = token_losses(new, old, advantages, mask, low, high).masked_fill(~mask, 0.0)
    return (losses.sum(1) / mask.sum(1)).mean()


@misconception(
    "grpo_loss",
    name="multiplied by the mask, so that infinity gets through",
    hint="Infinity times zero is not a number.",
)
def _(new, old, advantages, mask, low, high):
    ratio, advantages = (new - old).exp(), advantages[:, None]
    losses = -torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    return (losses * mask).sum() / mask.sum()


@misconception(
    "grpo_loss",
    name="padding counts in the number of tokens",
    hint="Divide by the number of tokens that count, not by the size of the tensor.",
)
def _(new, old, advantages, mask, low, high):
    return token_losses(new, old, advantages, mask, low, high).masked_fill(~mask, 0.0).mean()


@misconception(
    "grpo_loss",
    name="the two clips exchanged",
    hint="Which of the two limits how much likelier a token may become?",
)
def _(new, old, advantages, mask, low, high):
    return token_losses(new, old, advantages, mask, high, low)[mask].mean()


@misconception(
    "grpo_loss",
    name="one ratio for the whole answer, the product of all",
    hint="The ratio belongs to each token.",
)
def _(new, old, advantages, mask, low, high):
    total = (new - old).masked_fill(~mask, 0.0).sum(1, keepdim=True).expand_as(new)
    return token_losses(total, torch.zeros_like(old), advantages, mask, low, high)[mask].mean()


# ---- three_averages


def averages(losses, mask):
    """The right three."""
    filled = losses.masked_fill(~mask, 0.0)
    return (filled.sum(1) / mask.sum(1)).mean(), filled.sum() / mask.sum(), filled.sum() / mask.numel()


@misconception(
    "three_averages",
    name="multiplied by the mask, so that NaN gets through",
    hint="NaN times zero is NaN.",
)
def _(losses, mask):
    filled = losses * mask
    return (filled.sum(1) / mask.sum(1)).mean(), filled.sum() / mask.sum(), filled.sum() / mask.numel()


@misconception(
    "three_averages",
    name="the first two exchanged",
    hint="Which of them counts every token alike?",
)
def _(losses, mask):
    one, two, three = averages(losses, mask)
    return two, one, three


@misconception(
    "three_averages",
    name="the last is divided by the number of answers only",
    hint="The fixed length divides too.",
)
def _(losses, mask):
    one, two, three = averages(losses, mask)
    return one, two, three * mask.shape[1]


# ---- sequence_ratio


@misconception(
    "sequence_ratio",
    name="the product without the power of one over the length",
    hint="A long answer should not have a ratio far from 1 only because it is long.",
)
def _(new, old, mask):
    return (new - old).masked_fill(~mask, 0.0).sum(1).exp()


@misconception(
    "sequence_ratio",
    name="the arithmetic mean of the ratios",
    hint="Ratios 2 and 8 give 4, and not 5.",
)
def _(new, old, mask):
    return (new - old).masked_fill(~mask, 0.0).exp().masked_fill(~mask, 0.0).sum(1) / mask.sum(1)


@misconception(
    "sequence_ratio",
    name="padding counts in the length",
    hint="The length is the number of tokens that were chosen.",
)
def _(new, old, mask):
    return ((new - old).masked_fill(~mask, 0.0).sum(1) / mask.shape[1]).exp()


@misconception(
    "sequence_ratio",
    name="the ratio the wrong way round",
    hint="New over old.",
)
def _(new, old, mask):
    return ((old - new).masked_fill(~mask, 0.0).sum(1) / mask.sum(1)).exp()


@misconception(
    "sequence_ratio",
    name="what does not count is multiplied by zero",
    hint="Infinity times zero is NaN. Fill in a number where the mask is false.",
)
def _(new, old, mask):
    return (((new - old) * mask).sum(1) / mask.sum(1)).exp()


# ---- pass_at_k


@misconception(
    "pass_at_k",
    name="with replacement: 1 − (1 − c/n)ᵏ",
    hint="The samples are drawn without replacement; of four samples with one right, two hold it in half of the cases.",
)
def _(num_correct, n, k):
    return 1 - (1 - num_correct.double() / n) ** k


@misconception(
    "pass_at_k",
    name="the share of right samples, whatever k is",
    hint="With more tries the chance of at least one success grows.",
)
def _(num_correct, n, k):
    return num_correct.double() / n


@misconception(
    "pass_at_k",
    name="the chance that all k are right",
    hint="At least one was asked for.",
)
def _(num_correct, n, k):
    return torch.tensor([comb(c, k) / comb(n, k) for c in num_correct.tolist()], dtype=torch.float64)


@misconception(
    "pass_at_k",
    name="the chance of no success",
    hint="It should grow with the number of right samples.",
)
def _(num_correct, n, k):
    return torch.tensor([comb(n - c, k) / comb(n, k) for c in num_correct.tolist()], dtype=torch.float64)


# ---- train_chain


def trained(seed, num_steps, sign=1.0):
    """The right training, or one that climbs its loss."""
    from rlkit.grpo import GRPOConfig, train
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    def loss(new, old, advantages, mask, clip_low, clip_high, **options):
        return sign * token_losses(new, old, advantages, mask, clip_low, clip_high)[mask].mean()

    def advantages(rewards, group_ids):
        return by_group(rewards, group_ids, standardised)

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    config = GRPOConfig(seed=seed, num_steps=num_steps, kl_coefficient=0.0)
    result = train(model, tokenizer, chain.prompts, chain.reward, config, advantages=advantages, loss=loss)
    return list(model.parameters()), result


@misconception(
    "train_chain",
    name="makes wrong answers likelier",
    hint="Does the reward rise during your training? Look at the sign of your loss.",
)
def _(seed, num_steps):
    return trained(seed, num_steps, -1.0)[0]


@misconception(
    "train_chain",
    name="returns the model as it came",
    hint="Which model did the training change?",
)
def _(seed, num_steps):
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    return list(load_checkpoint(SHIPPED / "chain", "cpu")[0].parameters())


@misconception(
    "train_chain",
    name="reports the reward instead of the model",
    hint="The check lets the model add; it needs its parameters.",
)
def _(seed, num_steps):
    return float(trained(seed, num_steps)[1].history["reward"][-1])
