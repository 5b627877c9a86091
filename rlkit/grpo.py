"""Group-relative policy optimisation of a language model, with the formulas of :mod:`rlkit.group_objective`.

Each step samples a group of completions for every prompt, scores them by a function, and takes a few gradient steps
on the clipped objective. The log-probabilities of the sampling policy are those noted while sampling, so no pass
over the batch is spent on them.

``python -m rlkit.grpo --help`` runs it on a checkpoint from the command line.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlkit.group_objective import clip_fraction, group_advantages, grpo_loss, importance_ratio
from rlkit.lm.divergence import kl_estimate
from rlkit.lm.evaluation import Reward, call_reward, say_without_signal
from rlkit.lm.resume import Resumable
from rlkit.lm.sampling import Completions, decode, sample
from rlkit.lm.scoring import score
from rlkit.lm.tokens import masked_mean
from rlkit.lm.updates import LastGood, clip_and_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DrawPrompts = Callable[[int, torch.Generator], Sequence[str]]


@dataclass(frozen=True)
class GRPOConfig:
    """Settings; the defaults were tuned here for *Chain* and the tiny model.

    A real model wants a learning rate a hundred times smaller. ``micro_batch_size`` completions go through the model
    at a time, with the same gradient as all at once; ``chunk`` limits the logits held at once (see
    :func:`rlkit.lm.scoring.score`). With ``drop_equal_groups`` the groups whose rewards are all equal do not count in
    the loss's mean.
    """

    num_steps: int = 36
    prompts_per_step: int = 16
    group_size: int = 16
    max_new_tokens: int = 13
    num_epochs: int = 2
    num_minibatches: int = 1
    learning_rate: float = 5e-4
    clip_low: float = 0.2
    clip_high: float = 0.2
    aggregation: str = "token_mean"
    ratio: str = "token"
    kl_coefficient: float = 0.02
    temperature: float = 1.0
    drop_equal_groups: bool = False
    micro_batch_size: int | None = None
    chunk: int | None = None
    largest_gradient_norm: float = 1.0
    checkpoint_folder: str | None = None
    checkpoint_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_steps", "prompts_per_step", "max_new_tokens", "num_epochs", "num_minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected at least 1")
        if self.group_size < 2:
            raise ValueError(f"group_size is {self.group_size!r}, expected at least 2: one completion has no group")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature!r}, expected a number above 0")


@dataclass(frozen=True, eq=False)
class GRPOResult:
    """What the run recorded, and how it ended. The model was trained in place.

    ``history`` has one row a step: ``step``, ``reward``, ``length`` (tokens), ``finished`` (share ended by a stop
    token), ``equal_groups`` (share of groups without a signal), ``skipped`` (1 if all were, so that nothing was
    updated), ``clip_fraction``, ``kl`` (k3, per token), ``entropy`` (per token), ``gradient_norm``, ``tokens``.
    """

    history: dict[str, Tensor]
    ended: str


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    draw_prompts: DrawPrompts,
    reward: Reward,
    config: GRPOConfig = GRPOConfig(),
    advantages: Callable[[Tensor, Tensor], Tensor] = group_advantages,
    loss: Callable[..., Tensor] = grpo_loss,
    progress: bool = False,
) -> GRPOResult:
    """Train a model in place; the reference policy is the model as it comes.

    Parameters
    ----------
    model, tokenizer
    draw_prompts : callable
        A number and a generator to that many prompts.
    reward : callable
        Lists of prompts and completions to a list of numbers.
    config : GRPOConfig
    advantages : callable
        Rewards (B,) and group ids (B,) to advantages (B,).
    loss : callable
        With the arguments of :func:`rlkit.group_objective.grpo_loss`, the first four positionally.
    progress : bool
    """
    reference = copy.deepcopy(model).eval().requires_grad_(False) if config.kl_coefficient else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0, fused=True)
    generators = {
        "prompts": make_generator(config.seed, "prompts"),
        "sampling": make_generator(config.seed, "sampling", model.device),
        "minibatches": make_generator(config.seed, "minibatches"),
    }
    keeper = Resumable(config.checkpoint_folder, config.checkpoint_every, model, tokenizer, optimizer, generators)
    done, records = keeper.start(repr(config))
    run, last_good = Run(config.num_steps, "grpo", progress), LastGood(model)
    with run, last_good:
        for step in run:
            if step < done:
                continue
            prompts = list(draw_prompts(config.prompts_per_step, generators["prompts"]))
            asked = [prompt for prompt in prompts for _ in range(config.group_size)]
            completions = sample(
                model, tokenizer, asked, config.max_new_tokens, generators["sampling"], config.temperature
            )
            rewards = call_reward(reward, asked, decode(tokenizer, completions)).to(model.device)
            groups = torch.arange(len(prompts), device=model.device).repeat_interleave(config.group_size)
            by_group = rewards.reshape(len(prompts), config.group_size)
            equal = by_group.amax(1) == by_group.amin(1)
            record = {
                "step": step + 1,
                "reward": rewards.mean(),
                "length": completions.mask.sum(1).float().mean(),
                "finished": completions.finished.float().mean(),
                "equal_groups": equal.float().mean(),
                "skipped": equal.all().float(),
                "tokens": completions.mask.sum(),
            }
            if not bool(equal.all()):
                estimates = advantages(rewards, groups)
                require_converging("advantage", estimates.reshape(-1)[None], step)
                counted = ~equal[groups] if config.drop_equal_groups else torch.ones_like(equal[groups])
                rows = counted.nonzero().flatten()
                record |= _update(
                    model, reference, optimizer, completions, estimates, rows, config, loss, generators, step
                )
                last_good.keep()
            records.append({name: torch.as_tensor(value).detach().float().cpu() for name, value in record.items()})
            run.show(reward=rewards.mean().item(), equal_groups=equal.float().mean().item()) if progress else None
            keeper.finished(step + 1, records, last=step + 1 == config.num_steps)
    model.eval()
    nothing = dict.fromkeys(("clip_fraction", "kl", "entropy", "gradient_norm"), torch.tensor(float("nan")))
    history = stack_history([nothing | record for record in records])
    say_without_signal(history["skipped"]) if history else None
    return GRPOResult(history, run.ended)


def _update(
    model: PreTrainedModel,
    reference: PreTrainedModel | None,
    optimizer: torch.optim.Optimizer,
    completions: Completions,
    advantages: Tensor,
    rows: Tensor,
    config: GRPOConfig,
    loss: Callable[..., Tensor],
    generators: dict[str, torch.Generator],
    step: int,
) -> dict[str, Any]:
    """Take the gradient steps on one batch of completions; return what the last pass showed."""
    model.train()
    anchor = _reference_scores(reference, completions, rows, config) if reference is not None else None
    sums: dict[str, Tensor] = {}
    for _ in range(config.num_epochs):
        order = torch.randperm(len(rows), generator=generators["minibatches"])
        seen: list[dict[str, Tensor]] = []
        for chosen in order.to(rows.device).tensor_split(config.num_minibatches):
            mask = completions.mask[rows[chosen]]
            sizes = {"sequence_mean": len(chosen), "token_mean": int(mask.sum())}
            whole = float(sizes.get(config.aggregation, len(chosen) * config.max_new_tokens))
            optimizer.zero_grad()
            for part in chosen.split(config.micro_batch_size or len(chosen)):
                total, shown = _part_loss(model, completions, advantages, anchor, rows, part, whole, config, loss)
                require_converging("loss", total.detach().reshape(1), step)
                total.backward()
                seen.append(shown)
            norm = clip_and_step(optimizer, config.largest_gradient_norm, step)
        tokens = sum(shown["tokens"] for shown in seen)
        names = [name for name in seen[0] if name != "tokens"]
        sums = {name: torch.stack([shown[name] * shown["tokens"] for shown in seen]).sum() / tokens for name in names}
    return sums | {"gradient_norm": norm}


def _part_loss(
    model: PreTrainedModel,
    completions: Completions,
    advantages: Tensor,
    anchor: Tensor | None,
    rows: Tensor,
    part: Tensor,
    whole: float,
    config: GRPOConfig,
    loss: Callable[..., Tensor],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of some completions, as their share of the minibatch, and what is shown of them."""
    some = Completions(*(field[rows[part]] for field in completions))
    scores = score(
        model, some.prompts, some.prompt_mask, some.ids, some.mask, config.temperature, entropy=True, chunk=config.chunk
    )
    policy, estimate = scores.log_probabilities, advantages[rows[part]]
    fixed = None if anchor is None else anchor[part]
    options = {"aggregation": config.aggregation, "ratio": config.ratio, "normaliser": whole}
    options |= {"clip_low": config.clip_low, "clip_high": config.clip_high}
    options |= {"reference_log_probabilities": fixed, "kl_coefficient": config.kl_coefficient}
    total = loss(policy, some.log_probabilities, estimate, some.mask, **options)
    with torch.no_grad():
        weight = importance_ratio(policy, some.log_probabilities, some.mask, config.ratio)
        kl = torch.zeros_like(policy) if fixed is None else kl_estimate(policy, fixed, "k3")
        shown = {"clip_fraction": clip_fraction(weight, estimate, some.mask, config.clip_low, config.clip_high)}
        shown |= {"kl": masked_mean(kl, some.mask), "entropy": masked_mean(scores.entropies, some.mask)}
    return total, shown | {"tokens": some.mask.sum()}


@torch.no_grad()
def _reference_scores(reference: PreTrainedModel, completions: Completions, rows: Tensor, config: GRPOConfig) -> Tensor:
    """Log-probabilities of the tokens under the policy that training started from."""
    parts = []
    for part in rows.split(config.micro_batch_size or len(rows)):
        prompts, prompt_mask, ids, mask = (field[part] for field in completions[:4])
        parts.append(
            score(reference, prompts, prompt_mask, ids, mask, config.temperature, chunk=config.chunk).log_probabilities
        )
    return torch.cat(parts)


if __name__ == "__main__":
    from rlkit.lm.grpo_command import main

    main()
