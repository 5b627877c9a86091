"""Hidden checks of the assignment *language_model*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math

import torch

from autograder.checks import Exam, close

exam = Exam("language_model", hidden=True)

# ---- references


def reference_tokens(logits, ids):
    """Place by place, from the definition of the softmax."""
    result = []
    for places, row in zip(logits.tolist(), ids.tolist(), strict=True):
        values = []
        for before, token in zip(places[:-1], row[1:], strict=True):
            largest = max(before)
            total = sum(math.exp(z - largest) for z in before)
            values.append(before[token] - largest - math.log(total))
        result.append(values)
    return result


def reference_mask(ids, end_id):
    """Token by token until the first end."""
    result = []
    for row in ids.tolist():
        going, mask = True, []
        for token in row:
            mask.append(going)
            going = going and token != end_id
        result.append(mask)
    return result


def reference_sum(rows, mask):
    """Sum of what the mask keeps."""
    pairs = zip(rows.tolist(), mask.tolist(), strict=True)
    return [sum(value for value, kept in zip(row, keep, strict=True) if kept) for row, keep in pairs]


def reference_sampling(logits, temperature):
    """Row by row."""
    result = []
    for row in logits.tolist():
        largest = max(row)
        if temperature == 0:
            result.append([float(i == row.index(largest)) for i in range(len(row))])
        else:
            weights = [math.exp((z - largest) / temperature) for z in row]
            result.append([weight / sum(weights) for weight in weights])
    return result


def reference_estimates(policy, reference):
    """Sample by sample."""
    ratios = [r - p for p, r in zip(policy.tolist(), reference.tolist(), strict=True)]
    return [[-x for x in ratios], [x * x / 2 for x in ratios], [math.exp(x) - 1 - x for x in ratios]]


def reference_bias(policy, reference, estimate):
    """Sums over the outcomes."""
    rows = list(zip(policy.tolist(), reference.tolist(), estimate.tolist(), strict=True))
    exact = sum(math.exp(p) * (p - r) for p, r, _ in rows)
    mean = sum(math.exp(p) * k for p, _, k in rows)
    return [mean - exact, math.sqrt(sum(math.exp(p) * (k - mean) ** 2 for p, _, k in rows))]


# ---- checks


def some_tokens(random, *shape, size):
    """Random token ids."""
    return torch.randint(size, shape, generator=random)


@exam.add("token_log_probabilities", points=1, message="random logits and tokens")
def random_tokens(log_probabilities):
    random = exam.random()
    for batch, length, size in ((3, 9, 7), (1, 2, 4), (5, 4, 2)):
        logits = 3 * torch.randn(batch, length, size, generator=random, dtype=torch.float64)
        ids = some_tokens(random, batch, length, size=size)
        close(log_probabilities(logits, ids), reference_tokens(logits, ids))


@exam.add("token_log_probabilities", points=1, message="logits of a thousand, whose exponentials are too large")
def large_logits(log_probabilities):
    logits = 1000 * torch.randn(2, 5, 6, generator=exam.random(), dtype=torch.float64)
    ids = some_tokens(exam.random(), 2, 5, size=6)
    close(log_probabilities(logits, ids), reference_tokens(logits, ids))


@exam.add("completion_mask", points=1, message="random answers, other end tokens")
def random_masks(mask):
    random = exam.random()
    for end in (0, 3):
        ids = some_tokens(random, 20, 8, size=5)
        close(mask(ids, end), reference_mask(ids, end))


@exam.add("sequence_log_probability", points=1, message="random answers of unequal lengths")
def random_sums(log_probability):
    rows = -3 * torch.rand(6, 9, generator=exam.random(), dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 5, 8, 2])[:, None]
    close(log_probability(rows.masked_fill(~mask, -math.inf), mask), reference_sum(rows, mask))


@exam.add("sampling_probabilities", points=1, message="random logits at five temperatures")
def random_temperatures(probabilities):
    logits = 2 * torch.randn(4, 7, generator=exam.random(), dtype=torch.float64)
    for temperature in (0.1, 0.7, 1.0, 5.0, 0.0):
        close(probabilities(logits, temperature), reference_sampling(logits, temperature))


@exam.add("supervised_loss", points=1, message="random batches")
def random_losses(loss):
    rows = -3 * torch.rand(6, 9, generator=exam.random(), dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 5, 8, 2])[:, None]
    close(loss(rows, mask), -sum(reference_sum(rows, mask)) / 29)


@exam.add("kl_estimates", points=1, message="random samples")
def random_estimates(estimates):
    policy, reference = -4 * torch.rand(2, 50, generator=exam.random(), dtype=torch.float64)
    result = estimates(policy, reference)
    close(list(result) if isinstance(result, (tuple, list)) else result, reference_estimates(policy, reference))


@exam.add("bias_and_deviation", points=1, message="random distributions, with each of the three estimates")
def random_biases(bias):
    policy, reference = torch.randn(2, 9, generator=exam.random(), dtype=torch.float64).log_softmax(dim=-1)
    for estimate in reference_estimates(policy, reference):
        values = torch.tensor(estimate, dtype=torch.float64)
        result = bias(policy, reference, values)
        close(list(result) if isinstance(result, (tuple, list)) else result, reference_bias(policy, reference, values))
