"""The learning rate of each arm of chapter 7's ablations, chosen on seeds that the chapter does not report.

    python benchmarks/ppo_learning_rates.py             # about ten minutes on one core
    python benchmarks/ppo_learning_rates.py --missing   # only what the record lacks, after a rate or an arm was added

An arm that takes something away from PPO deserves a learning rate of its own: otherwise one measures for which arm the
rate was chosen. Each arm is trained with each rate, ten seeds at a time; the rate with the largest mean return over the
whole run wins.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from evidence import RESULTS, write_record
from tqdm import tqdm

from rlkit.environments import CartPole
from rlkit.ppo import PPOConfig, train

NAME = "ppo-learning-rates"
ARMS: dict[str, dict[str, float | int | bool]] = {
    "everything": {},
    "no clipping": {"clip_range": float("inf")},
    "λ = 0": {"gae_lambda": 0.0},
    "λ = 1": {"gae_lambda": 1.0},
    "one epoch": {"num_epochs": 1},
    "no normalisation": {"normalise_advantages": False},
}
RATES = (1.25e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2, 8e-2, 1.6e-1)
MASTER_SEED = 300  # the chapter reports 0
NUM_SEEDS = 10
NUM_ITERATIONS = 120
SOURCES = ["rlkit/ppo.py", "rlkit/advantages.py", "rlkit/networks.py", "rlkit/policies.py", "rlkit/rollouts.py",
           "rlkit/training.py", "rlkit/environments/cartpole.py", "benchmarks/ppo_learning_rates.py"]  # fmt: skip


def mean_return(arm: str, rate: float) -> float:
    """Return of the last 100 episodes, averaged over the iterations of a run and over the seeds."""
    environment = CartPole((NUM_SEEDS, 32), seed=MASTER_SEED, device="cpu")
    config = PPOConfig(num_iterations=NUM_ITERATIONS, seed=MASTER_SEED, learning_rate=rate, **ARMS[arm])
    return train(environment, config).history["return"].nan_to_num().mean().item()


def main() -> None:
    """Train every arm with every rate; print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="keep what the record has")
    path, known = RESULTS / f"{NAME}.json", {}
    if parser.parse_args().missing and path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))["details"]["mean_returns"]
    torch.set_num_threads(1)
    found: dict[str, dict[str, float]] = {}
    with tqdm(total=len(ARMS) * len(RATES), unit="run") as bar:
        for arm in ARMS:
            found[arm] = {}
            for rate in RATES:
                seen = known.get(arm, {}).get(str(rate))
                found[arm][str(rate)] = round(mean_return(arm, rate), 1) if seen is None else seen
                bar.update()
            print(f"{arm:18s}" + "".join(f"{rate:>9s}: {value:5.1f}" for rate, value in found[arm].items()))
    best = {arm: max(values, key=values.__getitem__) for arm, values in found.items()}
    value = found["everything"][best["everything"]]
    write_record(
        name=NAME,
        claim=f"Best of {len(RATES)} learning rates for each arm of the PPO ablations on CartPole, by the mean return "
        f"over {NUM_ITERATIONS} iterations, {NUM_SEEDS} seeds: "
        f"{', '.join(f'{arm} {rate}' for arm, rate in best.items())}.",
        value=value, unit="mean return over a run, everything", sources=SOURCES, packages=["torch"],
        seeds=NUM_SEEDS, command="python benchmarks/ppo_learning_rates.py", master_seed=MASTER_SEED,
        mean_returns=found, best=best,
    )  # fmt: skip


if __name__ == "__main__":
    main()
