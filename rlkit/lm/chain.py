"""*Chain*: the sum of five digits modulo 10, answered at once or after a running sum.

``77941=`` may be answered ``#8``, or with a scratchpad that copies each digit and writes the sum so far:
``77 74 93 47 18 #8`` without the blanks. Every demonstration is right, 70 in 100 answer at once. A small model
imitates both ways and is right only where it thinks; reinforcement learning then selects thinking.

Prompts are split by their *multiset* of digits, so that no test prompt is a training prompt with its digits moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

CHARACTERS = "0123456789=#"
NUM_DIGITS = 5
MAX_NEW_TOKENS = 2 * NUM_DIGITS + 3  # a full scratchpad, '#', the answer, the end
TEST_SHARE = 0.2


def is_test_prompt(prompt: str) -> bool:
    """Whether a prompt belongs to the test part: decided by its digits, whatever their order."""
    digest = hashlib.sha256("".join(sorted(prompt.rstrip("="))).encode()).digest()
    return int.from_bytes(digest[:4], "big") < TEST_SHARE * 2**32


def prompts(number: int, generator: torch.Generator, split: str = "train") -> list[str]:
    """Draw prompts of one part, with repetition.

    Parameters
    ----------
    number : int
    generator : torch.Generator
    split : {"train", "test"}
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}, expected 'train' or 'test'")
    found: list[str] = []
    while len(found) < number:
        digits = torch.randint(10, (2 * number + 8, NUM_DIGITS), generator=generator).tolist()
        texts = ("".join(map(str, row)) + "=" for row in digits)
        found += [text for text in texts if is_test_prompt(text) == (split == "test")]
    return found[:number]


def answer(prompt: str) -> str:
    """Return the right digit."""
    return str(sum(map(int, prompt.rstrip("="))) % 10)


def scratchpad(prompt: str) -> str:
    """Each digit, followed by the sum up to it modulo 10."""
    total, text = 0, ""
    for digit in prompt.rstrip("="):
        total = (total + int(digit)) % 10
        text += digit + str(total)
    return text


def demonstrations(number: int, generator: torch.Generator, thinking: float = 0.3) -> list[tuple[str, str]]:
    """Draw training prompts with right completions; a share of ``thinking`` of them with a scratchpad."""
    asked = prompts(number, generator)
    thinks = (torch.rand(number, generator=generator) < thinking).tolist()
    return [(text, scratchpad(text) * think + "#" + answer(text)) for text, think in zip(asked, thinks, strict=True)]


def reward(asked: Sequence[str], completions: Sequence[str]) -> list[float]:
    """1 for a completion with exactly one ``#`` and the right digit after it, else 0; the scratchpad is not read."""
    return [
        float(text.count("#") == 1 and text.split("#")[1] == answer(prompt))
        for prompt, text in zip(asked, completions, strict=True)
    ]
