"""What the bound equations of reinforce.md say, in plain numpy, beside what rlkit computes."""

import math

import numpy as np
import torch
from bound_equations import equation

from rlkit import advantages, policies, policy_gradient, reinforce
from rlkit.mdp import FiniteMDP

S, A, T, B, D, GAMMA = 4, 3, 9, 5, 3, 0.9


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


def softmax(logits):
    """Along the last axis."""
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


@equation("eq-exact-policy-gradient", latex="dfd2fcbe92d9", function="rlkit.policy_gradient.policy_gradient")
def _(random: np.random.Generator):
    P, r = random.dirichlet(np.ones(S), size=(S, A)), random.normal(size=(S, A))
    mu, theta = random.dirichlet(np.ones(S)), random.normal(size=(S, A))
    pi = softmax(theta)
    chain, reward = np.einsum("sa,sat->st", pi, P), (pi * r).sum(1)
    V = np.linalg.solve(np.eye(S) - GAMMA * chain, reward)
    rho = np.linalg.solve((np.eye(S) - GAMMA * chain).T, mu)
    advantage = r + GAMMA * P @ V - V[:, None]
    expected = [[rho[s] * pi[s, a] * advantage[s, a] for a in range(A)] for s in range(S)]
    mdp = FiniteMDP(*tensors(P, r), GAMMA, initial_distribution=torch.from_numpy(mu))
    yield expected, policy_gradient.policy_gradient(mdp, torch.from_numpy(theta))


@equation("eq-leave-one-out", latex="ad164161855e", function="rlkit.reinforce.leave_one_out_baseline")
def _(random: np.random.Generator):
    G = random.normal(size=B)
    expected = [sum(G[j] for j in range(B) if j != i) / (B - 1) for i in range(B)]
    yield expected, reinforce.leave_one_out_baseline(torch.from_numpy(G))


@equation("eq-policy-gradient-loss", latex="ff4bc8fdceee", function="rlkit.reinforce.policy_gradient_loss")
def _(random: np.random.Generator):
    log_pi, advantage = -random.exponential(size=B), random.normal(size=B)
    yield -log_pi * advantage, reinforce.policy_gradient_loss(*tensors(log_pi, advantage))


@equation("eq-returns-to-go", latex="03d091403441", function="rlkit.advantages.returns_to_go")
def _(random: np.random.Generator):
    r, V = random.normal(size=T), random.normal(size=T)  # V[t] is the value of s_{t+1}
    terminated, truncated = random.random(T) < 0.2, random.random(T) < 0.2
    G = np.zeros(T)
    for t in reversed(range(T)):
        if terminated[t]:
            G[t] = r[t]
        elif truncated[t] or t == T - 1:
            G[t] = r[t] + GAMMA * V[t]
        else:
            G[t] = r[t] + GAMMA * G[t + 1]
    yield G, advantages.returns_to_go(*tensors(r, V, terminated, truncated), GAMMA)


@equation("eq-categorical", latex="1b515cd270f2", function="rlkit.policies.categorical_log_probability")
def _(random: np.random.Generator):
    z, a = random.normal(size=(B, A)), random.integers(A, size=B)
    expected = [z[i, a[i]] - math.log(sum(math.exp(each) for each in z[i])) for i in range(B)]
    yield expected, policies.categorical_log_probability(*tensors(z, a))


@equation("eq-gaussian", latex="77649b20eab7", function="rlkit.policies.gaussian_log_probability")
def _(random: np.random.Generator):
    mu, log_sigma, a = random.normal(size=(3, B, D))
    expected = [
        sum(
            -((a[i, d] - mu[i, d]) ** 2) / (2 * math.exp(log_sigma[i, d]) ** 2)
            - log_sigma[i, d]
            - 0.5 * math.log(2 * math.pi)
            for d in range(D)
        )
        for i in range(B)
    ]
    yield expected, policies.gaussian_log_probability(*tensors(mu, log_sigma, a))


@equation("eq-entropy", latex="77551ab01d49", function="rlkit.policies.categorical_entropy")
def _(random: np.random.Generator):
    z = random.normal(size=(B, A))
    pi = softmax(z)
    yield [-sum(p * math.log(p) for p in row) for row in pi], policies.categorical_entropy(torch.from_numpy(z))
