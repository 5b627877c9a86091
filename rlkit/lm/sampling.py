"""Completions sampled in a batch, token by token, with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rlkit.lm.checkpoints import stop_tokens
from rlkit.lm.tokens import left_pad

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

LOOK = 8  # tokens between two looks at whether every completion has ended: a look makes a GPU wait


class Completions(NamedTuple):
    """What a policy wrote after B prompts; the ids as they were sampled, never written out and read again."""

    prompts: Tensor
    """LongTensor (B, P), left-padded."""
    prompt_mask: Tensor
    """BoolTensor (B, P)."""
    ids: Tensor
    """LongTensor (B, T), padded after each completion's stop token."""
    mask: Tensor
    """BoolTensor (B, T), True for the tokens that were chosen, the stop token among them."""
    log_probabilities: Tensor
    """(B, T), float32, under the distribution that was sampled from; 0 after the end."""
    finished: Tensor
    """BoolTensor (B,): ended by a stop token rather than by the limit."""


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Texts to left-padded ids and their mask, both (B, P)."""
    if isinstance(prompts, str) or not prompts:
        given = "one string" if prompts else "empty"
        raise ValueError(f"prompts is {given}, expected a list with at least one string")
    sequences = tokenizer(list(prompts), add_special_tokens=True)["input_ids"]
    for prompt, sequence in zip(prompts, sequences, strict=True):
        if not sequence:
            raise ValueError(f"prompt {prompt!r} has no tokens; a policy needs at least one token to start from")
    return left_pad(sequences, tokenizer.pad_token_id, device)


def decode(tokenizer: PreTrainedTokenizerBase, completions: Completions) -> list[str]:
    """Texts of completions, without what ends and pads them."""
    kept = [row[mask].tolist() for row, mask in zip(completions.ids.cpu(), completions.mask.cpu(), strict=True)]
    return tokenizer.batch_decode(kept, skip_special_tokens=True)


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    stop_ids: Sequence[int] | None = None,
) -> Completions:
    """Write a completion after each prompt.

    Parameters
    ----------
    model, tokenizer
        Of one checkpoint; the model may be on any device and of any dtype.
    prompts : sequence of str
    max_new_tokens : int
        Length at which a completion is cut off.
    generator : torch.Generator, optional
        On the model's device; needed unless ``temperature`` is 0.
    temperature : float
        Logits are divided by it; 0 takes the likeliest token each time.
    stop_ids : sequence of int, optional
        Tokens that end a completion; those of the checkpoint if left out.

    Raises
    ------
    ValueError
        If there is no prompt, an empty one, or one that leaves no room in the model's context.
    """
    ids, mask = encode_prompts(tokenizer, prompts, model.device)
    require_room(model, prompts, mask, max_new_tokens)
    stops = stop_tokens(model, tokenizer) if stop_ids is None else list(stop_ids)
    return continue_from(model, ids, mask, max_new_tokens, stops, tokenizer.pad_token_id, generator, temperature)


@torch.no_grad()
def continue_from(
    model: PreTrainedModel,
    prompts: Tensor,
    prompt_mask: Tensor,
    max_new_tokens: int,
    stop_ids: Sequence[int],
    pad_id: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
) -> Completions:
    """Write completions after left-padded token ids; arguments as in :func:`sample`."""
    from transformers import DynamicCache

    if not temperature >= 0 or max_new_tokens < 1:
        raise ValueError(
            f"temperature is {temperature!r} and max_new_tokens {max_new_tokens!r}, expected at least 0 and at least 1"
        )
    if temperature > 0 and generator is None:
        raise ValueError("generator is missing; sampling needs one (rlkit.seeding.make_generator makes it)")
    was_training = model.training
    model.eval()
    cache, stops = DynamicCache(config=model.config), torch.tensor(list(stop_ids), device=prompts.device)
    padded = not bool(prompt_mask.all())
    logits, positions = read_prompts(model, prompts, prompt_mask, cache)
    attention = prompt_mask.long() if padded else None
    alive = torch.ones(len(prompts), dtype=torch.bool, device=prompts.device)
    columns: list[tuple[Tensor, Tensor, Tensor]] = []
    for number in range(max_new_tokens):
        log_probabilities = (logits.float() / (temperature or 1.0)).log_softmax(-1)
        if temperature == 0:
            chosen = log_probabilities.argmax(-1)
        else:
            chosen = torch.multinomial(log_probabilities.exp(), 1, generator=generator).squeeze(1)
        chosen = torch.where(alive, chosen, pad_id)
        score = log_probabilities.gather(1, chosen[:, None]).squeeze(1).masked_fill(~alive, 0.0)
        columns.append((chosen, alive, score))
        alive = alive & ~torch.isin(chosen, stops)
        if number % LOOK == LOOK - 1 and not alive.any():
            break
        if number == max_new_tokens - 1:
            break
        positions = positions + 1
        if attention is not None:
            attention = torch.cat([attention, torch.ones_like(chosen[:, None])], dim=1)
        logits = model(
            input_ids=chosen[:, None],
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    model.train(was_training)
    ids, mask, scores = (torch.stack(column, dim=1) for column in zip(*columns, strict=True))
    used = int(mask.any(0).sum())  # looks are rare, so the last columns may be padding only
    return Completions(prompts, prompt_mask, ids[:, :used], mask[:, :used], scores[:, :used], ~alive)


def read_prompts(
    model: PreTrainedModel, prompts: Tensor, prompt_mask: Tensor, cache: DynamicCache
) -> tuple[Tensor, Tensor]:
    """Fill a cache with left-padded prompts, reading each distinct one once.

    In a group of eight answers the prompt is then an eighth of the work; its keys and values are copied to the rows.

    Returns
    -------
    logits : Tensor, shape (B, V)
        For the first token of each completion.
    positions : LongTensor, shape (B, 1)
        Of each prompt's last token, counting real tokens.
    """
    rows, group = torch.cat([prompts, prompt_mask.long()], dim=1).unique(dim=0, return_inverse=True)
    distinct, mask = rows.chunk(2, dim=1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    logits = model(
        input_ids=distinct,
        attention_mask=None if bool(prompt_mask.all()) else mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    cache.batch_select_indices(group)
    return logits[group], positions[group, -1:]


def require_room(model: PreTrainedModel, prompts: Sequence[str], mask: Tensor, new_tokens: int | Tensor) -> None:
    """Raise ``ValueError`` for a prompt that leaves too little of the context.

    Positions that a model was not made for are no error in it: with rotary embeddings it computes on, and badly.

    Parameters
    ----------
    model : PreTrainedModel
    prompts : sequence of str
    mask : BoolTensor, shape (B, P)
    new_tokens : int or LongTensor, shape (B,)
        Most tokens to be written after each prompt, or the tokens of the completion that each one has.
    """
    context = getattr(model.config, "max_position_embeddings", None)
    lengths = mask.sum(1)
    total = lengths + new_tokens
    if context is not None and int(total.max()) > context:
        longest = int(total.argmax())
        if isinstance(new_tokens, int):
            more = f"max_new_tokens is {new_tokens}"
        else:
            more = f"its completion has {int(new_tokens[longest])}"
        raise ValueError(
            f"prompt {longest} has {int(lengths[longest])} tokens and {more}, "
            f"together more than the context of {context}: {prompts[longest][:60]!r}"
        )
