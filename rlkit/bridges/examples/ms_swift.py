"""Train the data agent in ms-swift with GRPO, over several turns: ``python -m rlkit.bridges.examples.ms_swift``.

On a CPU it trains the tiny base that comes with rlkit, whose reward rises within a minute. For a real model write the
rows first; its prompts then say which commands there are::

    python -m rlkit.bridges.examples.ms_swift --only-rows rows.jsonl --instructions

One GPU, where vLLM generates in the same process::

    swift rlhf --rlhf_type grpo --model Qwen/Qwen3-0.6B --dataset rows.jsonl --output_dir agent
    --external_plugins rlkit/bridges/plugins/rlkit_swift.py --reward_funcs rlkit_episode
    --multi_turn_scheduler gym_scheduler --max_turns 20 --max_completion_length 64 --max_length 2048
    --use_vllm true --vllm_mode colocate --vllm_gpu_memory_utilization 0.4 --torch_dtype bfloat16 --tuner_type full
    --num_generations 8 --per_device_train_batch_size 16 --learning_rate 1e-6 --beta 0.02 --temperature 1.0

Several GPUs of one machine: the same after ``NPROC_PER_NODE=4``; with ``--fsdp fsdp2`` at the end parameters, gradients
and the optimiser's state are divided among them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.training import evaluate
from rlkit.bridges.episodes import require, write_rows
from rlkit.bridges.examples import describe
from rlkit.bridges.ms_swift import PLUGIN, TEMPLATE, episode_rows
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

ENVIRONMENT = "rlkit/DataAgent-v0"
FIRST_SEED, TASKS_AT_ONCE, GROUP = 1_000_000, 8, 12
ON_A_CPU = {
    "rlhf_type": "grpo",
    "model": SHIPPED / "data_agent",
    "model_type": "llama",
    "template": TEMPLATE,
    "external_plugins": PLUGIN,
    "reward_funcs": "rlkit_episode",
    "multi_turn_scheduler": "gym_scheduler",
    "max_turns": 20,
    "max_completion_length": 6,
    "max_length": 512,
    "use_vllm": False,
    "use_cpu": True,
    "tuner_type": "full",
    "torch_dtype": "float32",
    "attn_impl": "sdpa",
    "num_generations": GROUP,
    "per_device_train_batch_size": TASKS_AT_ONCE * GROUP,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "warmup_ratio": 0,
    "weight_decay": 0,
    "beta": 0.01,
    "scale_rewards": "batch",
    "loss_type": "bnpo",
    "temperature": 1.0,
    "gradient_checkpointing": False,
    "split_dataset_ratio": 0,
    "dataset_num_proc": 1,
    "dataloader_num_workers": 0,
    "check_model": False,
    "logging_steps": 1,
    "save_only_model": True,
    "save_strategy": "steps",
    "report_to": "none",
}


def arguments(**changed: Any) -> list[str]:
    """Return the command line of ``swift rlhf`` for a CPU, with changes; None leaves an argument out."""
    pairs = {name: value for name, value in {**ON_A_CPU, **changed}.items() if value is not None}
    return [part for name, value in pairs.items() for part in (f"--{name}", str(value))]


def train(steps: int, folder: str | Path) -> Path:
    """Train the tiny base for some steps; return the folder of the checkpoint."""
    require("ms_swift")
    from swift.pipelines import rlhf_main

    seeds = range(FIRST_SEED, FIRST_SEED + steps * TASKS_AT_ONCE)
    data = write_rows(episode_rows(ENVIRONMENT, seeds), Path(folder) / "rows.jsonl")
    rlhf_main(arguments(dataset=data, output_dir=folder, max_steps=steps, save_steps=steps))
    return max(Path(folder).glob(f"*/checkpoint-{steps}"))


def main(given: list[str] | None = None) -> None:
    """Train, and compare with the base on tasks that nobody has seen; or write rows for a run of your own."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.bridges.examples.ms_swift", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=40, help="one after another, of 96 episodes (default 40)")
    parser.add_argument("--only-rows", metavar="FILE", help="write a data set of 1,000 rows, .jsonl, and stop")
    parser.add_argument("--instructions", action="store_true", help="let the prompts say which commands there are")
    options = parser.parse_args(given)
    if options.only_rows:
        made = episode_rows(ENVIRONMENT, range(FIRST_SEED, FIRST_SEED + 1000), instructions=options.instructions)
        print(f"wrote {write_rows(made, options.only_rows)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in (("base", SHIPPED / "data_agent"), ("trained", train(options.steps, folder))):
            print(describe(name, evaluate(*load_checkpoint(checkpoint, "cpu"), DataAgent)))


if __name__ == "__main__":
    main()
