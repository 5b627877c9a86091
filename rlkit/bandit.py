r"""Bandits: one state, several actions, and the need to explore.

Each arm :math:`a` pays a reward with mean :math:`q(a)`. The learner keeps the sample mean of what each arm
has paid,

.. math:: Q_{n+1}(a) = Q_n(a) + \frac{1}{n + 1} \, [\, r - Q_n(a) \,],

and chooses arms epsilon-greedily. The regret of a step is :math:`\max_a q(a) - q(a_t)`.

References
----------
Sutton and Barto (2018), sections 2.2 to 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from rlkit.device import choose_device
from rlkit.exploration import action_probabilities, sample
from rlkit.seeding import make_generator
from rlkit.validation import require_finite, require_probability


def update_mean(mean: Tensor, count: Tensor, reward: Tensor) -> Tensor:
    """Include one more reward in a sample mean.

    Parameters
    ----------
    mean : Tensor, shape (...)
        Mean of the first ``count`` rewards (ignored where ``count`` is 0).
    count : Tensor, shape (...)
        How many rewards the mean holds already.
    reward : Tensor, shape (...)

    Returns
    -------
    Tensor, shape (...)
        Mean of ``count + 1`` rewards.
    """
    return mean + (reward - mean) / (count + 1)


@dataclass(frozen=True, eq=False)
class GaussianBandit:
    """Arms that pay normally distributed rewards.

    Parameters
    ----------
    means : Tensor or sequence of float, shape (A,)
    standard_deviation : float
        Of every arm, in units of reward.
    """

    means: Tensor
    standard_deviation: float = 1.0

    def __post_init__(self) -> None:
        means = torch.as_tensor(self.means, dtype=torch.get_default_dtype())
        if means.ndim != 1 or len(means) == 0:
            raise ValueError(f"means has shape {tuple(means.shape)}, expected (A,) with at least one arm")
        require_finite(means=means)
        if not self.standard_deviation >= 0:
            raise ValueError(f"standard_deviation is {self.standard_deviation!r}, expected at least 0")
        object.__setattr__(self, "means", means)


@dataclass(frozen=True)
class BanditConfig:
    """Settings of a bandit learner; the defaults are those of Sutton and Barto (2018), figure 2.2."""

    epsilon: float = 0.1
    num_steps: int = 1_000
    num_seeds: int = 20
    initial_value: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_probability(epsilon=self.epsilon)
        for name in ("num_steps", "num_seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")


@dataclass(frozen=True, eq=False)
class BanditResult:
    """Learning curves of all seeds.

    Attributes
    ----------
    rewards, regrets : Tensor, shape (K, T)
        Reward received and regret of the arm chosen, per seed and step.
    actions : LongTensor, shape (K, T)
    action_values, counts : Tensor, shape (K, A)
        Sample means and pulls at the end.
    """

    rewards: Tensor
    regrets: Tensor
    actions: Tensor
    action_values: Tensor
    counts: Tensor


def train(
    bandit: GaussianBandit,
    config: BanditConfig = BanditConfig(),
    action_probabilities: Callable[[Tensor, float], Tensor] = action_probabilities,
    update_mean: Callable[[Tensor, Tensor, Tensor], Tensor] = update_mean,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> BanditResult:
    """Run all seeds of an epsilon-greedy learner side by side.

    Parameters
    ----------
    bandit : GaussianBandit
    config : BanditConfig
    action_probabilities : callable
        ``(action_values (K, A), epsilon) -> (K, A)``; how arms are chosen.
    update_mean : callable
        ``(mean, count, reward) -> mean``, each of shape (K,).
    device : str, torch.device or None
    progress : bool

    Returns
    -------
    BanditResult
    """
    chosen_device = choose_device(device)
    means = bandit.means.to(chosen_device)
    choices = make_generator(config.seed, "choices", chosen_device)
    payments = make_generator(config.seed, "payments", chosen_device)
    shape = (config.num_seeds, len(means))
    values = torch.full(shape, config.initial_value, dtype=means.dtype, device=chosen_device)
    counts = torch.zeros_like(values)
    rewards = torch.empty(config.num_steps, config.num_seeds, dtype=means.dtype, device=chosen_device)
    actions = torch.empty(rewards.shape, dtype=torch.int64, device=chosen_device)
    for step in tqdm(range(config.num_steps), desc="bandit", unit="step", disable=not progress):
        action = sample(action_probabilities(values, config.epsilon), choices)
        noise = torch.randn(config.num_seeds, generator=payments, dtype=means.dtype, device=chosen_device)
        reward = means[action] + bandit.standard_deviation * noise
        column = action[:, None]
        old_mean, old_count = values.gather(1, column).squeeze(1), counts.gather(1, column).squeeze(1)
        values = values.scatter(1, column, update_mean(old_mean, old_count, reward)[:, None])
        counts = counts.scatter(1, column, (old_count + 1)[:, None])
        rewards[step], actions[step] = reward, action
    regrets = means.max() - means[actions]
    return BanditResult(rewards.T, regrets.T, actions.T, values, counts)
