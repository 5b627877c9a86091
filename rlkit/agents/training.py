"""GRPO over episodes of many turns: the loss of :mod:`rlkit.group_objective` on the tokens that the policy wrote.

Each iteration plays a group of episodes of each of some tasks, turns rewards into advantages of turns
(:mod:`rlkit.agents.credit`), and takes one or more steps on the clipped objective. Without a critic nothing is
bootstrapped, at the end of an episode or where it was cut.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.agents.batches import TokenBatch, token_batch, turn_rewards
from rlkit.agents.credit import trajectory_advantages
from rlkit.agents.rollouts import Trajectory, rollout
from rlkit.agents.text_environment import TextEnvironment
from rlkit.group_objective import grpo_loss
from rlkit.lm.scoring import score_sequences
from rlkit.lm.updates import LastGood, take_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Advantages = Callable[[Sequence[Trajectory]], Tensor]
TASKS_OF_A_RUN = 1_000_000


@dataclass(frozen=True)
class AgentConfig:
    """Settings; the defaults were tuned here for the data agent and the tiny model.

    The learning rate falls linearly to ``final_share`` of what it is at first. A real model wants one a hundred times
    smaller.
    """

    num_iterations: int = 60
    tasks_per_iteration: int = 8
    group_size: int = 12
    max_new_tokens: int = 6
    num_epochs: int = 1
    learning_rate: float = 1e-3
    final_share: float = 1.0
    clip_low: float = 0.2
    clip_high: float = 0.2
    aggregation: str = "token_mean"
    kl_coefficient: float = 0.02
    temperature: float = 1.0
    largest_gradient_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class AgentResult:
    """One row an iteration: ``return``, ``turns`` and the mean of every key figure; and how the run ended."""

    history: dict[str, Tensor]
    ended: str


def episode_advantages(trajectories: Sequence[Trajectory], divide_by_std: bool = True) -> Tensor:
    """Give every turn the return of its episode, beside the group's, (B, T)."""
    rewards, mask = turn_rewards(trajectories)
    return trajectory_advantages(rewards, mask, torch.tensor([one.group for one in trajectories]), divide_by_std)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    make_environment: Callable[[], TextEnvironment],
    config: AgentConfig = AgentConfig(),
    advantages: Advantages = episode_advantages,
    loss: Callable[..., Tensor] = grpo_loss,
    after: Callable[[dict[str, float], Sequence[TextEnvironment], Sequence[Trajectory]], None] | None = None,
    progress: bool = False,
) -> AgentResult:
    """Train a model in place; the reference policy is the model as it comes.

    Parameters
    ----------
    model, tokenizer
    make_environment : callable
        Called once for each place of a batch; the environments are reset again and again.
    config : AgentConfig
    advantages : callable
        Trajectories to advantages of turns, (B, T).
    loss : callable
        With the arguments of :func:`rlkit.group_objective.grpo_loss`, the first four positionally.
    after : callable, optional
        Called after each iteration with its key figures, the environments (whose prices it may change) and the
        trajectories.
    progress : bool
    """
    reference = copy.deepcopy(model).eval().requires_grad_(False) if config.kl_coefficient else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0, fused=True)
    sampling = make_generator(config.seed, "sampling", model.device)
    tasks, size = config.tasks_per_iteration, config.group_size
    environments = [make_environment() for _ in range(tasks * size)]
    records, run, last_good = [], Run(config.num_iterations, "agent", progress), LastGood(model)
    with run, last_good:
        for step in run:
            optimizer.param_groups[0]["lr"] = config.learning_rate * falling_share(step, config)
            first = TASKS_OF_A_RUN * (config.seed + 1) + step * tasks
            seeds = [first + task for task in range(tasks) for _ in range(size)]
            played = rollout(model, tokenizer, environments, seeds, config.max_new_tokens, sampling, config.temperature)
            estimates = advantages(played)
            require_converging("advantage", estimates.reshape(-1)[None], step)
            batch = token_batch(played, estimates, tokenizer.pad_token_id, model.device)
            norm = update(model, reference, optimizer, batch, config, loss, step)
            last_good.keep()
            figures = means(played) | {"gradient_norm": norm}
            records.append({"step": torch.tensor(step + 1), **{k: torch.tensor(v) for k, v in figures.items()}})
            run.show(success=figures["success"]) if progress else None
            if after is not None:
                after(figures, environments, played)
    model.eval()
    return AgentResult(stack_history(records), run.ended)


def falling_share(step: int, config: AgentConfig) -> float:
    """Share of the learning rate in an iteration, from 1 down to ``final_share`` in the last."""
    return 1 - (1 - config.final_share) * step / max(1, config.num_iterations - 1)


def update(
    model: PreTrainedModel,
    reference: PreTrainedModel | None,
    optimizer: torch.optim.Optimizer,
    batch: TokenBatch,
    config: AgentConfig,
    loss: Callable[..., Tensor] = grpo_loss,
    step: int = 0,
) -> float:
    """Take the steps on one batch; return the norm of the last gradient."""
    anchor = None
    if reference is not None:
        with torch.no_grad():
            anchor = score_sequences(reference, batch.ids, batch.real, config.temperature)
    options = {"clip_low": config.clip_low, "clip_high": config.clip_high, "aggregation": config.aggregation}
    options |= {"reference_log_probabilities": anchor, "kl_coefficient": config.kl_coefficient}
    model.train()
    for _ in range(config.num_epochs):
        policy = score_sequences(model, batch.ids, batch.real, config.temperature)
        total = loss(policy, batch.log_probabilities, batch.advantages, batch.mask, **options)
        require_converging("loss", total.detach().reshape(1), step)
        norm = take_step(optimizer, total, config.largest_gradient_norm, step)
    return float(norm)


def means(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Mean return and mean of every key figure over episodes."""
    count, names = len(trajectories), [name for name in trajectories[0].info if name != "fresh_context"]
    found = {name: sum(float(one.info[name]) for one in trajectories) / count for name in names}
    return {"return": sum(sum(one.rewards) for one in trajectories) / count, **found}


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    make_environment: Callable[[], TextEnvironment],
    num_episodes: int = 400,
    first_seed: int = 900_000_000,
    max_new_tokens: int = 6,
    temperature: float = 1.0,
) -> dict[str, float]:
    """Key figures on tasks that no training saw; greedy with temperature 0."""
    environments = [make_environment() for _ in range(num_episodes)]
    seeds = range(first_seed, first_seed + num_episodes)
    generator = make_generator(0, "evaluation", model.device)
    return means(rollout(model, tokenizer, environments, seeds, max_new_tokens, generator, temperature))
