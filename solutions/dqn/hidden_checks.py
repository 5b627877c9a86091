"""Hidden checks of the assignment *dqn*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math

import torch

from autograder.checks import Exam, Failed, StudentError, close, describe, holds, numbers

exam = Exam("dqn", hidden=True)


# ---- references


class ReferenceRing:
    """A replay buffer as a list: appended to, and cut at the front when it is too long."""

    def __init__(self, capacity):
        self.capacity, self.rows, self.next_row, self.written = capacity, {}, 0, 0

    def write(self, count):
        """Write so many; return the rows."""
        rows = []
        for _ in range(count):
            self.rows[self.next_row] = self.written
            rows.append(self.next_row)
            self.written += 1
            self.next_row = 0 if self.next_row == self.capacity - 1 else self.next_row + 1
        return rows


def reference_td_target(reward, next_action_values, terminated, discount):
    """One transition at a time."""
    targets = []
    for r, values, ended in zip(reward.tolist(), next_action_values.tolist(), terminated.tolist(), strict=True):
        targets.append(r if ended else r + discount * max(values))
    return torch.tensor(targets, dtype=torch.float64)


def reference_double_q_target(reward, selecting, evaluating, terminated, discount):
    """One transition at a time."""
    targets = []
    for index, ended in enumerate(terminated.tolist()):
        row = selecting[index].tolist()
        best = row.index(max(row))
        future = 0.0 if ended else discount * float(evaluating[index, best])
        targets.append(float(reward[index]) + future)
    return torch.tensor(targets, dtype=torch.float64)


def reference_dqn_loss(action_values, actions, targets, threshold):
    """One transition at a time: the area under the slope, which is the error cut off at the threshold."""
    losses = []
    for index, action in enumerate(actions.tolist()):
        error = abs(float(action_values[index, action]) - float(targets[index]))
        bend = min(error, threshold)
        losses.append(bend * bend / 2 + (error - bend) * threshold)
    return torch.tensor(losses, dtype=torch.float64)


def reference_soft_update(target_parameters, online_parameters, rate):
    """One number at a time."""
    updated = []
    for target, online in zip(target_parameters, online_parameters, strict=True):
        pairs = zip(target.flatten().tolist(), online.flatten().tolist(), strict=True)
        moved = torch.tensor([t + rate * (o - t) for t, o in pairs], dtype=torch.float64)
        updated.append(moved.reshape(target.shape))
    return updated


def draw(random, *shape):
    """Random normal numbers of float64."""
    return 4 * torch.randn(*shape, generator=random, dtype=torch.float64)


def whole(random, low, high):
    """A random integer, *high* left out."""
    return int(torch.randint(low, high, (1,), generator=random))


def flows(answer, *args, wrt):
    """Whether a gradient flows through an answer with one entry."""
    try:
        _, (gradient,) = answer.gradients(*args, wrt=(wrt,))
    except StudentError as error:
        if "differentiate" not in str(error):
            raise
        return False
    return gradient is not None and bool(gradient.any())


# ---- checks


@exam.add("replay_write", points=1, message="rings of random sizes, batches of random sizes, a full batch")
def writes_in_random_rings(write):
    random = exam.random()
    for capacity in (1, 6, whole(random, 7, 40)):
        ring = ReferenceRing(capacity)
        for count in (1, capacity, *(whole(random, 1, capacity + 1) for _ in range(8))):
            answer = write(capacity, ring.written, count)
            if not isinstance(answer, (tuple, list)) or len(answer) != 3:
                raise Failed(f"expected three results, (rows, written, stored), got {describe(answer)}")
            close(answer[0], ring.write(count))
            close(answer[1], ring.written)
            close(answer[2], len(ring.rows))


@exam.add("td_target", points=0.5, message="random batches of several sizes")
def target_of_random_batches(target):
    random = exam.random()
    for batch, num_actions in ((7, 3), (1, 1), (40, 5)):
        reward, values = draw(random, batch), draw(random, batch, num_actions) - 3.0
        terminated = torch.rand(batch, generator=random) < 0.4
        due = reference_td_target(reward, values, terminated, 0.83)
        close(target(reward, values, terminated, 0.83), due)
        close(target(reward.float(), values.float(), terminated, 0.83), due, tolerance=1e-4)


@exam.add("td_target", points=0.5, message="no gradient flows, whether or not the episode goes on")
def target_without_gradient(target):
    random = exam.random()
    for ended in (False, True):
        arguments = draw(random, 1), draw(random, 1, 4), torch.tensor([ended]), 0.9
        close(target(*arguments), reference_td_target(*arguments))
        holds(not flows(target, *arguments, wrt=1), "a gradient flows into the next action values")


@exam.add("double_q_target", points=1, message="random batches of several sizes")
def double_of_random_batches(target):
    random = exam.random()
    for batch, num_actions in ((30, 4), (1, 1), (12, 2)):
        tables = draw(random, batch, num_actions), draw(random, batch, num_actions) + 2.0
        reward, terminated = draw(random, batch), torch.rand(batch, generator=random) < 0.3
        due = reference_double_q_target(reward, *tables, terminated, 0.83)
        close(target(reward, *tables, terminated, 0.83), due)


@exam.add("double_q_target", points=1, message="networks that agree on the action; no gradient flows")
def double_where_both_agree(target):
    random = exam.random()
    reward, values = draw(random, 9), draw(random, 9, 3)
    terminated = torch.arange(9) % 4 == 1
    due = reference_td_target(reward, values, terminated, 0.9)
    close(target(reward, values, values, terminated, 0.9), due)
    close(target(reward, 5 * values - 1.0, values, terminated, 0.9), due)
    one = reward[:1], draw(random, 1, 3), draw(random, 1, 3), torch.tensor([False]), 0.9
    for place in (1, 2):
        holds(not flows(target, *one, wrt=place), "a gradient flows into the next action values")


@exam.add("dqn_loss", points=1, message="random batches, several thresholds")
def loss_of_random_batches(loss):
    random = exam.random()
    for batch, num_actions, threshold in ((30, 4, 1.0), (1, 1, 0.3), (17, 2, 5.0), (4, 4, 2.5)):
        values, targets = draw(random, batch, num_actions), draw(random, batch)
        actions = torch.randint(num_actions, (batch,), generator=random)
        due = reference_dqn_loss(values, actions, targets, threshold)
        close(loss(values, actions, targets, threshold), due)


@exam.add("dqn_loss", points=1, message="the slope for every action, at errors of all sizes")
def loss_has_the_right_slope(loss):
    random = exam.random()
    for threshold in (0.5, 3.0):
        for error in (-20.0, -3.1, -0.45, 0.1, 0.45, 2.9, 1000.0):
            values, action = draw(random, 1, 4), whole(random, 0, 4)
            targets = values[:, action] - error
            _, (gradient,) = loss.gradients(values, torch.tensor([action]), targets, threshold)
            due = torch.zeros(1, 4)
            due[0, action] = math.copysign(min(abs(error), threshold), error)
            close(gradient, due)


@exam.add(
    "soft_update", points=1, message="a network of several layers, several rates; many updates, one after another"
)
def update_of_a_network(update):
    random = exam.random()
    shapes = ((4, 8), (8,), (8, 2), (2,), (1, 8, 3))
    target, online = [draw(random, *shape) for shape in shapes], [draw(random, *shape) for shape in shapes]
    for rate in (0.01, 0.37, 1.0):
        due = reference_soft_update(target, online, rate)
        for answer in (update(target, online, rate), *update.repeat(2, target, online, rate)):
            holds(isinstance(answer, (list, tuple)) and len(answer) == len(due), f"got {describe(answer)}")
            for came, expected in zip(answer, due, strict=True):
                close(came, expected)
    followed = target
    for _ in range(10):
        followed = [numbers(part) for part in update(followed, online, 0.2)]
    for came, start, end in zip(followed, target, online, strict=True):
        close(came - end, 0.8**10 * (start - end))


# What each bug teaches, as functions of the discount; a number beside each probe that differs from what is right.
BUGS = {
    "no bug found": lambda g: {},
    "bootstraps past the end": lambda g: {"constant": [1 / (1 - g)], "observation": [-1 / (1 - g), 1 / (1 - g)]},
    "loss or optimiser": lambda g: {"constant": [-0.4], "delay": [0.2, 0.1], "action": [0.3, 0.3]},
    "observation not used": lambda g: {"observation": [0.1, 0.1], "delay": [0.5, 0.5], "both": [0.0] * 4},
    "forgets the discount": lambda g: {"delay": [1.0, 1.0]},
    "no bootstrapping": lambda g: {"delay": [0.0, 1.0]},
    "actions mixed up": lambda g: {"action": [1.0, -1.0], "both": [-1.0, 1.0, 1.0, -1.0]},
    "observation and action not combined": lambda g: {"both": [0.9, -0.2, -1.0, 1.0]},
}


@exam.add("diagnose", points=1, message="every bug with noise in the values, at random discounts and tolerances")
def diagnose_noisy_tables(diagnose):
    random = exam.random()
    for discount in (0.4 + 0.3 * float(torch.rand(1, generator=random)), 0.85):
        for bug, taught in BUGS.items():
            learned = {"constant": [1.0], "observation": [-1.0, 1.0], "delay": [discount, 1.0]}
            learned |= {"action": [-1.0, 1.0], "both": [1.0, -1.0, -1.0, 1.0]} | taught(discount)
            tolerance = 0.02 + 0.04 * float(torch.rand(1, generator=random))
            for name, values in learned.items():
                noise = (2 * torch.rand(len(values), generator=random, dtype=torch.float64) - 1) * 0.9 * tolerance
                learned[name] = [value + float(wrong) for value, wrong in zip(values, noise, strict=True)]
            came = diagnose(learned, discount, tolerance)
            holds(
                came == bug,
                f"discount {discount:.3g}, tolerance {tolerance:.2g}: expected {bug!r}, got {describe(came)}",
            )
    nan = float("nan")
    learned = {
        "constant": [1.0],
        "observation": [-1.0, nan],
        "delay": [0.5, 1.0],
        "action": [nan] * 2,
        "both": [nan] * 4,
    }
    came = diagnose(learned, 0.5, 0.05)
    holds(came == "observation not used", f"from the second probe on, values are NaN: got {describe(came)}")


@exam.add("train_catch", points=0.5, message="the same seed gives the same network, a new one another", seconds=30)
def training_can_be_repeated(train):
    seed = whole(exam.random(), 0, 10**6)
    runs = [train(350, number) for number in (seed, seed, seed + 1)]
    for answer in runs:
        holds(
            isinstance(answer, (list, tuple)) and len(answer) >= 2,
            f"expected a list of tensors, got {describe(answer)}",
        )
    first, again, other = ([numbers(part) for part in answer] for answer in runs)
    holds(
        all(bool(part.isfinite().all()) for part in [*first, *again, *other]),
        "a network has numbers that are not finite",
    )
    for one, two in zip(first, again, strict=True):
        close(two, one, tolerance=1e-3)
    same = [
        one.shape == two.shape and float((one - two).abs().max()) < 1e-3 for one, two in zip(first, other, strict=True)
    ]
    holds(not all(same), "two seeds give the same network")
