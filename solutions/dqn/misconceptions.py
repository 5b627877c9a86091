"""Wrong answers to *dqn* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

# ---- replay_write


def rows_from(capacity, num_written, batch_size):
    """The rows, right: some mistakes are in what is counted."""
    return (num_written + torch.arange(batch_size)) % capacity


@misconception(
    "replay_write", name="writes past the end of the buffer", hint="Which row comes after the last one of a ring?"
)
def _(capacity, num_written, batch_size):
    count = num_written + batch_size
    return num_written + torch.arange(batch_size), count, min(count, capacity)


@misconception(
    "replay_write",
    name="starts again at 0 when the batch does not fit",
    hint="Some rows at the end are left out: how many of the batch fit there?",
)
def _(capacity, num_written, batch_size):
    first = num_written % capacity
    first = 0 if first + batch_size > capacity else first
    count = num_written + batch_size
    return first + torch.arange(batch_size), count, min(count, capacity)


@misconception(
    "replay_write", name="overwrites the last row when full", hint="Which transition should go first, when one must go?"
)
def _(capacity, num_written, batch_size):
    count = num_written + batch_size
    return (num_written + torch.arange(batch_size)).clamp(max=capacity - 1), count, min(count, capacity)


@misconception("replay_write", name="writes the whole batch to one row", hint="Each transition needs a row of its own.")
def _(capacity, num_written, batch_size):
    count = num_written + batch_size
    return torch.full((batch_size,), num_written % capacity), count, min(count, capacity)


@misconception("replay_write", name="counts a batch as one", hint="How many transitions arrived?")
def _(capacity, num_written, batch_size):
    return rows_from(capacity, num_written, batch_size), num_written + 1, min(num_written + 1, capacity)


@misconception(
    "replay_write",
    name="counts empty rows as stored",
    hint="Before the buffer is full, some rows have never been written to. What would sampling find there?",
)
def _(capacity, num_written, batch_size):
    return rows_from(capacity, num_written, batch_size), num_written + batch_size, capacity


@misconception(
    "replay_write", name="counts what has been overwritten", hint="Can more rows hold a transition than there are?"
)
def _(capacity, num_written, batch_size):
    count = num_written + batch_size
    return rows_from(capacity, num_written, batch_size), count, count


@misconception(
    "replay_write",
    name="forgets at the wrap that the buffer is full",
    hint="After the last row comes row 0, but the other rows still hold something.",
)
def _(capacity, num_written, batch_size):
    count = (num_written + batch_size) % capacity
    return rows_from(capacity, num_written, batch_size), count, count


# ---- td_target


@misconception(
    "td_target",
    name="bootstraps past the end",
    hint="Where the episode has terminated there is no next state, so nothing is added to the reward.",
)
def _(reward, next_action_values, terminated, discount):
    return (reward + discount * next_action_values.amax(dim=-1)).detach()


@misconception(
    "td_target",
    name="gradient flows through the target",
    hint="Right numbers, but is the target a given number, or does it move with the network?",
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * ~terminated * next_action_values.amax(dim=-1)


@misconception(
    "td_target",
    name="the mean over next actions instead of the maximum",
    hint="Q-learning assumes the best next action, whatever was done.",
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * ~terminated * next_action_values.detach().mean(dim=-1)


@misconception("td_target", name="forgets the discount", hint="A reward tomorrow is worth less than the same today.")
def _(reward, next_action_values, terminated, discount):
    return reward + ~terminated * next_action_values.detach().amax(dim=-1)


@misconception(
    "td_target",
    name="drops the last reward",
    hint="The step that ends an episode is paid too; what must go is what comes after it.",
)
def _(reward, next_action_values, terminated, discount):
    return ~terminated * (reward + discount * next_action_values.detach().amax(dim=-1))


@misconception(
    "td_target", name="bootstraps only at the end", hint="In which of the two cases is there a next state to value?"
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * terminated * next_action_values.detach().amax(dim=-1)


@misconception(
    "td_target",
    name="one best value for the whole batch",
    hint="Every transition leads to a next state of its own; along which axis is the maximum?",
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * ~terminated * next_action_values.detach().max()


# ---- double_q_target


def pick(table, index):
    """The entry of each row."""
    return table.detach().gather(-1, index[:, None]).squeeze(-1)


@misconception(
    "double_q_target",
    name="selects and evaluates with the same network",
    hint="The action that the first network likes best may not be the one that the second likes best.",
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * pick(evaluating, evaluating.argmax(dim=-1))


@misconception(
    "double_q_target",
    name="believes the network that selects",
    hint="Who says what the chosen action is worth?",
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * pick(selecting, selecting.argmax(dim=-1))


@misconception("double_q_target", name="the two networks swapped", hint="Which of the two chooses?")
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * pick(selecting, evaluating.argmax(dim=-1))


@misconception(
    "double_q_target",
    name="the smaller of the two maxima",
    hint="Taking the smaller is another kind of caution; here one network chooses and the other evaluates.",
)
def _(reward, selecting, evaluating, terminated, discount):
    smaller = torch.minimum(selecting.detach().amax(dim=-1), evaluating.detach().amax(dim=-1))
    return reward + discount * ~terminated * smaller


@misconception(
    "double_q_target",
    name="bootstraps past the end",
    hint="Where the episode has terminated there is no next state, so nothing is added to the reward.",
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * pick(evaluating, selecting.argmax(dim=-1))


@misconception(
    "double_q_target",
    name="gradient flows through the target",
    hint="Right numbers, but is the target a given number, or does it move with the network?",
)
def _(reward, selecting, evaluating, terminated, discount):
    value = evaluating.gather(-1, selecting.argmax(dim=-1, keepdim=True)).squeeze(-1)
    return reward + discount * ~terminated * value


@misconception(
    "double_q_target",
    name="the best of the two networks' mean",
    hint="Averaging lets both choose and both evaluate; the choice should be made by one alone.",
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * ((selecting + evaluating) / 2).detach().amax(dim=-1)


# ---- dqn_loss


def error_of(action_values, actions, targets):
    """The error of the action taken, right."""
    return action_values.gather(-1, actions[:, None]).squeeze(-1) - targets


def huber(error, threshold):
    """The Huber loss, right."""
    size = error.abs()
    return torch.where(size <= threshold, 0.5 * error**2, threshold * (size - 0.5 * threshold))


@misconception(
    "dqn_loss",
    name="the squared error at any distance",
    hint="How hard does one transition with an error of 100 pull?",
)
def _(action_values, actions, targets, threshold):
    return 0.5 * error_of(action_values, actions, targets) ** 2


@misconception(
    "dqn_loss",
    name="branches that do not meet",
    hint="At an error of exactly the threshold both branches should give the same; do they?",
)
def _(action_values, actions, targets, threshold):
    error = error_of(action_values, actions, targets)
    return torch.where(error.abs() <= threshold, error**2, threshold * (error.abs() - 0.5 * threshold))


@misconception(
    "dqn_loss", name="the threshold ignored", hint="Try two thresholds with the same error: should the loss change?"
)
def _(action_values, actions, targets, threshold):
    return huber(error_of(action_values, actions, targets), 1.0)


@misconception(
    "dqn_loss",
    name="smooth L1 instead of Huber",
    hint="The two agree only at a threshold of 1. How steep should the loss be far away?",
)
def _(action_values, actions, targets, threshold):
    return huber(error_of(action_values, actions, targets), threshold) / threshold


@misconception(
    "dqn_loss",
    name="clips the error, so that large ones teach nothing",
    hint="A clipped error is constant beyond the threshold; what is its gradient there?",
)
def _(action_values, actions, targets, threshold):
    return 0.5 * error_of(action_values, actions, targets).clamp(-threshold, threshold) ** 2


@misconception(
    "dqn_loss",
    name="the mean over actions instead of the action taken",
    hint="What was observed says something about one action only.",
)
def _(action_values, actions, targets, threshold):
    return huber(action_values - targets[:, None], threshold).mean(dim=-1)


@misconception(
    "dqn_loss",
    name="the best action instead of the action taken",
    hint="The agent also explores: what was done need not be what looked best.",
)
def _(action_values, actions, targets, threshold):
    return huber(action_values.amax(dim=-1) - targets, threshold)


@misconception(
    "dqn_loss",
    name="every prediction against every target",
    hint="(B, 1) minus (B,) is a table of B times B. Print the shapes before you subtract.",
)
def _(action_values, actions, targets, threshold):
    return huber(action_values.gather(-1, actions[:, None]) - targets, threshold)


@misconception(
    "dqn_loss", name="averages over the batch", hint="One loss for each transition is asked for; the mean comes later."
)
def _(action_values, actions, targets, threshold):
    return huber(error_of(action_values, actions, targets), threshold).mean()


# ---- soft_update


@misconception(
    "soft_update", name="the two networks swapped", hint="At a rate of 0.01, which network should the result be near?"
)
def _(target_parameters, online_parameters, rate):
    return [rate * t + (1 - rate) * o for t, o in zip(target_parameters, online_parameters, strict=True)]


@misconception(
    "soft_update", name="only the difference", hint="That is how far the target should move; where does it start?"
)
def _(target_parameters, online_parameters, rate):
    return [rate * (o - t) for t, o in zip(target_parameters, online_parameters, strict=True)]


@misconception(
    "soft_update",
    name="adds without shrinking",
    hint="If both networks are the same, what should the result be?",
)
def _(target_parameters, online_parameters, rate):
    return [t + rate * o for t, o in zip(target_parameters, online_parameters, strict=True)]


@misconception("soft_update", name="copies whatever the rate", hint="A rate of 0 should leave the target where it is.")
def _(target_parameters, online_parameters, rate):
    return [o.clone() for o in online_parameters]


@misconception(
    "soft_update",
    name="changes the target network in place",
    hint="Right numbers, but look at the tensors that were passed in, after the call.",
)
def _(target_parameters, online_parameters, rate):
    for t, o in zip(target_parameters, online_parameters, strict=True):
        t.mul_(1 - rate).add_(o, alpha=rate)
    return target_parameters


@misconception(
    "soft_update",
    name="changes the online network in place",
    hint="Right numbers, but the network that learns has moved too: look at the tensors that were passed in.",
)
def _(target_parameters, online_parameters, rate):
    for t, o in zip(target_parameters, online_parameters, strict=True):
        o.mul_(rate).add_(t, alpha=1 - rate)
    return online_parameters


@misconception(
    "soft_update", name="leaves the biases behind", hint="Do all tensors of the list follow, also those with one axis?"
)
def _(target_parameters, online_parameters, rate):
    pairs = zip(target_parameters, online_parameters, strict=True)
    return [(1 - rate) * t + rate * o if t.ndim > 1 else t.clone() for t, o in pairs]


# ---- diagnose


def verdicts(learned, discount, passes):
    """The verdict of every probe that fails, in order; ``passes(values, expected)``."""
    found = []
    if not passes(learned["constant"], [1]):
        endless = passes(learned["constant"], [1 / (1 - discount)])
        found.append("bootstraps past the end" if endless else "loss or optimiser")
    if not passes(learned["observation"], [-1, 1]):
        found.append("observation not used")
    if not passes(learned["delay"], [discount, 1]):
        found.append("forgets the discount" if passes(learned["delay"][:1], [1]) else "no bootstrapping")
    if not passes(learned["action"], [-1, 1]):
        found.append("actions mixed up")
    if not passes(learned["both"], [1, -1, -1, 1]):
        found.append("observation and action not combined")
    return found or ["no bug found"]


def within(tolerance):
    """All values near, right."""
    return lambda values, expected: all(abs(v - e) <= tolerance for v, e in zip(values, expected, strict=True))


@misconception(
    "diagnose",
    name="names the last probe that fails",
    hint="A broken loss fails all five probes. Which of them needs the fewest parts?",
)
def _(learned, discount, tolerance):
    return verdicts(learned, discount, within(tolerance))[-1]


@misconception(
    "diagnose",
    name="a fixed discount of 0.9",
    hint="The worked table is for one discount; yours is an argument.",
)
def _(learned, discount, tolerance):
    return verdicts(learned, 0.9, within(tolerance))[0]


@misconception("diagnose", name="a value too low passes", hint="A difference has a sign; is −5 within 0.1 of 1?")
def _(learned, discount, tolerance):
    def passes(values, expected):
        return all(v - e <= tolerance for v, e in zip(values, expected, strict=True))

    return verdicts(learned, discount, passes)[0]


@misconception(
    "diagnose",
    name="NaN passes",
    hint="No comparison with NaN is true: asking whether it is too far away says no.",
)
def _(learned, discount, tolerance):
    def passes(values, expected):
        return not any(abs(v - e) > tolerance for v, e in zip(values, expected, strict=True))

    return verdicts(learned, discount, passes)[0]


@misconception(
    "diagnose",
    name="looks only at which probes fail",
    hint="Two bugs can break the same probe; then the values tell them apart.",
)
def _(learned, discount, tolerance):
    found = verdicts(learned, discount, within(tolerance))[0]
    same = {"bootstraps past the end": "loss or optimiser", "forgets the discount": "no bootstrapping"}
    return same.get(found, found)


@misconception(
    "diagnose",
    name="lets errors of opposite sign cancel",
    hint="What is the mean error of a network that answers 0 where −1 and 1 are due?",
)
def _(learned, discount, tolerance):
    def passes(values, expected):
        return abs(sum(v - e for v, e in zip(values, expected, strict=True))) / len(expected) <= tolerance

    return verdicts(learned, discount, passes)[0]


@misconception(
    "diagnose",
    name="compares only the first value of a probe",
    hint="A probe passes if all of its values are right.",
)
def _(learned, discount, tolerance):
    return verdicts(learned, discount, lambda values, expected: abs(values[0] - expected[0]) <= tolerance)[0]


# ---- train_catch


def trained(num_steps, seed, **how):
    """The result of a run of rlkit, right."""
    from rlkit.deep_q_learning import DeepQConfig, train
    from rlkit.environments import Catch

    return train(Catch((1, 4), seed=seed, device="cpu"), DeepQConfig(num_steps=num_steps, seed=seed), **how)


@misconception(
    "train_catch",
    name="returns the network before training",
    hint="A copy of the parameters made too early does not change when the network learns.",
)
def _(num_steps, seed):
    return trained(1, seed).network.export(0)


@misconception(
    "train_catch",
    name="returns the score instead of the network",
    hint="The network itself is examined: which part of the result holds it?",
)
def _(num_steps, seed):
    trained(num_steps, seed)
    return 1.0  # the last entry of the history, which most runs end with


@misconception(
    "train_catch",
    name="keeps the axis of seeds",
    hint="Networks in rlkit have an axis of seeds in front; which method takes one of them out?",
)
def _(num_steps, seed):
    return [parameter.detach() for parameter in trained(num_steps, seed).network.parameters()]


@misconception(
    "train_catch", name="the same seed every time", hint="Who chooses the seed: your function, or whoever calls it?"
)
def _(num_steps, seed):
    return trained(num_steps, 0).network.export(0)


@misconception(
    "train_catch",
    name="climbs the loss instead of descending",
    hint="The values run away: what does the optimiser do with the number that your loss returns?",
)
def _(num_steps, seed):
    return trained(num_steps, seed, loss=lambda prediction, target: -0.5 * (prediction - target) ** 2).network.export(0)
