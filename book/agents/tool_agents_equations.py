"""What the bound equations of tool-agents.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit.agents import credit, prices

B, T, GROUPS = 6, 5, 2


def turns(random: np.random.Generator):
    """Rewards (B, T), the number of turns of each episode, and its group."""
    rewards, lengths = random.normal(size=(B, T)), random.integers(1, T + 1, size=B)
    mask = torch.arange(T) < torch.from_numpy(lengths)[:, None]
    return rewards, lengths, mask, np.arange(B) % GROUPS


@equation("eq-priced-reward", latex="7132a250f617", function="rlkit.agents.prices.priced_reward")
def _(random: np.random.Generator):
    g, c, u = random.normal(), random.uniform(), float(random.integers(0, 2))
    price, unsafe_price = random.uniform(size=2)
    yield g - price * c - unsafe_price * u, prices.priced_reward(g, c, u, price, unsafe_price)


@equation("eq-episode-advantage", latex="e23998f52bc4", function="rlkit.agents.credit.trajectory_advantages")
def _(random: np.random.Generator):
    rewards, lengths, mask, group = turns(random)
    returns = np.array([sum(rewards[i, : lengths[i]]) for i in range(B)])
    centred = [returns[i] - returns[group == group[i]].mean() for i in range(B)]
    s = np.sqrt(sum((x - np.mean(centred)) ** 2 for x in centred) / (B - 1))
    expected = np.zeros((B, T))
    for i in range(B):
        expected[i, : lengths[i]] = centred[i] / (s + 1e-4)
    yield (
        expected,
        credit.trajectory_advantages(torch.from_numpy(rewards), mask, torch.from_numpy(group), divide_by_std=False),
    )


@equation("eq-turn-return", latex="f9dbd2f53f8f", function="rlkit.agents.credit.turn_returns")
def _(random: np.random.Generator):
    rewards, lengths, mask, _ = turns(random)
    discount, expected = random.uniform(), np.zeros((B, T))
    for i in range(B):
        for t in range(lengths[i]):
            expected[i, t] = sum(discount ** (k - t) * rewards[i, k] for k in range(t, lengths[i]))
    yield expected, credit.turn_returns(torch.from_numpy(rewards), mask, discount)


@equation("eq-turn-advantage", latex="b79cdaf76dde", function="rlkit.agents.credit.turn_advantages")
def _(random: np.random.Generator):
    rewards, lengths, mask, _ = turns(random)
    keys, discount = random.integers(0, 4, size=(B, T)), random.uniform()
    places = [(i, t) for i in range(B) for t in range(lengths[i])]
    returns = {(i, t): sum(discount ** (k - t) * rewards[i, k] for k in range(t, lengths[i])) for i, t in places}
    centred = {
        one: returns[one] - np.mean([returns[other] for other in places if keys[other] == keys[one]]) for one in places
    }
    values = np.array(list(centred.values()))
    s = np.sqrt(np.square(values - values.mean()).sum() / (len(values) - 1))
    expected = np.zeros((B, T))
    for one, value in centred.items():
        expected[one] = value / (s + 1e-4)
    yield expected, credit.turn_advantages(torch.from_numpy(rewards), mask, torch.from_numpy(keys), discount)


@equation("eq-dual-step", latex="18127dd06c25", function="rlkit.agents.prices.dual_step")
def _(random: np.random.Generator):
    for _ in range(4):
        multiplier, value, limit, step_size = random.uniform(size=4)
        expected = multiplier + step_size * (value - limit)
        yield (expected if expected > 0 else 0.0), prices.dual_step(multiplier, value, limit, step_size)
