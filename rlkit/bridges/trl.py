"""Hugging Face TRL: rlkit's episodes in ``GRPOTrainer``, *Chain* in ``GRPOTrainer`` and ``RLOOTrainer``.

There are two ways for episodes of many turns. With :class:`rlkit.bridges.tools.TextAgent` as ``environment_factory``
TRL plays the episode and the policy calls a tool; this works with every model whose chat template TRL knows, and with
vLLM. The policy then speaks once more after the last answer of the environment, and that turn is trained on too. With
:func:`rollout` as ``rollout_func`` rlkit plays it: token for token what :mod:`rlkit.agents.training` trains on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rlkit.bridges.episodes import chain_reward, make_environment, require, rows
from rlkit.bridges.tools import TextAgent, with_tools

WAYS = ("rlkit", "trl")


def dataset(environment_id: str, seeds: Iterable[int], **options: Any) -> Any:
    """Return a ``datasets.Dataset`` with a row for each seed; the prompt carries its row, for TRL hands on no more."""
    require("trl")
    from datasets import Dataset

    found = rows(environment_id, seeds, **options)
    return Dataset.from_list([{**row, "prompt": [{**row["prompt"][0], "row": json.dumps(row)}]} for row in found])


def chain_rewards(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """Reward function of *Chain*, for ``GRPOTrainer`` and ``RLOOTrainer``."""
    return chain_reward(prompts, completions)


def episode_rewards(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """Reward function beside :func:`rollout`: what the episodes earned."""
    return list(columns["episode_reward"])


def make_trainer(model: Any, tokenizer: Any, args: Any, train_dataset: Any, play: str = "rlkit") -> Any:
    """Return a ``GRPOTrainer`` on episodes of :func:`dataset`, played by rlkit or by TRL."""
    trl = require("trl")
    if play not in WAYS:
        raise ValueError(f"play is {play!r}, expected one of {WAYS}")
    ways: dict[str, Any] = (
        {"reward_funcs": episode_rewards, "rollout_func": rollout}
        if play == "rlkit"
        else {"environment_factory": TextAgent}
    )
    tokenizer = tokenizer if play == "rlkit" else with_tools(tokenizer)
    return trl.GRPOTrainer(model, args=args, train_dataset=train_dataset, processing_class=tokenizer, **ways)


def rollout(prompts: Sequence[list[dict[str, str]]], trainer: Any) -> dict[str, list[Any]]:
    """Play episodes with rlkit, as TRL's ``rollout_func``.

    ``generation_kwargs={"max_new_tokens": 6}`` limits a turn. An episode that opens fresh contexts has no place in TRL,
    whose samples are one sequence each; and a model in pieces, or in vLLM, is TRL's to sample from.
    """
    from rlkit.agents.rollouts import rollout as play
    from rlkit.seeding import make_generator

    args = trainer.args
    if args.use_vllm or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise ValueError(
            "rlkit samples from whole models alone: with vLLM, FSDP or DeepSpeed let TRL play (play='trl')"
        )
    found = [json.loads(prompt[0]["row"]) for prompt in prompts]
    environments = [make_environment(row["environment_id"], **json.loads(row["options"])) for row in found]
    model = trainer.accelerator.unwrap_model(trainer.model)
    purpose = f"rollout of process {trainer.accelerator.process_index} before step {trainer.state.global_step}"
    generator = make_generator(args.seed, purpose, model.device)
    limit = (args.generation_kwargs or {}).get("max_new_tokens", args.max_completion_length)
    seeds = [row["seed"] for row in found]
    try:
        played = play(model, trainer.processing_class, environments, seeds, limit, generator, args.temperature)
    except Exception as error:
        error.add_note(f"while rlkit played {found[0]['environment_id']} for TRL, with seeds {sorted(set(seeds))}")
        raise
    if any(len(one.contexts) > 1 for one in played):
        raise ValueError(f"{found[0]['environment_id']} opens fresh contexts, which a sample of TRL cannot hold")
    parts = [(one.contexts[0], one.contexts[0].turns.index(0)) for one in played]
    return {
        "prompt_ids": [part.ids[:start] for part, start in parts],
        "completion_ids": [part.ids[start:] for part, start in parts],
        "logprobs": [part.log_probabilities[start:] for part, start in parts],
        "env_mask": [[int(turn >= 0) for turn in part.turns[start:]] for part, start in parts],
        "episode_reward": [float(sum(one.rewards)) for one in played],
    }
