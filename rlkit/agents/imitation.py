"""A base policy that imitates episodes of a scripted one, turn by turn, through the chat template.

The loss counts what the scripted policy wrote, and a little of what the environment said: reading is learned faster if
it must be predicted. In the first part of training half of each batch are *drills*, random words said twice: a tiny
model learns to copy from them within some hundred steps, and from episodes alone it may not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.agents.text_environment import TextEnvironment
from rlkit.lm.chat import Chat
from rlkit.lm.scoring import score_sequences
from rlkit.training import Run, require_converging, stack_history

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FIRST_TASK = 500_000_000  # far from the tasks of training and evaluation


@dataclass(frozen=True)
class ImitationConfig:
    """Settings; the defaults were tuned here for the four agents and the tiny model."""

    num_steps: int = 300
    batch_size: int = 64
    learning_rate: float = 3e-3
    warm_up_steps: int = 30
    final_share: float = 0.1
    observation_weight: float = 0.3
    drill_share: float = 0.6
    largest_gradient_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ImitationResult:
    """History with ``step`` and ``loss`` (of the policy's tokens), and how the run ended."""

    history: dict[str, Tensor]
    ended: str


def demonstrate(environment: TextEnvironment, seed: int, policy: str = "sloppy") -> list[list[tuple[str, bool]]]:
    """Play an episode with a scripted policy; return its contexts: texts, and whether it wrote them."""
    text, _ = environment.reset(seed=seed)
    chance, contexts, over = random.Random(seed + 17), [[(text, False)]], False
    while not over:
        action = getattr(environment, policy)(chance)
        observation, _, terminated, truncated, info = environment.step(action)
        contexts[-1].append((action, True))
        over = terminated or truncated
        if not over and info["fresh_context"]:
            contexts.append([(observation, False)])
        elif not over:
            contexts[-1].append((observation, False))
    return contexts


def encode_context(chat: Chat, context: list[tuple[str, bool]]) -> tuple[list[int], list[bool]]:
    """Token ids of a conversation, and which of them the policy wrote (its end tokens among them)."""
    ids, mask = list(chat.opening(context[0][0])), [False] * len(chat.opening(context[0][0]))
    for text, mine in context[1:]:
        more = (
            [*chat.tokenizer(text, add_special_tokens=False)["input_ids"], chat.end] if mine else list(chat.reply(text))
        )
        ids += more
        mask += [mine] * len(more)
    return ids, mask


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    make_environment: Callable[[], TextEnvironment],
    config: ImitationConfig = ImitationConfig(),
    policy: str = "sloppy",
    progress: bool = False,
) -> ImitationResult:
    """Train a model in place on fresh episodes of a scripted policy, which are played as they are needed."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0, fused=True)
    chat, environment, chance = Chat(tokenizer), make_environment(), random.Random(config.seed)
    words = [index for index in range(len(tokenizer)) if index not in tokenizer.all_special_ids]
    pool: list[tuple[list[int], list[bool]]] = []
    task = FIRST_TASK + 1_000_000 * config.seed
    records, run = [], Run(config.num_steps, "imitation", progress)
    model.train()
    with run:
        for step in run:
            if step < config.drill_share * config.num_steps:
                pool += [drill(words, chance) for _ in range(config.batch_size // 2)]
            while len(pool) < config.batch_size:
                pool += [encode_context(chat, one) for one in demonstrate(environment, task, policy)]
                task += 1
            rows, pool = pool[: config.batch_size], pool[config.batch_size :]
            total, shown = imitation_loss(model, tokenizer.pad_token_id, rows, config.observation_weight)
            require_converging("loss", total.detach().reshape(1), step)
            rise = min(1.0, (step + 1) / config.warm_up_steps)
            share = rise * (1 - (1 - config.final_share) * step / config.num_steps)
            optimizer.param_groups[0]["lr"] = config.learning_rate * share
            optimizer.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.largest_gradient_norm)
            optimizer.step()
            records.append({"step": torch.tensor(step + 1), "loss": shown.detach().cpu()})
            run.show(loss=shown.item()) if progress else None
    model.eval()
    return ImitationResult(stack_history(records), run.ended)


def drill(words: list[int], chance: random.Random) -> tuple[list[int], list[bool]]:
    """Four to ten random words, said twice; the second time counts."""
    said = [chance.choice(words) for _ in range(chance.randint(4, 10))]
    return said * 2, [False] * len(said) + [True] * len(said)


def imitation_loss(
    model: PreTrainedModel, pad_id: int, rows: list[tuple[list[int], list[bool]]], observation_weight: float
) -> tuple[Tensor, Tensor]:
    """Weighted negative log-likelihood per token of the policy, and the unweighted one of its tokens alone."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [pad_id] * (longest - len(ids)) for ids, _ in rows], device=model.device)
    mine = torch.tensor([mask + [False] * (longest - len(mask)) for _, mask in rows], device=model.device)[:, 1:]
    lengths = torch.tensor([len(ids) for ids, _ in rows], device=model.device)
    real = torch.arange(longest, device=model.device) < lengths[:, None]
    scores = score_sequences(model, ids, real)
    weights = mine.float() + observation_weight * (real[:, 1:] & ~mine).float()
    count = mine.sum()
    return -(scores * weights).sum() / count, -(scores * mine).sum() / count
