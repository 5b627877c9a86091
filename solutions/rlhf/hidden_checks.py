"""Hidden checks of the assignment *rlhf*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math

import torch

from autograder.checks import Exam, close

exam = Exam("rlhf", hidden=True)

# ---- references


def softplus(x):
    """The logarithm of 1 + e^x, without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def reference_shaped(scores, old, reference, lengths, beta):
    """Token by token."""
    rows = []
    for i, length in enumerate(lengths):
        row = [0.0] * old.shape[1]
        for k in range(length):
            row[k] = -beta * float(old[i, k] - reference[i, k]) + (float(scores[i]) if k == length - 1 else 0.0)
        rows.append(row)
    return rows


def reference_advantages(rewards, values, lengths, discount, gae_lambda):
    """The double sum over the rest of each answer."""
    rows = []
    for i, length in enumerate(lengths):
        row = [0.0] * rewards.shape[1]
        for k in range(length):
            for j in range(k, length):
                following = float(values[i, j + 1]) if j + 1 < length else 0.0
                error = float(rewards[i, j]) + discount * following - float(values[i, j])
                row[k] += (discount * gae_lambda) ** (j - k) * error
        rows.append(row)
    return rows


def reference_accuracy(pairs):
    """Pair by pair; NaN where there is none."""
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs) if pairs else math.nan


def some_lengths(random, batch, length):
    """Random lengths and their mask."""
    lengths = torch.randint(1, length + 1, (batch,), generator=random)
    return lengths.tolist(), torch.arange(length) < lengths[:, None]


def parts(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


# ---- checks


@exam.add("bradley_terry_loss", points=1, message="random rewards, small and large")
def random_losses(loss):
    random = exam.random()
    for scale in (1.0, 300.0):
        chosen, rejected = scale * torch.randn(2, 20, generator=random, dtype=torch.float64)
        close(
            loss(chosen, rejected), [softplus(b - a) for a, b in zip(chosen.tolist(), rejected.tolist(), strict=True)]
        )


@exam.add("score_of_answers", points=1, message="random answers")
def random_scores(score):
    random = exam.random()
    values = torch.randn(8, 9, generator=random, dtype=torch.float64)
    lengths, mask = some_lengths(random, 8, 9)
    close(score(values.masked_fill(~mask, math.nan), mask), [float(values[i, n - 1]) for i, n in enumerate(lengths)])


@exam.add("shaped_rewards", points=2, message="random answers, two betas")
def random_shaped(shaped):
    random = exam.random()
    for beta in (0.05, 2.0):
        old, reference = -3 * torch.rand(2, 7, 8, generator=random, dtype=torch.float64)
        scores = torch.randn(7, generator=random, dtype=torch.float64)
        lengths, mask = some_lengths(random, 7, 8)
        result = shaped(scores, old.masked_fill(~mask, -math.inf), reference, mask, beta)
        close(result, reference_shaped(scores, old, reference, lengths, beta))


@exam.add("token_advantages", points=2, message="random answers, three pairs of gamma and lambda")
def random_advantages(advantages):
    random = exam.random()
    for discount, gae_lambda in ((1.0, 0.95), (0.9, 0.0), (0.8, 1.0)):
        rewards, values = torch.randn(2, 6, 8, generator=random, dtype=torch.float64)
        lengths, mask = some_lengths(random, 6, 8)
        result = advantages(rewards.masked_fill(~mask, 0.0), values, mask, discount, gae_lambda)
        close(result, reference_advantages(rewards, values, lengths, discount, gae_lambda))


@exam.add("best_of_n", points=1, message="random samples, every n")
def random_best(best):
    random = exam.random()
    scores = torch.randn(30, 8, generator=random, dtype=torch.float64)
    right = (torch.rand(30, 8, generator=random) < 0.4).double()
    for n in (1, 2, 5, 8):
        kept = [max(range(n), key=lambda j, row=row: row[j]) for row in scores.tolist()]
        close(best(scores, right, n), sum(float(right[i, j]) for i, j in enumerate(kept)) / 30)


@exam.add("shortcut_report", points=1, message="random pairs with ties")
def random_report(report):
    random = exam.random()
    scores = torch.randn(2, 60, generator=random, dtype=torch.float64).round(decimals=0)
    lengths = torch.randint(3, 6, (2, 60), generator=random).double()
    rows = list(zip(*scores.tolist(), *lengths.tolist(), strict=True))
    expected = [
        reference_accuracy([(a, b) for a, b, _, _ in rows]),
        reference_accuracy([(m, n) for _, _, m, n in rows]),
        reference_accuracy([(a, b) for a, b, m, n in rows if m == n]),
    ]
    close(parts(report(scores[0], scores[1], lengths[0], lengths[1])), expected)
