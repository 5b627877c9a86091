r"""Deep Q-learning: the table of Q-learning replaced by a network.

The loss of a transition is

.. math:: \ell\big( Q_\theta(s, a) - y \big), \qquad y = r + \gamma (1 - d) \max_{a'} Q_{\theta^-}(s', a'),

with the Huber function :math:`\ell`, and with the target network's parameters :math:`\theta^-`, which follow
:math:`\theta` slowly. No gradient flows through :math:`y`: this is a semi-gradient, not the gradient of any fixed
objective. With ``double`` the online network chooses :math:`a'` and the target network evaluates it.

References
----------
Mnih et al. (2015), "Human-level control through deep reinforcement learning". van Hasselt, Guez and Silver (2016),
"Deep Reinforcement Learning with Double Q-learning". Lillicrap et al. (2016) for soft updates of the target.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlkit.environments.base import Environment
from rlkit.exploration import epsilon_greedy
from rlkit.networks import MultiLayerPerceptron, clip_gradients_per_seed, encode, num_inputs
from rlkit.replay import ReplayBuffer, Transitions
from rlkit.seeding import make_generator
from rlkit.tabular import double_q_target, q_learning_target
from rlkit.training import EpisodeTracker, Goal, Run, require_converging, stack_history
from rlkit.validation import require_shapes


def huber_loss(prediction: Tensor, target: Tensor, threshold: float = 1.0) -> Tensor:
    r"""Squared error near zero, absolute error far from it, one value per element.

    :math:`\tfrac{1}{2} x^2` where :math:`|x| \le \kappa`, else :math:`\kappa (|x| - \tfrac{1}{2} \kappa)`, with
    :math:`x` the difference: its slope never exceeds :math:`\kappa` (Huber 1964).

    Parameters
    ----------
    prediction, target : Tensor, shape (...)
        The target carries no gradient here, whatever it was computed from.
    threshold : float
        :math:`\kappa` > 0, in units of the values.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(prediction="...", target="...", given=locals())
    if not threshold > 0:
        raise ValueError(f"threshold is {threshold!r}, expected a number above 0")
    distance = (prediction - target.detach()).abs()
    near = distance.clamp_max(threshold)
    return near * (distance - 0.5 * near)


def soft_update(target: Tensor, online: Tensor, rate: float) -> Tensor:
    r"""Target parameters a little nearer to the online ones, :math:`(1-\tau)\,\theta^- + \tau\,\theta`.

    Parameters
    ----------
    target, online : Tensor, shape (...)
    rate : float
        :math:`\tau` in [0, 1]; 1 copies (a hard update).

    Returns
    -------
    Tensor, shape (...)
    """
    return (1 - rate) * target + rate * online.detach()


@dataclass(frozen=True)
class DeepQConfig:
    """Settings. The defaults were tuned here for Catch with 4 environments a seed.

    Steps are counted in each environment. ``target_rate`` is the rate of :func:`soft_update`, applied every
    ``target_every`` steps; 1 with 250 makes hard updates. ``use_replay=False`` learns from the latest steps only,
    ``use_target_network=False`` bootstraps from the online network.
    """

    num_steps: int = 6_000
    discount: float = 0.99
    learning_rate: float = 1e-3
    anneal_learning_rate: bool = True
    batch_size: int = 64
    buffer_size: int = 50_000
    learning_starts: int = 250
    update_every: int = 1
    epsilon: float = 1.0
    final_epsilon: float = 0.05
    exploration_fraction: float = 0.2
    target_rate: float = 0.01
    target_every: int = 1
    double: bool = True
    use_replay: bool = True
    use_target_network: bool = True
    largest_gradient_norm: float = 10.0
    hidden_sizes: tuple[int, ...] = (32, 32)
    record_every: int = 200
    stop_at: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "buffer_size", "update_every", "target_every", "record_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")

    def epsilon_at(self, step: int) -> float:
        """Epsilon of a step: it falls linearly over the first part of the run."""
        progress = min(1.0, step / (self.exploration_fraction * self.num_steps))
        return self.epsilon + (self.final_epsilon - self.epsilon) * progress


@dataclass(frozen=True, eq=False)
class DeepQResult:
    """What was learned, and how.

    Attributes
    ----------
    network : MultiLayerPerceptron
    history : dict of str to Tensor
        ``steps`` (R,) of each seed, all its environments together; ``return`` of the last 100 episodes, ``value``
        (mean of the largest predicted action value) and ``loss``, each (R, K).
    reached : LongTensor, shape (K,)
        Steps after which each seed reached ``stop_at``; -1 where it did not.
    ended : str
        ``"completed"``, or why not.
    """

    network: MultiLayerPerceptron
    history: dict[str, Tensor]
    reached: Tensor
    ended: str


def train(
    environment: Environment,
    config: DeepQConfig = DeepQConfig(),
    target: Callable[..., Tensor] | None = None,
    loss: Callable[..., Tensor] = huber_loss,
    progress: bool = False,
) -> DeepQResult:
    """Train one network per seed, all seeds at once.

    Parameters
    ----------
    environment : Environment
        With batch axes (K seeds, N environments) and discrete actions.
    config : DeepQConfig
    target : callable, optional
        With the arguments of :func:`rlkit.tabular.q_learning_target`, or with ``config.double`` those of
        :func:`rlkit.tabular.double_q_target` (the defaults).
    loss : callable
        ``(prediction, target)`` of shape (K, B) to one loss per element.
    progress : bool

    Returns
    -------
    DeepQResult

    Raises
    ------
    ValueError
        If actions are not discrete.
    """
    if not environment.num_actions:
        raise ValueError(f"{type(environment).__name__} has continuous actions, deep Q-learning needs discrete ones")
    target = target or (double_q_target if config.double else q_learning_target)
    device, (num_seeds, num_environments) = environment.device, environment.batch_shape
    sizes = [num_inputs(environment), *config.hidden_sizes, environment.num_actions]
    network = MultiLayerPerceptron(num_seeds, sizes, make_generator(config.seed, "network"), 0.1).to(device)
    target_network = copy.deepcopy(network) if config.use_target_network else network
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    buffer = ReplayBuffer(num_seeds, max(config.buffer_size, num_environments), sizes[0], device)
    choices, sampling = make_generator(config.seed, "actions", device), make_generator(config.seed, "replay", device)
    tracker, records, goal = EpisodeTracker(environment), [], Goal(config.stop_at, parameters)
    inputs = encode(environment, environment.reset())
    losses = torch.full((num_seeds,), torch.nan, device=device)
    run = Run(config.num_steps, "deep q-learning", progress)
    with run:
        for step in run:
            with torch.no_grad():
                values = network(inputs)
            action = epsilon_greedy(values, config.epsilon_at(step), choices)
            outcome = environment.step(action)
            tracker.record(outcome)
            require_converging("reward", outcome.reward, step + 1)
            final = encode(environment, outcome.final_observation)
            buffer.add(Transitions(inputs, action, outcome.reward, outcome.terminated, final))
            inputs = encode(environment, outcome.observation)
            if config.anneal_learning_rate:
                share = max(0.02, 1 - step / config.num_steps)
                optimizer.param_groups[0]["lr"] = config.learning_rate * share
            if step >= config.learning_starts and step % config.update_every == 0:
                batch = (
                    buffer.sample(config.batch_size, sampling) if config.use_replay else buffer.latest(num_environments)
                )
                losses = _losses(network, target_network, batch, config, target, loss)
                optimizer.zero_grad()
                losses.sum().backward()  # summed, so that each seed gets its own gradient
                clip_gradients_per_seed(parameters, config.largest_gradient_norm)
                optimizer.step()
                require_converging("loss", losses.detach(), step + 1)
            if config.use_target_network and step % config.target_every == 0:
                with torch.no_grad():
                    for slow, fast in zip(target_network.parameters(), parameters, strict=True):
                        slow.copy_(soft_update(slow, fast, config.target_rate))
            if (step + 1) % config.record_every == 0:
                steps, recent = (step + 1) * num_environments, tracker.recent_return()
                shown = {"return": recent, "value": values.amax(dim=-1).mean(dim=1), "loss": losses.detach()}
                records.append({"steps": torch.tensor(steps), **shown})
                run.show(mean_return=recent.mean().item()) if progress else None
                if goal.check(recent, tracker.count, steps):
                    run.ended = f"reached {config.stop_at}"
                    break
    goal.restore()
    return DeepQResult(network, stack_history(records), goal.reached, run.ended)


def _losses(
    network: MultiLayerPerceptron,
    target_network: MultiLayerPerceptron,
    batch: Transitions,
    config: DeepQConfig,
    target: Callable[..., Tensor],
    loss: Callable[..., Tensor],
) -> Tensor:
    """Mean loss of each seed, shape (K,)."""
    with torch.no_grad():
        next_values = target_network(batch.final_observation)
        if config.double:
            selecting = network(batch.final_observation)
            targets = target(batch.reward, selecting, next_values, batch.terminated, config.discount)
        else:
            targets = target(batch.reward, next_values, batch.terminated, config.discount)
    prediction = network(batch.observation).gather(-1, batch.action[..., None]).squeeze(-1)
    return loss(prediction, targets).mean(dim=1)
