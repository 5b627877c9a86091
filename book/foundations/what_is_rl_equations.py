"""What the bound equations of what-is-rl.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import bandit, exploration, returns


@equation("eq-update-mean", latex="6d741fcabae1", function="rlkit.bandit.update_mean")
def _(random: np.random.Generator):
    Q, r = random.normal(size=(2, 4))
    n = random.integers(0, 9, size=4)
    yield Q + 1 / (n + 1) * (r - Q), bandit.update_mean(*map(torch.from_numpy, (Q, n, r)))


@equation("eq-epsilon-greedy", latex="4332bf4a2ec7", function="rlkit.exploration.action_probabilities")
def _(random: np.random.Generator):
    Q, epsilon = random.integers(0, 4, size=5).astype(float), random.uniform()  # whole numbers, so that ties occur
    best = [float(q == max(Q)) for q in Q]
    pi = [epsilon / 5 + (1 - epsilon) * mark / sum(best) for mark in best]
    yield pi, exploration.action_probabilities(torch.from_numpy(Q), epsilon)


@equation("eq-return", latex="339a7da3eaa9", function="rlkit.returns.discounted_return")
def _(random: np.random.Generator):
    r, gamma = random.normal(size=7), random.uniform()
    G = [0.0] * 8
    for t in range(6, -1, -1):
        G[t] = r[t] + gamma * G[t + 1]
    yield G[0], returns.discounted_return(torch.from_numpy(r), gamma)
