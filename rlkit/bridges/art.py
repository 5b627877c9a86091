"""OpenPipe ART: rlkit's episodes as its trajectories, and what its trainer makes of them, without its trainer.

ART plays by way of any server with OpenAI's interface (:func:`collect`), turns trajectories into tokens, advantages
and packed rows (:func:`pack`), and has a loss; none of this needs a GPU. Its trainer does (``LocalBackend``), or it is
rented (``ServerlessBackend``); both take the groups that :func:`collect` returns.

The server has to answer with log-probabilities and with token ids in place of tokens, as vLLM and
:mod:`rlkit.bridges.server` do when ``return_tokens_as_token_ids`` is set. Contexts that an environment opens afresh
become further histories of the trajectory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlkit.bridges.episodes import Episode, RolloutError, require

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def framework() -> Any:
    """Import ART, and put back the function of transformers that it replaces by one of an older version."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # a package that it imports would fetch a price list
    art = require("art")
    from art.transformers.patches import _preprocess_mask_arguments
    from transformers import masking_utils

    masking_utils._preprocess_mask_arguments = _preprocess_mask_arguments
    return art


async def rollout(client: Any, model: str, row: Mapping[str, Any], **sampling: Any) -> Any:
    """Play the episode of a data set's row; return an ``art.Trajectory``.

    Parameters
    ----------
    client, model
        ``TrainableModel.openai_client()`` or another ``openai.AsyncOpenAI``, and the model's name there.
    row, **sampling
        One of :func:`rlkit.bridges.episodes.rows`; of the requests, ``temperature`` and ``max_tokens``.

    A ``RolloutError`` says that the server is not there, died, refused, or answered without log-probabilities.
    """
    import openai

    art, episode = framework(), Episode.from_row(row)
    settings: dict[str, Any] = {"max_tokens": 64, "temperature": 1.0, **sampling, "logprobs": True}
    settings["extra_body"] = {"return_tokens_as_token_ids": True}
    histories: list[list[Any]] = []
    while not episode.ended:
        if len(histories) < len(episode.contexts):
            histories.append([])
        histories[-1].append(episode.messages[-1])
        place = f"in turn {len(episode.actions) + 1} of {episode.environment_id}, seed {episode.seed}"
        try:
            answer = await client.chat.completions.create(model=model, messages=episode.messages, **settings)
        except openai.APIError as error:
            hint = f"Does the server run, and is its model's name {model!r}?"
            raise RolloutError(f"no answer from {client.base_url} {place}: {error} {hint}") from error
        choice = answer.choices[0]
        if choice.logprobs is None or not choice.logprobs.content:
            raise RolloutError(f"{client.base_url} answered without log-probabilities {place}; ART would leave it out")
        histories[-1].append(choice)
        episode.reply((choice.message.content or "").strip())
    return art.Trajectory(
        messages_and_choices=histories[0],
        additional_histories=[art.trajectories.History(messages_and_choices=more) for more in histories[1:]],
        reward=episode.total_reward,
        metrics={name: float(value) for name, value in episode.info.items() if name != "fresh_context"},
        metadata={"environment_id": episode.environment_id, "seed": episode.seed},
    ).finish()


async def gather(client: Any, model: str, rows: Sequence[Mapping[str, Any]], size: int, **sampling: Any) -> list[Any]:
    """Play a group of episodes of every row; return a list of ``art.TrajectoryGroup``: of all rows, or raise."""
    art = framework()
    every = [asyncio.ensure_future(rollout(client, model, row, **sampling)) for row in rows for _ in range(size)]
    groups = [art.TrajectoryGroup(every[start : start + size]) for start in range(0, len(every), size)]
    try:
        return list(await art.gather_trajectory_groups(groups, pbar_desc="episodes"))
    finally:  # after a failure the others go on, and would complain when they are forgotten
        for play in every:
            play.cancel()
        await asyncio.gather(*every, return_exceptions=True)


def collect(endpoint: str, model: str, rows: Sequence[Mapping[str, Any]], size: int, **sampling: Any) -> list[Any]:
    """Do the same by way of the server at an address that ends in ``/v1``."""
    from openai import AsyncOpenAI

    async def play() -> list[Any]:
        async with AsyncOpenAI(base_url=endpoint, api_key="none", max_retries=0) as client:
            return await gather(client, model, rows, size, **sampling)

    return asyncio.run(play())


def pack(
    groups: Sequence[Any], tokenizer: PreTrainedTokenizerBase, length: int, scale_rewards: bool = True
) -> dict[str, Any]:
    """Return ART's packed rows of groups: tokens, masks, log-probabilities, advantages; each (R, ``length``)."""
    framework()
    from art.preprocessing.pack import packed_tensors_from_tokenized_results
    from art.preprocessing.tokenize import tokenize_trajectory_groups

    options = {"allow_training_without_logprobs": False, "scale_rewards": scale_rewards}
    # The mean of seven times 0.9 is off by a rounding error, which ART's deviation would enlarge to an advantage of 1.
    uneven = [group for group in groups if len({one.reward for one in group}) > 1]
    if not (found := list(tokenize_trajectory_groups(tokenizer, uneven, **options))):
        raise ValueError(f"the rewards are equal within each of {len(groups)} groups: there is nothing to learn")
    longest = max(len(one.token_ids) for one in found)
    if longest > length:
        raise ValueError(f"length is {length}, but a trajectory has {longest} tokens; ART would cut it")
    return dict(packed_tensors_from_tokenized_results(found, seq_len=length, pad_token_id=tokenizer.pad_token_id))
