"""Pairs of completions, the better one first: from a policy's own samples and a function that scores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlkit.lm.chain import MAX_NEW_TOKENS
from rlkit.lm.evaluation import Reward, call_reward
from rlkit.lm.sampling import decode, sample
from rlkit.seeding import make_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def sample_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    draw_prompts: Callable[[int, torch.Generator], Sequence[str]],
    reward: Reward,
    num_prompts: int = 512,
    num_samples: int = 8,
    most_per_prompt: int = 2,
    max_new_tokens: int = MAX_NEW_TOKENS,
    seed: int = 0,
) -> list[tuple[str, str, str]]:
    """Sample completions of each prompt and pair those of the largest reward with those of the smallest.

    Returns
    -------
    list of (prompt, chosen, rejected)
        At most ``most_per_prompt`` of a prompt, each completion in one pair; none where all rewards are equal.
    """
    prompts = list(draw_prompts(num_prompts, make_generator(seed, "pair prompts")))
    asked = [prompt for prompt in prompts for _ in range(num_samples)]
    sampling = make_generator(seed, "pair samples", model.device)
    texts = decode(tokenizer, sample(model, tokenizer, asked, max_new_tokens, sampling))
    rewards = call_reward(reward, asked, texts).tolist()
    pairs = []
    for start in range(0, len(asked), num_samples):
        group = list(zip(rewards[start : start + num_samples], texts[start : start + num_samples], strict=True))
        best, worst = (choice(value for value, _ in group) for choice in (max, min))
        if best > worst:
            good = [text for value, text in group if value == best]
            bad = [text for value, text in group if value == worst]
            chosen = list(zip(good, bad, strict=False))[:most_per_prompt]
            pairs += [(asked[start], better, worse) for better, worse in chosen]
    return pairs
