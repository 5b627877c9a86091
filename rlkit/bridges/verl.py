"""verl: rlkit's episodes as an agent loop or behind a tool, their rewards, and rows for its parquet files.

There are two ways, and each row of the data set names its own. ``rlkit`` (:class:`EpisodeLoop` in
``plugins/rlkit_verl.py``) is an agent loop: the policy writes commands as plain text, token for token what
:mod:`rlkit.agents.rollouts` plays, and the reward comes with the episode. ``tool_agent`` is verl's own loop for models
whose chat template knows tools: the policy calls ``act``, :func:`compute_score` adds up what the calls earned, and the
policy speaks once more when the episode is over.

verl makes its classes from the names in two small files, which :func:`write_configuration` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkit.bridges.episodes import EpisodeError, chain_reward, rows, write_rows
from rlkit.bridges.tools import ACT, HOW

PLUGIN = "rlkit.bridges.plugins.rlkit_verl"
CHAIN = "rlkit/chain"
ERROR = "rlkit_error"


def episode_rows(
    environment_id: str, seeds: Iterable[int], with_tool: bool = False, **options: Any
) -> list[dict[str, Any]]:
    """Return rows for episodes, with the columns that verl wants."""
    found = []
    for row in rows(environment_id, seeds, **options):
        identity = {name: row[name] for name in ("environment_id", "seed", "options")}
        information: dict[str, Any] = {"index": row["seed"], **identity}
        if with_tool:
            information["tools_kwargs"] = {ACT["function"]["name"]: {"create_kwargs": identity}}
            if options.get("instructions"):
                row["prompt"][0]["content"] += HOW
        found.append(
            {
                "prompt": row["prompt"],
                "data_source": environment_id,
                "agent_name": "tool_agent" if with_tool else "rlkit",
                "reward_model": {"style": "rule", "ground_truth": ""},
                "extra_info": information,
            }
        )
    return found


def chain_rows(prompts: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows for *Chain*, which verl's loop of a single turn plays."""
    return [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "data_source": CHAIN,
            "agent_name": "single_turn_agent",
            "reward_model": {"style": "rule", "ground_truth": prompt},
            "extra_info": {"index": number},
        }
        for number, prompt in enumerate(prompts)
    ]


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any], **others: Any
) -> float:
    """Return the reward, as verl's ``custom_reward_function``; the agent loop ``rlkit`` brings its own.

    Raises
    ------
    EpisodeError
        If the environment raised. verl tells the policy of it, and would train on the rewards up to there.
    """
    if data_source == CHAIN:
        return chain_reward([ground_truth], [solution_str])[0]
    if extra_info.get(ERROR):
        raise EpisodeError(extra_info[ERROR])
    if extra_info.get("tool_rewards") is None:
        raise ValueError(
            f"a row of {data_source} was played by a loop without tools; its agent_name has to be 'rlkit' or "
            "'tool_agent', as episode_rows writes it"
        )
    return float(sum(extra_info["tool_rewards"]))


def write_configuration(folder: str | Path, max_tokens: int = 64) -> dict[str, Path]:
    """Write the files that name the agent loop and the tool; ``max_tokens`` limits a turn of the agent loop."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    loops = [{"name": "rlkit", "_target_": f"{PLUGIN}.EpisodeLoop", "max_tokens": max_tokens}]
    tools = {"tools": [{"class_name": f"{PLUGIN}.EpisodeTool", "config": {"type": "native"}}]}
    written = {}
    for name, content in (("agent_loops", loops), ("tools", tools)):
        written[name] = folder / f"{name}.yaml"
        written[name].write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")  # YAML reads JSON
    return written


def write_run(folder: str | Path, train: Sequence[Any], validation: Sequence[Any], max_tokens: int = 64) -> list[str]:
    """Write data set and configuration; return the settings of ``verl.trainer.main_ppo`` that point to them."""
    files = write_configuration(folder, max_tokens)
    data = {name: write_rows(part, Path(folder) / f"{name}.parquet") for name, part in
            (("train", train), ("val", validation))}  # fmt: skip
    return [
        f"data.train_files={data['train'].resolve()}",
        f"data.val_files={data['val'].resolve()}",
        "data.return_raw_chat=true",
        f"actor_rollout_ref.rollout.agent.agent_loop_config_path={files['agent_loops'].resolve()}",
        f"actor_rollout_ref.rollout.multi_turn.tool_config_path={files['tools'].resolve()}",
        f"reward.custom_reward_function.path=pkg://{__name__}",
        "reward.custom_reward_function.name=compute_score",
    ]
