"""Public checks of the assignment *language_model*. Small tables of numbers and properties; no solution is in here."""

import itertools
import math

import torch

from autograder.checks import Exam, close, holds, numbers

exam = Exam("language_model")

exam.asks_for("token_log_probabilities", "rlkit.lm.tokens.token_log_probabilities")
exam.asks_for("completion_mask", "rlkit.lm.tokens.completion_mask")
exam.asks_for("sequence_log_probability", "rlkit.lm.tokens.sequence_log_probability")
exam.asks_for("supervised_loss", "rlkit.lm.tokens.masked_mean", "rlkit.lm.supervised.negative_log_likelihood")
exam.asks_for("kl_estimates", "rlkit.lm.divergence.kl_estimate")
exam.asks_for("bias_and_deviation", "rlkit.lm.divergence.kl_divergence")

LOG2, LOG3 = math.log(2), math.log(3)


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def tokens(*rows):
    """A tensor of token ids."""
    return torch.tensor(rows, dtype=torch.long)


def flags(*rows):
    """A tensor of true and false from ones and zeros."""
    return torch.tensor(rows) == 1


# ---- token_log_probabilities

HAND = table([[0.0, LOG2, 0.0], [0.0, 0.0, 0.0], [5.0, 0.0, 0.0]])


@exam.add("token_log_probabilities", points=1, message="three tokens, by hand", hint="1/2 and 1/3, as logarithms")
def tokens_by_hand(log_probabilities):
    close(log_probabilities(HAND, tokens([0, 1, 2])), [[-LOG2, -LOG3]])


@exam.add("token_log_probabilities", points=1, message="two answers at once; a number added to all logits of a place",
          hint="a softmax does not change when a number is added to all logits")  # fmt: skip
def two_answers(log_probabilities):
    logits = torch.cat([HAND, HAND + table([[3.0], [-7.0], [100.0]])])
    close(log_probabilities(logits, tokens([0, 1, 2], [2, 2, 0])), [[-LOG2, -LOG3], [-2 * LOG2, -LOG3]])


@exam.add("token_log_probabilities", points=1, message="the first token and the last logits do not count",
          hint="whatever the first token is, and whatever the last logits are")  # fmt: skip
def ends_do_not_count(log_probabilities):
    changed = HAND.clone()
    changed[:, -1] = table(-50.0, 0.0, 50.0)
    close(log_probabilities(changed, tokens([0, 1, 2])), [[-LOG2, -LOG3]])
    close(log_probabilities(HAND, tokens([2, 1, 2])), [[-LOG2, -LOG3]])


@exam.probe("token_log_probabilities")
def probe_tokens(log_probabilities, random):
    logits = 2 * torch.randn(2, 6, 5, generator=random, dtype=torch.float64)
    return log_probabilities(logits, tokens([0, 1, 2, 3, 4, 0], [4, 2, 2, 1, 0, 3]))


# ---- completion_mask


@exam.add("completion_mask", points=1, message="an end in the middle, padded with the end token", hint="1 1 1 0 0")
def padded(mask):
    close(mask(tokens([5, 6, 2, 2, 2]), 2), [[1, 1, 1, 0, 0]])


@exam.add("completion_mask", points=1, message="cut off by the limit; an end at the last place", hint="all chosen")
def cut_off(mask):
    close(mask(tokens([5, 6, 7], [5, 6, 2]), 2), [[1, 1, 1], [1, 1, 1]])


@exam.add("completion_mask", points=1, message="an answer that is only its end; another token behind an end",
          hint="the first end decides, whatever comes after it")  # fmt: skip
def only_an_end(mask):
    close(mask(tokens([2, 2, 2], [4, 2, 4]), 2), [[1, 0, 0], [1, 1, 0]])


@exam.probe("completion_mask")
def probe_mask(mask, random):
    # Every kind of row once: padded with the end, with other tokens, ended twice, cut off, empty.
    return mask(tokens([5, 6, 2, 2, 2], [5, 2, 7, 7, 7], [5, 2, 6, 2, 6], [5, 6, 7, 5, 6], [2, 2, 2, 2, 2]), 2)


# ---- sequence_log_probability


@exam.add("sequence_log_probability", points=1, message="NaN where the mask is false", hint="-1 - 2 = -3")
def masked_nan(log_probability):
    rows = table([-1.0, -2.0, math.nan], [-0.5, -math.inf, -math.inf])
    close(log_probability(rows, flags([1, 1, 0], [1, 0, 0])), [-3.0, -0.5])


@exam.add("sequence_log_probability", points=1, message="the probabilities of all answers of two tokens add up to 1",
          hint="three tokens, nine answers: is the sum of exp(result) equal to 1?")  # fmt: skip
def adds_up(log_probability):
    first, second = table(0.5, 0.3, 0.2).log(), table([0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]).log()
    rows = torch.stack([torch.stack([first[a], second[a, b]]) for a, b in itertools.product(range(3), repeat=2)])
    total = numbers(log_probability(rows, torch.ones_like(rows, dtype=torch.bool)), (9,)).exp().sum().item()
    holds(abs(total - 1) < 1e-9, f"the nine probabilities add up to {total:.6g}, expected 1")


@exam.probe("sequence_log_probability")
def probe_sequence(log_probability, random):
    rows = -torch.rand(3, 5, generator=random, dtype=torch.float64) - 0.1
    mask = flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0])
    rows[0, 4] = math.nan
    return log_probability(rows, mask)


# ---- sampling_probabilities


@exam.add("sampling_probabilities", points=1, message="temperatures 1, 1/2 and 2", hint="(0, log 9): 9 to 1")
def temperatures(probabilities):
    close(probabilities(table(0.0, LOG3), 1.0), [0.25, 0.75])
    close(probabilities(table(0.0, LOG3), 0.5), [0.1, 0.9])
    root = math.sqrt(3)
    close(probabilities(table([0.0, LOG3], [1.0, 1.0]), 2.0), [[1 / (1 + root), root / (1 + root)], [0.5, 0.5]])


@exam.add("sampling_probabilities", points=1, message="temperature 0, also with two equally likely tokens",
          hint="all the probability goes to the first of the largest")  # fmt: skip
def greedy(probabilities):
    close(probabilities(table([1.0, 3.0, 2.0], [4.0, 0.0, 4.0]), 0.0), [[0, 1, 0], [1, 0, 0]])
    close(probabilities(table([1.0, 3.0, 2.0], [4.0, 0.0, 4.0]), 0), [[0, 1, 0], [1, 0, 0]])


@exam.probe("sampling_probabilities")
def probe_sampling(probabilities, random):
    logits = torch.randn(3, 5, generator=random, dtype=torch.float64)
    logits[2] = table(2.0, 5.0, 1.0, 5.0, 0.0)
    return [probabilities(logits, temperature) for temperature in (0.4, 3.0, 0.0)]


# ---- supervised_loss


@exam.add("supervised_loss", points=1, message="answers of three tokens and of one, by hand", hint="8 over 4")
def loss_by_hand(loss):
    close(loss(table([-1.0, -1.0, -1.0], [-5.0, 0.0, 0.0]), flags([1, 1, 1], [1, 0, 0])), 2.0)


@exam.add("supervised_loss", points=1, message="minus infinity where the mask is false, and the gradient",
          hint="each of the tokens that count has the gradient -1 over their number, all others 0")  # fmt: skip
def loss_gradient(loss):
    rows, mask = table([-1.0, -3.0], [-2.0, -math.inf]), flags([1, 1], [1, 0])
    close(loss(rows, mask), 2.0)
    _, (slope,) = loss.gradients(rows, mask, wrt=(0,))
    close(slope, [[-1 / 3, -1 / 3], [-1 / 3, 0.0]])


@exam.probe("supervised_loss")
def probe_loss(loss, random):
    rows = -torch.rand(3, 5, generator=random, dtype=torch.float64) - 0.1
    return loss(rows, flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]))


# ---- kl_estimates


def three(result):
    """A tuple or list of three."""
    return list(result) if isinstance(result, (tuple, list)) else result


@exam.add("kl_estimates", points=1, message="a sample that the reference finds half as likely, by hand",
          hint="the log-ratio is -log 2")  # fmt: skip
def estimates_by_hand(estimates):
    close(three(estimates(table(0.5).log(), table(0.25).log())), [[LOG2], [LOG2**2 / 2], [LOG2 - 0.5]])


@exam.add("kl_estimates", points=1, message="k1 and k3 have the exact divergence as their mean, k2 has another",
          hint="(1/2, 1/2) against (1/4, 3/4): 0.1438")  # fmt: skip
def means(estimates):
    policy, reference = table(0.5, 0.5).log(), table(0.25, 0.75).log()
    exact = (LOG2 + math.log(2 / 3)) / 2
    found = [numbers(part, (2,)).mean().item() for part in three(estimates(policy, reference))]
    close(found, [exact, (LOG2**2 + math.log(1.5) ** 2) / 4, exact])


@exam.probe("kl_estimates")
def probe_estimates(estimates, random):
    policy, reference = -torch.rand(2, 6, generator=random, dtype=torch.float64) - 0.1
    return three(estimates(policy, reference - table(1.0, -1.0, 0.5, -0.5, 2.0, -2.0)))


# ---- bias_and_deviation


@exam.add("bias_and_deviation", points=1, message="two outcomes by hand, and three that are not equally likely",
          hint="0.5 - 0.1438 and 0.5; then 0.2 and 0.4")  # fmt: skip
def bias_by_hand(bias):
    policy, reference = table(0.5, 0.5).log(), table(0.25, 0.75).log()
    close(three(bias(policy, reference, table(1.0, 0.0))), [0.5 - (LOG2 + math.log(2 / 3)) / 2, 0.5])
    same = table(0.2, 0.3, 0.5).log()
    close(three(bias(same, same, table(1.0, 0.0, 0.0))), [0.2, 0.4])


@exam.probe("bias_and_deviation")
def probe_bias(bias, random):
    policy, reference = (2 * torch.randn(2, 6, generator=random, dtype=torch.float64)).log_softmax(dim=-1)
    return three(bias(policy, reference, torch.randn(6, generator=random, dtype=torch.float64)))
