"""Public checks of the assignment *grpo*. Small tables of numbers and properties; no solution is in here."""

import math

import torch

from autograder.chain_models import changes, model_of, share_right
from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("grpo")

exam.asks_for("group_advantages", "rlkit.group_objective.group_advantages", "rlkit.grpo.group_advantages")
exam.asks_for("grpo_loss", "rlkit.group_objective.grpo_loss", "rlkit.grpo.grpo_loss", "rlkit.ppo.clipped_surrogate")
exam.asks_for("three_averages", "rlkit.group_objective.aggregate")
exam.asks_for("pass_at_k", "rlkit.lm.evaluation.pass_at_k")


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def flags(*rows):
    """A tensor of true and false from ones and zeros."""
    return torch.tensor(rows) == 1


def groups(*ids):
    """Group ids."""
    return torch.tensor(ids, dtype=torch.long)


def parts(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


# ---- group_advantages


@exam.add(
    "group_advantages", points=1, message="two groups that are mixed, by hand", hint="0, 0, -1, 0 and 1 over 1.0001"
)
def advantages_by_hand(advantages):
    close(advantages(table(1.0, 5.0, 0.0, 5.0, 2.0), groups(0, 7, 0, 7, 0)), table(0.0, 0.0, -1.0, 0.0, 1.0) / 1.0001)


@exam.add("group_advantages", points=1, message="seven rewards of 0.9 in float32: exactly 0; 1 and 1.00001 are not equal",
          hint="not nearly 0: the difference from the mean is a rounding error, and so is the deviation")  # fmt: skip
def equal_rewards(advantages):
    for reward in (0.9, 0.1, 0.7):
        came = numbers(advantages(torch.full((7,), reward), groups(*[3] * 7)), (7,))
        holds(bool((came == 0).all()), f"seven rewards of {reward} gave {came[0].item():.4g}, expected exactly 0")
    half, deviation = 1e-5 / 2, 1e-5 / math.sqrt(2)
    close(advantages(table(1.0, 1.00001), groups(0, 0)), table(-half, half) / (deviation + 1e-4), 1e-6)


@exam.add(
    "group_advantages",
    points=1,
    message="a group of one beside a group of two",
    hint="one answer has nothing beside it: 0",
)
def group_of_one(advantages):
    deviation = math.sqrt(2.0) + 1e-4
    close(advantages(table(3.0, 4.0, 2.0), groups(5, 1, 1)), [0.0, 1 / deviation, -1 / deviation])


@exam.probe("group_advantages")
def probe_advantages(advantages, random):
    rewards = torch.randn(11, generator=random, dtype=torch.float64)
    rewards[[1, 4]] = 0.5
    rewards[10] = rewards[9] + 2e-4
    return advantages(rewards, groups(2, 0, 2, 8, 0, 8, 2, 8, 8, 5, 5))


# ---- grpo_loss


def one_answer(loss, advantage):
    """Two tokens with the ratios 1.5 and 0.9."""
    return loss(table([1.5, 0.9]).log(), table([0.0, 0.0]), table(advantage), flags([1, 1]), 0.2, 0.2)


@exam.add("grpo_loss", points=1, message="one answer of two tokens by hand, good and bad", hint="-2.1 and 2.4")
def loss_by_hand(loss):
    close(one_answer(loss, 2.0), -2.1)
    close(one_answer(loss, -2.0), 2.4)


@exam.add("grpo_loss", points=1, message="answers of three tokens and of one; two different clips",
          hint="four tokens count, each as much as any other")  # fmt: skip
def unequal_lengths(loss):
    new, old = table([1.0, 1.0, 1.0], [1.5, 1.0, 1.0]).log(), table([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    close(loss(new, old, table(1.0, 4.0), flags([1, 1, 1], [1, 0, 0]), 0.1, 0.25), -(3 + 5) / 4)
    close(loss(-new, old, table(-1.0, -3.0), flags([1, 1, 1], [1, 0, 0]), 0.1, 0.25), (3 + 2.7) / 4)


@exam.add("grpo_loss", points=1, message="infinity where the mask is false, also in the gradient",
          hint="infinity times zero is not a number; fill in before the exponential")  # fmt: skip
def behind_the_end(loss):
    new, old = table([-1.0, -1.0, math.inf]), table([-1.0, -1.0, -math.inf])
    close(loss(new, old, table(2.0), flags([1, 1, 0]), 0.2, 0.2), -2.0)
    close(loss(new, old, table(-2.0), flags([1, 1, 0]), 0.2, 0.2), 2.0)
    start = table([-1.0, -1.0, 1500.0])
    _, (slope,) = loss.gradients(start, table([-1.0, -1.0, 700.0]), table(-2.0), flags([1, 1, 0]), 0.2, 0.2, wrt=(0,))
    close(slope, [[1.0, 1.0, 0.0]])


@exam.probe("grpo_loss")
def probe_loss(loss, random):
    ratio = table([0.5, 0.9, 1.4, 1.1], [1.6, 0.6, 1.0, 1.0], [0.7, 1.5, 1.2, 1.0])
    old = -torch.rand(3, 4, generator=random, dtype=torch.float64) - 0.1
    mask = flags([1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0])
    new = old + ratio.log()
    new[1, 3] = math.inf
    return loss(new, old, table(1.3, -0.7, 0.4), mask, 0.2, 0.3)


# ---- three_averages


@exam.add("three_averages", points=1, message="answers of three tokens and of one, by hand", hint="3, 2 and 8/6")
def averages_by_hand(averages):
    close(parts(averages(table([1.0, 1.0, 1.0], [5.0, 0.0, 0.0]), flags([1, 1, 1], [1, 0, 0]))), [3.0, 2.0, 8 / 6])


@exam.add("three_averages", points=1, message="NaN where the mask is false", hint="NaN times zero is NaN")
def averages_masked(averages):
    close(parts(averages(table([2.0, math.nan], [4.0, 6.0]), flags([1, 0], [1, 1]))), [3.5, 4.0, 3.0])


@exam.probe("three_averages")
def probe_averages(averages, random):
    losses = torch.randn(3, 5, generator=random, dtype=torch.float64)
    losses[0, 4] = math.nan
    return parts(averages(losses, flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0])))


# ---- sequence_ratio


@exam.add("sequence_ratio", points=1, message="ratios 2 and 8, and one token of ratio 3 before infinity that does not count",
          hint="4 and 3; infinity times zero is NaN")  # fmt: skip
def ratio_by_hand(ratio):
    new = table([2.0, 8.0], [3.0, 0.0]).log()
    close(ratio(new, table([0.0, 0.0], [0.0, 0.0]), flags([1, 1], [1, 0])), [4.0, 3.0])


@exam.add(
    "sequence_ratio", points=1, message="1,500 tokens of ratio 2", hint="2; the product is too large for a number"
)
def long_answer(ratio):
    old = torch.full((1, 2000), -1.0, dtype=torch.float64)
    close(ratio(old + math.log(2), old, torch.arange(2000)[None] < 1500), [2.0])


@exam.probe("sequence_ratio")
def probe_ratio(ratio, random):
    old = -torch.rand(3, 5, generator=random, dtype=torch.float64)
    new = old + 0.5 * torch.randn(3, 5, generator=random, dtype=torch.float64)
    new[2, 4] = -math.inf
    return ratio(new, old, flags([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]))


# ---- pass_at_k


@exam.add("pass_at_k", points=1, message="two of four, by hand", hint="0, 1/2, 1 and 1")
def pass_by_hand(pass_at_k):
    close(pass_at_k(groups(0, 1, 3, 4), 4, 2), [0.0, 0.5, 1.0, 1.0])


@exam.add("pass_at_k", points=1, message="k = 1 is the share of right samples; k = n asks for one right sample",
          hint="c / n; then 0 or 1")  # fmt: skip
def pass_extremes(pass_at_k):
    close(pass_at_k(groups(0, 3, 10), 10, 1), [0.0, 0.3, 1.0])
    close(pass_at_k(groups(0, 1, 10), 10, 10), [0.0, 1.0, 1.0])


@exam.probe("pass_at_k")
def probe_pass(pass_at_k, random):
    return pass_at_k(groups(0, 1, 2, 5, 7, 9), 9, 3)


# ---- train_chain: the model is judged in the examiner, on sums that no training saw

# The solution with 40 seeds (5000 to 5039): the worst model answered 0.94 of the sums, the median one 0.987; 0 of 40 below
# the goal, so fewer than 8 in 100 with 95% confidence for one attempt, and fewer than 5 in 10,000 for three.
ATTEMPTS, STEPS, FEW, GOAL = 3, 16, 2, 0.75


def best_of(train, random):
    """Train with up to three seeds until one model adds; return the best share."""
    best = 0.0
    for _ in range(ATTEMPTS):
        best = max(best, share_right(train(int(torch.randint(10**6, (), generator=random)), STEPS), random))
        if best >= GOAL:
            break
    return best


def require_training(train, random):
    """Fail unless short runs move the model, and other seeds otherwise."""
    seed = int(torch.randint(10**6, (), generator=random))
    first, second = (train(one, FEW) for one in (seed, seed + 1))
    pairs = list(zip(model_of(first).parameters(), model_of(second).parameters(), strict=True))
    if all(torch.equal(one, two) for one, two in pairs):
        raise Failed("two seeds gave the same model: does the configuration take the seed?")


@exam.add("train_chain", points=2, message="the returned model answers 75 of 100 sums greedily", seconds=120,
          hint="up to three seeds were tried; are the exercises above right?")  # fmt: skip
def adds(train):
    random = exam.random()
    require_training(train, random)
    best = best_of(train, random)
    if best < GOAL:
        raise Failed(f"expected at least 75 of 100 right, got {100 * best:.0f}")


@exam.probe("train_chain", tolerance=0)
def probe_training(train, random):
    """What a short run shows on every machine: which answers became likelier."""
    result = train(int(torch.randint(10**6, (), generator=random)), FEW)
    if not isinstance(result, (list, tuple)):
        return "no list"
    return [(change > 0.02) - (change < -0.02) for change in changes(result)]
