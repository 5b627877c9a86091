"""Right answers to *ppo* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("generalized_advantage_estimate")
def estimate_as_double_sum(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """Every advantage from its definition."""
    bootstrap = torch.where(terminated, torch.zeros_like(next_values), next_values)
    errors = rewards + discount * bootstrap - values
    rows = []
    for t in range(len(errors)):
        total, weight = torch.zeros_like(errors[0]), torch.ones_like(errors[0])
        for k in range(t, len(errors)):
            total = total + weight * errors[k]
            weight = weight * discount * gae_lambda * (~(terminated[k] | truncated[k])).double()
        rows.append(total)
    return torch.stack(rows)


@alternative("generalized_advantage_estimate")
def estimate_from_lambda_returns(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """The recursion of lambda-returns in NumPy, minus the values."""
    r, v, n, d, c = (part.numpy() for part in (rewards, values, next_values, terminated, truncated))
    returns = np.zeros_like(r)
    for t in range(len(r) - 1, -1, -1):
        alone = c[t] | (t == len(r) - 1)
        following = np.where(alone, n[t], returns[min(t + 1, len(r) - 1)])
        mixture = (1 - gae_lambda) * n[t] + gae_lambda * following
        returns[t] = r[t] + discount * np.where(d[t], 0.0, mixture)
    return returns - v


@alternative("clipped_surrogate")
def surrogate_by_cases(new, old, advantages, clip_range):
    """The limit of the ratio depends on the sign of the advantage."""
    ratio = torch.exp(new - old)
    limited = torch.where(
        advantages >= 0, torch.clamp(ratio, max=1 + clip_range), torch.clamp(ratio, min=1 - clip_range)
    )
    return limited * advantages


@alternative("clipped_surrogate")
def surrogate_by_stack(new, old, advantages, clip_range):
    """The smallest of a stack of two."""
    ratio = new.exp() / old.exp()
    both = torch.stack([ratio, torch.clip(ratio, 1 - clip_range, 1 + clip_range)]) * advantages
    return both.amin(dim=0) if both.ndim > 1 else torch.min(both)


@alternative("ppo_loss")
def loss_with_torch(surrogate, prediction, target, entropy, c1, c2):
    """torch's own squared error."""
    error = torch.nn.functional.mse_loss(prediction, target.detach(), reduction="none")
    return c1 * error - (surrogate + c2 * entropy)


@alternative("ppo_loss")
def loss_without_graph(surrogate, prediction, target, entropy, c1, c2):
    """A copy of the target that has no history."""
    with torch.no_grad():
        goal = target.clone()
    return torch.sub(c1 * torch.square(goal - prediction), surrogate) - c2 * entropy


@alternative("policy_change")
def change_in_numpy(new, old, clip_range):
    """NumPy, and plain numbers."""
    log_ratio = new.numpy() - old.numpy()
    ratio = np.exp(log_ratio)
    return float(np.mean(np.expm1(log_ratio) - log_ratio)), float(np.mean(np.abs(ratio - 1) > clip_range))


@alternative("policy_change")
def change_by_clamping(new, old, clip_range):
    """Outside is where clamping changes something."""
    ratio = (new - old).exp()
    outside = ratio.clamp(1 - clip_range, 1 + clip_range) != ratio
    return (ratio.mean() - 1 - (new - old).mean()), outside.double().mean()


@alternative("explained_variance")
def explained_with_other_denominator(values, returns):
    """Both variances with n - 1."""
    spread = returns.var()
    return 1 - (returns - values).var() / spread if spread > 0 else torch.tensor(float("nan"))


@alternative("explained_variance")
def explained_in_numpy(values, returns):
    """NumPy."""
    errors, spread = (returns - values).numpy(), returns.numpy().var()
    return np.nan if spread == 0 else 1 - errors.var() / spread


@alternative("train_cartpole")
def two_seeds_and_more(seed, num_iterations):
    """Other settings, rlkit's own formulas, and the better of two seeds."""
    from rlkit.environments import CartPole
    from rlkit.ppo import PPOConfig, train

    config = PPOConfig(seed=seed, num_iterations=num_iterations, stop_at=475.0, entropy_coefficient=0.0)
    result = train(CartPole((2, 32), seed=seed), config)
    return [layer.numpy() for layer in result.policy.export(int(result.reached.argmax()))]


@alternative("train_cartpole")
def the_second_of_two(seed, num_iterations):
    """Two agents in one call, of which the second is handed in."""
    from rlkit.environments import CartPole
    from rlkit.ppo import PPOConfig, train

    result = train(CartPole((2, 32), seed=seed), PPOConfig(seed=seed, num_iterations=num_iterations, stop_at=475.0))
    return result.policy.export(1)
