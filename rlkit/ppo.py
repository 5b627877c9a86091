r"""Proximal policy optimisation: several gradient steps on each batch of experience, kept near the old policy.

With the probability ratio :math:`w = \pi_\theta(a \mid s) / \pi_\text{old}(a \mid s)` the objective of one
step is the clipped surrogate

.. math:: L = \min\big( w \hat A, \; \mathrm{clip}(w, 1 - \varepsilon, 1 + \varepsilon) \hat A \big).

The loss adds the critic's squared error and takes away an entropy bonus. Differences from the paper: advantages
are normalised in each minibatch, policy and critic share no layers, and the gradient norm is limited.

References
----------
Schulman, Wolski, Dhariwal, Radford and Klimov (2017), "Proximal Policy Optimization Algorithms", equations 7
and 9. Huang, Dossa, Raffin, Kanervisto and Wang (2022), "The 37 Implementation Details of Proximal Policy
Optimization".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlkit.advantages import generalized_advantage_estimate
from rlkit.environments.base import Environment
from rlkit.networks import MultiLayerPerceptron, clip_gradients_per_seed, encode, num_inputs
from rlkit.policies import CategoricalPolicy, GaussianPolicy, make_policy
from rlkit.policy_diagnostics import diagnose
from rlkit.rollouts import Rollout, collect, seeds_first, time_first
from rlkit.seeding import make_generator
from rlkit.training import EpisodeTracker, Goal, Run, require_converging, stack_history
from rlkit.validation import require_shapes


def clipped_surrogate(
    log_probabilities: Tensor, old_log_probabilities: Tensor, advantages: Tensor, clip_range: float
) -> Tensor:
    r"""Clipped objective of each step, to be *maximised* (equation 7 of the paper).

    Parameters
    ----------
    log_probabilities, old_log_probabilities, advantages : Tensor, shape (...)
        Under the policy that is trained, and under the one that acted.
    clip_range : float
        :math:`\varepsilon_\text{clip}`, at least 0; ``float("inf")`` does not clip.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(log_probabilities="...", old_log_probabilities="...", advantages="...", given=locals())
    if not clip_range >= 0:
        raise ValueError(f"clip_range is {clip_range!r}, expected a number of at least 0")
    ratio = (log_probabilities - old_log_probabilities).exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return torch.minimum(ratio * advantages, clipped * advantages)


def ppo_loss(
    surrogate: Tensor,
    value_prediction: Tensor,
    value_target: Tensor,
    entropy: Tensor,
    value_coefficient: float,
    entropy_coefficient: float,
) -> Tensor:
    r"""Loss of each step, to be *minimised*: :math:`-L + c_1 (V - \hat G)^2 - c_2 H`.

    Equation 9 of the paper is its negative. Many programs use :math:`c_1 = 0.5` with or without a further half.

    Parameters
    ----------
    surrogate, value_prediction, value_target, entropy : Tensor, shape (...)
        The target carries no gradient here, whatever it was computed from.
    value_coefficient, entropy_coefficient : float
        :math:`c_1` and :math:`c_2`.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(surrogate="...", value_prediction="...", value_target="...", entropy="...", given=locals())
    value_loss = (value_prediction - value_target.detach()).square()
    return -surrogate + value_coefficient * value_loss - entropy_coefficient * entropy


@dataclass(frozen=True)
class PPOConfig:
    """Settings. The defaults were tuned here for CartPole-v1 with 32 environments a seed.

    ``num_iterations`` rounds of ``rollout_length`` steps in every environment. With ``stop_at`` each seed keeps the
    networks with which its last 100 episodes first returned that much on average; the run ends when all have.
    """

    num_iterations: int = 200
    rollout_length: int = 32
    num_epochs: int = 4
    num_minibatches: int = 4
    discount: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    value_coefficient: float = 0.25
    entropy_coefficient: float = 0.01
    learning_rate: float = 5e-3
    anneal_learning_rate: bool = True
    largest_gradient_norm: float = 1.0
    normalise_advantages: bool = True
    hidden_sizes: tuple[int, ...] = (32, 32)
    stop_at: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_iterations", "rollout_length", "num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")


@dataclass(frozen=True, eq=False)
class PPOResult:
    """What was learned, and how.

    Attributes
    ----------
    policy : CategoricalPolicy or GaussianPolicy
    critic : MultiLayerPerceptron
    history : dict of str to Tensor
        ``steps`` (R,) in each seed; ``return`` of the last 100 episodes, ``episodes`` ended so far,
        ``approximate_kl``, ``clip_fraction``, ``explained_variance``, ``entropy``: (R, K), one row an iteration.
    reached : LongTensor, shape (K,)
        Steps after which each seed reached ``stop_at``; -1 where it did not.
    ended : str
        ``"completed"``, or why not.
    """

    policy: CategoricalPolicy | GaussianPolicy
    critic: MultiLayerPerceptron
    history: dict[str, Tensor]
    reached: Tensor
    ended: str


def train(
    environment: Environment,
    config: PPOConfig = PPOConfig(),
    advantage: Callable[..., Tensor] = generalized_advantage_estimate,
    surrogate: Callable[..., Tensor] = clipped_surrogate,
    loss: Callable[..., Tensor] = ppo_loss,
    progress: bool = False,
) -> PPOResult:
    """Train one policy per seed, all seeds at once.

    Parameters
    ----------
    environment : Environment
        With batch axes (K seeds, N environments).
    config : PPOConfig
    advantage, surrogate, loss : callable
        With the arguments of :func:`rlkit.advantages.generalized_advantage_estimate`, :func:`clipped_surrogate`
        and :func:`ppo_loss`; they see extra axes (time, seeds, environments) or (seeds, minibatch).
    progress : bool
        Show a progress bar.

    Returns
    -------
    PPOResult
    """
    device, generator = environment.device, make_generator(config.seed, "network")
    policy = make_policy(environment, config.hidden_sizes, generator)
    sizes = [num_inputs(environment), *config.hidden_sizes, 1]
    critic = MultiLayerPerceptron(environment.batch_shape[0], sizes, generator).to(device)
    parameters = [*policy.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, eps=1e-5, fused=True)
    choices = make_generator(config.seed, "actions", device)
    shuffling = make_generator(config.seed, "minibatches", device)
    tracker, records = EpisodeTracker(environment), []
    goal = Goal(config.stop_at, parameters)
    observation = environment.reset()
    run = Run(config.num_iterations, "ppo", progress)
    with run:
        for iteration in run:
            steps = (iteration + 1) * config.rollout_length * environment.batch_shape[1]
            if config.anneal_learning_rate:
                optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - iteration / config.num_iterations)
            rollout, observation = collect(environment, policy, observation, config.rollout_length, choices, tracker)
            require_converging("reward", rollout.rewards, steps, axis=1)
            batch = _prepare(environment, critic, rollout, config, advantage)
            size = batch["inputs"].shape[1]
            for _ in range(config.num_epochs):
                # One order for all seeds: their data are independent, and it saves a fifth of the time.
                order = torch.randperm(size, generator=shuffling, device=device)
                for rows in order.tensor_split(config.num_minibatches):
                    minibatch = {name: values[:, rows] for name, values in batch.items()}
                    total = _minibatch_loss(policy, critic, minibatch, config, surrogate, loss)
                    optimizer.zero_grad()
                    total.sum().backward()  # summed, so that each seed gets its own gradient
                    clip_gradients_per_seed(parameters, config.largest_gradient_norm)
                    optimizer.step()
            require_converging("loss", total.detach(), steps)
            recent = tracker.recent_return()
            diagnosis = diagnose(policy, batch, config.clip_range)
            records.append({"steps": torch.tensor(steps), "return": recent, "episodes": tracker.count, **diagnosis})
            run.show(mean_return=recent.mean().item()) if progress else None
            if goal.check(recent, tracker.count, steps):
                run.ended = f"reached {config.stop_at}"
                break
    goal.restore()
    return PPOResult(policy, critic, stack_history(records), goal.reached, run.ended)


def _prepare(
    environment: Environment, critic: MultiLayerPerceptron, rollout: Rollout, config: PPOConfig, advantage: Callable
) -> dict[str, Tensor]:
    """Advantages and value targets of a rollout, everything with axes (K, T * N, ...)."""
    shape, flags = rollout.rewards.shape, (rollout.terminated, rollout.truncated)
    inputs = seeds_first(encode(environment, rollout.observations))
    with torch.no_grad():
        values = time_first(critic(inputs), shape)
        next_values = time_first(critic(seeds_first(encode(environment, rollout.final_observations))), shape)
        estimates = advantage(rollout.rewards, values, next_values, *flags, config.discount, config.gae_lambda)
    return {
        "inputs": inputs,
        "actions": seeds_first(rollout.actions),
        "log_probabilities": seeds_first(rollout.log_probabilities),
        "advantages": seeds_first(estimates),
        "value_targets": seeds_first(estimates + values),
        "values": seeds_first(values),
    }


def _minibatch_loss(
    policy: CategoricalPolicy | GaussianPolicy,
    critic: MultiLayerPerceptron,
    minibatch: dict[str, Tensor],
    config: PPOConfig,
    surrogate: Callable,
    loss: Callable,
) -> Tensor:
    """Loss per seed, shape (K,)."""
    log_probabilities, entropy = policy.evaluate(minibatch["inputs"], minibatch["actions"])
    prediction = critic(minibatch["inputs"]).squeeze(-1)
    advantages, old = minibatch["advantages"], minibatch["log_probabilities"]
    if config.normalise_advantages:
        deviation, mean = torch.std_mean(advantages, dim=1, keepdim=True)
        advantages = (advantages - mean) / (deviation + 1e-8)
    objective = surrogate(log_probabilities, old, advantages, config.clip_range)
    weights = (config.value_coefficient, config.entropy_coefficient)
    return loss(objective, prediction, minibatch["value_targets"], entropy, *weights).mean(dim=1)
