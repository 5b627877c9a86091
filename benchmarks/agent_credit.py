"""Credit of turns against credit of whole episodes, on a queue of 24 tickets; and on one whose rewards come late.

    python benchmarks/agent_credit.py             # five minutes on one core
    python benchmarks/agent_credit.py --quick     # some seconds, nothing written

Every seed has a base of its own, and every arm starts from it with the same settings. One CPU thread; seconds are CPU
seconds of this process. The same question on the short episodes of the data agent is part of agent_differences.py.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from evidence import write_record
from tqdm import tqdm

from rlkit.agents import imitation, training
from rlkit.agents.advantage_functions import by_situation, by_turn_number
from rlkit.agents.ticket_queue import TicketQueue
from rlkit.lm.checkpoints import tiny_llama, word_tokenizer

FIRST_SEED = 300  # settings were tuned on seed 0
DELAY = 3  # turns after which the reward of a ticket comes, in the coupled queue
IMITATION = imitation.ImitationConfig(num_steps=60, drill_share=0.0)
TRAINING = training.AgentConfig(
    num_iterations=30, tasks_per_iteration=4, group_size=8, learning_rate=1e-3, max_new_tokens=3
)
CONTEXT_LENGTH = 64
CREDITS: dict[str, Any] = {
    "whole episode": training.episode_advantages,
    "rewards from this turn on": by_turn_number,
    "discount 0.8": partial(by_turn_number, discount=0.8),
    "own reward": partial(by_turn_number, discount=0.0),
    "own reward, same situation": partial(by_situation, discount=0.0),
}
RECORDS = {
    "agents-credit-queue": (0, [name for name in CREDITS if name != "discount 0.8"]),
    "agents-credit-coupled": (DELAY, [name for name in CREDITS if name != "own reward, same situation"]),
}
SOURCES = ["rlkit/agents/advantage_functions.py", "rlkit/agents/batches.py", "rlkit/agents/credit.py",
           "rlkit/agents/imitation.py", "rlkit/agents/rollouts.py", "rlkit/agents/text_environment.py",
           "rlkit/agents/ticket_queue.py", "rlkit/agents/training.py", "rlkit/group_objective.py", "rlkit/lm/chat.py",
           "rlkit/lm/checkpoints.py", "rlkit/lm/scoring.py", "benchmarks/agent_credit.py"]  # fmt: skip
PACKAGES = ["torch", "transformers", "tokenizers", "numpy"]
Figures = dict[str, Any]


def run_seed(seed: int, tick: Callable[[str], None], quick: bool) -> dict[str, dict[str, Figures]]:
    """Every arm of both queues from the base of one seed."""
    episodes, config = (20 if quick else 200), replace(TRAINING, seed=seed)
    config = replace(config, num_iterations=2) if quick else config
    tokenizer = word_tokenizer(TicketQueue.WORDS)
    base = tiny_llama(tokenizer, context_length=CONTEXT_LENGTH, seed=seed)
    began = time.process_time()
    imitation.train(base, tokenizer, TicketQueue, replace(IMITATION, seed=seed))
    seconds = time.process_time() - began

    def judge(model: Any) -> Figures:
        return {"success": training.evaluate(model, tokenizer, TicketQueue, episodes, max_new_tokens=3)["success"]}

    before = {"base": judge(base) | {"seconds": seconds}}
    tick("base")
    found: dict[str, dict[str, Figures]] = {}
    for record, (delay, arms) in RECORDS.items():
        found[record] = dict(before)
        for name in arms:
            model = copy.deepcopy(base)
            began = time.process_time()
            result = training.train(model, tokenizer, partial(TicketQueue, delay=delay), config, CREDITS[name])
            seconds = time.process_time() - began
            curves = {key: [round(x, 4) for x in result.history[key].tolist()] for key in ("step", "success")}
            found[record][name] = {**judge(model), "seconds": seconds, "ended": result.ended, "curves": curves}
            tick(f"{name}, delay {delay}")
    return found


def write(found: dict[int, dict[str, dict[str, Figures]]]) -> None:
    """Write one record a queue."""
    for record, (delay, _) in RECORDS.items():
        runs = {str(seed): parts[record] for seed, parts in found.items()}
        arms = next(iter(runs.values()))
        means = {arm: statistics.mean(run[arm]["success"] for run in runs.values()) for arm in arms}
        late = f"rewards {delay} turns late" if delay else "a reward each turn"
        text = ", ".join(f"{arm} {value:.3f}" for arm, value in means.items())
        write_record(
            name=record,
            claim=f"24 tickets, {late}; share sent to the right team by what a turn is credited with: {text} "
            f"(sampled on unseen queues, means of {len(runs)} seeds).",
            value=means["own reward"], unit="share of tickets", sources=SOURCES, packages=PACKAGES, seeds=len(runs),
            delay=delay, success=means, runs=runs,
        )  # fmt: skip


def main() -> None:
    """Run the seeds, print the means, write the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds (default 5)")
    parser.add_argument("--quick", action="store_true", help="one seed, two iterations, nothing written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[int, dict[str, dict[str, Figures]]] = {}
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if options.quick else options.seeds))
    with tqdm(total=9 * len(seeds), desc="queue", unit="run") as bar:

        def tick(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        for seed in seeds:
            found[seed] = run_seed(seed, tick, options.quick)
            if not options.quick:
                write(found)  # after every seed, so that an interrupted run leaves what it has
    for record in RECORDS:
        for arm in found[FIRST_SEED][record]:
            values = [parts[record][arm]["success"] for parts in found.values()]
            print(f"  {record:22s} {arm:28s} {statistics.mean(values):.3f}  {[round(v, 3) for v in values]}")


if __name__ == "__main__":
    main()
