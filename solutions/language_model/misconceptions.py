"""Wrong answers to *language_model* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

# ---- token_log_probabilities


def chosen(values, ids):
    """The entries of the tokens."""
    return values.gather(-1, ids[..., None]).squeeze(-1)


@misconception(
    "token_log_probabilities",
    name="no shift",
    hint="A model that reads a token must not be asked for that token. Which place predicts it?",
)
def _(logits, ids):
    return chosen(logits.log_softmax(-1), ids)[:, 1:]


@misconception(
    "token_log_probabilities",
    name="shifted the wrong way",
    hint="The first token has no log-probability; yours leaves out the last one.",
)
def _(logits, ids):
    return chosen(logits[:, 1:].log_softmax(-1), ids[:, :-1])


@misconception(
    "token_log_probabilities",
    name="logits without the softmax",
    hint="A number added to all logits of a place changes nothing in the probabilities.",
)
def _(logits, ids):
    return chosen(logits[:, :-1], ids[:, 1:])


@misconception(
    "token_log_probabilities",
    name="probabilities instead of log-probabilities",
    hint="The result is at most 0.",
)
def _(logits, ids):
    return chosen(logits[:, :-1].softmax(-1), ids[:, 1:])


@misconception(
    "token_log_probabilities",
    name="the likeliest token's log-probability instead of the written one's",
    hint="Which token was written? It need not be the likeliest.",
)
def _(logits, ids):
    return logits[:, :-1].log_softmax(-1).amax(-1)


# ---- completion_mask


@misconception(
    "completion_mask",
    name="the mask is made from the padding",
    hint="The end token was chosen too, although padding looks the same.",
)
def _(ids, end_id):
    return ids != end_id


@misconception(
    "completion_mask",
    name="the end token is left out",
    hint="To stop is an action: its token counts.",
)
def _(ids, end_id):
    return (ids == end_id).long().cumsum(-1) == 0


@misconception(
    "completion_mask",
    name="everything counts",
    hint="What stands behind the end was not chosen.",
)
def _(ids, end_id):
    return torch.ones_like(ids, dtype=torch.bool)


@misconception(
    "completion_mask",
    name="up to the last end token instead of the first",
    hint="Where does the answer end if the end token comes twice?",
)
def _(ids, end_id):
    ends = (ids == end_id).long()
    behind = ends.flip(-1).cumsum(-1).flip(-1)
    return (behind > 0) | (ends.sum(-1, keepdim=True) == 0)


@misconception(
    "completion_mask",
    name="an answer that was cut off counts nothing",
    hint="Without an end token every token was chosen all the same.",
)
def _(ids, end_id):
    ends = (ids == end_id).long()
    return (ends.cumsum(-1) - ends == 0) & (ends.sum(-1, keepdim=True) > 0)


# ---- sequence_log_probability


@misconception(
    "sequence_log_probability",
    name="the mean over tokens instead of the sum",
    hint="Probabilities of successive tokens multiply; what do their logarithms do?",
)
def _(rows, mask):
    return rows.masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1)


@misconception(
    "sequence_log_probability",
    name="multiplied by the mask, so that NaN gets through",
    hint="NaN times zero is NaN.",
)
def _(rows, mask):
    return (rows * mask).sum(-1)


@misconception(
    "sequence_log_probability",
    name="the mask is ignored",
    hint="What the policy did not choose has no probability to add.",
)
def _(rows, mask):
    return rows.nan_to_num(0.0).sum(-1)


@misconception(
    "sequence_log_probability",
    name="the probability instead of its logarithm",
    hint="The logarithm was asked for: it is at most 0.",
)
def _(rows, mask):
    return rows.masked_fill(~mask, 0.0).sum(-1).exp()


# ---- sampling_probabilities


def greedy(logits):
    """One for the first of the largest."""
    return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)


@misconception(
    "sampling_probabilities",
    name="multiplied by the temperature",
    hint="A low temperature makes the distribution steeper.",
)
def _(logits, temperature):
    return greedy(logits) if temperature == 0 else (logits * temperature).softmax(-1)


@misconception(
    "sampling_probabilities",
    name="the probabilities are divided by the temperature, not the logits",
    hint="After normalising, a common factor of the probabilities is gone.",
)
def _(logits, temperature):
    if temperature == 0:
        return greedy(logits)
    scaled = logits.softmax(-1) / temperature
    return scaled / scaled.sum(-1, keepdim=True)


@misconception(
    "sampling_probabilities",
    name="temperature 0 divides by zero",
    hint="What should happen at temperature 0? It is a case of its own.",
)
def _(logits, temperature):
    return (logits / temperature).softmax(-1)


@misconception(
    "sampling_probabilities",
    name="temperature 0 shares among equally likely tokens",
    hint="Of several that are equally likely the first was asked for.",
)
def _(logits, temperature):
    if temperature == 0:
        best = (logits == logits.amax(-1, keepdim=True)).to(logits.dtype)
        return best / best.sum(-1, keepdim=True)
    return (logits / temperature).softmax(-1)


# ---- supervised_loss


@misconception(
    "supervised_loss",
    name="the mean of the answers' means",
    hint="Every token was to count the same, whichever answer it is in.",
)
def _(rows, mask):
    return -(rows.masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1)).mean()


@misconception(
    "supervised_loss",
    name="padding counts in the number of tokens",
    hint="Divide by the number of tokens that count, not by the size of the tensor.",
)
def _(rows, mask):
    return -rows.masked_fill(~mask, 0.0).mean()


@misconception(
    "supervised_loss",
    name="the sum instead of the mean",
    hint="A batch of twice the size is not to have twice the loss.",
)
def _(rows, mask):
    return -rows.masked_fill(~mask, 0.0).sum()


@misconception(
    "supervised_loss",
    name="the sign of an objective instead of a loss",
    hint="It is to be minimised, and likely demonstrations are to be good.",
)
def _(rows, mask):
    return rows[mask].mean()


# ---- kl_estimates


def from_ratio(log_ratio):
    """The three estimates."""
    return -log_ratio, log_ratio**2 / 2, log_ratio.exp() - 1 - log_ratio


@misconception(
    "kl_estimates",
    name="the log-ratio the wrong way round",
    hint="For a sample that the policy finds likelier than the reference does, k₁ is positive.",
)
def _(policy, reference):
    return from_ratio(policy - reference)


@misconception(
    "kl_estimates",
    name="k2 without the half",
    hint="Near zero all three have the same curvature.",
)
def _(policy, reference):
    first, second, third = from_ratio(reference - policy)
    return first, 2 * second, third


@misconception(
    "kl_estimates",
    name="k3 with the ratio the wrong way round",
    hint="The ratio inside k₃ must have mean 1 under the policy.",
)
def _(policy, reference):
    first, second, _ = from_ratio(reference - policy)
    return first, second, from_ratio(policy - reference)[2]


@misconception(
    "kl_estimates",
    name="weighted with the policy's probability",
    hint="The samples already come as often as the policy draws them.",
)
def _(policy, reference):
    return tuple(policy.exp() * part for part in from_ratio(reference - policy))


# ---- bias_and_deviation


def statistics(weights, policy, reference, estimate):
    """Bias and standard deviation with given weights for the estimate's mean."""
    exact = (policy.exp() * (policy - reference)).sum()
    mean = (weights * estimate).sum()
    return mean - exact, (weights * (estimate - mean) ** 2).sum().sqrt()


@misconception(
    "bias_and_deviation",
    name="all outcomes weigh the same",
    hint="How often does each outcome come?",
)
def _(policy, reference, estimate):
    return statistics(torch.full_like(policy, 1 / len(policy)), policy, reference, estimate)


@misconception(
    "bias_and_deviation",
    name="weighted with the reference",
    hint="Which of the two policies was sampled from?",
)
def _(policy, reference, estimate):
    return statistics(reference.exp(), policy, reference, estimate)


@misconception(
    "bias_and_deviation",
    name="the variance instead of the standard deviation",
    hint="The standard deviation has the unit of the estimate.",
)
def _(policy, reference, estimate):
    bias, deviation = statistics(policy.exp(), policy, reference, estimate)
    return bias, deviation**2


@misconception(
    "bias_and_deviation",
    name="the mean of the estimate instead of its bias",
    hint="How far is the mean from the exact divergence?",
)
def _(policy, reference, estimate):
    _, deviation = statistics(policy.exp(), policy, reference, estimate)
    return (policy.exp() * estimate).sum(), deviation


@misconception(
    "bias_and_deviation",
    name="the divergence the other way round",
    hint="The divergence of the policy from the reference weighs with the policy.",
)
def _(policy, reference, estimate):
    mean, deviation = statistics(policy.exp(), policy, policy, estimate)
    return mean - (reference.exp() * (reference - policy)).sum(), deviation
