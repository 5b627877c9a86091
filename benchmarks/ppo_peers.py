"""PPO on CartPole-v1: ten seeds of rlkit in one call beside single runs of stable-baselines3 and CleanRL's settings."""

from __future__ import annotations

import statistics
import time
from typing import Any

import cleanrl_ppo
import stable_baselines3_peers
import torch
from episode_watch import GOAL, RECENT_EPISODES, RELAPSE, TrainingRun
from evidence import write_record
from tqdm import tqdm

from rlkit.environments import make_environment
from rlkit.ppo import PPOConfig, PPOResult, train

NUM_SEEDS = 10
NUM_ENVIRONMENTS = 32
FIRST_MASTER_SEED = 100
SOURCES = ["rlkit/ppo.py", "rlkit/advantages.py", "rlkit/networks.py", "rlkit/policies.py", "rlkit/rollouts.py",
           "rlkit/training.py", "rlkit/policy_diagnostics.py", "rlkit/environments/cartpole.py",
           "benchmarks/ppo_peers.py", "benchmarks/episode_watch.py"]  # fmt: skip


def timed_call(master_seed: int, **settings: Any) -> tuple[float, PPOResult]:
    """CPU seconds of one call that trains ten seeds until all have reached the goal, and its result."""
    began = time.process_time()
    environment = make_environment("CartPole-v1", (NUM_SEEDS, NUM_ENVIRONMENTS), master_seed, device="cpu")
    result = train(environment, PPOConfig(stop_at=GOAL, seed=master_seed, **settings))
    return time.process_time() - began, result


def relapses_in_the_whole_budget(master_seed: int, **settings: Any) -> int:
    """Train to the end of the budget; count the seeds whose mean return reached 475 and later fell below 400."""
    environment = make_environment("CartPole-v1", (NUM_SEEDS, NUM_ENVIRONMENTS), master_seed, device="cpu")
    history = train(environment, PPOConfig(seed=master_seed, **settings)).history
    means = history["return"]
    reached = (means >= GOAL) & (history["episodes"] >= RECENT_EPISODES)
    return int(((reached.cumsum(dim=0) > 0) & (means < RELAPSE)).any(dim=0).sum())


def summary_of_peer(runs: list[TrainingRun]) -> dict[str, Any]:
    """Count and median of a peer's runs. A run that did not reach the goal counts with its whole budget."""
    return {
        "runs": len(runs),
        "reached": sum(run.reached for run in runs),
        "relapsed": sum(run.relapsed for run in runs),
        "seconds": [round(run.seconds, 3) for run in runs],
        "median_seconds": statistics.median(run.seconds for run in runs),
        "median_steps": statistics.median(run.steps for run in runs),
    }


def measure(runs: int, peer_seeds: int) -> dict[str, Any]:
    """Time all sides in turn, so that a change in the machine's load meets them alike; return the figures.

    A peer's clock is read when it reaches the goal; the run then goes on through its budget, to count relapses.
    """
    calls: list[tuple[float, PPOResult]] = []
    sides: dict[str, list[TrainingRun]] = {"stable-baselines3": [], "cleanrl": []}
    learners = {"stable-baselines3": stable_baselines3_peers.train_ppo, "cleanrl": cleanrl_ppo.train}
    timed_call(0, num_iterations=2)  # first calls compile and allocate
    stable_baselines3_peers.train_ppo(0, 512)
    with tqdm(total=runs + 2 * peer_seeds, desc="PPO on CartPole-v1", unit="run") as bar:
        for seed in range(peer_seeds):
            while len(calls) < runs and round(len(calls) * peer_seeds / runs) <= seed:
                calls.append(timed_call(FIRST_MASTER_SEED + len(calls)))
                bar.update()
            for side, learner in learners.items():
                sides[side].append(learner(seed, whole_budget=True))
                bar.update()
    found: dict[str, Any] = {side: summary_of_peer(results) for side, results in sides.items()}
    relapsed = sum(relapses_in_the_whole_budget(FIRST_MASTER_SEED + index) for index in range(runs))
    found["rlkit"] = {
        "calls": runs,
        "seeds": runs * NUM_SEEDS,
        "reached": sum(int((result.reached >= 0).sum()) for _, result in calls),
        "relapsed": relapsed,
        "seconds": [round(seconds, 3) for seconds, _ in calls],
        "median_seconds": statistics.median(seconds for seconds, _ in calls),
        "median_steps": float(torch.cat([result.reached for _, result in calls]).float().median()),
    }
    return found


def show(found: dict[str, Any]) -> None:
    """Print one line a side."""
    for side, figures in found.items():
        count = figures.get("seeds", figures.get("runs"))
        print(
            f"  {side:20s} {figures['median_seconds']:8.2f} CPU s (median)  reached {figures['reached']}/{count}, "
            f"relapsed {figures['relapsed']}, after {figures['median_steps']:,.0f} steps a seed"
        )


def write(found: dict[str, Any]) -> None:
    """Write one record a peer."""
    ours = found["rlkit"]
    peers = [
        ("stable-baselines3", "stable-baselines3", "stable-baselines3 PPO, settings of rl-baselines3-zoo, one seed",
         2.0, "benchmarks/stable_baselines3_peers.py"),
        ("cleanrl", "cleanrl", "PPO with the defaults of CleanRL's ppo.py, written anew, one seed",
         None, "benchmarks/cleanrl_ppo.py"),
    ]  # fmt: skip
    for side, suffix, description, goal, source in peers:
        theirs = found[side]
        ratio = theirs["median_seconds"] / ours["median_seconds"]
        write_record(
            name=f"ppo-{suffix}-cartpole",
            claim=f"PPO brings ten seeds of CartPole-v1 to a mean of 475 over 100 training episodes in "
            f"{ours['median_seconds']:.3g} CPU seconds; {ours['reached']} of {ours['seeds']} seeds reached it and "
            f"{ours['relapsed']} of them fell below 400 later in the budget. One seed of the peer needs {ratio:.2g} "
            f"times that; {theirs['reached']} of {theirs['runs']} reached it, {theirs['relapsed']} fell back.",
            value=ours["median_seconds"], unit="CPU s", sources=[*SOURCES, source],
            packages=["torch", "numpy", "gymnasium", "stable-baselines3"], peer=description,
            peer_value=theirs["median_seconds"], ratio=ratio, goal=goal, seeds=ours["seeds"],
            rlkit=ours, peer_runs=theirs,
        )  # fmt: skip
