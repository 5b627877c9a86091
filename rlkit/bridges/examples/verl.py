"""Train the data agent with verl's loop of episodes, advantages and loss: ``python -m rlkit.bridges.examples.verl``.

``make test-bridges`` makes an environment that it runs in, ``.venv-bridges/verl``; its list is
``tests/bridges/verl.txt``.

verl's trainer needs a GPU, on which vLLM generates. So on a CPU this script takes the parts that need none: verl's
worker of agent loops plays, ``core_algos`` has advantages and loss, and torch takes the steps on the tiny agent that
comes with rlkit. For GPUs the script writes data set, configuration and command into a folder, lets verl's own parser
check them, and starts nothing::

    python -m rlkit.bridges.examples.verl --folder run --model Qwen/Qwen3-0.6B
    sh run/train.sh

Several GPUs and several machines of a Ray cluster (``ray start --head`` on the first machine, ``ray start --address
FIRST:6379`` on the others, and on the first)::

    python -m rlkit.bridges.examples.verl --folder run --model Qwen/Qwen3-4B --gpus 8 --machines 2
    sh run/train.sh

``python -m pip install "verl[vllm]==0.9.1"`` installs what a GPU needs. verl accepts only an older transformers than
rlkit asks for, so rlkit is not installed beside it: ``train.sh`` puts it on ``PYTHONPATH``, where the other machines
need it too before ``ray start``.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.training import evaluate
from rlkit.bridges.episodes import require
from rlkit.bridges.examples import describe
from rlkit.bridges.verl import episode_rows, write_run
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint, stop_tokens
from rlkit.lm.sampling import continue_from
from rlkit.lm.tokens import target_log_probabilities
from rlkit.seeding import make_generator

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = "rlkit/DataAgent-v0"
FIRST_TRAINING, FIRST_TEST = 1_000_000, 900_000_000
TASKS, GROUP = 32, 8


def settings(model: str | Path, gpus: int = 1, machines: int = 1, prompt: int = 512, response: int = 1024) -> list[str]:
    """Return the settings of a GRPO run: a group for each task, rlkit's penalty (k3) and mean over tokens."""
    return [
        "algorithm.adv_estimator=grpo",
        f"data.train_batch_size={TASKS}",
        f"data.max_prompt_length={prompt}",
        f"data.max_response_length={response}",
        f"actor_rollout_ref.model.path={model}",
        "actor_rollout_ref.rollout.name=vllm",
        f"actor_rollout_ref.rollout.n={GROUP}",
        "actor_rollout_ref.rollout.tensor_model_parallel_size=1",
        "actor_rollout_ref.rollout.gpu_memory_utilization=0.5",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=16",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=16",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={TASKS}",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8",
        "actor_rollout_ref.actor.optim.lr=1e-6",
        "actor_rollout_ref.actor.use_kl_loss=true",
        "actor_rollout_ref.actor.kl_loss_type=low_var_kl",
        "actor_rollout_ref.actor.kl_loss_coef=0.02",
        "actor_rollout_ref.actor.loss_agg_mode=token-mean",
        f"trainer.n_gpus_per_node={gpus}",
        f"trainer.nnodes={machines}",
        "trainer.total_epochs=1",
        "trainer.logger=[console]",
        "trainer.project_name=rlkit",
        "trainer.experiment_name=data_agent",
    ]


def prepare(folder: Path, model: str | Path, num_tasks: int, with_tool: bool, **sizes: int) -> list[str]:
    """Write data set and configuration; return the command that trains."""
    train, validation = (
        episode_rows(ENVIRONMENT, range(first, first + number), with_tool=with_tool, instructions=True)
        for first, number in ((FIRST_TRAINING, num_tasks), (FIRST_TEST, 100))
    )
    written = write_run(folder, train, validation)
    return ["python", "-m", "verl.trainer.main_ppo", *written, *settings(model, **sizes)]


def configuration(changed: Sequence[str]) -> Any:
    """Return verl's configuration with some settings changed, as its own parser and its own checks accept it.

    Raises
    ------
    hydra.errors.HydraException, ValueError, AssertionError
        Verl's, that name the setting.
    """
    from hydra import compose, initialize_config_dir

    defaults = Path(str(require("verl").__file__)).parent / "trainer" / "config"
    with initialize_config_dir(str(defaults), version_base=None):
        found = compose("ppo_trainer", list(changed))

    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    validate_config(found, use_reference_policy=need_reference_policy(found), use_critic=need_critic(found))
    return found


class LocalServer:
    """Writes tokens with a model of this process, where verl has a client of its inference servers."""

    def __init__(self, model: Any, tokenizer: Any, seed: int = 0) -> None:
        self.model, self.stops, self.pad, self.seed = model, stop_tokens(model, tokenizer), tokenizer.pad_token_id, seed
        self.asked: Counter[str] = Counter()

    @torch.no_grad()
    async def generate(self, request_id: str, *, prompt_ids: Any, sampling_params: Any, **others: Any) -> Any:
        """Sample one turn."""
        from verl.workers.rollout.replica import TokenOutput

        # Episodes run side by side in an order that is never twice the same, so each turn has a generator of its own.
        purpose = f"verl {prompt_ids}"
        self.asked[purpose] += 1
        generator = make_generator(self.seed, f"{purpose} {self.asked[purpose]}", self.model.device)
        prompt, limit = torch.tensor([prompt_ids]), sampling_params["max_tokens"]
        made = continue_from(self.model, prompt, torch.ones_like(prompt).bool(), limit, self.stops, self.pad, generator)
        return TokenOutput(token_ids=made.ids[0].tolist(), log_probs=made.log_probabilities[0].tolist())


def play(worker: Any, rows: Sequence[dict[str, Any]], group: int) -> Any:
    """Play a group of episodes of every row with verl's worker of agent loops; return its batch with advantages."""
    from verl import DataProto
    from verl.trainer.ppo.ray_trainer import compute_advantage
    from verl.utils.dataset.rl_dataset import collate_fn

    found = [{**row, "raw_prompt": row["prompt"], "index": number} for number, row in enumerate(rows)]
    found = [{**row, "tools_kwargs": row["extra_info"].get("tools_kwargs", {}), "n": torch.tensor(0)} for row in found]
    batch = DataProto.from_single_dict(collate_fn(found))
    batch.non_tensor_batch["uid"] = batch.non_tensor_batch["index"].astype(str).astype(object)
    played = asyncio.run(worker.generate_sequences(batch.repeat(group, interleave=True)))
    played.batch["token_level_rewards"] = played.batch["rm_scores"]
    return compute_advantage(played, "grpo")


def train_on_a_cpu(steps: int, tasks: int = 8, group: int = 12) -> Any:
    """Train the tiny agent: episodes, advantages and loss are verl's; the optimiser is torch's. Return the model."""
    require("verl")
    from verl.experimental.agent_loop.agent_loop import AgentLoopWorker
    from verl.trainer.ppo.core_algos import compute_policy_loss_vanilla
    from verl.utils.config import omega_conf_to_dataclass

    model, tokenizer = load_checkpoint(SHIPPED / "data_agent", "cpu")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    with tempfile.TemporaryDirectory() as folder:
        changed = write_run(folder, [], [], max_tokens=6)
        config = configuration([*changed, *settings(SHIPPED / "data_agent", prompt=32, response=192)])
        worker = AgentLoopWorker(config, LocalServer(model, tokenizer))
        actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        for step in range(steps):
            first = FIRST_TRAINING + step * tasks
            batch = play(worker, episode_rows(ENVIRONMENT, range(first, first + tasks)), group).batch
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")}
            length = batch["responses"].shape[1]
            logits = model(**inputs, logits_to_keep=length + 1, use_cache=False).logits[:, :-1]
            loss, _ = compute_policy_loss_vanilla(
                old_log_prob=batch["rollout_log_probs"],
                log_prob=target_log_probabilities(logits, batch["responses"]),
                advantages=batch["advantages"],
                response_mask=batch["response_mask"],
                loss_agg_mode="token-mean",
                config=actor,
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            print(f"step {step + 1}: mean reward {float(batch['rm_scores'].sum(1).mean()):.3f}", flush=True)
    return model


def main(given: list[str] | None = None) -> None:
    """Write what a run needs and check it, or train the tiny agent on this CPU."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.bridges.examples.verl", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=20, help="on the CPU, of 96 episodes (default 20)")
    parser.add_argument("--folder", type=Path, help="write a run for GPUs into this folder instead")
    parser.add_argument("--model", default="Qwen/Qwen3-0.6B", help="for GPUs: a name or a folder")
    parser.add_argument("--tasks", type=int, default=10_000, help="for GPUs: rows of the data set (default 10,000)")
    parser.add_argument("--tool", action="store_true", help="for GPUs: the policy calls a tool, in verl's own loop")
    parser.add_argument("--gpus", type=int, default=1, help="of each machine")
    parser.add_argument("--machines", type=int, default=1)
    options = parser.parse_args(given)
    if options.folder:
        sizes = {"gpus": options.gpus, "machines": options.machines}
        command = prepare(options.folder, options.model, options.tasks, options.tool, **sizes)
        configuration(command[3:])
        script = options.folder / "train.sh"
        script.write_text(f'exec {shlex.join(command)} "$@"\n', encoding="utf-8")
        print(f"verl accepts the settings; start it where the GPUs are: sh {script}")
        return
    model = train_on_a_cpu(options.steps)
    base, tokenizer = load_checkpoint(SHIPPED / "data_agent", "cpu")
    for name, one in (("base", base), ("trained", model)):
        print(describe(name, evaluate(one, tokenizer, DataAgent)))


if __name__ == "__main__":
    main()
