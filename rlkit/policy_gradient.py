r"""The policy gradient of a small MDP: exactly, and as sampled episodes estimate it.

For a softmax policy with one logit :math:`\theta_{sa}` per state and action the policy gradient theorem gives

.. math:: \frac{\partial J}{\partial \theta_{sa}} = \rho_\pi(s) \, \pi(a \mid s) \, A_\pi(s, a),

with the discounted occupancy :math:`\rho_\pi`. Estimates that drop :math:`\gamma^t` weigh states by their
undiscounted visits instead.

References
----------
Sutton, McAllester, Singh and Mansour (2000), theorem 1. Thomas (2014), "Bias in Natural Actor-Critic Algorithms",
on the dropped factor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlkit.advantages import returns_to_go
from rlkit.dynamic_programming import advantages, evaluate_policy, occupancy
from rlkit.environments.table import TableEnvironment
from rlkit.exploration import sample
from rlkit.mdp import FiniteMDP
from rlkit.reinforce import leave_one_out_baseline
from rlkit.seeding import make_generator


def expected_return(mdp: FiniteMDP, logits: Tensor) -> Tensor:
    r"""Objective :math:`J(\theta) = \sum_s \mu(s) V_\pi(s)` of the softmax policy, a scalar that autograd follows."""
    return mdp.initial_distribution @ evaluate_policy(mdp, logits.softmax(dim=-1))


def policy_gradient(mdp: FiniteMDP, logits: Tensor, keep_discount_factor: bool = True) -> Tensor:
    r"""Exact gradient of :math:`J` with respect to the logits.

    Parameters
    ----------
    mdp : FiniteMDP
    logits : Tensor, shape (S, A)
    keep_discount_factor : bool
        False gives the expectation of the common estimate without :math:`\gamma^t`, which is not the gradient of
        any objective of this kind. It exists only where every episode ends.

    Returns
    -------
    Tensor, shape (S, A)
    """
    policy = logits.detach().softmax(dim=-1)
    visits = occupancy(mdp if keep_discount_factor else mdp.with_discount(1.0), policy)
    return visits[:, None] * policy * advantages(mdp, policy).masked_fill(mdp.terminal[:, None], 0.0)


def sample_policy_gradients(
    mdp: FiniteMDP,
    logits: Tensor,
    num_estimates: int,
    num_episodes: int,
    num_steps: int,
    seed: int,
    baseline: Tensor | str | None = None,
    keep_discount_factor: bool = True,
) -> Tensor:
    r"""Independent Monte Carlo estimates of the gradient from N episodes each.

    .. math:: \frac1N \sum_{i=1}^N \sum_t \gamma^t \, (G_t - b(s_t)) \, \nabla \log \pi(a_t \mid s_t)

    Parameters
    ----------
    mdp : FiniteMDP
    logits : Tensor, shape (S, A)
    num_estimates, num_episodes : int
        How many estimates, and N, the episodes of each.
    num_steps : int
        Episodes are cut after so many steps; what they would still earn is missing.
    seed : int
    baseline : Tensor, shape (S,), or "leave_one_out", optional
        :math:`b`; 0 if left out. The second subtracts from each return the mean return-to-go of the other N - 1
        episodes at the same step.
    keep_discount_factor : bool
        Whether :math:`\gamma^t` is there.

    Returns
    -------
    Tensor, shape (num_estimates, S, A)
    """
    policy = logits.detach().softmax(dim=-1)
    environment = TableEnvironment(mdp, (num_estimates, num_episodes), seed, device=logits.device)
    choices = make_generator(seed, "actions", logits.device)
    state = environment.reset()
    playing = torch.ones(environment.batch_shape, dtype=torch.bool, device=logits.device)
    rows = []
    for _ in range(num_steps):
        action = sample(policy[state], choices)
        step = environment.step(action)
        rows.append((state, action, step.reward * playing, step.terminated, playing))
        playing, state = playing & ~step.terminated, step.observation
        if not playing.any():
            break
    states, actions, rewards, terminated, counted = (torch.stack(column) for column in zip(*rows, strict=True))
    returns = returns_to_go(rewards, torch.zeros_like(rewards), terminated, torch.zeros_like(terminated), mdp.discount)
    if isinstance(baseline, Tensor):
        returns = returns - baseline[states]
    elif baseline == "leave_one_out":
        returns = returns - leave_one_out_baseline(returns, counted)
    elif baseline is not None:
        raise ValueError(f"baseline is {baseline!r}, expected a tensor of shape (S,), 'leave_one_out' or None")
    weights = returns * counted
    if keep_discount_factor:
        time = torch.arange(len(weights), dtype=weights.dtype, device=weights.device)
        weights = weights * (mdp.discount**time)[:, None, None]
    return _sum_scores(weights, states, actions, policy) / num_episodes


def _sum_scores(weights: Tensor, states: Tensor, actions: Tensor, policy: Tensor) -> Tensor:
    r"""Sum over steps and episodes of weight times :math:`\nabla \log \pi = \mathbb{1}[s, a] - \pi(\cdot|s)`."""
    num_states, num_actions = policy.shape
    by_estimate = (weights, states * num_actions + actions, states)
    flat, cell, state = (values.transpose(0, 1).flatten(1) for values in by_estimate)
    taken = flat.new_zeros(len(flat), num_states * num_actions).scatter_add_(1, cell, flat)
    visited = flat.new_zeros(len(flat), num_states).scatter_add_(1, state, flat)
    return taken.view(-1, num_states, num_actions) - visited[..., None] * policy
