"""What the bound equations of tool-agents.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import group_objective
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


@equation("eq-turn-loss", latex="429b8ebafe0c", function="rlkit.group_objective.grpo_loss")
def _(random: np.random.Generator):
    _, lengths, _, _ = turns(random)
    L, beta, low, high = 3, *random.uniform(0.01, 0.5, size=3)
    present, old, reference = -random.exponential(size=(3, B, T, L))
    written, advantages = random.integers(1, L + 1, size=(B, T)), random.normal(size=(B, T))
    places = [(i, t, k) for i in range(B) for t in range(lengths[i]) for k in range(written[i, t])]
    total, mask = 0.0, np.zeros((B, T, L), dtype=bool)
    for i, t, k in places:
        mask[i, t, k] = True
        w = np.exp(present[i, t, k]) / np.exp(old[i, t, k])
        clipped = 1 - low if w < 1 - low else (1 + high if w > 1 + high else w)
        log_ratio = reference[i, t, k] - present[i, t, k]
        k3 = np.exp(log_ratio) - 1 - log_ratio
        total += min(w * advantages[i, t], clipped * advantages[i, t]) - beta * k3
    rows = [torch.from_numpy(part).reshape(B, T * L) for part in (present, old, np.repeat(advantages, L, 1), mask)]
    options = {"clip_low": low, "clip_high": high, "kl_coefficient": beta}
    anchor = torch.from_numpy(reference).reshape(B, T * L)
    yield (
        -total / len(places),
        group_objective.grpo_loss(*rows, reference_log_probabilities=anchor, aggregation="token_mean", **options),
    )


@equation("eq-episode-advantage", latex="53707fccf000", function="rlkit.agents.credit.trajectory_advantages")
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


@equation("eq-turn-advantage", latex="ae10b7ff7c97", function="rlkit.agents.credit.turn_advantages")
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
