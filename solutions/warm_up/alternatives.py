"""Right answers to *warm_up* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("run_episode")
def episode_with_while(environment, actions, seed):
    """A while loop over an iterator."""
    environment.reset(seed=seed)
    rewards, over, flags = [], False, (False, False)
    queue = iter(actions)
    while not over:
        try:
            step = environment.step(next(queue))
        except StopIteration:
            break
        rewards += [float(step[1])]
        flags = step[2:4]
        over = any(flags)
    return rewards, *flags


@alternative("run_episode")
def episode_as_array(environment, actions, seed):
    """Rewards as an array, flags as numbers."""
    environment.reset(seed=seed)
    rewards, terminated, truncated = np.zeros(0), False, False
    for action in actions:
        if terminated or truncated:
            continue
        _, reward, terminated, truncated, _ = environment.step(int(action))
        rewards = np.append(rewards, reward)
    return rewards, int(terminated), int(truncated)


@alternative("discounted_return")
def return_by_weights(rewards, discount):
    """One dot product."""
    return torch.dot(torch.tensor([discount**t for t in range(len(rewards))], dtype=rewards.dtype), rewards)


@alternative("discounted_return")
def return_by_python(rewards, discount):
    """Python floats."""
    return sum(discount**t * r for t, r in enumerate(rewards.tolist()))


@alternative("returns_to_go")
def returns_by_matrix(rewards, discount):
    """A triangular matrix of discounts."""
    steps = np.arange(len(rewards))
    gaps = steps[None, :] - steps[:, None]
    return np.where(gaps >= 0, float(discount) ** np.maximum(gaps, 0), 0.0) @ rewards.numpy()


@alternative("returns_to_go")
def returns_by_list(rewards, discount):
    """A list that grows at its front."""
    out = []
    for r in rewards.flip(0).tolist():
        out.insert(0, r + discount * (out[0] if out else 0.0))
    return out


@alternative("action_probabilities")
def probabilities_by_numpy(action_values, epsilon):
    """NumPy."""
    q = action_values.numpy().astype(float)
    best = q == q.max(-1, keepdims=True)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdims=True)


@alternative("action_probabilities")
def probabilities_in_place(action_values, epsilon):
    """Start from exploring and add."""
    result = torch.full(action_values.shape, epsilon / action_values.shape[-1], dtype=torch.float64)
    top = action_values.max(-1).values
    mask = torch.eq(action_values, top.unsqueeze(-1))
    result += mask * ((1 - epsilon) / mask.sum(-1, keepdim=True))
    return result


@alternative("update_mean")
def mean_by_sum(mean, count, reward):
    """Back to the sum."""
    return (mean * count + reward) / (count + 1)


@alternative("update_mean")
def mean_by_weights(mean, count, reward):
    """Two weights."""
    weight = 1 / (1 + count)
    return (1 - weight) * mean + weight * reward


@alternative("fraction_of_best")
def fraction_by_loops(choices, means):
    """Lists."""
    best = int(np.argmax(means.numpy()))
    return [sum(int(c) == best for c in row) / len(row) for row in choices.tolist()]


@alternative("fraction_of_best")
def fraction_by_float32(choices, means):
    """Single precision."""
    best = torch.max(means, dim=0).indices
    return choices.eq(best).float().sum(-1) / choices.shape[-1]
