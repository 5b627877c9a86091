"""Right answers to *agents* that are written differently; each must get full marks."""

import math
import re
from collections import defaultdict

import numpy as np
import torch

from autograder.checks import alternative


@alternative("observation_mask")
def mask_by_lists(ids, lengths, agent_id, end_id):
    """Row by row in Python; ones and zeros."""
    result = []
    for tokens, length in zip(ids.tolist(), lengths.tolist(), strict=True):
        writing, flags = False, []
        for place, token in enumerate(tokens):
            flags.append(int(writing and place < length))
            if token == agent_id:
                writing = True
            elif token == end_id:
                writing = False
        result.append(flags[1:])
    return result


@alternative("observation_mask")
def mask_by_places(ids, lengths, agent_id, end_id):
    """Without a loop: the last agent token before a token is later than the last end token before it."""
    places = torch.arange(ids.shape[1]).expand_as(ids)
    opened = torch.where(ids == agent_id, places, -1).cummax(dim=1).values[:, :-1]
    closed = torch.where(ids == end_id, places, -1).cummax(dim=1).values[:, :-1]
    return (opened > closed) & (places[:, 1:] < lengths[:, None])


@alternative("append_turn")
def append_by_pattern(ids, mask, sampled, observation, vocabulary, end_id):
    """The tokenizer as a regular expression; tensors as result."""
    pieces = re.compile("|".join(map(re.escape, sorted(vocabulary, key=len, reverse=True))))
    flags = [*mask, *(True for _ in sampled)]
    result = [*ids, *sampled]
    if result[-1] != end_id:
        result.append(end_id)
    result += [vocabulary[piece] for piece in pieces.findall(observation)]
    return torch.tensor(result), torch.tensor(flags + [False] * (len(result) - len(flags)))


@alternative("append_turn")
def append_by_pairs(ids, mask, sampled, observation, vocabulary, end_id):
    """Pairs of an id and its flag; ones and zeros in arrays."""
    pairs = list(zip(ids, mask, strict=True)) + [(token, 1) for token in sampled]
    if sampled[-1] != end_id:
        pairs.append((end_id, 0))
    place = 0
    while place < len(observation):
        piece = next(
            observation[place : place + n] for n in range(9, 0, -1) if observation[place : place + n] in vocabulary
        )
        pairs.append((vocabulary[piece], 0))
        place += len(piece)
    return [np.array(column, dtype=int) for column in zip(*pairs, strict=True)]


@alternative("trajectory_advantages")
def episodes_by_scatter(rewards, mask, group_ids):
    """Sums by group with index_add, without a loop."""
    returns = torch.where(mask, rewards, torch.zeros_like(rewards)).sum(1)
    _, group = group_ids.unique(return_inverse=True)
    zeros = torch.zeros(int(group.max()) + 1, dtype=rewards.dtype)
    means = zeros.index_add(0, group, returns) / zeros.index_add(0, group, torch.ones_like(returns))
    largest = zeros.scatter_reduce(0, group, returns, "amax", include_self=False)
    smallest = zeros.scatter_reduce(0, group, returns, "amin", include_self=False)
    differences = torch.where((largest > smallest)[group], returns - means[group], torch.zeros_like(returns))
    advantages = differences / (differences.std() + 1e-4)
    return advantages.unsqueeze(1).expand(-1, rewards.shape[1]).masked_fill(~mask, 0.0)


@alternative("trajectory_advantages")
def episodes_in_numpy(rewards, mask, group_ids):
    """NumPy in the dtype of the rewards, and the spread about the group's mean written out."""
    values, keep, groups = rewards.numpy(), mask.numpy(), group_ids.numpy()
    returns = np.where(keep, values, 0).sum(1, dtype=values.dtype)
    differences = np.zeros_like(returns)
    for group in set(groups.tolist()):
        mine = returns[groups == group]
        if len(set(mine.tolist())) > 1:
            differences[groups == group] = mine - mine.mean()
    deviation = math.sqrt((differences.astype(float) ** 2).sum() / (len(returns) - 1))
    return np.where(keep, (differences / (deviation + 1e-4))[:, None], 0.0)


@alternative("turn_advantages")
def turns_by_dictionary(rewards, mask, keys, group_ids, discount):
    """Lists of returns by group and key."""
    found, result = defaultdict(list), [[0.0] * rewards.shape[1] for _ in rewards]
    for i, (row, keep) in enumerate(zip(rewards.tolist(), mask.tolist(), strict=True)):
        following = 0.0
        for t in reversed(range(sum(keep))):
            following = row[t] + discount * following
            found[int(group_ids[i]), int(keys[i, t])].append((i, t, following))
    for turns in found.values():
        mean = sum(value for _, _, value in turns) / len(turns)
        for i, t, value in turns:
            result[i][t] = value - mean
    return result


@alternative("turn_advantages")
def turns_by_matrix(rewards, mask, keys, group_ids, discount):
    """Returns as a product with powers of the discount, means as a product with a table of companions."""
    length = rewards.shape[1]
    powers = torch.tensor([[discount ** (k - t) if k >= t else 0.0 for t in range(length)] for k in range(length)])
    returns = (torch.where(mask, rewards, torch.zeros_like(rewards)) @ powers.to(rewards.dtype))[mask]
    names = torch.stack([group_ids[:, None].expand_as(keys)[mask], keys[mask]], dim=1)
    same = (names[:, None] == names[None]).all(-1).to(rewards.dtype)
    result = torch.zeros_like(rewards)
    result[mask] = returns - same @ returns / same.sum(1)
    return result


@alternative("budgeted_rewards")
def rewards_by_loops(gained, costs, unsafe, price, unsafe_price, max_turns):
    """As an environment pays, turn by turn."""
    result = []
    for gains, prices, broken in zip(gained.tolist(), costs.tolist(), unsafe.tolist(), strict=True):
        spent, row = 0.0, []
        for gain, cost, bad in zip(gains[:max_turns], prices, broken, strict=False):
            spent += cost
            row.append(gain - price * spent * gain - (unsafe_price if bad else 0.0))
        result.append(row + [0.0] * (len(gains) - len(row)))
    return result


@alternative("budgeted_rewards")
def rewards_in_numpy(gained, costs, unsafe, price, unsafe_price, max_turns):
    """NumPy, with the turns that are played cut out first."""
    cut = slice(0, max_turns)
    result = np.zeros(gained.shape)
    spent = np.cumsum(costs.numpy()[:, cut], axis=1)
    result[:, cut] = gained.numpy()[:, cut] * (1 - price * spent) - unsafe_price * unsafe.numpy()[:, cut].astype(float)
    return result


@alternative("dual_steps")
def steps_by_clamp(unsafe, limit, step_size, start):
    """A tensor that is filled."""
    result, multiplier = torch.empty(len(unsafe), dtype=torch.float64), torch.tensor(start, dtype=torch.float64)
    for number, one in enumerate(unsafe):
        multiplier = (multiplier + step_size * (one.to(torch.float64).mean() - limit)).clamp(min=0)
        result[number] = multiplier
    return result


@alternative("dual_steps")
def steps_by_reflection(unsafe, limit, step_size, start):
    """The running sum, lifted by how far it has been below 0 so far."""
    total = start + np.cumsum(step_size * (unsafe.numpy().mean(axis=1) - limit))
    return total - np.minimum(0.0, np.minimum.accumulate(total))


@alternative("key_figures")
def figures_in_numpy(rows):
    """Columns, bincount, and the limits as roots of a quadratic."""
    _, where = np.unique([row["episode"] for row in rows], return_inverse=True)
    column = {name: np.bincount(where, [float(row[name]) for row in rows]) for name in rows[0] if name != "episode"}
    n = len(column["cost"])

    def share(sums):
        p, w = (sums > 0).mean(), 1.96**2 / n
        low, high = np.sort(np.roots([1 + w, -(2 * p + w), p * p]).real)
        return np.array([p, low, high])

    successes = (column["success"] > 0).sum()
    with np.errstate(divide="ignore"):
        cost = column["cost"].sum() / np.float64(successes)
    return {"success": share(column["success"]), "unsafe": share(column["unsafe"]), "cost_per_success": cost,
            "seconds": column["seconds"].mean(), "episodes": n}  # fmt: skip


@alternative("key_figures")
def figures_by_sets(rows):
    """Sets of episode numbers; lists instead of tuples."""
    every, succeeded, unsafe = ({row["episode"] for row in rows if keep(row)} for keep in
                                (lambda row: True, lambda row: row["success"], lambda row: row["unsafe"]))  # fmt: skip
    n, z2 = len(every), 1.96 * 1.96

    def share(some):
        k = len(some)
        middle, half = k + z2 / 2, math.sqrt(z2 * (k * (n - k) / n + z2 / 4))
        return [k / n, (middle - half) / (n + z2), (middle + half) / (n + z2)]

    cost = math.fsum(row["cost"] for row in rows)
    return {"unsafe": share(unsafe), "success": share(succeeded), "seconds": math.fsum(row["seconds"] for row in rows) / n,
            "cost_per_success": cost / len(succeeded) if succeeded else math.inf}  # fmt: skip


def trained(seed, num_iterations, advantages, **settings):
    """Train and return the model."""
    from rlkit.agents.data_agent import DataAgent
    from rlkit.agents.recipes import load_base
    from rlkit.agents.training import AgentConfig, train

    model, tokenizer = load_base("data_agent", "cpu")
    config = AgentConfig(seed=seed, num_iterations=num_iterations, **settings)
    train(model, tokenizer, DataAgent, config, advantages=advantages)
    return model


@alternative("train_data_agent")
def with_turns(seed, num_iterations):
    """Credit by turn number instead of by episode, divided by its deviation; NumPy arrays."""
    from rlkit.agents.batches import turn_rewards

    def advantages(trajectories):
        rewards, mask = turn_rewards(trajectories)
        keys, groups = torch.arange(rewards.shape[1]).expand_as(mask), torch.tensor([one.group for one in trajectories])
        result = turns_by_matrix(rewards, mask, keys, groups, 1.0)
        return result / (result[mask].std() + 1e-4)

    model = trained(seed, num_iterations, advantages, kl_coefficient=0.0)
    return [parameter.detach().numpy() for parameter in model.parameters()]


@alternative("train_data_agent")
def with_a_reference(seed, num_iterations):
    """The penalty for leaving the base, other groups, and rewards read from the trajectories."""

    def advantages(trajectories):
        longest = max(len(one.rewards) for one in trajectories)
        rewards = torch.tensor([one.rewards + [0.0] * (longest - len(one.rewards)) for one in trajectories])
        mask = torch.tensor([[turn < len(one.rewards) for turn in range(longest)] for one in trajectories])
        return episodes_by_scatter(rewards, mask, torch.tensor([one.group for one in trajectories]))

    return list(trained(seed, num_iterations, advantages, group_size=16, tasks_per_iteration=6).parameters())
