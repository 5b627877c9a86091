"""One training step of GRPO and of DPO beside TRL's trainers: the same model, batch and lengths, one thread."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import statistics
import tempfile
import time
from typing import Any

import torch
from evidence import write_record
from tqdm import tqdm

from rlkit import dpo, grpo
from rlkit.lm.checkpoints import character_tokenizer, save_checkpoint, tiny_llama

CHARACTERS = "0123456789+-=?abcdefghijklmno"  # with the three special tokens a vocabulary of 32
PROMPT_LENGTH, LENGTH, BATCH, GROUP, PAIRS = 8, 16, 64, 8, 32
STEPS = 15
SOURCES = ["rlkit/grpo.py", "rlkit/dpo.py", "rlkit/group_objective.py", "rlkit/lm/sampling.py", "rlkit/lm/scoring.py",
           "rlkit/lm/tokens.py", "rlkit/lm/updates.py", "benchmarks/trl_peers.py"]  # fmt: skip


def make_model() -> tuple[Any, Any]:
    """Two layers, hidden size 128, four heads: 0.53 million parameters, untrained."""
    tokenizer = character_tokenizer(CHARACTERS)
    return tiny_llama(tokenizer, hidden_size=128, num_layers=2, num_heads=4), tokenizer


def draw(number: int, length: int, generator: random.Random) -> list[str]:
    """Random texts of one length."""
    return ["".join(generator.choices(CHARACTERS, k=length)) for _ in range(number)]


def count_a(prompts: list[str], completions: list[str]) -> list[float]:
    """Reward both sides alike: the share of the letter a."""
    return [text.count("a") / LENGTH for text in completions]


def rlkit_grpo(steps: int, kl_coefficient: float) -> float:
    """Median seconds of a step."""
    model, tokenizer = make_model()
    times: list[float] = []

    def prompts(number: int, generator: torch.Generator) -> list[str]:
        times.append(time.perf_counter())
        return draw(number, PROMPT_LENGTH, random.Random(len(times)))

    config = grpo.GRPOConfig(num_steps=steps, prompts_per_step=BATCH // GROUP, group_size=GROUP, max_new_tokens=LENGTH,
                             num_epochs=1, learning_rate=1e-3, kl_coefficient=kl_coefficient)  # fmt: skip
    grpo.train(model, tokenizer, prompts, count_a, config)
    return median_step(times)


def rlkit_dpo(steps: int) -> float:
    """Median seconds of a step."""
    model, tokenizer = make_model()
    times: list[float] = []

    def loss(*arguments: Any) -> torch.Tensor:
        times.append(time.perf_counter())
        return dpo.dpo_loss(*arguments)

    dpo.train(model, tokenizer, make_pairs(steps), dpo.DPOConfig(batch_size=PAIRS, num_epochs=1), loss=loss)
    return median_step(times)


def make_pairs(steps: int) -> list[tuple[str, str, str]]:
    """Enough pairs for so many steps; no completion is cut."""
    generator = random.Random(0)
    columns = [draw(PAIRS * steps, length, generator) for length in (PROMPT_LENGTH, LENGTH - 1, LENGTH - 1)]
    return list(zip(*columns, strict=True))


def median_step(times: list[float]) -> float:
    """Median of the differences, without the first two, which compile and allocate."""
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def step_times() -> tuple[Any, list[float]]:
    """Return a callback for TRL's trainer and the times that it notes at each step's end."""
    from transformers import TrainerCallback

    times: list[float] = []

    class Noting(TrainerCallback):
        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            times.append(time.perf_counter())

    return Noting(), times


def trl_grpo(steps: int, kl_coefficient: float) -> float:
    """Median seconds of a step of TRL's GRPOTrainer."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = make_model()
    callback, times = step_times()
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(folder, model, tokenizer)
        rows = [{"prompt": text} for text in draw(BATCH * 4, PROMPT_LENGTH, random.Random(0))]
        settings = GRPOConfig(f"{folder}/out", per_device_train_batch_size=BATCH, num_generations=GROUP,
                              max_completion_length=LENGTH, max_steps=steps, beta=kl_coefficient, learning_rate=1e-3,
                              **quiet())  # fmt: skip
        trainer = GRPOTrainer(folder, reward_funcs=lambda completions, **k: count_a([], completions), args=settings,
                              train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                              callbacks=[callback])  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
    return median_step(times)


def trl_dpo(steps: int) -> float:
    """Median seconds of a step of TRL's DPOTrainer, with the reference's log-probabilities computed beforehand."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    model, tokenizer = make_model()
    callback, times = step_times()
    rows = [dict(zip(("prompt", "chosen", "rejected"), pair, strict=True)) for pair in make_pairs(steps)]
    with tempfile.TemporaryDirectory() as folder:
        settings = DPOConfig(f"{folder}/out", per_device_train_batch_size=PAIRS, max_steps=steps, beta=0.1,
                             precompute_ref_log_probs=True, learning_rate=3e-4, **quiet())  # fmt: skip
        trainer = DPOTrainer(model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                             callbacks=[callback])  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
    return median_step(times)


def quiet() -> dict[str, Any]:
    """Settings of TRL that switch off what is not measured."""
    return {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none", "save_strategy": "no",
            "disable_tqdm": True, "logging_steps": 1}  # fmt: skip


def measure(runs: int, steps: int = STEPS) -> dict[str, dict[str, list[float]]]:
    """Time both sides in turn, so that a change in the machine's load meets them alike."""
    sides = {
        "grpo": (lambda: rlkit_grpo(steps, 0.0), lambda: trl_grpo(steps, 0.0)),
        "grpo-kl": (lambda: rlkit_grpo(steps, 0.04), lambda: trl_grpo(steps, 0.04)),
        "dpo": (lambda: rlkit_dpo(steps), lambda: trl_dpo(steps)),
    }
    found: dict[str, dict[str, list[float]]] = {name: {"rlkit": [], "trl": []} for name in sides}
    with tqdm(total=2 * runs * len(sides), desc="beside TRL", unit="run") as bar:
        for _ in range(runs):
            for name, (ours, theirs) in sides.items():
                for side, call in (("rlkit", ours), ("trl", theirs)):
                    found[name][side].append(call())
                    bar.update()
    return found


def show(found: dict[str, dict[str, list[float]]]) -> None:
    """Print one line a method."""
    for name, sides in found.items():
        ours, theirs = (statistics.median(sides[side]) for side in ("rlkit", "trl"))
        print(f"  {name:8s} rlkit {ours:.4f} s a step, TRL {theirs:.4f}: {ours / theirs:.2f} of TRL's time")


def write(found: dict[str, dict[str, list[float]]]) -> None:
    """Write one record a method; the ratio is TRL's time over rlkit's, and the goal 1 / 0.8."""
    titles = {"grpo": "GRPO without KL", "grpo-kl": "GRPO with a KL penalty", "dpo": "DPO"}
    for name, sides in found.items():
        ours, theirs = (statistics.median(sides[side]) for side in ("rlkit", "trl"))
        write_record(
            name=f"trl-{name}-step",
            claim=f"One step of {titles[name]} on a model of 0.53 million parameters takes {ours:.3g} s, "
            f"{ours / theirs:.2f} of TRL's time in the same run (one thread, medians).",
            value=ours, unit="s", sources=SOURCES, packages=["torch", "transformers", "trl", "accelerate"],
            peer="TRL", peer_value=theirs, ratio=theirs / ours, goal=1.25, seeds=len(sides["rlkit"]), all_runs=sides,
        )  # fmt: skip
