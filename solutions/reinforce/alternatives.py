"""Right answers to *reinforce* that are written differently; each must get full marks."""

import itertools
import math

import numpy as np
import torch

from autograder.checks import alternative
from rlkit.environments import CartPole
from rlkit.reinforce import ReinforceConfig, train


@alternative("returns_to_go")
def returns_forward_by_loops(rewards, next_values, terminated, truncated, discount):
    """Lists, each return added up on its own."""
    shape, steps = rewards.shape, len(rewards)
    recorded = (rewards, next_values, terminated, truncated)
    rewards, next_values, terminated, truncated = (part.reshape(steps, -1) for part in recorded)
    environments = rewards.shape[1]
    result = [[0.0] * environments for _ in range(steps)]
    for t, b in itertools.product(range(steps), range(environments)):
        k, factor = t, 1.0
        while True:
            result[t][b] += factor * float(rewards[k, b])
            factor *= discount
            if terminated[k, b]:
                break
            if truncated[k, b] or k + 1 == steps:
                result[t][b] += factor * float(next_values[k, b])
                break
            k += 1
    return np.reshape(result, shape)


@alternative("returns_to_go")
def returns_by_numpy(rewards, next_values, terminated, truncated, discount):
    """NumPy, with products of flags in place of a choice."""
    r, v, d, e = (x.numpy().astype(float) for x in (rewards, next_values, terminated, truncated))
    returns = np.zeros_like(r)
    returns[-1] = r[-1] + discount * (1 - d[-1]) * v[-1]
    for t in range(len(r) - 2, -1, -1):
        returns[t] = r[t] + discount * (1 - d[t]) * (e[t] * v[t] + (1 - e[t]) * returns[t + 1])
    return returns


@alternative("returns_to_go")
def returns_with_values_as_rewards(rewards, next_values, terminated, truncated, discount):
    """The value of a cut is paid as a reward, then everything is cut."""
    cut = truncated & ~terminated
    cut[-1] |= ~terminated[-1]
    paid = rewards + discount * torch.where(cut, next_values, 0.0)
    rows = [paid[-1]]
    for t in range(len(rewards) - 2, -1, -1):
        rows.insert(0, paid[t] + discount * rows[0] * ~(terminated | truncated)[t])
    return torch.stack(rows)


@alternative("categorical_log_probability")
def categorical_by_the_library(logits, actions):
    """PyTorch's distribution."""
    return torch.distributions.Categorical(logits=logits).log_prob(actions)


@alternative("categorical_log_probability")
def categorical_by_one_hot(logits, actions):
    """The largest logit taken out, and a sum over one-hot rows."""
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    chosen = (shifted * torch.nn.functional.one_hot(actions, logits.shape[-1])).sum(dim=-1)
    return chosen - shifted.exp().sum(dim=-1).log()


@alternative("categorical_log_probability")
def categorical_by_loops(logits, actions):
    """Row by row."""
    rows = logits.reshape(-1, logits.shape[-1])
    found = [row[a] - torch.logsumexp(row, 0) for row, a in zip(rows, actions.reshape(-1), strict=True)]
    return torch.stack(found).reshape(actions.shape)


@alternative("categorical_log_probability")
def categorical_by_cross_entropy(logits, actions):
    """Minus the cross-entropy of every row."""
    flat = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), actions.reshape(-1), reduction="none"
    )
    return -flat.reshape(actions.shape)


@alternative("gaussian_log_probability")
def gaussian_by_the_library(mean, log_standard_deviation, actions):
    """PyTorch's distribution."""
    return torch.distributions.Normal(mean, log_standard_deviation.exp()).log_prob(actions).sum(-1)


@alternative("gaussian_log_probability")
def gaussian_by_dimension(mean, log_standard_deviation, actions):
    """One dimension after the other, by the variance."""
    total = torch.zeros(actions.shape[:-1], dtype=actions.dtype)
    for d in range(actions.shape[-1]):
        variance = torch.exp(2 * log_standard_deviation[..., d])
        total = total - (actions[..., d] - mean[..., d]) ** 2 / (2 * variance) - torch.log(2 * math.pi * variance) / 2
    return total


@alternative("policy_gradient_loss")
def loss_without_gradients(log_probabilities, advantages):
    """The history is cut by a context."""
    with torch.no_grad():
        weights = -advantages
    return weights * log_probabilities


@alternative("policy_gradient_loss")
def loss_of_a_copy(log_probabilities, advantages):
    """A new tensor has no history."""
    return log_probabilities.mul(torch.tensor(advantages.tolist(), dtype=log_probabilities.dtype)).neg()


@alternative("leave_one_out_baseline")
def baseline_by_a_list(returns):
    """The others, put together."""
    return torch.stack([torch.cat([returns[:n], returns[n + 1 :]]).mean(dim=0) for n in range(len(returns))])


@alternative("leave_one_out_baseline")
def baseline_from_the_mean(returns):
    """The mean, corrected."""
    count = len(returns)
    return returns.mean(dim=0) * count / (count - 1) - returns / (count - 1)


@alternative("leave_one_out_baseline")
def baseline_by_a_matrix(returns):
    """A matrix of ones with an empty diagonal."""
    count = len(returns)
    return ((np.ones((count, count)) - np.eye(count)) / (count - 1)) @ returns.numpy()


@alternative("exact_gradient")
def gradient_by_whole_returns(first, P, r, logits, discount, horizon):
    """Every step weighed by the whole return G_0: rewards of the past add nothing in expectation."""
    policy, gradient = torch.softmax(logits, 1), torch.zeros_like(logits)

    def extend(states, actions, probability, total):
        t = len(actions)
        if t == horizon:
            for s, a in zip(states, actions, strict=False):
                gradient[s] -= probability * total * policy[s]
                gradient[s, a] += probability * total
            return
        for a in range(r.shape[1]):
            s = states[-1]
            likely, earned = probability * policy[s, a], total + discount**t * r[s, a]
            if t + 1 == horizon:
                extend(states, [*actions, a], likely, earned)
                continue
            for arrival in range(len(r)):
                if P[s, a, arrival] > 0:
                    extend([*states, arrival], [*actions, a], likely * P[s, a, arrival], earned)

    for s in range(len(r)):
        extend([s], [], first[s], 0.0)
    return gradient


@alternative("exact_gradient")
def gradient_by_differentiation(first, P, r, logits, discount, horizon):
    """J by backward induction, differentiated by PyTorch."""
    logits = logits.clone().requires_grad_(True)
    policy, values = logits.softmax(1), torch.zeros(len(r), dtype=r.dtype)
    for _ in range(horizon):
        values = (policy * (r + discount * P @ values)).sum(1)
    (first @ values).backward()
    return logits.grad


@alternative("exact_gradient")
def gradient_by_the_theorem(first, P, r, logits, discount, horizon):
    """Visits times advantages, step by step, in NumPy."""
    p0, dynamics, rewards, z = first.numpy(), P.numpy(), r.numpy(), logits.numpy()
    policy = np.exp(z - z.max(1, keepdims=True))
    policy /= policy.sum(1, keepdims=True)
    action_values, values = [], np.zeros(len(rewards))
    for _ in range(horizon):
        action_values.insert(0, rewards + discount * dynamics @ values)
        values = (policy * action_values[0]).sum(1)
    gradient, visits = np.zeros_like(z), p0
    for t, q in enumerate(action_values):
        gradient += discount**t * visits[:, None] * policy * (q - (policy * q).sum(1, keepdims=True))
        visits = np.einsum("s,sa,sat->t", visits, policy, dynamics)
    return gradient


@alternative("variance_comparison")
def variance_by_numpy(gradients):
    """NumPy, by the trace of a covariance matrix."""
    totals, ratios = [], []
    for estimates in gradients.numpy():
        total = np.trace(np.atleast_2d(np.cov(estimates, rowvar=False)))
        signal = (estimates.mean(0) ** 2).sum() - total / len(estimates)
        totals.append(total)
        ratios.append(total / signal if signal > 0 else np.inf)
    return np.array(totals), np.array(ratios)


@alternative("variance_comparison")
def variance_by_pairs(gradients):
    """The signal as the mean product of two different estimates."""
    count = gradients.shape[1]
    products = gradients @ gradients.transpose(1, 2)
    squares = products.diagonal(dim1=1, dim2=2).sum(1)
    between = (products.sum((1, 2)) - squares) / (count * (count - 1))
    total = squares / count - between
    return [total, torch.where(between > 0, total / between, torch.full_like(total, torch.inf))]


@alternative("train_policy")
def training_with_other_settings(seed, num_iterations):
    """Another size and normalised advantages; returns and loss are left to rlkit."""
    poles = CartPole((1, 16), seed, 200, "cpu")
    settings = ReinforceConfig(num_iterations=num_iterations, seed=seed, normalise=True, hidden_sizes=(48,))
    return [part.tolist() for part in train(poles, settings).policy.export(0)]


@alternative("train_policy")
def training_with_own_functions(seed, num_iterations):
    """Returns in NumPy without a value of the rest, and the loss another way round."""

    def returns(rewards, next_values, terminated, truncated, discount):
        result, rest = np.zeros(rewards.shape, dtype=np.float32), 0.0
        for t in range(len(rewards) - 1, -1, -1):
            rest = rewards[t].numpy() + discount * rest * ~(terminated | truncated)[t].numpy()
            result[t] = rest
        return torch.from_numpy(result)

    def loss(log_probabilities, advantages):
        return 0 - advantages.detach() * log_probabilities

    config = ReinforceConfig(num_iterations=num_iterations, seed=seed)
    result = train(CartPole((1, 16), seed=seed, step_limit=200, device="cpu"), config, returns=returns, loss=loss)
    return tuple(result.policy.export(0))
