"""How often completions earn their reward: greedy, sampled, and at least once in k samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlkit.lm.sampling import decode, sample

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Reward = Callable[[Sequence[str], Sequence[str]], Sequence[float]]


def pass_at_k(num_correct: Tensor, num_samples: int, k: int) -> Tensor:
    r"""Chance that k of n samples, drawn without replacement, hold a right one.

    It is :math:`1 - \binom{n-c}{k} / \binom{n}{k}`, unbiased for :math:`1 - (1 - p)^k`;
    putting :math:`\hat p = c / n` there is not.

    Parameters
    ----------
    num_correct : Tensor, shape (...)
        c, of each prompt.
    num_samples, k : int
        n and k, with k at most n.

    References
    ----------
    Chen et al. (2021), "Evaluating Large Language Models Trained on Code", equation 1.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(f"k is {k!r} with {num_samples} samples, expected 1 to {num_samples}")
    if bool((num_correct < 0).any()) or bool((num_correct > num_samples).any()):
        raise ValueError(f"num_correct has entries outside 0 to {num_samples}: {num_correct.tolist()}")
    wrong = num_samples - num_correct.double()
    # C(wrong, k) / C(n, k) as a product of k ratios, each at most 1; where wrong < k a factor is 0.
    steps = torch.arange(k, dtype=torch.float64, device=num_correct.device)
    factors = ((wrong[..., None] - steps) / (num_samples - steps)).clamp_min(0)
    return 1 - factors.prod(-1)


def call_reward(reward: Reward, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
    """Call a reward function and check what it returns.

    Returns
    -------
    Tensor, shape (B,), float32

    Raises
    ------
    ValueError
        If it returns another number of rewards, or one that is not finite, with the prompt it belongs to. What the
        function itself raises passes through with a note of the prompts.
    """
    try:
        values = reward(prompts, completions)
    except Exception as error:
        error.add_note(f"raised by the reward function, called with {len(prompts)} prompts from {prompts[0]!r} on")
        raise
    rewards = torch.as_tensor(values, dtype=torch.float32).detach().cpu()
    if rewards.shape != (len(prompts),):
        raise ValueError(
            f"the reward function returned shape {tuple(rewards.shape)} for {len(prompts)} completions, expected "
            f"({len(prompts)},): one number each"
        )
    bad = (~torch.isfinite(rewards)).nonzero().flatten().tolist()
    if bad:
        place = bad[0]
        raise ValueError(
            f"the reward function returned {rewards[place].item()} for prompt {prompts[place]!r} with completion "
            f"{completions[place]!r}, expected a finite number"
        )
    return rewards


def say_without_signal(skipped: Tensor) -> None:
    """Warn of steps in which all rewards of every group were equal; ``skipped`` is 1 for each of them, (num_steps,)."""
    number = int(skipped.sum())
    if number:
        warnings.warn(
            f"in {number} of {len(skipped)} steps every group had equal rewards: nothing was learned from them. "
            "Prompts that the model answers rightly now and then, or larger groups, give a signal",
            stacklevel=3,
        )


def accuracy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reward: Reward,
    prompts: Sequence[str],
    max_new_tokens: int,
    generator: torch.Generator | None = None,
) -> float:
    """Mean reward of one completion each: greedy without a generator, sampled at temperature 1 with one."""
    completions = sample(model, tokenizer, prompts, max_new_tokens, generator, temperature=float(generator is not None))
    return call_reward(reward, prompts, decode(tokenizer, completions)).mean().item()


def num_correct(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reward: Reward,
    prompts: Sequence[str],
    num_samples: int,
    max_new_tokens: int,
    generator: torch.Generator,
) -> Tensor:
    """How many of n samples earn a positive reward, for each prompt: LongTensor (B,), for :func:`pass_at_k`."""
    asked = [prompt for prompt in prompts for _ in range(num_samples)]
    completions = sample(model, tokenizer, asked, max_new_tokens, generator)
    right = call_reward(reward, asked, decode(tokenizer, completions)) > 0
    return right.reshape(len(prompts), num_samples).sum(1)
