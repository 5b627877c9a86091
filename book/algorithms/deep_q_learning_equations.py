"""What the bound equations of deep-q-learning.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import deep_q_learning, tabular

B, A, GAMMA = 7, 4, 0.9


def batch(random: np.random.Generator):
    """Return rewards (B,), values (B, A) twice, endings (B,)."""
    return random.normal(size=B), random.normal(size=(B, A)), random.normal(size=(B, A)), random.random(B) < 0.4


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@equation("eq-deep-q-target", latex="6af3c42cb177", function="rlkit.tabular.q_learning_target")
def _(random: np.random.Generator):
    r, slow, _, d = batch(random)
    expected = [r[i] + GAMMA * (1 - d[i]) * max(slow[i]) for i in range(B)]
    yield expected, tabular.q_learning_target(*tensors(r, slow, d), GAMMA)


@equation("eq-huber", latex="e521ea90aad9", function="rlkit.deep_q_learning.huber_loss")
def _(random: np.random.Generator):
    prediction, target = random.normal(scale=3, size=B), random.normal(scale=3, size=B)
    for kappa in (0.5, 1.0, 2.5):
        x = prediction - target
        expected = [0.5 * e**2 if abs(e) <= kappa else kappa * (abs(e) - 0.5 * kappa) for e in x]
        yield expected, deep_q_learning.huber_loss(*tensors(prediction, target), kappa)


@equation("eq-semi-gradient", latex="8a5c9325d582", function="rlkit.deep_q_learning.huber_loss")
def _(random: np.random.Generator):
    # Q is linear in its parameters: the features of (s, a) are its gradient. The target depends on them as well.
    theta, features, following = random.normal(size=3), random.normal(size=3), random.normal(size=(A, 3))
    r, alpha, kappa = random.normal(scale=3), random.random(), 1.5
    y = r + GAMMA * max(following @ theta)
    slope = float(np.clip(features @ theta - y, -kappa, kappa))
    weights = torch.from_numpy(theta).requires_grad_()
    target = r + GAMMA * (torch.from_numpy(following) @ weights).max()
    deep_q_learning.huber_loss(torch.from_numpy(features) @ weights, target, kappa).backward()
    yield -alpha * slope * features, -alpha * weights.grad


@equation("eq-soft-update", latex="4c1335cdc74d", function="rlkit.deep_q_learning.soft_update")
def _(random: np.random.Generator):
    slow, theta, rho = random.normal(size=B), random.normal(size=B), random.random()
    yield (1 - rho) * slow + rho * theta, deep_q_learning.soft_update(*tensors(slow, theta), rho)


@equation("eq-double-deep-q-target", latex="27408aa4c290", function="rlkit.tabular.double_q_target")
def _(random: np.random.Generator):
    r, online, slow, d = batch(random)
    expected = [r[i] + GAMMA * (1 - d[i]) * slow[i, int(np.argmax(online[i]))] for i in range(B)]
    yield expected, tabular.double_q_target(*tensors(r, online, slow, d), GAMMA)
