"""Judging a language model that a student trained on *Chain*: its parameters go into a model of the examiner's own.

A student hands in ``list(model.parameters())``. Nothing of what the student's process says about it is believed: the
sums are drawn here, the model writes its answers here, and the digit is compared with the sum computed here.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from autograder.handed_in_models import model_from

NUM_SUMS = 300


@functools.cache
def base() -> tuple[Any, Any]:
    """Model and tokenizer as they come with rlkit."""
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    return load_checkpoint(SHIPPED / "chain", "cpu")


def model_of(answer: Any) -> Any:
    """Return a model with the parameters of an answer; fail unless it is a list of tensors of the right shapes."""
    return model_from(base()[0], answer)


def share_right(answer: Any, random: torch.Generator) -> float:
    """Share of sums, which no training saw, that the model answers rightly when greedy."""
    from rlkit.lm.chain import MAX_NEW_TOKENS, prompts
    from rlkit.lm.sampling import decode, sample

    model, tokenizer = model_of(answer), base()[1]
    drawing = torch.Generator().manual_seed(int(torch.randint(10**6, (), generator=random)))
    asked = prompts(NUM_SUMS, drawing, "test")
    texts = decode(tokenizer, sample(model, tokenizer, asked, MAX_NEW_TOKENS, temperature=0))
    digits = [sum(map(int, sums[:-1])) % 10 for sums in asked]
    right = [text.count("#") == 1 and text.endswith(f"#{digit}") for text, digit in zip(texts, digits, strict=True)]
    return sum(right) / len(right)


def changes(answer: Any) -> list[float]:
    """How much likelier four long right answers and four short wrong ones are than with the base, on average each."""
    from rlkit.lm import chain
    from rlkit.lm.sampling import encode_prompts
    from rlkit.lm.scoring import score
    from rlkit.lm.supervised import encode_completions

    model, (before, tokenizer) = model_of(answer), base()
    sums = ["77941=", "12345=", "90817=", "55555="]
    digits = [chain.answer(one) for one in sums]
    texts = [f"{chain.scratchpad(one)}#{digit}" for one, digit in zip(sums, digits, strict=True)]
    texts += [f"#{(int(digit) + 3) % 10}" for digit in digits]
    inputs = (*encode_prompts(tokenizer, sums * 2), *encode_completions(tokenizer, texts))
    with torch.no_grad():
        totals = [score(one, *inputs).log_probabilities.sum(1) for one in (model, before)]
    return [float(half) for half in (totals[0] - totals[1]).reshape(2, 4).mean(1)]
