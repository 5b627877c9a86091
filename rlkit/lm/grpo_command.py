"""GRPO on a checkpoint from the command line: ``python -m rlkit.grpo --model FOLDER --task chain --out FOLDER``."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import time
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import torch

from rlkit.device import choose_device
from rlkit.grpo import GRPOConfig, train
from rlkit.lm.checkpoints import load_checkpoint, save_checkpoint

TASKS = {"chain": "rlkit.lm.chain"}
SKIPPED = ("checkpoint_folder",)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; every setting of :class:`rlkit.grpo.GRPOConfig` is an option."""
    parser = argparse.ArgumentParser(
        prog="python -m rlkit.grpo", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--model", required=True, help="folder of a causal language model with its tokenizer")
    parser.add_argument("--task", default="chain", help="chain, or a module with prompts(number, generator) and reward")
    parser.add_argument(
        "--out",
        required=True,
        help="folder for the trained checkpoint and history.json; an unfinished run in it goes on",
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; the best one present if left out")
    parser.add_argument(
        "--bfloat16", action="store_true", help="compute in bfloat16, with weights and optimizer in float32"
    )
    parser.add_argument(
        "--gradient-checkpointing", action="store_true", help="compute layers twice to hold less of them"
    )
    for field in fields(GRPOConfig):
        if field.name in SKIPPED:
            continue
        name, default = "--" + field.name.replace("_", "-"), field.default
        if isinstance(default, bool):
            parser.add_argument(name, action="store_true", default=default, help=" ")
        else:
            parser.add_argument(name, type=int if default is None else type(default), default=default, help=" ")
    return parser.parse_args(arguments)


def find_task(name: str) -> ModuleType:
    """Import a task by its name.

    Raises
    ------
    ValueError
        If there is no such module, or it lacks ``prompts`` or ``reward``.
    """
    try:
        task = importlib.import_module(TASKS.get(name, name))
    except ModuleNotFoundError as error:
        raise ValueError(
            f"task {name!r} was not found ({error}); expected {', '.join(TASKS)} or the name of a module on the path"
        ) from error
    missing = [part for part in ("prompts", "reward") if not callable(getattr(task, part, None))]
    if missing:
        raise ValueError(f"task {name!r} has no {' and no '.join(missing)}; a task defines prompts and reward")
    return task


def main(arguments: list[str] | None = None) -> None:
    """Load, train, save, and say how it went."""
    options = parse(arguments)
    out, device = Path(options.out), choose_device(options.device)
    task = find_task(options.task)
    model, tokenizer = load_checkpoint(options.model, device)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    settings = {field.name: getattr(options, field.name) for field in fields(GRPOConfig) if field.name not in SKIPPED}
    config = GRPOConfig(**settings, checkpoint_folder=str(out / "unfinished"))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    narrow = torch.autocast(device.type, torch.bfloat16) if options.bfloat16 else contextlib.nullcontext()
    started = time.perf_counter()
    with narrow:
        result = train(model, tokenizer, task.prompts, task.reward, config, progress=True)
    seconds = time.perf_counter() - started
    save_checkpoint(out, model, tokenizer)
    history = {name: values.tolist() for name, values in result.history.items()}
    (out / "history.json").write_text(json.dumps({"ended": result.ended, "seconds": seconds, **history}, indent=1))
    if history:
        tokens = sum(history["tokens"])
        print(f"reward {history['reward'][0]:.3f} -> {history['reward'][-1]:.3f}, {result.ended}, {seconds:.0f} s, "
              f"{tokens / seconds:.0f} sampled tokens/s")  # fmt: skip
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB")
    print(f"checkpoint and history.json are in {out}")
