"""Random generators, one per purpose.

A run that draws its environment, its exploration and its minibatches from one stream changes in every part
as soon as one part draws once more. Here each purpose has its own stream, derived from the seed and a name.
"""

from __future__ import annotations

import hashlib

import torch


def make_generator(seed: int, purpose: str, device: str | torch.device | None = "cpu") -> torch.Generator:
    """Return a generator for one purpose of one run.

    Parameters
    ----------
    seed : int
        The seed of the run.
    purpose : str
        What the numbers are for, such as ``"environment"`` or ``"exploration"``. Different purposes give
        unrelated streams.
    device : str, torch.device or None
        Where the generator draws; ``None`` means the CPU.

    Raises
    ------
    ValueError
        If ``seed`` is negative or not an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}, expected an integer of at least 0")
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    generator = torch.Generator(device or "cpu")
    generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return generator
