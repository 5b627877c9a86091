"""Deep Q-learning: on CartPole-v1 beside stable-baselines3, and on Catch, where it is reliable.

On CartPole-v1 both sides train for 50,000 environment steps a seed, the budget of rl-baselines3-zoo, and their last
networks then play 100 episodes greedily; a seed counts as solved where these return 475 on average. (A mean of 475
over 100 *training* episodes alone takes 47,500 steps, so that nobody could show it within this budget.)
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import stable_baselines3_peers
from episode_watch import GOAL
from evidence import write_record
from stable_baselines3_peers import DQN_STEPS, EVALUATED_EPISODES, DeepQRun
from torch import Tensor
from tqdm import tqdm

from rlkit.deep_q_learning import DeepQConfig, train
from rlkit.environments import CartPole, Catch
from rlkit.training import greedy_returns

CARTPOLE_SEEDS, CARTPOLE_ENVIRONMENTS = 10, 4
CATCH_SEEDS, CATCH_ENVIRONMENTS = 20, 4
CATCH_EPISODES = 200
FIRST_MASTER_SEED = 100
CARTPOLE_SETTINGS: dict[str, Any] = {"hidden_sizes": (64, 64)}
SOURCES = ["rlkit/deep_q_learning.py", "rlkit/replay.py", "rlkit/networks.py", "rlkit/exploration.py",
           "rlkit/training.py", "rlkit/tabular.py", "benchmarks/dqn_peers.py"]  # fmt: skip


def cartpole_call(
    master_seed: int, num_seeds: int = CARTPOLE_SEEDS, total_steps: int = DQN_STEPS
) -> tuple[float, Tensor]:
    """CPU seconds of one call that trains all seeds, and the greedy return of each of them."""
    num_steps = total_steps // CARTPOLE_ENVIRONMENTS
    began = time.process_time()
    environment = CartPole((num_seeds, CARTPOLE_ENVIRONMENTS), master_seed, device="cpu")
    network = train(environment, DeepQConfig(num_steps=num_steps, seed=master_seed, **CARTPOLE_SETTINGS)).network
    elapsed = time.process_time() - began
    fresh = CartPole((num_seeds, EVALUATED_EPISODES), 10_000 + master_seed, device="cpu")
    returns = greedy_returns(fresh, lambda observation: network(observation).argmax(dim=-1), 500)
    return elapsed, returns.mean(dim=1)


def catch_call(master_seed: int, num_seeds: int = CATCH_SEEDS, num_steps: int | None = None) -> tuple[float, Tensor]:
    """CPU seconds of one call with rlkit's defaults, and the greedy return of each seed; a perfect player has 1."""
    config = DeepQConfig(seed=master_seed, **({} if num_steps is None else {"num_steps": num_steps}))
    began = time.process_time()
    network = train(Catch((num_seeds, CATCH_ENVIRONMENTS), master_seed, device="cpu"), config).network
    elapsed = time.process_time() - began
    # The ball's column is all that is random: 200 episodes see each of the five, except once in 10^19 runs.
    fresh = Catch((num_seeds, CATCH_EPISODES), 10_000 + master_seed, device="cpu")
    returns = greedy_returns(fresh, lambda observation: network(observation).argmax(dim=-1), 9)
    return elapsed, returns.mean(dim=1)


def summary(calls: list[tuple[float, Tensor]], wanted: float) -> dict[str, Any]:
    """Count and median of rlkit's calls."""
    greedy = [[round(value, 3) for value in returns.tolist()] for _, returns in calls]
    return {
        "calls": len(calls),
        "seeds": sum(len(returns) for returns in greedy),
        "solved": sum(value >= wanted for returns in greedy for value in returns),
        "greedy_returns": greedy,
        "seconds": [round(seconds, 3) for seconds, _ in calls],
        "median_seconds": statistics.median(seconds for seconds, _ in calls),
    }


def measure_cartpole(runs: int, peer_seeds: int) -> dict[str, Any]:
    """Time both sides in turn and return the figures."""
    cartpole_call(0, total_steps=1_200)  # first calls allocate
    stable_baselines3_peers.train_deep_q(0, 600)
    calls: list[tuple[float, Tensor]] = []
    peers: list[DeepQRun] = []
    with tqdm(total=runs + peer_seeds, desc="deep Q-learning on CartPole-v1", unit="run") as bar:
        for seed in range(peer_seeds):
            while len(calls) < runs and round(len(calls) * peer_seeds / runs) <= seed:
                calls.append(cartpole_call(FIRST_MASTER_SEED + len(calls)))
                bar.update()
            peers.append(stable_baselines3_peers.train_deep_q(seed))
            bar.update()
    theirs = {
        "runs": peer_seeds,
        "solved": sum(run.greedy_return >= GOAL for run in peers),
        "greedy_returns": [round(run.greedy_return, 1) for run in peers],
        "seconds": [round(run.seconds, 3) for run in peers],
        "median_seconds": statistics.median(run.seconds for run in peers),
    }
    return {"rlkit": summary(calls, GOAL), "stable-baselines3": theirs}


def measure_catch(runs: int) -> dict[str, Any]:
    """Train twenty seeds on Catch in one call, ``runs`` times."""
    catch_call(0, num_steps=300)
    seeds = tqdm(range(runs), desc="deep Q-learning on Catch", unit="run")
    return {"rlkit": summary([catch_call(FIRST_MASTER_SEED + index) for index in seeds], 1.0)}


def show(found: dict[str, Any]) -> None:
    """Print one line a side."""
    for side, figures in found.items():
        count = figures.get("seeds", figures.get("runs"))
        print(f"  {side:20s} {figures['median_seconds']:8.2f} CPU s (median)  solved {figures['solved']}/{count}")


def write_cartpole(found: dict[str, Any]) -> None:
    """Write the record of CartPole-v1: the share of seeds that are solved. Seconds are in the claim, without a ratio.

    They would compare agents that did not learn the task with agents that did.
    """
    ours, theirs = found["rlkit"], found["stable-baselines3"]
    here, there = ours["solved"] / ours["seeds"], theirs["solved"] / theirs["runs"]
    write_record(
        name="dqn-stable-baselines3-cartpole",
        claim=f"Deep Q-learning on CartPole-v1, after {DQN_STEPS:,} steps: {ours['solved']} of {ours['seeds']} seeds "
        f"here return 475 greedily, and {theirs['solved']} of {theirs['runs']} of stable-baselines3 do. A call of ten "
        f"seeds takes {ours['median_seconds']:.3g} CPU seconds here, one seed of stable-baselines3 takes "
        f"{theirs['median_seconds']:.3g}; these say little where so different a share of the seeds is solved.",
        value=here, unit="share of seeds that return 475", sources=[
            *SOURCES, "rlkit/environments/cartpole.py", "benchmarks/stable_baselines3_peers.py"],
        packages=["torch", "numpy", "gymnasium", "stable-baselines3"],
        peer=f"stable-baselines3 DQN, settings of rl-baselines3-zoo, {theirs['runs']} seeds",
        peer_value=there, ratio=here / there if there else None, seeds=ours["seeds"],
        rlkit=ours, peer_runs=theirs, settings=CARTPOLE_SETTINGS,
    )  # fmt: skip


def write_catch(found: dict[str, Any]) -> None:
    """Write the record of Catch: how many seeds play perfectly."""
    ours = found["rlkit"]
    write_record(
        name="dqn-catch",
        claim=f"Deep Q-learning plays Catch perfectly on {ours['solved']} of {ours['seeds']} seeds; one call trains "
        f"{CATCH_SEEDS} of them in {ours['median_seconds']:.3g} CPU seconds.",
        value=ours["median_seconds"], unit="CPU s", sources=[*SOURCES, "rlkit/environments/catch.py"],
        packages=["torch", "numpy"], seeds=ours["seeds"], rlkit=ours,
    )  # fmt: skip
