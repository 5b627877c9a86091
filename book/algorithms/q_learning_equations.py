"""What the bound equations of q-learning.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import prediction, tabular

B, A, T, GAMMA = 7, 4, 9, 0.9


def batch(random: np.random.Generator):
    """Return rewards (B,), values (B, A) twice, endings (B,)."""
    return random.normal(size=B), random.normal(size=(B, A)), random.normal(size=(B, A)), random.random(B) < 0.4


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@equation("eq-n-step-return", latex="b769fc4803ed", function="rlkit.prediction.n_step_return")
def _(random: np.random.Generator):
    r, V = random.normal(size=T), random.normal(size=T)  # V[t] is the value of s_{t+1}
    d = random.random(T) < 0.2
    none = np.zeros(T, dtype=bool)

    def n_step(t, n):
        after = 0.0 if d[t] else (V[t] if n == 1 or t == T - 1 else n_step(t + 1, n - 1))
        return r[t] + GAMMA * after

    for n in (1, 3, T):
        yield [n_step(t, n) for t in range(T)], prediction.n_step_return(*tensors(r, V, d, none), GAMMA, n)


@equation("eq-move-to-target", latex="f07549dc6689", function="rlkit.prediction.learn_values")
def _(random: np.random.Generator):
    states, goals = random.integers(0, 3, size=(T, B)), random.normal(size=(T, B))  # cells come back within a walk
    alpha, start, zeros = random.random(), random.normal(), np.zeros((T, B))
    V = np.full((B, 3), start)
    for t in range(T):
        for k in range(B):
            V[k, states[t, k]] += alpha * (goals[t, k] - V[k, states[t, k]])
    walk = prediction.Episode(*tensors(states, states, zeros, zeros > 0, zeros > 0, zeros == 0))
    yield V, prediction.learn_values([walk], 3, lambda *_: torch.from_numpy(goals), alpha, GAMMA, start)[-1]


@equation("eq-q-learning-target", latex="ead053aa0d65", function="rlkit.tabular.q_learning_target")
def _(random: np.random.Generator):
    r, Q, _, d = batch(random)
    expected = [r[i] + GAMMA * (1 - d[i]) * max(Q[i]) for i in range(B)]
    yield expected, tabular.q_learning_target(*tensors(r, Q, d), GAMMA)


@equation("eq-sarsa-target", latex="44345c8dd0e1", function="rlkit.tabular.sarsa_target")
def _(random: np.random.Generator):
    r, Q, _, d = batch(random)
    yield [r[i] + GAMMA * (1 - d[i]) * Q[i, 2] for i in range(B)], tabular.sarsa_target(*tensors(r, Q[:, 2], d), GAMMA)


@equation("eq-expected-sarsa-target", latex="5274b42f01aa", function="rlkit.tabular.expected_sarsa_target")
def _(random: np.random.Generator):
    r, Q, _, d = batch(random)
    pi = random.dirichlet(np.ones(A), size=B)
    expected = [r[i] + GAMMA * (1 - d[i]) * sum(pi[i, a] * Q[i, a] for a in range(A)) for i in range(B)]
    yield expected, tabular.expected_sarsa_target(*tensors(r, Q, pi, d), GAMMA)


@equation("eq-double-q-target", latex="58a90cc79d3b", function="rlkit.tabular.double_q_target")
def _(random: np.random.Generator):
    r, Q1, Q2, d = batch(random)
    expected = [r[i] + GAMMA * (1 - d[i]) * Q2[i, int(np.argmax(Q1[i]))] for i in range(B)]
    yield expected, tabular.double_q_target(*tensors(r, Q1, Q2, d), GAMMA)
