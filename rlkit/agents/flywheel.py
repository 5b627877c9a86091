"""The flywheel: the policy acts, its episodes are logged, it learns from the log, it acts again.

Every method gets the same: in each revolution as many episodes, and as many updates on as many episodes each. What is
learned from is read back from the log (:mod:`rlkit.agents.episode_log`): the ids as they were sampled, with the
log-probabilities that were noted then.

================== ==================================================================================================
method             learns from
================== ==================================================================================================
``on_policy``      each batch of episodes once, right after it was played: GRPO
``off_policy``     the whole log of the revolution, played before its first update: GRPO with ratio and clip
``ratio_only``     the same, without the clip
``no_ratio``       the same, as if the log had been written by the policy that learns
``rejection``      its successes, by imitation
``safe_rejection`` its successes without an unsafe action, by imitation
``dpo``            pairs of a success and something worse, of one task
================== ==================================================================================================

References
----------
Shao et al. (2024), "DeepSeekMath", for GRPO. Rafailov et al. (2023), "Direct Preference Optimization", for the loss of
pairs, here of whole episodes. Zelikman et al. (2022), "STaR", for the imitation of successes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.agents.batches import token_batch
from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.replay import imitation_loss, pair_loss, preference_pairs, rejection_sampling
from rlkit.agents.rollouts import Trajectory, rollout
from rlkit.agents.text_environment import TextEnvironment
from rlkit.agents.training import TASKS_OF_A_RUN, AgentConfig, episode_advantages, means, update
from rlkit.group_objective import grpo_loss
from rlkit.lm.updates import LastGood, take_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

METHODS = ("on_policy", "off_policy", "ratio_only", "no_ratio", "rejection", "safe_rejection", "dpo")

LEARNING_RATES = {"dpo": 3e-4}
USUAL_LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class FlywheelConfig:
    """Settings; the defaults were tuned here for the data agent and the tiny model, on the seeds 0 to 2.

    A revolution is ``num_batches`` batches of ``tasks_per_batch`` times ``group_size`` episodes, and as many updates.
    Without a ``learning_rate`` the method has its own, of ``LEARNING_RATES``.
    """

    method: str = "off_policy"
    num_revolutions: int = 5
    num_batches: int = 8
    tasks_per_batch: int = 8
    group_size: int = 12
    max_new_tokens: int = 6
    learning_rate: float | None = None
    clip: float = 0.2
    kl_coefficient: float = 0.02
    beta: float = 0.5
    margin: float = 0.15
    temperature: float = 1.0
    largest_gradient_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}, expected one of {', '.join(METHODS)}")


@dataclass(frozen=True, eq=False)
class FlywheelResult:
    """One row a revolution: key figures of the episodes it logged, and ``used``, how many of them were learned from."""

    history: dict[str, Tensor]
    ended: str


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    make_environment: Callable[[], TextEnvironment],
    log: EpisodeLog,
    config: FlywheelConfig = FlywheelConfig(),
    after: Callable[[int, list[Trajectory]], None] | None = None,
    progress: bool = False,
) -> FlywheelResult:
    """Turn the wheel some times; the model is trained in place, and the model as it comes is the reference.

    Parameters
    ----------
    model, tokenizer
        Of one checkpoint; the tokenizer has a chat template.
    make_environment : callable
    log : EpisodeLog
        Takes all episodes.
    config : FlywheelConfig
    after : callable, optional
        Called after each revolution with its number, from 1, and its episodes as they were read from the log.
    progress : bool
    """
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    rate = config.learning_rate or LEARNING_RATES.get(config.method, USUAL_LEARNING_RATE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, fused=True)
    environments = [make_environment() for _ in range(config.tasks_per_batch * config.group_size)]
    sampling = make_generator(config.seed, "sampling", model.device)
    picking = make_generator(config.seed, "minibatches")
    records, run, last_good = [], Run(config.num_revolutions, "flywheel", progress), LastGood(model)
    with run, last_good:
        for revolution in run:
            played, used = turn(
                model, tokenizer, reference, optimizer, environments, log, config, revolution, sampling, picking
            )
            last_good.keep()
            figures = means(played) | {"used": float(used)}
            records.append(
                {"revolution": torch.tensor(revolution + 1)} | {k: torch.tensor(v) for k, v in figures.items()}
            )
            run.show(success=figures["success"]) if progress else None
            if after is not None:
                after(revolution + 1, played)
    model.eval()
    return FlywheelResult(stack_history(records), run.ended)


def turn(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reference: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    environments: Sequence[TextEnvironment],
    log: EpisodeLog,
    config: FlywheelConfig,
    revolution: int,
    sampling: torch.Generator,
    picking: torch.Generator,
) -> tuple[list[Trajectory], int]:
    """Act, log, learn: one revolution. Return its episodes, and how many of them were learned from."""
    fresh = config.method == "on_policy"
    batches = range(revolution * config.num_batches, (revolution + 1) * config.num_batches)
    played: list[Trajectory] = []
    used = 0
    for part in [[batch] for batch in batches] if fresh else [batches]:
        # The policy's version is the number of updates that it has had.
        numbers = collect(model, tokenizer, environments, log, config, part, part[0], sampling)
        logged = log.read(f"id IN ({', '.join('?' * len(numbers))})", numbers)
        used += learn(model, reference, optimizer, logged, tokenizer.pad_token_id, config, len(part), picking)
        played += logged
    return played, used


def collect(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    environments: Sequence[TextEnvironment],
    log: EpisodeLog,
    config: FlywheelConfig,
    batches: Sequence[int],
    version: int,
    sampling: torch.Generator,
) -> list[int]:
    """Play batches of episodes with the policy as it is, log them, and return their numbers in the log."""
    numbers, tasks, kind = [], config.tasks_per_batch, type(environments[0])
    settings = {
        "temperature": config.temperature,
        "price": environments[0].price,
        "unsafe_price": environments[0].unsafe_price,
        "tools": {name: tool.price for name, tool in kind.TOOLS.items()},
    }
    for batch in batches:
        first = TASKS_OF_A_RUN * (config.seed + 1) + batch * tasks
        seeds = [first + task for task in range(tasks) for _ in range(config.group_size)]
        played = rollout(model, tokenizer, environments, seeds, config.max_new_tokens, sampling, config.temperature)
        numbers += log.append(played, config.method, kind.__name__, version, settings)
    return numbers


def learn(
    model: PreTrainedModel,
    reference: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    logged: Sequence[Trajectory],
    pad_id: int,
    config: FlywheelConfig,
    num_updates: int,
    picking: torch.Generator,
) -> int:
    """Take updates on logged episodes by the method of the config; return how many episodes were of use."""
    size = config.tasks_per_batch * config.group_size
    if config.method in ("rejection", "safe_rejection"):
        chosen = rejection_sampling(logged, safe_only=config.method == "safe_rejection")
        for rows in minibatches(len(chosen), size, num_updates, picking):
            loss = imitation_loss(model, [chosen[row] for row in rows], pad_id, config.temperature)
            step(model, optimizer, loss, config)
        return len(chosen)
    if config.method == "dpo":
        pairs, before = preference_pairs(logged, config.margin), copy.deepcopy(model).eval().requires_grad_(False)
        for rows in minibatches(len(pairs), size // 2, num_updates, picking):
            some = [pairs[row] for row in rows]
            loss = pair_loss(model, before, some, pad_id, config.beta, config.temperature)
            step(model, optimizer, loss, config)
        return 2 * len(pairs)
    clip = math.inf if config.method == "ratio_only" else config.clip
    settings = AgentConfig(
        clip_low=clip, clip_high=clip, kl_coefficient=config.kl_coefficient, temperature=config.temperature,
        largest_gradient_norm=config.largest_gradient_norm,
    )  # fmt: skip
    estimates = episode_advantages(logged)
    for rows in minibatches(len(logged), size, num_updates, picking):
        batch = token_batch([logged[row] for row in rows], estimates[rows], pad_id, model.device)
        loss_of_tokens = as_if_fresh if config.method == "no_ratio" else grpo_loss
        update(model, reference, optimizer, batch, settings, loss_of_tokens)
    return len(logged)


def as_if_fresh(present: Tensor, logged: Tensor, advantages: Tensor, mask: Tensor, **options) -> Tensor:
    """GRPO's loss with the present policy's log-probabilities in place of the logged ones: every ratio is 1."""
    return grpo_loss(present, present.detach(), advantages, mask, **options)


def minibatches(count: int, size: int, number: int, picking: torch.Generator) -> Iterator[list[int]]:
    """Yield rows for a number of updates, one shuffled pass over all after the other; nothing if there is no row."""
    waiting: list[int] = []
    for _ in range(number if count else 0):
        while len(waiting) < min(size, count):
            waiting += torch.randperm(count, generator=picking).tolist()
        rows, waiting = waiting[: min(size, count)], waiting[min(size, count) :]
        yield rows


def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, loss: Tensor, config: FlywheelConfig) -> None:
    """One update."""
    model.train()
    require_converging("loss", loss.detach().reshape(1), 0)
    take_step(optimizer, loss, config.largest_gradient_norm, 0)
