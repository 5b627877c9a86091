"""Right answers to *rlhf* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("bradley_terry_loss")
def loss_by_softplus(chosen, rejected):
    """The softplus of the difference the other way round."""
    return torch.nn.functional.softplus(rejected - chosen)


@alternative("bradley_terry_loss")
def loss_by_logaddexp(chosen, rejected):
    """A softmax over two."""
    return torch.logaddexp(chosen, rejected) - chosen


@alternative("bradley_terry_loss")
def loss_by_classes(chosen, rejected):
    """The cross-entropy of two classes, of which the first is right."""
    right = torch.zeros(len(chosen), dtype=torch.long)
    return torch.nn.functional.cross_entropy(torch.stack([chosen, rejected], dim=1), right, reduction="none")


@alternative("score_of_answers")
def score_by_gather(values, mask):
    """gather."""
    return values.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)


@alternative("score_of_answers")
def score_by_rows(values, mask):
    """Each answer's last kept value, in NumPy."""
    return np.array([row[kept][-1] for row, kept in zip(values.numpy(), mask.numpy(), strict=True)])


@alternative("shaped_rewards")
def shaped_by_marks(scores, old, reference, mask, beta):
    """A mark at the last token: kept, and nothing kept behind it."""
    behind = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    price = torch.where(mask, old - reference, torch.zeros_like(old))
    return scores[:, None] * (mask & ~behind) - beta * price


@alternative("shaped_rewards")
def shaped_by_loop(scores, old, reference, mask, beta):
    """Token by token."""
    rows = torch.zeros_like(old)
    for i, length in enumerate(mask.sum(1).tolist()):
        for place in range(length):
            rows[i, place] = beta * (reference[i, place] - old[i, place])
        rows[i, length - 1] += scores[i]
    return rows


@alternative("token_advantages")
def advantages_by_double_sum(rewards, values, mask, discount, gae_lambda):
    """Each advantage from its definition."""
    rows = torch.zeros_like(values)
    for i, length in enumerate(mask.sum(1).tolist()):
        following = torch.cat([values[i, 1:length], torch.zeros(1, dtype=values.dtype)])
        errors = rewards[i, :length] + discount * following - values[i, :length]
        for place in range(length):
            weights = (discount * gae_lambda) ** torch.arange(length - place, dtype=values.dtype)
            rows[i, place] = (weights * errors[place:]).sum()
    return rows


@alternative("token_advantages")
def advantages_in_numpy(rewards, values, mask, discount, gae_lambda):
    """The recursion in NumPy."""
    r, v, m = rewards.numpy(), np.where(mask.numpy(), values.numpy(), 0.0), mask.numpy()
    result = np.zeros((len(r), r.shape[1] + 1))
    following = np.concatenate([v[:, 1:], np.zeros((len(v), 1))], axis=1)
    for place in range(r.shape[1] - 1, -1, -1):
        error = r[:, place] + discount * following[:, place] - v[:, place]
        result[:, place] = m[:, place] * (error + discount * gae_lambda * result[:, place + 1])
    return result[:, :-1]


@alternative("best_of_n")
def best_by_gather(scores, right, n):
    """gather."""
    return right.gather(1, scores[:, :n].argmax(1, keepdim=True)).mean()


@alternative("best_of_n")
def best_by_loop(scores, right, n):
    """Prompt by prompt."""
    kept = 0.0
    for row, truth in zip(scores.tolist(), right.tolist(), strict=True):
        kept += truth[row.index(max(row[:n]))]
    return kept / len(scores)


@alternative("shortcut_report")
def report_by_sign(chosen, rejected, long, short):
    """The sign is 1, 0 or -1."""
    same = long == short
    order = (1 + (chosen - rejected).sign()) / 2
    return order.mean(), ((1 + (long - short).sign()) / 2).mean(), order[same].mean()


@alternative("shortcut_report")
def report_by_loop(chosen, rejected, long, short):
    """Pair by pair."""

    def accuracy(pairs):
        return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs) if pairs else float("nan")

    rows = list(zip(chosen.tolist(), rejected.tolist(), long.tolist(), short.tolist(), strict=True))
    return [
        accuracy([r[:2] for r in rows]),
        accuracy([r[2:] for r in rows]),
        accuracy([r[:2] for r in rows if r[2] == r[3]]),
    ]
