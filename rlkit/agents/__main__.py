"""Train an agent on a checkpoint: ``python -m rlkit.agents --model FOLDER --agent data_agent --out FOLDER``.

The checkpoint is any causal language model whose tokenizer has a chat template. Without ``--model`` the tiny base that
comes with rlkit is trained. Training by the recipe of the agent; every setting of AgentConfig is an option.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.instructions import instructed
from rlkit.agents.recipes import RECIPES, load_base
from rlkit.agents.training import AgentConfig, evaluate, train
from rlkit.device import choose_device
from rlkit.lm.checkpoints import load_checkpoint, save_checkpoint


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m rlkit.agents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agent", required=True, choices=sorted(RECIPES), help=" ")
    parser.add_argument(
        "--model", help="folder of a causal language model with its tokenizer; the shipped base if left out"
    )
    parser.add_argument("--out", required=True, help="folder for the trained checkpoint and history.json")
    parser.add_argument("--log", help="SQLite file to which every episode of the training is logged")
    parser.add_argument("--instructions", action="store_true", help="tell the model its commands at the start")
    parser.add_argument("--episodes", type=int, default=200, help="for the evaluation before and after (default 200)")
    parser.add_argument("--device", help="cpu, cuda, mps; the best one present if left out")
    parser.add_argument("--bfloat16", action="store_true", help="compute in bfloat16, weights and optimizer in float32")
    parser.add_argument(
        "--gradient-checkpointing", action="store_true", help="compute layers twice to hold less of them"
    )
    for field in fields(AgentConfig):
        # The default is the recipe's, which is known once the agent is.
        kind = type(field.default)
        parser.add_argument("--" + field.name.replace("_", "-"), type=kind, help="(the recipe's if left out)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Load, train, log, save, and say how it went."""
    options = parse(arguments)
    out, device, recipe = Path(options.out), choose_device(options.device), RECIPES[options.agent]
    given = {field.name: getattr(options, field.name) for field in fields(AgentConfig)}
    config = AgentConfig(**{name: getattr(recipe.training, name) if v is None else v for name, v in given.items()})
    model, tokenizer = load_checkpoint(options.model, device) if options.model else load_base(options.agent, device)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    kind = instructed(recipe.environment) if options.instructions else recipe.environment
    narrow = torch.autocast(device.type, torch.bfloat16) if options.bfloat16 else contextlib.nullcontext()

    def judge() -> float:
        return evaluate(model, tokenizer, kind, options.episodes, max_new_tokens=config.max_new_tokens)["success"]

    with narrow, contextlib.ExitStack() as stack:
        log = stack.enter_context(EpisodeLog(options.log)) if options.log else None
        before, started = judge(), time.perf_counter()
        after_each = keep(log, options.agent) if log is not None else None
        result = train(model, tokenizer, kind, config, recipe.advantages, after=after_each, progress=True)
        seconds, after = time.perf_counter() - started, judge()
    save_checkpoint(out, model, tokenizer)
    history = {name: values.tolist() for name, values in result.history.items()}
    (out / "history.json").write_text(json.dumps({"ended": result.ended, "seconds": seconds, **history}, indent=1))
    print(f"success {before:.3f} -> {after:.3f} of {options.episodes} episodes, {result.ended}, {seconds:.0f} s")
    print(f"checkpoint and history.json are in {out}")


def keep(log: EpisodeLog, agent: str) -> Callable[..., None]:
    """Return what logs the episodes of each iteration with the version of the policy that played them."""
    version = 0

    def after(figures: Any, environments: Any, trajectories: Any) -> None:
        nonlocal version
        log.append(trajectories, policy=f"iteration {version}", environment=agent)
        version += 1

    return after


if __name__ == "__main__":
    main()
