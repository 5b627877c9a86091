r"""Reinforcement learning from human feedback by PPO, with a price on leaving the reference policy.

Every token is a step. The reward model's score comes with the last token; every token pays for its log-ratio,

.. math::
   r_t = \mathbb 1[t = T]\, r_\phi(x, y)
   - \beta \big( \log \pi_\text{old}(y_t \mid \cdot) - \log \pi_\text{ref}(y_t \mid \cdot) \big),

so that the expected return is the score minus :math:`\beta\, \mathrm{KL}(\pi \,\|\, \pi_\text{ref})`. A value is
learned for every token, and advantages are estimated as in :mod:`rlkit.advantages`. The end of a completion
terminates, also where the limit of tokens ends it: the limit is part of the task here.

References
----------
Ouyang et al. (2022), "Training language models to follow instructions with human feedback", equation 2. Ziegler et al.
(2019), "Fine-Tuning Language Models from Human Preferences".
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlkit.advantages import generalized_advantage_estimate
from rlkit.grpo import DrawPrompts
from rlkit.lm.evaluation import Reward, call_reward
from rlkit.lm.resume import Resumable
from rlkit.lm.sampling import Completions, decode, sample
from rlkit.lm.scoring import score
from rlkit.lm.tokens import masked_mean, token_log_probabilities
from rlkit.lm.updates import LastGood, take_step
from rlkit.ppo import clipped_surrogate
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history
from rlkit.validation import require_boolean, require_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def shaped_rewards(
    scores: Tensor, log_probabilities: Tensor, reference_log_probabilities: Tensor, mask: Tensor, kl_coefficient: float
) -> Tensor:
    r"""Reward of every token: the price of its log-ratio, and the score with the last one.

    Parameters
    ----------
    scores : Tensor, shape (...)
    log_probabilities, reference_log_probabilities : Tensor, shape (..., L)
        Under the policy that sampled, and under the reference.
    mask : BoolTensor, shape (..., L)
        True for the completion's tokens, of which there is at least one.
    kl_coefficient : float
        :math:`\beta`, at least 0.

    Returns
    -------
    Tensor, shape (..., L)
        0 where the mask is False.
    """
    shapes = {"log_probabilities": "... L", "reference_log_probabilities": "... L", "mask": "... L"}
    require_shapes(scores="...", **shapes, given=locals())
    require_boolean(mask=mask)
    if not bool(mask.any(-1).all()):
        raise ValueError("a completion has no token, so there is none that its score could go to")
    price = kl_coefficient * (log_probabilities - reference_log_probabilities)
    return scores[..., None] * last_token(mask) - price.masked_fill(~mask, 0.0)


def last_token(mask: Tensor) -> Tensor:
    """True at the last True of each row, (..., L) to (..., L)."""
    after = mask.flip(-1).cumsum(-1).flip(-1)
    return mask & (after == 1)


@dataclass(frozen=True)
class RLHFConfig:
    """Settings; the defaults were tuned here for *Chain* and the tiny model.

    Policy and critic share a body, and scores of a reward model may be of any size. A critic's squared error grows with
    the square of that size, so its weight has to be small, or its gradient drags the policy along: with 0.5 the
    regularised objective falls here.

    A run with a ``checkpoint_folder`` that was interrupted goes on when it is called again with the same arguments.
    """

    num_steps: int = 50
    batch_size: int = 256
    max_new_tokens: int = 13
    num_epochs: int = 2
    learning_rate: float = 5e-4
    clip_range: float = 0.2
    kl_coefficient: float = 0.05
    value_coefficient: float = 0.02
    discount: float = 1.0
    gae_lambda: float = 0.95
    largest_gradient_norm: float = 1.0
    checkpoint_folder: str | None = None
    checkpoint_every: int = 10
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RLHFResult:
    """What the run recorded, and how it ended. The model was trained in place.

    ``history`` has one row a step: ``step``, ``score`` (of the reward function), ``true_reward`` (of ``watch``, where
    given), ``kl`` (sum of log-ratios of a completion, k1), ``length``, ``loss``.
    """

    history: dict[str, Tensor]
    ended: str


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    draw_prompts: DrawPrompts,
    reward: Reward,
    config: RLHFConfig = RLHFConfig(),
    shape_rewards: Callable[..., Tensor] = shaped_rewards,
    surrogate: Callable[..., Tensor] = clipped_surrogate,
    watch: Reward | None = None,
    progress: bool = False,
) -> RLHFResult:
    """Train a model in place; the reference policy is the model as it comes.

    Parameters
    ----------
    model, tokenizer
    draw_prompts, reward
        As in :func:`rlkit.grpo.train`; ``reward`` is usually a :class:`rlkit.reward_model.RewardModel`.
    config : RLHFConfig
    shape_rewards, surrogate : callable
        With the arguments of :func:`shaped_rewards` and :func:`rlkit.ppo.clipped_surrogate`.
    watch : callable, optional
        A reward that is only recorded: what was really wanted.
    progress : bool
    """
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    value_head = nn.Linear(model.config.hidden_size, 1).to(model.device)
    nn.init.zeros_(value_head.weight)
    nn.init.zeros_(value_head.bias)
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *value_head.parameters()], lr=config.learning_rate, weight_decay=0.0
    )
    generators = {
        "prompts": make_generator(config.seed, "prompts"),
        "sampling": make_generator(config.seed, "sampling", model.device),
    }
    keeper = Resumable(
        config.checkpoint_folder, config.checkpoint_every, model, tokenizer, optimizer, generators, value_head
    )
    done, records = keeper.start(repr(config))
    run, last_good = Run(config.num_steps, "rlhf", progress), LastGood(model)
    with run, last_good:
        for step in run:
            if step < done:
                continue
            asked = list(draw_prompts(config.batch_size, generators["prompts"]))
            completions = sample(model, tokenizer, asked, config.max_new_tokens, generators["sampling"])
            texts, mask = decode(tokenizer, completions), completions.mask
            scores = call_reward(reward, asked, texts).to(model.device)
            with torch.no_grad():
                anchor = score(reference, *completions[:4]).log_probabilities
                values = policy_and_values(model, value_head, completions)[1]
            old = completions.log_probabilities
            rewards = shape_rewards(scores, old, anchor, mask, config.kl_coefficient)
            advantages = token_advantages(rewards, values, mask, config.discount, config.gae_lambda)
            targets = advantages + values
            advantages = normalise(advantages, mask)
            model.train()
            for _ in range(config.num_epochs):
                policy, prediction = policy_and_values(model, value_head, completions)
                objective = surrogate(policy, old, advantages, config.clip_range)
                losses = -objective + config.value_coefficient * (prediction - targets).square()
                total = masked_mean(losses, mask)
                require_converging("loss", total.detach().reshape(1), step)
                take_step(optimizer, total, config.largest_gradient_norm, step)
            last_good.keep()
            record = {"step": torch.tensor(step + 1), "score": scores.mean(), "loss": total.detach()}
            record |= {"kl": (old - anchor).masked_fill(~mask, 0.0).sum(1).mean()}
            record |= {"length": mask.sum(1).float().mean()}
            if watch is not None:
                record["true_reward"] = call_reward(watch, asked, texts).mean()
            records.append({name: value.detach().cpu() for name, value in record.items()})
            keeper.finished(step + 1, records, last=step + 1 == config.num_steps)
            run.show(score=scores.mean().item()) if progress else None
    model.eval()
    return RLHFResult(stack_history(records), run.ended)


def policy_and_values(model: PreTrainedModel, value_head: nn.Module, completions: Completions) -> tuple[Tensor, Tensor]:
    """Log-probability of each token, and the value *before* it was chosen; both (B, T)."""
    ids = torch.cat([completions.prompts, completions.ids], dim=1)
    attention = torch.cat([completions.prompt_mask, completions.mask], dim=1)
    length = completions.ids.shape[1]
    hidden = model.base_model(
        input_ids=ids,
        attention_mask=attention.long(),
        position_ids=(attention.long().cumsum(1) - 1).clamp_min(0),
        use_cache=False,
    ).last_hidden_state[:, -length - 1 :]
    policy = token_log_probabilities(model.get_output_embeddings()(hidden), ids[:, -length - 1 :])
    values = value_head(hidden[:, :-1].to(value_head.weight.dtype)).squeeze(-1)
    return policy.masked_fill(~completions.mask, 0.0), values.masked_fill(~completions.mask, 0.0)


def token_advantages(rewards: Tensor, values: Tensor, mask: Tensor, discount: float, gae_lambda: float) -> Tensor:
    """Advantages of tokens, (B, L): :func:`rlkit.advantages.generalized_advantage_estimate` with the last as end."""
    next_values = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    terminated, truncated = last_token(mask), torch.zeros_like(mask)
    estimates = generalized_advantage_estimate(
        rewards.T, values.T, next_values.T, terminated.T, truncated.T, discount, gae_lambda
    )
    return estimates.T.masked_fill(~mask, 0.0)


def normalise(advantages: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the tokens that count, (B, L)."""
    counted = advantages[mask]
    return ((advantages - counted.mean()) / (counted.std() + 1e-8)).masked_fill(~mask, 0.0)
