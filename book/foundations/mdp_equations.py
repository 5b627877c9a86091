"""What the bound equations of mdp.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit import dynamic_programming
from rlkit.mdp import FiniteMDP


def problem(random: np.random.Generator):
    P = random.dirichlet(np.ones(5), size=(5, 3))
    r = random.normal(size=(5, 3))
    pi = random.dirichlet(np.ones(3), size=5)
    mu = random.dirichlet(np.ones(5))
    mdp = FiniteMDP(torch.from_numpy(P), torch.from_numpy(r), 0.9, initial_distribution=torch.from_numpy(mu))
    return P, r, pi, mu, mdp


@equation("eq-induced-chain", latex="24999293f6fe", function="rlkit.dynamic_programming.induced_chain")
def _(random: np.random.Generator):
    P, r, pi, _, mdp = problem(random)
    chain, rewards = dynamic_programming.induced_chain(mdp, torch.from_numpy(pi))
    yield [[sum(pi[s, a] * P[s, a, t] for a in range(3)) for t in range(5)] for s in range(5)], chain
    yield [sum(pi[s, a] * r[s, a] for a in range(3)) for s in range(5)], rewards


@equation("eq-occupancy", latex="d939436e5867", function="rlkit.dynamic_programming.occupancy")
def _(random: np.random.Generator):
    P, _, pi, mu, mdp = problem(random)
    rho = dynamic_programming.occupancy(mdp, torch.from_numpy(pi)).numpy()
    chain = np.einsum("sa,sat->st", pi, P)
    yield [mu[t] + 0.9 * sum(chain[s, t] * rho[s] for s in range(5)) for t in range(5)], rho
