"""Supervised fine-tuning: make the demonstrated completions likelier.

The loss is the mean of :math:`-\\log \\pi(y_t \\mid x, y_{<t})` over the tokens of the completions; the prompt's tokens
are read and not predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.lm.resume import Resumable
from rlkit.lm.sampling import encode_prompts, require_room
from rlkit.lm.scoring import score
from rlkit.lm.tokens import masked_mean, right_pad
from rlkit.lm.updates import LastGood, take_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class SupervisedConfig:
    """Settings; the defaults were tuned here for *Chain* and the tiny model.

    A run with a ``checkpoint_folder`` that was interrupted goes on when it is called again with the same arguments.
    """

    num_steps: int = 350
    batch_size: int = 128
    learning_rate: float = 4e-3
    warm_up_steps: int = 50
    final_share: float = 0.1
    largest_gradient_norm: float = 1.0
    checkpoint_folder: str | None = None
    checkpoint_every: int = 50
    seed: int = 0


@dataclass(frozen=True, eq=False)
class SupervisedResult:
    """History with ``loss`` and ``step``, (num_steps,), and how the run ended. The model was trained in place."""

    history: dict[str, Tensor]
    ended: str


def negative_log_likelihood(log_probabilities: Tensor, mask: Tensor) -> Tensor:
    """Mean of minus the log-probabilities over the tokens that the mask keeps; a scalar."""
    return -masked_mean(log_probabilities, mask)


def encode_completions(
    tokenizer: PreTrainedTokenizerBase, completions: Sequence[str], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Texts to right-padded ids that end with the end token, and their mask, both (B, T).

    An empty text becomes the end token alone: a completion that says nothing is an action too.
    """
    sequences = tokenizer(list(completions), add_special_tokens=False)["input_ids"]
    return right_pad([[*ids, tokenizer.eos_token_id] for ids in sequences], tokenizer.pad_token_id, device)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    demonstrations: Sequence[tuple[str, str]],
    config: SupervisedConfig = SupervisedConfig(),
    loss: Callable[[Tensor, Tensor], Tensor] = negative_log_likelihood,
    progress: bool = False,
) -> SupervisedResult:
    """Train a model in place on pairs of prompt and completion, drawn in shuffled passes.

    Parameters
    ----------
    model, tokenizer
    demonstrations : sequence of (str, str)
    config : SupervisedConfig
    loss : callable
        With the arguments of :func:`negative_log_likelihood`.
    progress : bool
    """
    if len(demonstrations) < config.batch_size:
        raise ValueError(f"{len(demonstrations)} demonstrations, expected at least one batch of {config.batch_size}")
    every_prompt, every_answer = (list(column) for column in zip(*demonstrations, strict=True))
    lengths = encode_completions(tokenizer, every_answer)[1].sum(1)
    require_room(model, every_prompt, encode_prompts(tokenizer, every_prompt)[1], lengths)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    shuffling = make_generator(config.seed, "minibatches")
    order: list[int] = []
    keeper = Resumable(config.checkpoint_folder, config.checkpoint_every, model, tokenizer, optimizer, {})
    done, records = keeper.start(repr(config))
    run, last_good = Run(config.num_steps, "supervised", progress), LastGood(model)
    model.train()
    with run, last_good:
        for step in run:
            if len(order) < config.batch_size:
                order = torch.randperm(len(demonstrations), generator=shuffling).tolist()
            rows, order = order[: config.batch_size], order[config.batch_size :]
            if step < done:
                continue
            asked, answers = zip(*(demonstrations[row] for row in rows), strict=True)
            prompts, prompt_mask = encode_prompts(tokenizer, asked, model.device)
            ids, mask = encode_completions(tokenizer, answers, model.device)
            total = loss(score(model, prompts, prompt_mask, ids, mask).log_probabilities, mask)
            require_converging("loss", total.detach().reshape(1), step)
            optimizer.param_groups[0]["lr"] = config.learning_rate * learning_rate_share(step, config)
            take_step(optimizer, total, config.largest_gradient_norm, step)
            last_good.keep()
            records.append({"step": torch.tensor(step + 1), "loss": total.detach().cpu()})
            keeper.finished(step + 1, records, last=step + 1 == config.num_steps)
            run.show(loss=total.item()) if progress else None
    model.eval()
    return SupervisedResult(stack_history(records), run.ended)


def learning_rate_share(step: int, config: SupervisedConfig) -> float:
    """Share of the learning rate: a linear rise, times a linear fall to ``final_share``."""
    rise = min(1.0, (step + 1) / config.warm_up_steps)
    return rise * (1 - (1 - config.final_share) * step / config.num_steps)
