"""Episodes of a language model in text environments, many at once, with one key-value cache from turn to turn.

What the policy wrote is kept as the ids that were sampled, with their log-probabilities; what the environment said is
appended between (:mod:`rlkit.lm.chat`). Only the new tokens of a turn are read, so an episode costs what one long
completion costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlkit.agents.text_environment import TextEnvironment
from rlkit.lm.chat import Chat
from rlkit.lm.tokens import left_pad

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class Context:
    """One conversation: token ids, and for each the number of the turn that wrote it (-1: the environment's)."""

    ids: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)

    def add(self, ids: Sequence[int], turn: int = -1, log_probabilities: Sequence[float] | None = None) -> None:
        """Append tokens."""
        self.ids += ids
        self.turns += [turn] * len(ids)
        self.log_probabilities += log_probabilities if log_probabilities is not None else [0.0] * len(ids)


@dataclass
class Trajectory:
    """An episode: its contexts (several where the environment opens fresh ones), and what happened in each turn."""

    seed: int
    group: int
    contexts: list[Context] = field(default_factory=lambda: [Context()])
    observations: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    context_of_turn: list[int] = field(default_factory=list)
    final_observation: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    terminated: bool = False
    truncated: bool = False
    """Cut from outside: the model's context had no room for another turn."""


@torch.no_grad()
def rollout(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    environments: Sequence[TextEnvironment],
    seeds: Sequence[int],
    max_new_tokens: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    groups: Sequence[int] | None = None,
) -> list[Trajectory]:
    """Play one episode in each environment.

    Parameters
    ----------
    model, tokenizer
        Of one checkpoint; the tokenizer has a chat template.
    environments : sequence of TextEnvironment
    seeds : sequence of int
        For ``reset``; equal seeds are the same task.
    max_new_tokens : int
        Of one turn.
    generator : torch.Generator, optional
        On the model's device; needed unless ``temperature`` is 0.
    temperature : float
    groups : sequence of int, optional
        Group of each episode; its seed if left out.
    """
    from transformers import DynamicCache

    if temperature > 0 and generator is None:
        raise ValueError("generator is missing; sampling needs one (rlkit.seeding.make_generator makes it)")
    chat, device = Chat(tokenizer), model.device
    room = getattr(model.config, "max_position_embeddings", None) or 10**9
    played = [Trajectory(seed, group) for seed, group in zip(seeds, groups or seeds, strict=True)]
    for episode, environment in zip(played, environments, strict=True):
        text, _ = environment.reset(seed=episode.seed)
        episode.observations.append(text)
        episode.contexts[0].add(chat.opening(text))
    live, new = list(range(len(played))), [list(episode.contexts[0].ids) for episode in played]
    cache, mask = DynamicCache(config=model.config), torch.zeros(len(live), 0, dtype=torch.long, device=device)
    was_training = model.training
    model.eval()
    while live:
        tokens, scores, mask = _write(model, cache, mask, new, max_new_tokens, generator, temperature, chat)
        kept, new, fresh = [], [], []
        for row, number in enumerate(live):
            more = _step(played[number], environments[number], tokens[row], scores[row], chat, room - max_new_tokens)
            if more is not None:
                kept.append(row)
                fresh.append(len(played[number].contexts[-1].ids) == len(more))
                new.append(more)
        live = [live[row] for row in kept]
        if live:
            mask = _keep_rows(cache, mask, torch.tensor(kept, device=device), torch.tensor(fresh, device=device))
    model.train(was_training)
    return played


def _step(
    episode: Trajectory, environment: TextEnvironment, ids: list[int], scores: list[float], chat: Chat, room: int
) -> list[int] | None:
    """Carry out what was written; return the ids that the model reads next, or None at the end of the episode."""
    context = episode.contexts[-1]
    context.add(ids, len(episode.actions), scores)
    episode.anchors.append(environment.anchor())
    action = chat.written(ids)
    observation, reward, terminated, truncated, info = environment.step(action)
    episode.actions.append(action)
    episode.rewards.append(reward)
    episode.context_of_turn.append(len(episode.contexts) - 1)
    episode.terminated, episode.truncated, episode.info = terminated, truncated, info
    if terminated or truncated:
        episode.final_observation = observation
        return None
    if info["fresh_context"]:
        episode.contexts.append(Context())
        more = list(chat.opening(observation))
    else:
        more = [*([] if ids[-1] == chat.end else [chat.end]), *chat.reply(observation)]
    if len(episode.contexts[-1].ids) + len(more) > room:
        episode.truncated, episode.final_observation = True, observation
        return None
    episode.observations.append(observation)
    episode.contexts[-1].add(more)
    # The last token that was written is not in the cache yet, for nothing has been read after it.
    return more if info["fresh_context"] else [ids[-1], *more]


def _write(
    model: PreTrainedModel,
    cache: Any,
    mask: Tensor,
    new: list[list[int]],
    max_new_tokens: int,
    generator: torch.Generator | None,
    temperature: float,
    chat: Chat,
) -> tuple[list[list[int]], list[list[float]], Tensor]:
    """Read the new tokens of every row and write its turn; return ids, log-probabilities and the cache's mask."""
    ids, some = left_pad(new, chat.tokenizer.pad_token_id, model.device)
    past = mask.sum(1, keepdim=True)
    positions = (past + some.cumsum(1) - 1).clamp_min(0)
    mask, alive = torch.cat([mask, some.long()], dim=1), torch.ones(len(new), dtype=torch.bool, device=model.device)
    columns = []
    for number in range(max_new_tokens):
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        table = (logits.float() / (temperature or 1.0)).log_softmax(-1)
        chosen = (
            torch.multinomial(table.exp(), 1, generator=generator) if temperature else table.argmax(-1, keepdim=True)
        )
        columns.append((chosen, table.gather(1, chosen), alive[:, None]))
        ended = alive & (chosen[:, 0] == chat.end)
        if number == max_new_tokens - 1 or not (alive & ~ended).any():
            break
        # Rows that have ended write filling, which nothing may attend to.
        alive = alive & ~ended
        mask = torch.cat([mask, alive.long()[:, None]], dim=1)
        positions, ids = mask.sum(1, keepdim=True) - 1, chosen
    written, scores, counted = (torch.cat(column, dim=1) for column in zip(*columns, strict=True))
    lengths = counted.sum(1).tolist()  # a row's own tokens come first
    tokens, values = (
        [row[:length] for row, length in zip(rows.tolist(), lengths, strict=True)] for rows in (written, scores)
    )
    return tokens, values, mask


def _keep_rows(cache: Any, mask: Tensor, rows: Tensor, fresh: Tensor) -> Tensor:
    """Drop the episodes that ended, what those with a fresh context have read, and columns that nobody needs."""
    mask = mask[rows]
    mask[fresh] = 0
    columns = mask.any(0).nonzero().flatten()
    for layer in cache.layers:
        layer.keys, layer.values = (part[rows][:, :, columns] for part in (layer.keys, layer.values))
    return mask[:, columns]
