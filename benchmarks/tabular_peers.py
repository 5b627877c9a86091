"""Tabular Q-learning: twenty seeds of rlkit at once beside the loop that textbooks print, on gymnasium's tables."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from evidence import write_record
from torch import Tensor
from torch.nn.functional import one_hot
from tqdm import tqdm

from rlkit.dynamic_programming import evaluate_policy
from rlkit.environments import TableEnvironment
from rlkit.mdp import FiniteMDP
from rlkit.planning import policy_iteration
from rlkit.tabular import TabularConfig, train
from rlkit.toy_text import mdp_from_gymnasium

NUM_SEEDS = 20
LOOP_STEPS = 100_000
FIRST_SEED = 100
DISCOUNT = 0.99
NEAR_OPTIMAL = 0.01
SOURCES = ["rlkit/tabular.py", "rlkit/table_learner.py", "rlkit/exploration.py", "rlkit/training.py",
           "rlkit/environments/table.py", "rlkit/toy_text.py", "benchmarks/tabular_peers.py"]  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A table of gymnasium and the settings with which rlkit learns it.

    ``goal`` is the wanted ratio of steps per second, if there is one.
    """

    name: str
    environment: str
    num_environments: int
    config: TabularConfig
    goal: float | None


PROBLEMS = [
    Problem("frozenlake", "FrozenLake8x8-v1", 256, TabularConfig(
        num_steps=20_000, discount=DISCOUNT, learning_rate=1.0, learning_rate_power=0.6, initial_value=1.0,
        epsilon=0.1, record_every=20_000), 30.0),
    Problem("cliffwalking", "CliffWalking-v1", 16, TabularConfig(
        num_steps=1_000, discount=DISCOUNT, learning_rate=0.5, epsilon=0.1, record_every=1_000), None),
    Problem("taxi", "Taxi-v4", 256, TabularConfig(
        num_steps=1_000, discount=DISCOUNT, learning_rate=1.0, epsilon=0.3, record_every=1_000), 30.0),
]  # fmt: skip


def textbook_loop(
    environment: gymnasium.Env, num_steps: int, discount: float, learning_rate: float, epsilon: float, seed: int
) -> np.ndarray:
    """Q-learning as in Sutton and Barto (2018), section 6.5: one environment, one step after the other.

    A time limit is no ending, as in rlkit: only ``terminated`` stops the bootstrap.
    """
    generator = np.random.default_rng(seed)
    num_states, num_actions = int(environment.observation_space.n), int(environment.action_space.n)
    values = np.zeros((num_states, num_actions))
    state, _ = environment.reset(seed=seed)
    for _ in range(num_steps):
        if generator.random() < epsilon:
            action = int(generator.integers(num_actions))
        else:
            action = int(values[state].argmax())
        next_state, reward, terminated, truncated, _ = environment.step(action)
        future = 0.0 if terminated else values[next_state].max()
        values[state, action] += learning_rate * (reward + discount * future - values[state, action])
        state = next_state
        if terminated or truncated:
            state, _ = environment.reset()
    return values


def near_optimal_seeds(mdp: FiniteMDP, action_values: Tensor) -> int:
    """Count the tables (K, S, A) whose greedy policy is exactly worth at least the optimum less 1 percent of it.

    Worth is the expected discounted return from the start, computed from the transition table.
    """
    best = float(policy_iteration(mdp).state_values @ mdp.initial_distribution)
    worst_allowed = best - NEAR_OPTIMAL * abs(best)
    greedy = one_hot(action_values.argmax(dim=-1), mdp.num_actions).to(mdp.expected_rewards.dtype)
    return sum(float(evaluate_policy(mdp, policy) @ mdp.initial_distribution) >= worst_allowed for policy in greedy)


def steps_per_second_of_rlkit(
    problem: Problem, mdp: FiniteMDP, limit: int | None, seed: int, num_seeds: int = NUM_SEEDS
) -> tuple[float, Tensor]:
    """Environment steps per CPU second of all seeds together, and the tables (K, S, A)."""
    config = TabularConfig(**{**vars(problem.config), "seed": seed})
    began = time.process_time()
    environment = TableEnvironment(mdp, (num_seeds, problem.num_environments), seed, limit, "cpu")
    result = train(environment, config)
    elapsed = time.process_time() - began
    return num_seeds * problem.num_environments * config.num_steps / elapsed, result.action_values.cpu()


def steps_per_second_of_the_loop(problem: Problem, seed: int, num_steps: int = LOOP_STEPS) -> float:
    """Environment steps per CPU second of the textbook loop with rlkit's learning rate at its start and epsilon."""
    environment = gymnasium.make(problem.environment)
    began = time.process_time()
    textbook_loop(
        environment, num_steps, DISCOUNT, min(problem.config.learning_rate, 0.5), problem.config.epsilon, seed
    )
    elapsed = time.process_time() - began
    environment.close()
    return num_steps / elapsed


def measure(problem: Problem, runs: int, num_seeds: int = NUM_SEEDS, loop_steps: int = LOOP_STEPS) -> dict[str, Any]:
    """Time both sides in turn, ``runs`` times; return medians and the count of seeds near the optimum."""
    mdp = mdp_from_gymnasium(problem.environment, DISCOUNT)
    limit = gymnasium.spec(problem.environment).max_episode_steps
    ours, theirs, near = [], [], []
    steps_per_second_of_the_loop(problem, 0, loop_steps // 10)  # first calls allocate
    for run in tqdm(range(runs), desc=problem.environment, unit="run"):
        speed, tables = steps_per_second_of_rlkit(problem, mdp, limit, FIRST_SEED + run, num_seeds)
        ours.append(speed)
        near.append(near_optimal_seeds(mdp, tables))
        theirs.append(steps_per_second_of_the_loop(problem, FIRST_SEED + run, loop_steps))
    return {
        "rlkit": statistics.median(ours),
        "loop": statistics.median(theirs),
        "ratio": statistics.median(ours) / statistics.median(theirs),
        "near_optimal_seeds": near,
        "seeds_per_run": num_seeds,
        "steps_per_seed": problem.num_environments * problem.config.num_steps,
        "cpu_seconds_of_all_seeds": [
            num_seeds * problem.num_environments * problem.config.num_steps / speed for speed in ours
        ],
    }


def show(problem: Problem, found: dict[str, Any]) -> None:
    """Print one line."""
    print(
        f"  {problem.environment:18s} rlkit {found['rlkit']:12,.0f} steps/s  loop {found['loop']:10,.0f} steps/s  "
        f"ratio {found['ratio']:6.1f}  near the optimum {found['near_optimal_seeds']} of {found['seeds_per_run']}  "
        f"{statistics.median(found['cpu_seconds_of_all_seeds']):.2f} CPU s"
    )


def write(problem: Problem, found: dict[str, Any], runs: int) -> None:
    """Write the record of one problem."""
    near, total = sum(found["near_optimal_seeds"]), runs * found["seeds_per_run"]
    write_record(
        name=f"tabular-textbook-{problem.name}",
        claim=f"Tabular Q-learning on {problem.environment} takes {found['rlkit']:,.0f} environment steps per CPU "
        f"second over {found['seeds_per_run']} seeds at once, {found['ratio']:.2g} times as many as the textbook loop; "
        f"{near} of {total} seeds come within 1% of the exact optimum after {found['steps_per_seed']:,} steps each.",
        value=found["rlkit"], unit="environment steps per CPU second", sources=SOURCES,
        packages=["torch", "numpy", "gymnasium"], peer="one seed of the textbook's Python loop on gymnasium",
        peer_value=found["loop"], ratio=found["ratio"], goal=problem.goal, seeds=total,
        figures=found, near_optimal=near, settings={**vars(problem.config), "environments": problem.num_environments},
    )  # fmt: skip
