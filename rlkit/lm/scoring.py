"""Log-probabilities that a model gives to completions, with gradients, in one pass over prompt and completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rlkit.lm.sampling import read_prompts
from rlkit.lm.tokens import target_log_probabilities, token_entropies

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Scores(NamedTuple):
    """Per token of the completions, (B, T); what the mask leaves out is 0, and so are entropies not asked for."""

    log_probabilities: Tensor
    entropies: Tensor


def score(
    model: PreTrainedModel,
    prompts: Tensor,
    prompt_mask: Tensor,
    completions: Tensor,
    mask: Tensor,
    temperature: float = 1.0,
    entropy: bool = False,
    chunk: int | None = None,
) -> Scores:
    """Score completions token by token.

    Parameters
    ----------
    model : PreTrainedModel
    prompts, prompt_mask : LongTensor and BoolTensor, shape (B, P)
        Left-padded.
    completions, mask : LongTensor and BoolTensor, shape (B, T)
    temperature : float
        That of the policy; logits are divided by it.
    entropy : bool
        Also return each token's entropy, without gradient.
    chunk : int, optional
        Positions whose logits are held at once. They are then computed a second time in the backward pass, which
        saves memory where a vocabulary has a hundred thousand tokens: T x V numbers a sequence, thrice.
    """
    # The last token's logits would belong to a token that is not there, so the model does not read it.
    ids = torch.cat([prompts, completions], dim=1)[:, :-1]
    attention = torch.cat([prompt_mask, mask], dim=1)[:, :-1]
    length = completions.shape[1]
    # Positions count real tokens, so that left padding changes nothing.
    positions = (attention.long().cumsum(1) - 1).clamp_min(0)
    # Without padding before a real token the causal mask suffices, and attention is faster.
    needed = attention.long() if not bool(prompt_mask.all()) else None
    inputs = {"input_ids": ids, "attention_mask": needed, "position_ids": positions, "use_cache": False}
    shared = len(torch.cat([prompts, prompt_mask.long()], dim=1).unique(dim=0)) < len(prompts)
    if chunk is None and shared and not getattr(model.base_model, "gradient_checkpointing", False):
        logits = _with_shared_prompts(model, prompts, prompt_mask, completions, positions, needed)
        values, entropies = _from_logits(logits / temperature, completions, entropy)
    elif chunk is None:
        logits = model(**inputs, logits_to_keep=length).logits
        values, entropies = _from_logits(logits / temperature, completions, entropy)
    else:
        _require_plain_head(model)
        hidden = model.base_model(**inputs).last_hidden_state[:, -length:]
        parts = [
            checkpoint(_chunk, model, *some, temperature, entropy, use_reentrant=False)
            for some in zip(hidden.split(chunk, dim=1), completions.split(chunk, dim=1), strict=True)
        ]
        values, entropies = (torch.cat(columns, dim=1) for columns in zip(*parts, strict=True))
    return Scores(values.masked_fill(~mask, 0.0), entropies.masked_fill(~mask, 0.0))


def score_sequences(model: PreTrainedModel, ids: Tensor, real: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of every token but the first, given those before it, for right-padded sequences.

    Parameters
    ----------
    model : PreTrainedModel
    ids, real : LongTensor and BoolTensor, shape (B, L)
        ``real`` is False for padding, which stands behind: the causal mask alone keeps it from being read.
    temperature : float

    Returns
    -------
    Tensor, shape (B, L - 1)
        0 for padding.
    """
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return target_log_probabilities(logits / temperature, ids[:, 1:]).masked_fill(~real[:, 1:], 0.0)


def _with_shared_prompts(
    model: PreTrainedModel,
    prompts: Tensor,
    prompt_mask: Tensor,
    completions: Tensor,
    positions: Tensor,
    attention: Tensor | None,
) -> Tensor:
    """Logits for the completions, (B, T, V), with each distinct prompt read once, gradient included."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    first, _ = read_prompts(model, prompts, prompt_mask, cache)
    if completions.shape[1] == 1:
        return first[:, None]
    rest = model(
        input_ids=completions[:, :-1],
        attention_mask=attention,
        position_ids=positions[:, prompts.shape[1] :],
        past_key_values=cache,
        use_cache=True,
    ).logits
    return torch.cat([first[:, None], rest], dim=1)


def _chunk(
    model: PreTrainedModel, hidden: Tensor, targets: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor]:
    """Log-probabilities from hidden states; run twice, forwards and again in the backward pass."""
    return _from_logits(model.get_output_embeddings()(hidden) / temperature, targets, entropy)


def _from_logits(logits: Tensor, targets: Tensor, entropy: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the targets, and entropies where wanted."""
    values = target_log_probabilities(logits, targets)
    with torch.no_grad():
        return values, token_entropies(logits) if entropy else torch.zeros_like(values)


def _require_plain_head(model: PreTrainedModel) -> None:
    """Chunks apply the output layer themselves, which is wrong for models that change its result."""
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(model.config, name, None):
            raise ValueError(f"the model scales its logits ({name}), which chunks leave out; call with chunk=None")
