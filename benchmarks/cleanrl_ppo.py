"""PPO on CartPole-v1 as CleanRL's ``ppo.py`` does it, with that file's default settings, for timing.

CleanRL (Huang et al. 2022, "CleanRL: High-quality Single-file Implementations of Deep Reinforcement Learning
Algorithms", MIT licence, repository vwxyzjn/cleanrl, cleanrl/ppo.py) offers no package for Python 3.11 and current
libraries. Here its algorithm and settings are written anew, none of its code: four environments stepped one after
the other, 128 steps a rollout, Adam with a rate that falls to zero, four epochs of four minibatches, a clipped value
loss, truncation treated as termination. Left out: logging, videos and diagnostics, which only makes it faster.
"""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from episode_watch import EpisodeWatch, TrainingRun
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor, nn
from torch.distributions import Categorical

TOTAL_STEPS = 500_000
NUM_ENVIRONMENTS = 4
ROLLOUT_LENGTH = 128
LEARNING_RATE = 2.5e-4
NUM_EPOCHS = 4
NUM_MINIBATCHES = 4
DISCOUNT = 0.99
GAE_LAMBDA = 0.95
CLIP_RANGE = 0.2
ENTROPY_COEFFICIENT = 0.01
VALUE_COEFFICIENT = 0.5
LARGEST_GRADIENT_NORM = 0.5
HIDDEN_SIZE = 64


def network(num_inputs: int, num_outputs: int, last_gain: float) -> nn.Sequential:
    """Two hidden layers of tanh; orthogonal weights, zero biases."""
    gains = [2**0.5, 2**0.5, last_gain]
    sizes = [num_inputs, HIDDEN_SIZE, HIDDEN_SIZE, num_outputs]
    layers: list[nn.Module] = []
    for gain, rows, columns in zip(gains, sizes[:-1], sizes[1:], strict=True):
        linear = nn.Linear(rows, columns)
        nn.init.orthogonal_(linear.weight, gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def advantages_of(rewards: Tensor, values: Tensor, ended_before: Tensor, last_value: Tensor, ended: Tensor) -> Tensor:
    """Generalised advantage estimates of a rollout (T, N).

    ``ended_before[t]`` says whether the observation of step t began an episode, ``ended`` whether the one after the
    rollout does. Nothing is bootstrapped through the end of an episode, not even where the time limit cut it.
    """
    continues = 1 - torch.cat([ended_before[1:], ended[None]])
    errors = rewards + DISCOUNT * continues * torch.cat([values[1:], last_value[None]]) - values
    advantages = torch.zeros_like(rewards)
    trace = torch.zeros_like(last_value)
    for step in reversed(range(len(rewards))):
        trace = errors[step] + DISCOUNT * GAE_LAMBDA * continues[step] * trace
        advantages[step] = trace
    return advantages


def loss_of(actor: nn.Module, critic: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Clipped surrogate, clipped value loss and entropy bonus of one minibatch."""
    policy = Categorical(logits=actor(batch["observations"]))
    ratio = (policy.log_prob(batch["actions"]) - batch["log_probabilities"]).exp()
    advantages = batch["advantages"]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped_ratio = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    policy_loss = -torch.min(ratio * advantages, clipped_ratio * advantages).mean()
    values, old_values, targets = critic(batch["observations"]).view(-1), batch["values"], batch["returns"]
    near_old = old_values + (values - old_values).clamp(-CLIP_RANGE, CLIP_RANGE)
    value_loss = 0.5 * torch.max((values - targets) ** 2, (near_old - targets) ** 2).mean()
    return policy_loss + VALUE_COEFFICIENT * value_loss - ENTROPY_COEFFICIENT * policy.entropy().mean()


class Collector:
    """Plays rollouts in CartPole-v1 and tells the watch of every episode that ends."""

    def __init__(self, seed: int, watch: EpisodeWatch) -> None:
        makers = [lambda: gymnasium.make("CartPole-v1")] * NUM_ENVIRONMENTS
        self.environments = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        first, _ = self.environments.reset(seed=[seed + index for index in range(NUM_ENVIRONMENTS)])
        self._observation, self._ended = torch.as_tensor(first), torch.zeros(NUM_ENVIRONMENTS)
        self._returns = np.zeros(NUM_ENVIRONMENTS)
        self._watch, self.steps = watch, 0

    def rollout(self, actor: nn.Module, critic: nn.Module) -> dict[str, Tensor]:
        """Return one rollout, time and environments flattened to one axis."""
        rows: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for _ in range(ROLLOUT_LENGTH):
                policy = Categorical(logits=actor(self._observation))
                action = policy.sample()
                value = critic(self._observation).view(-1)
                row = (self._observation, action, policy.log_prob(action), value, self._ended)
                rows.append((*row, self._step(action)))
            columns = [torch.stack(column) for column in zip(*rows, strict=True)]
            observations, actions, log_probabilities, values, ended_before, rewards = columns
            last_value = critic(self._observation).view(-1)
            advantages = advantages_of(rewards, values, ended_before, last_value, self._ended)
        batch = {"observations": observations, "actions": actions, "log_probabilities": log_probabilities,
                 "values": values, "advantages": advantages, "returns": advantages + values}  # fmt: skip
        return {name: column.flatten(0, 1) for name, column in batch.items()}

    def _step(self, action: Tensor) -> Tensor:
        observation, reward, terminated, truncated, _ = self.environments.step(action.numpy())
        ended = terminated | truncated
        self.steps += NUM_ENVIRONMENTS
        self._returns += reward
        for index in np.flatnonzero(ended):
            self._watch.add(float(self._returns[index]), self.steps)
            self._returns[index] = 0.0
        self._observation, self._ended = torch.as_tensor(observation), torch.as_tensor(ended, dtype=torch.float32)
        return torch.as_tensor(reward, dtype=torch.float32)


def train(
    seed: int, total_steps: int = TOTAL_STEPS, whole_budget: bool = False, budget: int | None = None
) -> TrainingRun:
    """Train one seed until the last 100 episodes return 475 on average, or to the end of the budget.

    Parameters
    ----------
    seed : int
    total_steps : int
        Over which the learning rate falls to zero.
    whole_budget : bool
        Go on after the goal has been reached, to see whether the run falls back.
    budget : int, optional
        End after so many steps whatever the schedule.
    """
    torch.manual_seed(seed)
    shuffling = np.random.default_rng(seed)
    watch = EpisodeWatch()
    collector = Collector(seed, watch)
    critic, actor = network(4, 1, 1.0), network(4, 2, 0.01)
    parameters = [*critic.parameters(), *actor.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, eps=1e-5)
    size = NUM_ENVIRONMENTS * ROLLOUT_LENGTH
    num_updates = total_steps // size
    for update in range(num_updates):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / num_updates)
        batch = collector.rollout(actor, critic)
        if (watch.reached and not whole_budget) or (budget is not None and collector.steps >= budget):
            break
        for _ in range(NUM_EPOCHS):
            for rows in np.split(shuffling.permutation(size), NUM_MINIBATCHES):
                loss = loss_of(actor, critic, {name: values[rows] for name, values in batch.items()})
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT_NORM)
                optimizer.step()
    collector.environments.close()
    return watch.result(collector.steps)
