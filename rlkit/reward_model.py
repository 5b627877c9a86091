r"""A reward model: a score for each completion, learned from which of two was preferred.

Under the Bradley–Terry model the chance that :math:`y^+` is preferred to :math:`y^-` is
:math:`\sigma(r(x, y^+) - r(x, y^-))`. Only differences matter: adding any function of the prompt to r changes nothing.

References
----------
Bradley and Terry (1952), "Rank Analysis of Incomplete Block Designs". Ouyang et al. (2022), "Training language models
to follow instructions with human feedback", equation 1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rlkit.lm.sampling import encode_prompts, require_room
from rlkit.lm.supervised import encode_completions
from rlkit.lm.updates import LastGood, take_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history
from rlkit.validation import require_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SCORED_AT_ONCE = 512


def bradley_terry_loss(chosen_reward: Tensor, rejected_reward: Tensor) -> Tensor:
    r"""Negative log-likelihood of each preference, :math:`-\log \sigma(r^+ - r^-)`, shape (...), to be minimised."""
    require_shapes(chosen_reward="...", rejected_reward="...", given=locals())
    return -logsigmoid(chosen_reward - rejected_reward)


def preference_accuracy(chosen_reward: Tensor, rejected_reward: Tensor) -> Tensor:
    """Share of the pairs in which the chosen completion scores higher; a tie counts one half. A scalar."""
    require_shapes(chosen_reward="...", rejected_reward="...", given=locals())
    return ((chosen_reward > rejected_reward).float() + 0.5 * (chosen_reward == rejected_reward)).mean()


class RewardModel(nn.Module):
    """A language model's body with a linear score, read at the last token of the completion.

    An object of it can stand wherever a reward function does: it takes lists of prompts and completions.

    Parameters
    ----------
    model, tokenizer
        Where the weights of the body come from; they are copied.
    seed : int
        For the score's first weights.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> None:
        super().__init__()
        self.body, self.tokenizer = copy.deepcopy(model.base_model), tokenizer
        width = model.config.hidden_size
        self.score = nn.Linear(width, 1).to(model.device, model.dtype)
        weights = torch.randn(1, width, generator=make_generator(seed, "reward model")) / width**0.5
        with torch.no_grad():
            self.score.weight.copy_(weights)
            self.score.bias.zero_()

    def score_ids(self, prompts: Tensor, prompt_mask: Tensor, completions: Tensor, mask: Tensor) -> Tensor:
        """Score token ids, with gradient; shapes as in :func:`rlkit.lm.scoring.score`. Returns (B,), float32."""
        attention = torch.cat([prompt_mask, mask], dim=1)
        hidden = self.body(
            input_ids=torch.cat([prompts, completions], dim=1),
            attention_mask=attention.long(),
            position_ids=(attention.long().cumsum(1) - 1).clamp_min(0),
            use_cache=False,
        ).last_hidden_state
        last = prompts.shape[1] + mask.sum(1) - 1
        return self.score(hidden[torch.arange(len(hidden), device=hidden.device), last]).squeeze(1).float()

    @torch.no_grad()
    def forward(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """Score texts: one number for each completion, without gradient."""
        scores: list[float] = []
        for start in range(0, len(prompts), SCORED_AT_ONCE):
            rows = slice(start, start + SCORED_AT_ONCE)
            asked = encode_prompts(self.tokenizer, prompts[rows], self.score.weight.device)
            answers = encode_completions(self.tokenizer, completions[rows], self.score.weight.device)
            scores += self.score_ids(*asked, *answers).tolist()
        return scores


@dataclass(frozen=True)
class RewardModelConfig:
    """Settings; the defaults were tuned here for *Chain* and the tiny model."""

    learning_rate: float = 1e-3
    num_epochs: int = 6
    batch_size: int = 64
    weight_decay: float = 0.01
    largest_gradient_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RewardModelResult:
    """The reward model, its history (``step``, ``loss``, ``accuracy`` on each minibatch), and how the run ended."""

    reward_model: RewardModel
    history: dict[str, Tensor]
    ended: str


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str, str]],
    config: RewardModelConfig = RewardModelConfig(),
    loss: Callable[[Tensor, Tensor], Tensor] = bradley_terry_loss,
    progress: bool = False,
) -> RewardModelResult:
    """Learn a reward model from (prompt, chosen, rejected), starting from a copy of the model's body.

    Parameters
    ----------
    model, tokenizer
    pairs : sequence of (str, str, str)
    config : RewardModelConfig
    loss : callable
        With the arguments of :func:`bradley_terry_loss`.
    progress : bool
    """
    if not pairs:
        raise ValueError("pairs is empty, expected (prompt, chosen, rejected) with at least one entry")
    reward_model = RewardModel(model, tokenizer, config.seed)
    prompts, chosen, rejected = (list(column) for column in zip(*pairs, strict=True))
    asked, asked_mask = encode_prompts(tokenizer, prompts, model.device)
    answers, answers_mask = encode_completions(tokenizer, [*chosen, *rejected], model.device)
    require_room(model, prompts, asked_mask, answers_mask.sum(1).reshape(2, -1).amax(0))
    optimizer = torch.optim.AdamW(reward_model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    shuffling, count = make_generator(config.seed, "minibatches"), len(pairs)
    batches = [
        rows.to(model.device)
        for _ in range(config.num_epochs)
        for rows in torch.randperm(count, generator=shuffling).split(config.batch_size)
    ]
    records, run, last_good = [], Run(len(batches), "reward model", progress), LastGood(reward_model)
    reward_model.train()
    with run, last_good:
        for step in run:
            rows = batches[step]
            both = torch.cat([rows, rows + count])
            scores = reward_model.score_ids(
                asked[rows].repeat(2, 1), asked_mask[rows].repeat(2, 1), answers[both], answers_mask[both]
            ).reshape(2, len(rows))
            total = loss(scores[0], scores[1]).mean()
            require_converging("loss", total.detach().reshape(1), step)
            take_step(optimizer, total, config.largest_gradient_norm, step)
            last_good.keep()
            accuracy = preference_accuracy(scores[0].detach(), scores[1].detach())
            records.append({"step": torch.tensor(step + 1), "loss": total.detach().cpu(), "accuracy": accuracy.cpu()})
            run.show(loss=total.item()) if progress else None
    return RewardModelResult(reward_model.eval(), stack_history(records), run.ended)
