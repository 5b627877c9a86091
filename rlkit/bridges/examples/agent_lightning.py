"""Train the data agent with Agent-Lightning's rollouts: ``python -m rlkit.bridges.examples.agent_lightning``.

A local server answers for the tiny base that comes with rlkit, Agent-Lightning has the episodes played against it and
hands back what was read and written, and rlkit takes the step on that. The agent knows only the server's address: it
could be any program that talks to a model.

On GPUs Agent-Lightning trains by way of verl, which serves the model with vLLM while the same agent is played. One
GPU::

    agl store --host 127.0.0.1 --port 4747 &
    python -m rlkit.bridges.examples.agent_lightning --verl Qwen/Qwen2.5-0.5B-Instruct --gpus 1

Several GPUs of one machine: ``--gpus 4``. It needs an environment of its own with vLLM and the versions in
``tests/bridges/agent_lightning.txt``: with later ones of verl Agent-Lightning 0.3.0 ends in an error.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import torch

from rlkit.agents.batches import token_batch
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.recipes import load_base
from rlkit.agents.rollouts import Trajectory
from rlkit.agents.training import AgentConfig, episode_advantages, evaluate, update
from rlkit.bridges.agent_lightning import Turn, agent, collect, framework
from rlkit.bridges.episodes import rows
from rlkit.bridges.examples import describe
from rlkit.bridges.server import serving

ENVIRONMENT = "rlkit/DataAgent-v0"
FIRST_SEED, TASKS_AT_ONCE, GROUP = 1_000_000, 8, 12


def trajectory(turns: Sequence[Turn], seed: int) -> Trajectory:
    """Put the turns of an episode together as rlkit's own: what was read between them is the environment's."""
    made = Trajectory(seed, seed)
    (context,) = made.contexts
    for number, turn in enumerate(turns):
        context.add(turn.prompt[len(context.ids) :])
        context.add(turn.written, number, turn.log_probabilities)
        made.rewards.append(turn.reward or 0.0)
    return made


def train(steps: int, model: Any, tokenizer: Any) -> list[float]:
    """Train in place; return the mean reward of each step."""
    config, means = AgentConfig(kl_coefficient=0.0), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    with serving(model, tokenizer) as address:
        for step in range(steps):
            first = FIRST_SEED + step * TASKS_AT_ONCE
            seeds = [seed for seed in range(first, first + TASKS_AT_ONCE) for _ in range(GROUP)]
            found = collect(rows(ENVIRONMENT, seeds), address, "rlkit", max_tokens=config.max_new_tokens)
            played = [trajectory(turns, seed) for turns, seed in zip(found, seeds, strict=True)]
            advantages = episode_advantages(played, divide_by_std=False)
            update(model, None, optimizer, token_batch(played, advantages, tokenizer.pad_token_id), config, step=step)
            model.eval()
            means.append(sum(sum(one.rewards) for one in played) / len(played))
            print(f"step {step + 1} of {steps}: mean reward {means[-1]:.2f}", flush=True)
    return means


def verl_settings(model: str, gpus: int) -> dict[str, Any]:
    """Return what Agent-Lightning's ``VERL`` is to change of its defaults: an episode is one row of the batch."""
    return {
        "algorithm": {"adv_estimator": "grpo", "use_kl_in_reward": False},
        "agentlightning": {
            "trace_aggregator": {
                "level": "trajectory",
                "trajectory_max_prompt_length": 1024,
                "trajectory_max_response_length": 2048,
            }
        },
        "data": {"train_batch_size": 16, "max_prompt_length": 3072, "max_response_length": 64},
        "actor_rollout_ref": {
            "model": {"path": model},
            "rollout": {
                "name": "vllm",
                "n": 8,
                "tensor_model_parallel_size": 1,
                "gpu_memory_utilization": 0.4,
                "log_prob_micro_batch_size_per_gpu": 8,
            },
            "actor": {
                "ppo_mini_batch_size": 16,
                "ppo_micro_batch_size_per_gpu": 4,
                "optim": {"lr": 1e-6},
                "use_kl_loss": False,
            },
            "ref": {"log_prob_micro_batch_size_per_gpu": 8},
        },
        "trainer": {
            "n_gpus_per_node": gpus,
            "nnodes": 1,
            "total_epochs": 1,
            "logger": ["console"],
            "project_name": "rlkit",
            "experiment_name": "data_agent",
        },
    }


def train_with_verl(model: str, gpus: int, store: str) -> None:
    """Let Agent-Lightning train a model on GPUs; a server at ``store`` keeps the rollouts, ``agl store`` starts it."""
    agl = framework()
    trainer = agl.Trainer(
        algorithm=agl.VERL(verl_settings(model, gpus)),
        n_runners=8,
        # The store that a trainer makes of itself cannot be sent to verl's processes.
        store=agl.LightningStoreClient(store),
        strategy={"type": "cs", "managed_store": False},
    )
    seeds = range(FIRST_SEED, FIRST_SEED + 1000)
    asked = rows(ENVIRONMENT, seeds, instructions=True)
    trainer.fit(agent(max_tokens=64), train_dataset=asked[:-50], val_dataset=asked[-50:])


def main(given: list[str] | None = None) -> None:
    """Train, and compare with the base on tasks that nobody has seen."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.bridges.examples.agent_lightning", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=12, help="one after another, of 96 episodes (default 12)")
    parser.add_argument("--verl", metavar="MODEL", help="train this model on GPUs, by way of verl")
    parser.add_argument("--gpus", type=int, default=1, help="for verl (default 1)")
    parser.add_argument("--store", default="http://127.0.0.1:4747", help="for verl: where agl store is")
    options = parser.parse_args(given)
    if options.verl:
        train_with_verl(options.verl, options.gpus, options.store)
        return
    logging.disable(logging.WARNING)  # Agent-Lightning tells of every rollout
    model, tokenizer = load_base("data_agent", "cpu")
    before = evaluate(model, tokenizer, DataAgent)
    train(options.steps, model, tokenizer)
    for name, figures in (("base", before), ("trained", evaluate(model, tokenizer, DataAgent))):
        print(describe(name, figures))


if __name__ == "__main__":
    main()
