r"""Train the data agent, or *Chain*, with Hugging Face TRL.

On this computer's CPU, with the tiny models that come with rlkit (a minute):

    python -m rlkit.bridges.examples.trl --task data_agent
    python -m rlkit.bridges.examples.trl --task chain --algorithm rloo

On one GPU, with a language model and vLLM (``pip install "trl[vllm]==1.16.0"``), told which commands there are:

    python -m rlkit.bridges.examples.trl --task data_agent --model FOLDER --play trl --instructions true \
        --use_cpu false --bf16 true --gradient_checkpointing true --use_vllm true --vllm_mode colocate \
        --vllm_gpu_memory_utilization 0.3 --per_device_train_batch_size 16 --gradient_accumulation_steps 4 \
        --num_generations 8 --max_completion_length 1024 --max_tool_calling_iterations 12 \
        --learning_rate 1e-6 --max_steps 200

On several GPUs, each with the whole model; for a model in pieces add the options of FSDP:

    accelerate launch --multi_gpu --num_processes 4 --mixed_precision bf16 -m rlkit.bridges.examples.trl \
        --task data_agent --model FOLDER --play trl --instructions true --use_cpu false --bf16 true \
        --use_vllm true --vllm_mode colocate --vllm_gpu_memory_utilization 0.3 --per_device_train_batch_size 16 \
        --num_generations 8 --max_completion_length 1024 --max_tool_calling_iterations 12 \
        --learning_rate 1e-6 --max_steps 200
    accelerate launch --use_fsdp --fsdp_version 2 --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP \
        --fsdp_reshard_after_forward true --fsdp_state_dict_type FULL_STATE_DICT \
        --num_processes 8 --mixed_precision bf16 -m rlkit.bridges.examples.trl --task data_agent --model FOLDER \
        --play trl --instructions true --use_cpu false --bf16 true --per_device_train_batch_size 16 \
        --num_generations 8 --max_completion_length 1024 --max_tool_calling_iterations 12 \
        --learning_rate 1e-6 --max_steps 200

Every option of TRL's ``GRPOConfig`` (or ``RLOOConfig``) can be given, and ``--config`` with a YAML file of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from rlkit.bridges import trl as bridge
from rlkit.bridges.episodes import chain_rows, require
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint, save_checkpoint
from rlkit.seeding import make_generator

TASKS = {
    "data_agent": "rlkit/DataAgent-v0",
    "code_agent": "rlkit/CodeAgent-v0",
    "project_agent": "rlkit/ProjectAgent-v0",
}
SMALL = {
    "output_dir": "trl-run",
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "per_device_train_batch_size": 96,
    "num_generations": 12,
    "learning_rate": 1e-3,
    "max_steps": 40,
    "logging_steps": 5,
    "save_strategy": "no",
    "report_to": "none",
}
"""For the tiny models; the command line goes before."""
OF_TASK: dict[str, dict[str, Any]] = {
    # One deviation for the batch, as in the agent's recipe.
    "data_agent": {"scale_rewards": "batch", "max_completion_length": 200, "generation_kwargs": {"max_new_tokens": 6}},
    "code_agent": {"max_completion_length": 200, "generation_kwargs": {"max_new_tokens": 6}},
    "project_agent": {"max_completion_length": 200, "generation_kwargs": {"max_new_tokens": 6}},
    "chain": {"max_completion_length": 13, "num_generations": 8},
}


@dataclass
class TaskArguments:
    """What is trained on what."""

    task: str = field(default="data_agent", metadata={"help": "data_agent, code_agent, project_agent or chain"})
    model: str = field(default="", metadata={"help": "folder of a checkpoint; the shipped base if left out"})
    algorithm: str = field(default="grpo", metadata={"help": "grpo, or for chain also rloo"})
    play: str = field(default="rlkit", metadata={"help": "who plays the episodes: rlkit or trl"})
    instructions: bool = field(default=False, metadata={"help": "tell the model its commands at the start"})
    tasks: int = field(default=2_000, metadata={"help": "rows of the data set"})


def parse(arguments: list[str] | None = None) -> tuple[TaskArguments, Any]:
    """Read the command line with TRL's parser: what is trained, and TRL's own settings."""
    trl = require("trl")
    first, _ = trl.TrlParser([TaskArguments]).parse_args_and_config(arguments, return_remaining_strings=True)
    if first.task not in OF_TASK:
        raise SystemExit(f"--task is {first.task!r}, expected one of {', '.join(OF_TASK)}")
    kinds = {"grpo": trl.GRPOConfig, "rloo": trl.RLOOConfig}
    if first.algorithm not in kinds or (first.algorithm == "rloo" and first.task != "chain"):
        raise SystemExit(f"--algorithm is {first.algorithm!r}, expected grpo, or rloo for chain: it plays no episodes")
    parser = trl.TrlParser([TaskArguments, kinds[first.algorithm]])
    settings = {**SMALL, **OF_TASK[first.task]}
    parser.set_defaults(**settings)
    return parser.parse_args_and_config(arguments)


def main(arguments: list[str] | None = None) -> Any:
    """Train, save, and return the trainer."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    task, args = parse(arguments)
    trl = require("trl")
    model, tokenizer = load_checkpoint(task.model or SHIPPED / task.task, "cpu" if args.use_cpu else None)
    if task.task == "chain":
        from datasets import Dataset

        from rlkit.lm import chain

        rows = Dataset.from_list(chain_rows(chain.prompts(task.tasks, make_generator(args.seed, "prompts"))))
        kind = {"grpo": trl.GRPOTrainer, "rloo": trl.RLOOTrainer}[task.algorithm]
        trainer = kind(model, bridge.chain_rewards, args=args, train_dataset=rows, processing_class=tokenizer)
    else:
        options = {"instructions": True} if task.instructions else {}
        rows = bridge.dataset(TASKS[task.task], range(task.tasks), **options)
        trainer = bridge.make_trainer(model, tokenizer, args, rows, task.play)
    trainer.train()
    if trainer.is_world_process_zero():
        save_checkpoint(args.output_dir, trainer.accelerator.unwrap_model(trainer.model), tokenizer)
        rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
        print(f"reward {rewards[0]:.3f} -> {rewards[-1]:.3f} in {args.max_steps} steps, saved to {args.output_dir}")
    return trainer


if __name__ == "__main__":
    main()
