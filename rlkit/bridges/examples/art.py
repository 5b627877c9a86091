"""Train the data agent with OpenPipe ART: ``python -m rlkit.bridges.examples.art``.

``make test-bridges`` makes an environment that it runs in, ``.venv-bridges/art``; its list is
``tests/bridges/art.txt``.

ART's trainer needs a GPU. On a CPU this script does what it would do, with the tiny agent that comes with rlkit: ART
plays by way of a local server, makes tokens, advantages and packed rows, and has the loss; torch takes the steps.

One GPU, where ART's local backend generates with vLLM and trains a LoRA adapter with Unsloth in turns; two or more,
of which the last generates while the others train::

    python -m pip install "openpipe-art[backend,megatron]==0.5.18"
    python -m rlkit.bridges.examples.art --model Qwen/Qwen3-4B --gpus 1
    python -m rlkit.bridges.examples.art --model Qwen/Qwen3-4B --gpus 2

rlkit goes on ``PYTHONPATH`` there, since that backend pins an older transformers than rlkit asks for.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.training import evaluate
from rlkit.bridges.art import collect, framework, gather, pack
from rlkit.bridges.episodes import rows
from rlkit.bridges.examples import describe
from rlkit.bridges.server import serving
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
from rlkit.lm.tokens import target_log_probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ENVIRONMENT = "rlkit/DataAgent-v0"
FIRST_SEED, TASKS_AT_ONCE, GROUP = 1_000_000, 8, 12
LONGEST = 512


def log_probabilities(model: PreTrainedModel, packed: Mapping[str, Any]) -> Tensor:
    """Log-probability of the token after each place of ART's packed rows, (R, S); the last of each row means nothing.

    ART writes the prompt of a group only once in a row: a token reads those before it that are of its own trajectory,
    or of its group's prompt.
    """
    ids, own, prompt = packed["tokens"], packed["group_ids"], packed["parent_ids"]
    reads = (own[:, :, None] == own[:, None, :]) | (prompt[:, :, None] == own[:, None, :])
    reads = reads & torch.ones_like(reads[0]).tril()
    bias = torch.zeros(reads.shape, dtype=model.dtype).masked_fill(~reads, torch.finfo(model.dtype).min)[:, None]
    logits = model(input_ids=ids, attention_mask=bias, position_ids=packed["input_pos"], use_cache=False).logits
    return target_log_probabilities(logits, ids.roll(-1, dims=1))


def policy_loss(model: PreTrainedModel, packed: Mapping[str, Any], **config: Any) -> Tensor:
    """Return the loss of ART's trainer; ``config`` is its ``dev.TrainConfig``, and CISPO where that says nothing."""
    framework()
    from art.loss import loss_fn

    inputs: Any = {name: part for name, part in packed.items() if isinstance(part, Tensor)}
    loss: Tensor = loss_fn(inputs, log_probabilities(model, packed), None, None, config).policy_loss  # type: ignore[arg-type, unused-ignore]
    return loss


def rows_of(step: int, **options: Any) -> list[dict[str, Any]]:
    """Tasks of a step."""
    first = FIRST_SEED + step * TASKS_AT_ONCE
    return rows(ENVIRONMENT, range(first, first + TASKS_AT_ONCE), **options)


def train_on_a_cpu(steps: int) -> PreTrainedModel:
    """Train the tiny agent: episodes, advantages and loss are ART's, the optimiser is torch's. Return the model."""
    model, tokenizer = load_checkpoint(SHIPPED / "data_agent", "cpu")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    with serving(model, tokenizer) as address:
        for step in range(steps):
            groups = collect(address, "rlkit", rows_of(step), GROUP, max_tokens=6)
            loss = policy_loss(model, pack(groups, tokenizer, LONGEST))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            earned = [trajectory.reward for group in groups for trajectory in group]
            print(f"step {step + 1}: mean reward {sum(earned) / len(earned):.3f}", flush=True)
    return model


def settings(gpus: int) -> dict[str, Any]:
    """Which GPUs train and which one generates, as ART's own check accepts it; with one they take turns."""
    framework()
    from art.dev.validate import validate_dedicated_config

    if gpus < 1:
        raise ValueError(f"gpus is {gpus}, expected at least 1; without --model this script needs none")
    chosen = {"trainer_gpu_ids": list(range(gpus - 1)), "inference_gpu_ids": [gpus - 1]} if gpus > 1 else {}
    validate_dedicated_config(chosen)  # type: ignore[arg-type, unused-ignore]
    return chosen


async def train_on_gpus(name: str, gpus: int, steps: int) -> None:
    """Train a LoRA adapter of a model with ART's local backend; it is kept in ``.art/rlkit``."""
    art = framework()
    from art.local import LocalBackend

    model = art.TrainableModel(name="data-agent", project="rlkit", base_model=name, _internal_config=settings(gpus))
    async with LocalBackend() as backend:
        await model.register(backend)
        for step in range(steps):
            tasks = rows_of(step, instructions=True)
            groups = await gather(model.openai_client(), model.get_inference_name(), tasks, GROUP, max_tokens=64)
            result = await backend.train(model, groups, learning_rate=1e-5)
            print(f"step {result.step}: {result.metrics}", flush=True)


def main(given: list[str] | None = None) -> None:
    """Train the tiny agent on this CPU and compare it with its base, or a real model on GPUs."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.bridges.examples.art", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=20, help="of 96 episodes (default 20)")
    parser.add_argument("--model", help="a name or a folder, for GPUs")
    parser.add_argument("--gpus", type=int, default=1, help="with --model")
    options = parser.parse_args(given)
    if options.model:
        asyncio.run(train_on_gpus(options.model, options.gpus, options.steps))
        return
    model = train_on_a_cpu(options.steps)
    base, tokenizer = load_checkpoint(SHIPPED / "data_agent", "cpu")
    for name, one in (("base", base), ("trained", model)):
        print(describe(name, evaluate(one, tokenizer, DataAgent)))


if __name__ == "__main__":
    main()
