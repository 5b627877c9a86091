"""Judging an agent that a student trained on databases: its parameters go into a model of the examiner's own.

A student hands in ``list(model.parameters())``. The tasks are drawn here, the model plays them here, and the
environment of this process says whether it succeeded.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from autograder.handed_in_models import model_from

NUM_TASKS = 200
FIRST_TASK = 1_500_000_000  # beyond the tasks of training, imitation and evaluation in rlkit.agents
NUM_DEMONSTRATIONS = 40
Rows = list[tuple[list[int], list[bool]]]


@functools.cache
def base() -> tuple[Any, Any]:
    """Model and tokenizer as they come with rlkit."""
    from rlkit.agents.recipes import load_base

    return load_base("data_agent", "cpu")


def model_of(answer: Any) -> Any:
    """Return a model with the parameters of an answer; fail unless it is a list of tensors of the right shapes."""
    return model_from(base()[0], answer)


def share_of_successes(answer: Any, random: torch.Generator) -> float:
    """Share of tasks, which no training saw, that the model brings to a success when greedy."""
    from rlkit.agents.data_agent import DataAgent
    from rlkit.agents.training import evaluate

    first = FIRST_TASK + int(torch.randint(10**8, (), generator=random))
    return evaluate(model_of(answer), base()[1], DataAgent, NUM_TASKS, first, temperature=0.0)["success"]


def changes(answer: Any) -> tuple[float, float]:
    """How much likelier than with the base the turns of an expert are, by episode, and a guess as the first turn."""
    expert, guess = _likely(model_of(answer))
    expert_before, guess_before = _likely_base()
    return expert - expert_before, guess - guess_before


@functools.cache
def _likely_base() -> tuple[float, float]:
    return _likely(base()[0])


@functools.cache
def _rows() -> tuple[Rows, Rows]:
    """Token ids and masks of the expert's episodes, and of questions that are answered by ``SAVE`` at once."""
    from rlkit.agents.data_agent import DataAgent
    from rlkit.agents.imitation import demonstrate, encode_context
    from rlkit.lm.chat import Chat

    tokenizer, environment = base()[1], DataAgent()
    chat, seeds = Chat(tokenizer), range(FIRST_TASK, FIRST_TASK + NUM_DEMONSTRATIONS)
    expert = [encode_context(chat, one) for seed in seeds for one in demonstrate(environment, seed, "expert")]
    (save,) = tokenizer("SAVE", add_special_tokens=False)["input_ids"]
    openings = [list(chat.opening(question)) for question in ("stock pear", "stock fig", "price kiwi", "price lime")]
    return expert, [([*ids, save], [False] * len(ids) + [True]) for ids in openings]


def _likely(model: Any) -> tuple[float, float]:
    """Mean log-probability by episode of what `_rows` marks."""
    expert, guesses = _rows()
    return _mean_score(model, expert), _mean_score(model, guesses)


def _mean_score(model: Any, rows: Rows) -> float:
    from rlkit.lm.scoring import score_sequences

    longest, padding = max(len(ids) for ids, _ in rows), base()[1].pad_token_id
    ids = torch.tensor([ids + [padding] * (longest - len(ids)) for ids, _ in rows])
    real = torch.arange(longest) < torch.tensor([[len(ids)] for ids, _ in rows])
    mask = torch.tensor([mask + [False] * (longest - len(mask)) for _, mask in rows])[:, 1:]
    with torch.no_grad():
        return float((score_sequences(model, ids, real) * mask).sum() / len(rows))
