"""Wrong answers to *rlhf* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

logsigmoid = torch.nn.functional.logsigmoid

# ---- bradley_terry_loss


@misconception(
    "bradley_terry_loss",
    name="the logarithm of the sigmoid in two steps",
    hint="σ(−1000) is 0 for a computer; what is its logarithm?",
)
def _(chosen, rejected):
    return -torch.log(torch.sigmoid(chosen - rejected))


@misconception(
    "bradley_terry_loss",
    name="chosen and rejected swapped",
    hint="Which of the two should score higher?",
)
def _(chosen, rejected):
    return -logsigmoid(rejected - chosen)


@misconception(
    "bradley_terry_loss",
    name="an objective instead of a loss",
    hint="It is to be minimised, and a large difference is good.",
)
def _(chosen, rejected):
    return logsigmoid(chosen - rejected)


@misconception(
    "bradley_terry_loss",
    name="a classifier of single answers instead of a comparison",
    hint="The same number added to both rewards changes nothing.",
)
def _(chosen, rejected):
    return -logsigmoid(chosen) - logsigmoid(-rejected)


# ---- score_of_answers


def last(mask):
    """The places of the last tokens."""
    return mask.sum(1) - 1


@misconception(
    "score_of_answers",
    name="the last place of the tensor instead of the last token",
    hint="Padding stands behind short answers.",
)
def _(values, mask):
    return values[:, -1]


@misconception(
    "score_of_answers",
    name="the mean over tokens",
    hint="Only the last token has read the whole answer.",
)
def _(values, mask):
    return values.masked_fill(~mask, 0.0).sum(1) / mask.sum(1)


@misconception(
    "score_of_answers",
    name="one place too far",
    hint="The first place has the number 0.",
)
def _(values, mask):
    return values[torch.arange(len(values)), mask.sum(1).clamp_max(values.shape[1] - 1)]


@misconception(
    "score_of_answers",
    name="the first token",
    hint="What has the model read at the first token?",
)
def _(values, mask):
    return values[:, 0]


# ---- shaped_rewards


def with_score(rewards, scores, places):
    """Rewards with the scores added at the places."""
    rewards = rewards.clone()
    rewards[torch.arange(len(scores)), places] += scores
    return rewards


def price(old, reference, mask, beta):
    """What the tokens pay, as a negative number."""
    return -beta * (old - reference).masked_fill(~mask, 0.0)


@misconception(
    "shaped_rewards",
    name="the sign of the price",
    hint="Does your policy earn something for leaving the reference?",
)
def _(scores, old, reference, mask, beta):
    return with_score(-price(old, reference, mask, beta), scores, last(mask))


@misconception(
    "shaped_rewards",
    name="the score at the last place of the tensor",
    hint="The answer's own last token earns the score.",
)
def _(scores, old, reference, mask, beta):
    rewards = price(old, reference, mask, beta)
    return with_score(rewards, scores, torch.full((len(scores),), rewards.shape[1] - 1))


@misconception(
    "shaped_rewards",
    name="the score at every token",
    hint="The score comes once.",
)
def _(scores, old, reference, mask, beta):
    return price(old, reference, mask, beta) + scores[:, None] * mask


@misconception(
    "shaped_rewards",
    name="the last token does not pay",
    hint="The last token has a log-ratio too.",
)
def _(scores, old, reference, mask, beta):
    rewards = price(old, reference, mask, beta)
    rewards[torch.arange(len(scores)), last(mask)] = scores
    return rewards


@misconception(
    "shaped_rewards",
    name="multiplied by the mask, so that NaN gets through",
    hint="NaN times zero is NaN.",
)
def _(scores, old, reference, mask, beta):
    return with_score(-beta * (old - reference) * mask, scores, last(mask))


# ---- token_advantages


def recursion(rewards, values, mask, discount, gae_lambda, decay=None, cut=True):
    """The right recursion, with what a mistake makes of its parts."""
    kept = mask.double() if cut else torch.ones_like(values)
    weight = discount * gae_lambda if decay is None else decay
    result, following, next_value = (
        torch.zeros_like(values),
        torch.zeros_like(values[:, 0]),
        torch.zeros_like(values[:, 0]),
    )
    for place in reversed(range(values.shape[1])):
        error = rewards[:, place] + discount * next_value - values[:, place]
        following = kept[:, place] * (error + weight * following)
        next_value = values[:, place]
        result[:, place] = following
    return result


@misconception(
    "token_advantages",
    name="takes the value of the padding behind the end",
    hint="At the last token the answer is over: is there a next value?",
)
def _(rewards, values, mask, discount, gae_lambda):
    return recursion(rewards, values, mask, discount, gae_lambda)


@misconception(
    "token_advantages",
    name="the advantages behind the end leak into the answer",
    hint="What stands behind the end belongs to nothing.",
)
def _(rewards, values, mask, discount, gae_lambda):
    return recursion(rewards, values, mask, discount, gae_lambda, cut=False).masked_fill(~mask, 0.0)


@misconception(
    "token_advantages",
    name="the discount is left out of the trace",
    hint="Which powers of γ and λ stand before the advantage that follows?",
)
def _(rewards, values, mask, discount, gae_lambda):
    return recursion(rewards, values.masked_fill(~mask, 0.0), mask, discount, gae_lambda, decay=gae_lambda)


@misconception(
    "token_advantages",
    name="the value is not subtracted",
    hint="An advantage is how much better than expected it went.",
)
def _(rewards, values, mask, discount, gae_lambda):
    values = values.masked_fill(~mask, 0.0)
    return recursion(rewards, values, mask, discount, gae_lambda) + values


# ---- best_of_n


@misconception(
    "best_of_n",
    name="all samples instead of the first n",
    hint="How many samples may be looked at?",
)
def _(scores, right, n):
    return right[torch.arange(len(right)), scores.argmax(1)].mean()


@misconception(
    "best_of_n",
    name="the truth chooses",
    hint="Whoever could look at the truth would need no reward model.",
)
def _(scores, right, n):
    return right[:, :n].amax(1).mean()


@misconception(
    "best_of_n",
    name="the mean over the n samples",
    hint="One sample of each prompt is kept.",
)
def _(scores, right, n):
    return right[:, :n].mean()


@misconception(
    "best_of_n",
    name="the sample with the smallest score",
    hint="Which one does the reward model like best?",
)
def _(scores, right, n):
    return right[torch.arange(len(right)), scores[:, :n].argmin(1)].mean()


# ---- shortcut_report


def accuracy(first, second, tie=0.5):
    """Share of pairs in the right order."""
    return ((first > second).double() + tie * (first == second).double()).mean()


@misconception(
    "shortcut_report",
    name="a tie counts as wrong",
    hint="Before training every pair is a tie; what should the accuracy be?",
)
def _(a, b, m, n):
    same = m == n
    return accuracy(a, b, 0.0), accuracy(m, n, 0.0), accuracy(a[same], b[same], 0.0)


@misconception(
    "shortcut_report",
    name="the shorter answer is taken to be better",
    hint="Which way does the shortcut go?",
)
def _(a, b, m, n):
    same = m == n
    return accuracy(a, b), accuracy(n, m), accuracy(a[same], b[same])


@misconception(
    "shortcut_report",
    name="the third is measured on pairs of unequal length",
    hint="Where can length not decide?",
)
def _(a, b, m, n):
    other = m != n
    return accuracy(a, b), accuracy(m, n), accuracy(a[other], b[other])


@misconception(
    "shortcut_report",
    name="the third is a share of all pairs",
    hint="Divide by the number of pairs of equal length.",
)
def _(a, b, m, n):
    same = (m == n).double()
    order = (a > b).double() + 0.5 * (a == b).double()
    return accuracy(a, b), accuracy(m, n), (order * same).mean()
