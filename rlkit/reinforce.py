r"""REINFORCE: gradient ascent on the expected return, estimated from whole episodes.

.. math:: \nabla J(\theta) = \mathbb{E} \Big[ \sum_t \gamma^t \, (G_t - b) \, \nabla \log \pi_\theta(a_t \mid s_t) \Big]

Any baseline :math:`b` that does not depend on the action leaves the expectation unchanged. ``train`` drops the
factor :math:`\gamma^t` unless asked to keep it, as is common; what it follows is then not the gradient of the
discounted return (see the chapter, and Nota and Thomas 2020).

References
----------
Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement learning".
Sutton, McAllester, Singh and Mansour (2000), "Policy Gradient Methods". Kool, van Hoof and Welling (2019), "Buy 4
REINFORCE Samples, Get a Baseline for Free!" for the leave-one-out baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlkit.advantages import returns_to_go
from rlkit.environments.base import Environment
from rlkit.networks import MultiLayerPerceptron, clip_gradients_per_seed, encode, num_inputs
from rlkit.policies import (
    CategoricalPolicy,
    GaussianPolicy,
    categorical_log_probability,
    gaussian_log_probability,
    make_policy,
)
from rlkit.rollouts import Rollout, play_episodes, seeds_first, time_first
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history
from rlkit.validation import require_shapes

__all__ = [
    "BASELINES", "ReinforceConfig", "ReinforceResult", "categorical_log_probability", "gaussian_log_probability",
    "leave_one_out_baseline", "policy_gradient_loss", "train",
]  # fmt: skip

BASELINES = ("none", "leave_one_out", "value")


def policy_gradient_loss(log_probabilities: Tensor, advantages: Tensor) -> Tensor:
    r"""Loss whose gradient is minus the policy-gradient estimate, :math:`-\hat A \log \pi_\theta(a \mid s)`.

    Its value means nothing; only its gradient does.

    Parameters
    ----------
    log_probabilities, advantages : Tensor, shape (...)
        No gradient flows through the advantages.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(log_probabilities="...", advantages="...", given=locals())
    return -log_probabilities * advantages.detach()


def leave_one_out_baseline(returns: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Mean return of the *other* episodes, :math:`b_i = \frac{1}{N-1} \sum_{j \ne i} G_j`.

    An episode's own return must stay out: with it the mean of the estimate shrinks by :math:`1 - 1/N`.

    Parameters
    ----------
    returns : Tensor, shape (..., N)
        One per episode, at the same time step.
    mask : BoolTensor, shape (..., N), optional
        Which episodes count (those that have not ended); all, if left out.

    Returns
    -------
    Tensor, shape (..., N)
        0 where no other episode is left.
    """
    counted = torch.ones_like(returns) if mask is None else mask.to(returns.dtype)
    total = (returns * counted).sum(dim=-1, keepdim=True) - returns * counted
    others = counted.sum(dim=-1, keepdim=True) - counted
    return total / others.clamp_min(1)


@dataclass(frozen=True)
class ReinforceConfig:
    """Settings. The defaults were tuned here for CartPole with a limit of 200 and 16 environments a seed.

    Each iteration plays one episode in every environment, of at most ``episode_length`` steps.
    ``baseline`` is "none", "leave_one_out" or "value" (a critic fitted to the returns before it is used).
    """

    num_iterations: int = 80
    episode_length: int = 200
    discount: float = 0.99
    baseline: str = "leave_one_out"
    keep_discount_factor: bool = False
    learning_rate: float = 1e-2
    critic_learning_rate: float = 1e-2
    critic_steps: int = 4
    normalise: bool = False
    largest_gradient_norm: float | None = None
    hidden_sizes: tuple[int, ...] = (32,)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise ValueError(f"baseline is {self.baseline!r}, expected one of {', '.join(BASELINES)}")
        for name in ("num_iterations", "episode_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")


@dataclass(frozen=True, eq=False)
class ReinforceResult:
    """What was learned, and how.

    Attributes
    ----------
    policy : CategoricalPolicy or GaussianPolicy
    critic : MultiLayerPerceptron or None
    history : dict of str to Tensor
        ``steps`` (R,) in each seed at most; ``return``, mean undiscounted return of the iteration's episodes, and
        ``entropy``, (R, K).
    ended : str
        ``"completed"``, or why not.
    """

    policy: CategoricalPolicy | GaussianPolicy
    critic: MultiLayerPerceptron | None
    history: dict[str, Tensor]
    ended: str


def train(
    environment: Environment,
    config: ReinforceConfig = ReinforceConfig(),
    returns: Callable[..., Tensor] = returns_to_go,
    loss: Callable[..., Tensor] = policy_gradient_loss,
    progress: bool = False,
) -> ReinforceResult:
    """Train one policy per seed, all seeds at once.

    Parameters
    ----------
    environment : Environment
        With batch axes (K seeds, N environments).
    config : ReinforceConfig
    returns, loss : callable
        With the arguments of :func:`rlkit.advantages.returns_to_go`, shapes (T, K, N), and of
        :func:`policy_gradient_loss`, shapes (K, T * N).
    progress : bool

    Returns
    -------
    ReinforceResult
    """
    device, initial = environment.device, make_generator(config.seed, "network")
    policy = make_policy(environment, config.hidden_sizes, initial)
    optimizer = torch.optim.Adam(policy.parameters(), lr=config.learning_rate, fused=True)
    critic = None
    if config.baseline == "value":
        sizes = [num_inputs(environment), *config.hidden_sizes, 1]
        critic = MultiLayerPerceptron(environment.batch_shape[0], sizes, initial, 0.1).to(device)
        critic_optimizer = torch.optim.Adam(critic.parameters(), lr=config.critic_learning_rate, fused=True)
    choices, records = make_generator(config.seed, "actions", device), []
    run = Run(config.num_iterations, "reinforce", progress)
    with run:
        for iteration in run:
            episodes, playing = play_episodes(environment, policy, config.episode_length, choices)
            steps = (iteration + 1) * config.episode_length * environment.batch_shape[1]
            require_converging("reward", episodes.rewards, steps, axis=1)
            inputs, weights = seeds_first(encode(environment, episodes.observations)), seeds_first(playing).float()
            values, next_values = _values(environment, critic, episodes, config)
            outcome = returns(episodes.rewards, next_values, episodes.terminated, episodes.truncated, config.discount)
            advantages = _advantages(outcome, values, playing, config)
            log_probabilities, entropy = policy.evaluate(inputs, seeds_first(episodes.actions))
            losses = loss(log_probabilities, seeds_first(advantages)) * weights
            total = losses.sum(dim=1) / environment.batch_shape[1]
            optimizer.zero_grad()
            total.sum().backward()  # summed, so that each seed gets its own gradient
            if config.largest_gradient_norm is not None:
                clip_gradients_per_seed(policy.parameters(), config.largest_gradient_norm)
            optimizer.step()
            require_converging("loss", total.detach(), steps)
            if critic is not None:
                _fit(critic, critic_optimizer, inputs, seeds_first(outcome), weights, config)
            mean_entropy = (entropy.detach() * weights).sum(dim=1) / weights.sum(dim=1)
            returned = (episodes.rewards * playing).sum(dim=0).mean(dim=1)
            records.append({"steps": torch.tensor(steps), "return": returned, "entropy": mean_entropy})
            run.show(mean_return=returned.mean().item()) if progress else None
    return ReinforceResult(policy, critic, stack_history(records), run.ended)


def _values(
    environment: Environment, critic: MultiLayerPerceptron | None, episodes: Rollout, config: ReinforceConfig
) -> tuple[Tensor, Tensor]:
    """Values of the observations and of the final observations, (T, K, N); zero without a critic."""
    if critic is None:
        return torch.zeros_like(episodes.rewards), torch.zeros_like(episodes.rewards)
    with torch.no_grad():
        both = [
            time_first(critic(seeds_first(encode(environment, observations))), episodes.rewards.shape)
            for observations in (episodes.observations, episodes.final_observations)
        ]
    return both[0] * _scale(config), both[1] * _scale(config)


def _scale(config: ReinforceConfig) -> float:
    """The critic predicts returns in this unit: the horizon, or the episode's length where it is shorter."""
    return min(config.episode_length, 1 / max(1 - config.discount, 1e-8))


def _advantages(outcome: Tensor, values: Tensor, playing: Tensor, config: ReinforceConfig) -> Tensor:
    """Returns minus the baseline, (T, K, N), weighted by powers of the discount where asked for."""
    baseline = leave_one_out_baseline(outcome, playing) if config.baseline == "leave_one_out" else values
    advantages = (outcome - baseline).detach()
    if config.normalise:
        count = playing.sum(dim=(0, 2), keepdim=True)
        advantages = advantages / ((advantages.square() * playing).sum(dim=(0, 2), keepdim=True) / count).sqrt()
    if config.keep_discount_factor:
        time = torch.arange(len(advantages), device=advantages.device, dtype=advantages.dtype)
        advantages = advantages * (config.discount**time)[:, None, None]
    return advantages


def _fit(
    critic: MultiLayerPerceptron,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    outcome: Tensor,
    weights: Tensor,
    config: ReinforceConfig,
) -> None:
    """A few steps towards the returns of this batch: the baseline of the next one, which it does not depend on."""
    goal = outcome.detach() / _scale(config)
    for _ in range(config.critic_steps):
        error = (critic(inputs).squeeze(-1) - goal).square() * weights
        optimizer.zero_grad()
        (error.sum(dim=1) / weights.sum(dim=1)).sum().backward()
        optimizer.step()
