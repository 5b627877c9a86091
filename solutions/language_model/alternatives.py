"""Right answers to *language_model* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("token_log_probabilities")
def tokens_by_cross_entropy(logits, ids):
    """Minus torch's cross-entropy of each token."""
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return -losses


@alternative("token_log_probabilities")
def tokens_by_indexing(logits, ids):
    """All log-probabilities first, then one fancy index."""
    every = logits - logits.logsumexp(-1, keepdim=True)
    rows, places = torch.arange(len(ids))[:, None], torch.arange(ids.shape[1] - 1)
    return every[rows, places, ids[:, 1:]]


@alternative("completion_mask")
def mask_by_position(ids, end_id):
    """Places up to the first end."""
    ends = ids == end_id
    first = torch.where(ends.any(-1), ends.int().argmax(-1), ids.shape[-1])
    return torch.arange(ids.shape[-1]) <= first[:, None]


@alternative("completion_mask")
def mask_by_loop(ids, end_id):
    """Token by token."""
    rows = []
    for row in ids.tolist():
        going, mask = True, []
        for token in row:
            mask.append(going)
            if token == end_id:
                going = False
        rows.append(mask)
    return torch.tensor(rows)


@alternative("sequence_log_probability")
def sequence_by_where(rows, mask):
    """A choice instead of a fill."""
    return torch.where(mask, rows, torch.zeros_like(rows)).sum(-1)


@alternative("sequence_log_probability")
def sequence_by_rows(rows, mask):
    """Each answer's kept tokens, in NumPy."""
    return np.array([row[keep].sum() for row, keep in zip(rows.numpy(), mask.numpy(), strict=True)])


@alternative("sampling_probabilities")
def sampling_by_exponential(logits, temperature):
    """The softmax written out, with the largest logit taken off."""
    shifted = logits - logits.amax(-1, keepdim=True)
    if temperature == 0:
        largest = (shifted == 0).double()
        return largest * (largest.cumsum(-1) == 1)
    weights = torch.exp(shifted / temperature)
    return weights / weights.sum(-1, keepdim=True)


@alternative("sampling_probabilities")
def sampling_by_scatter(logits, temperature):
    """Zeros with a one put in."""
    if temperature > 0:
        return torch.softmax(logits / temperature, dim=-1)
    return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)


@alternative("supervised_loss")
def loss_by_sums(rows, mask):
    """Two sums."""
    return -rows.masked_fill(~mask, 0.0).sum() / mask.sum()


@alternative("supervised_loss")
def loss_by_where(rows, mask):
    """A choice, a sum, and a count."""
    return torch.where(mask, -rows, torch.zeros_like(rows)).sum() / mask.double().sum()


@alternative("kl_estimates")
def estimates_by_expm1(policy, reference):
    """The exponential less one in one call; a list."""
    difference = policy - reference
    return [difference, 0.5 * difference.square(), torch.expm1(-difference) + difference]


@alternative("kl_estimates")
def estimates_in_numpy(policy, reference):
    """NumPy."""
    ratio = np.exp(reference.numpy() - policy.numpy())
    return -np.log(ratio), np.log(ratio) ** 2 / 2, ratio - 1 - np.log(ratio)


@alternative("bias_and_deviation")
def bias_by_moments(policy, reference, estimate):
    """The variance as mean of squares less square of mean."""
    p = policy.exp()
    mean = torch.dot(p, estimate)
    variance = torch.dot(p, estimate**2) - mean**2
    return mean - torch.dot(p, policy - reference), variance.clamp_min(0).sqrt()


@alternative("bias_and_deviation")
def bias_in_numpy(policy, reference, estimate):
    """NumPy's weighted average."""
    p, values = np.exp(policy.numpy()), estimate.numpy()
    mean = np.average(values, weights=p)
    exact = np.average(policy.numpy() - reference.numpy(), weights=p)
    return mean - exact, np.sqrt(np.average((values - mean) ** 2, weights=p))
