"""Public checks of the assignment *rlhf*. Small tables of numbers and properties; no solution is in here."""

import math

import torch

from autograder.checks import Exam, close

exam = Exam("rlhf")

exam.asks_for("bradley_terry_loss", "rlkit.reward_model.bradley_terry_loss")
exam.asks_for("shaped_rewards", "rlkit.rlhf.shaped_rewards", "rlkit.rlhf.last_token")
exam.asks_for("token_advantages", "rlkit.rlhf.token_advantages", "rlkit.advantages.generalized_advantage_estimate")
exam.asks_for("shortcut_report", "rlkit.reward_model.preference_accuracy")

LOG2, LOG3 = math.log(2), math.log(3)


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def flags(*rows):
    """A tensor of true and false from ones and zeros."""
    return torch.tensor(rows) == 1


def parts(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


# ---- bradley_terry_loss


@exam.add(
    "bradley_terry_loss", points=1, message="equal rewards, and a difference of log 3, by hand", hint="log 2, log 4/3"
)
def loss_by_hand(loss):
    close(loss(table(0.0, LOG3), table(0.0, 0.0)), [LOG2, math.log(4 / 3)])


@exam.add("bradley_terry_loss", points=1, message="the same number added to both rewards; differences of 1000 and -1000",
          hint="only the difference counts; the loss of -1000 is 1000")  # fmt: skip
def far_differences(loss):
    close(loss(table(7.0 + LOG3, 1000.0, -500.0), table(7.0, 0.0, 500.0)), [math.log(4 / 3), 0.0, 1000.0])


@exam.add("bradley_terry_loss", points=1, message="the gradient: the chosen reward rises, the rejected one falls",
          hint="-1/2 and 1/2 where both are equal")  # fmt: skip
def loss_gradient(loss):
    _, slopes = loss.gradients(table(0.0), table(0.0), wrt=(0, 1))
    close([0.0 if slope is None else slope.sum() for slope in slopes], [-0.5, 0.5])


@exam.probe("bradley_terry_loss")
def probe_loss(loss, random):
    chosen, rejected = torch.randn(2, 6, generator=random, dtype=torch.float64)
    chosen[0] = -1000.0
    return loss(chosen, rejected)


# ---- score_of_answers


@exam.add("score_of_answers", points=1, message="an answer of three tokens in four places", hint="3")
def score_by_hand(score):
    close(score(table([1.0, 2.0, 3.0, 4.0]), flags([1, 1, 1, 0])), [3.0])


@exam.add("score_of_answers", points=1, message="answers of one, two and three tokens", hint="the last token of each")
def unequal_scores(score):
    values = table([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0])
    close(score(values, flags([1, 0, 0], [1, 1, 0], [1, 1, 1])), [1.0, 5.0, 9.0])


@exam.add(
    "score_of_answers", points=1, message="values of 0 and below, NaN behind the end", hint="a value may be anything"
)
def odd_values(score):
    close(score(table([5.0, 0.0, math.nan], [2.0, 1.0, -4.0]), flags([1, 1, 0], [1, 1, 1])), [0.0, -4.0])


@exam.probe("score_of_answers")
def probe_score(score, random):
    values = torch.randn(3, 5, generator=random, dtype=torch.float64)
    return score(values, flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]))


# ---- shaped_rewards


@exam.add("shaped_rewards", points=1, message="three tokens by hand", hint="-0.05, 0 and 2 + 0.1")
def shaped_by_hand(shaped):
    old, reference = table([-1.0, -2.0, -3.0]), table([-1.5, -2.0, -2.0])
    close(shaped(table(2.0), old, reference, flags([1, 1, 1]), 0.1), [[-0.05, 0.0, 2.1]])


@exam.add("shaped_rewards", points=1, message="unequal lengths: the score goes to the answer's own last token",
          hint="no price here: beta is 0")  # fmt: skip
def score_place(shaped):
    same = table([-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0])
    close(shaped(table(5.0, -3.0), same, same, flags([1, 0, 0], [1, 1, 0]), 0.0), [[5.0, 0.0, 0.0], [0.0, -3.0, 0.0]])


@exam.add("shaped_rewards", points=1, message="NaN behind the end; the rewards add up to score minus beta times log-ratio",
          hint="where the mask is false the reward is 0")  # fmt: skip
def sums(shaped):
    old, reference = table([-1.0, -1.0, math.nan]), table([-3.0, -2.0, -math.inf])
    close(shaped(table(1.0), old, reference, flags([1, 1, 0]), 0.5), [[-1.0, 0.5, 0.0]])


@exam.probe("shaped_rewards")
def probe_shaped(shaped, random):
    old, reference = -torch.rand(2, 3, 4, generator=random, dtype=torch.float64) - 0.1
    scores = torch.randn(3, generator=random, dtype=torch.float64)
    old[2, 3] = math.nan
    return shaped(scores, old, 2 * reference, flags([1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]), 0.3)


# ---- token_advantages


@exam.add("token_advantages", points=1, message="by hand: three tokens, and two with a discount of 1/2",
          hint="0.125, 0.25 and 0.5; -0.125 and 0.5")  # fmt: skip
def advantages_by_hand(advantages):
    close(advantages(table([0.0, 1.0]), table([0.5, 0.5]), flags([1, 1]), 0.5, 0.5), [[-0.125, 0.5]])
    result = advantages(table([0.0, 0.0, 1.0]), table([0.5, 0.5, 0.5]), flags([1, 1, 1]), 1.0, 0.5)
    close(result, [[0.125, 0.25, 0.5]])


@exam.add("token_advantages", points=1, message="an answer that ends early: nothing behind it counts",
          hint="the value and the reward behind the end mean nothing, and the advantage there is 0")  # fmt: skip
def early_end(advantages):
    result = advantages(table([0.0, 1.0, 9.0]), table([0.5, 0.5, 100.0]), flags([1, 1, 0]), 1.0, 0.5)
    close(result, [[0.25, 0.5, 0.0]])


@exam.probe("token_advantages")
def probe_advantages(advantages, random):
    rewards, values = torch.randn(2, 3, 5, generator=random, dtype=torch.float64)
    mask = flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0])
    return advantages(rewards.masked_fill(~mask, 0.0), values, mask, 0.9, 0.7)


# ---- best_of_n


@exam.add("best_of_n", points=1, message="one prompt by hand, n = 1, 2 and 3", hint="1, 0 and 1")
def best_by_hand(best):
    for n, expected in ((1, 1.0), (2, 0.0), (3, 1.0)):
        close(best(table([1.0, 3.0, 9.0]), table([1.0, 0.0, 1.0]), n), expected)


@exam.add(
    "best_of_n",
    points=1,
    message="two prompts, one of them with equal scores",
    hint="of equal scores the first is kept",
)
def ties(best):
    close(best(table([2.0, 2.0], [0.0, 5.0]), table([1.0, 0.0], [0.0, 1.0]), 2), 1.0)
    close(best(table([2.0, 2.0], [0.0, 5.0]), table([0.0, 1.0], [0.0, 1.0]), 2), 0.5)


@exam.probe("best_of_n")
def probe_best(best, random):
    scores = torch.randn(40, 6, generator=random, dtype=torch.float64)
    right = (torch.rand(40, 6, generator=random) < torch.sigmoid(scores - 0.5)).double()
    return [best(scores, right, n) for n in (1, 3, 5)]


# ---- shortcut_report


@exam.add("shortcut_report", points=1, message="three pairs by hand", hint="2/3, 2.5/3 and 0")
def report_by_hand(report):
    result = report(table(2.0, 1.0, 0.0), table(1.0, 0.0, 1.0), table(12.0, 12.0, 3.0), table(3.0, 3.0, 3.0))
    close(parts(result), [2 / 3, 2.5 / 3, 0.0])


@exam.add("shortcut_report", points=1, message="equal scores; no pair of equal length", hint="1/2, 1 and NaN")
def report_edges(report):
    result = parts(report(table(1.0, 4.0), table(1.0, 4.0), table(12.0, 5.0), table(3.0, 3.0)))
    close(result, [0.5, 1.0, math.nan])


@exam.probe("shortcut_report")
def probe_report(report, random):
    scores = torch.randn(2, 12, generator=random, dtype=torch.float64)
    scores[:, 5] = 0.0
    chosen = table(*[12.0, 12, 3, 12, 3, 12, 3, 12, 12, 3, 12, 3])
    rejected = table(*[3.0, 12, 3, 3, 12, 12, 3, 3, 3, 3, 3, 12])
    return parts(report(scores[0], scores[1], chosen, rejected))
