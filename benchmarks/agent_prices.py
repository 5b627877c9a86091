"""What a price does to the agent with noted answers: the front of success against cost, and a limit on unsafe episodes.

    python benchmarks/agent_prices.py             # fifteen minutes on one core
    python benchmarks/agent_prices.py --quick     # a minute, nothing written

Every seed has a base of its own, and every arm starts from it. One CPU thread; seconds are CPU seconds of this process.
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

from rlkit.agents import training
from rlkit.agents.cached_data_agent import FRESHNESS, CachedDataAgent
from rlkit.agents.prices import PriceUnderLimit
from rlkit.agents.recipes import RECIPES, make_base
from rlkit.agents.rollouts import rollout
from rlkit.seeding import make_generator

FIRST_SEED = 300  # settings were tuned on seed 0
TEST_TASKS = 900_000_000
PRICES = (0.1, 0.5, 1.0, 2.0)
UNSAFE_PRICE = 0.5
SHOWN_PER_GROUP = (0.1, 1.0)  # once more, scaled group by group
PRICE_WITH_LIMIT = 0.5
LIMIT, STEP_SIZE = 0.1, 0.3
SOURCES = ["rlkit/agents/batches.py", "rlkit/agents/cached_data_agent.py", "rlkit/agents/credit.py",
           "rlkit/agents/data_agent.py", "rlkit/agents/imitation.py", "rlkit/agents/prices.py",
           "rlkit/agents/recipes.py", "rlkit/agents/rollouts.py", "rlkit/agents/text_environment.py",
           "rlkit/agents/training.py", "rlkit/group_objective.py", "rlkit/lm/chat.py", "rlkit/lm/checkpoints.py",
           "rlkit/lm/scoring.py", "benchmarks/agent_prices.py"]  # fmt: skip
PACKAGES = ["torch", "transformers", "tokenizers", "numpy"]
CURVES = ("step", "success", "cost", "unsafe")
Figures = dict[str, Any]
across_the_batch = partial(training.episode_advantages, divide_by_std=False)


def judge(model: Any, tokenizer: Any, episodes: int) -> Figures:
    """Key figures on tasks that no training saw, sampled; and how often it looked, by the freshness of the note."""
    environments = [CachedDataAgent() for _ in range(episodes)]
    seeds, generator = range(TEST_TASKS, TEST_TASKS + episodes), make_generator(0, "evaluation")
    played = rollout(model, tokenizer, environments, seeds, 6, generator)
    found = training.means(played)
    del found["return"]  # at the prices of the evaluation, which say nothing
    looked: dict[str, list[bool]] = {name: [] for name in FRESHNESS}
    for one in played:
        read = any(seen.startswith("=") for seen in one.observations[1:])
        looked[one.observations[0].split()[1]].append(read)
    share = {name: statistics.mean(some) if some else None for name, some in looked.items()}
    each = found["cost"] / found["success"] if found["success"] else None
    return found | {"cost_per_success": each, "read_from_the_database": share}


def run_seed(seed: int, tick: Callable[[str], None], quick: bool) -> dict[str, Figures]:
    """Every arm from the base of one seed."""
    config, episodes = replace(RECIPES["cached_data_agent"].training, seed=seed), 60 if quick else 400
    config = replace(config, num_iterations=2) if quick else config
    began = time.process_time()
    base, tokenizer = make_base("cached_data_agent", seed)
    seconds = time.process_time() - began
    found: dict[str, Figures] = {"base": judge(base, tokenizer, episodes) | {"seconds": seconds}}
    tick("base")

    def record(name: str, price: float, unsafe_price: float, **options: Any) -> None:
        model, make = copy.deepcopy(base), partial(CachedDataAgent, price=price, unsafe_price=unsafe_price)
        began = time.process_time()
        result = training.train(model, tokenizer, make, config, **options)
        seconds = time.process_time() - began
        curves = {key: [round(x, 4) for x in result.history[key].tolist()] for key in CURVES}
        found[name] = {
            "price": price, "unsafe_price": unsafe_price, **judge(model, tokenizer, episodes),
            "seconds": seconds, "ended": result.ended, "curves": curves,
        }  # fmt: skip
        tick(name)

    for price in PRICES:
        record(f"price {price}", price, UNSAFE_PRICE, advantages=across_the_batch)
    for price in SHOWN_PER_GROUP:
        record(f"price {price}, per group", price, UNSAFE_PRICE, advantages=training.episode_advantages)
    record("no price on unsafe", PRICE_WITH_LIMIT, 0.0, advantages=across_the_batch)
    control = PriceUnderLimit(LIMIT, STEP_SIZE)
    record("limit", PRICE_WITH_LIMIT, 0.0, advantages=across_the_batch, after=control)
    found["limit"]["curves"]["unsafe_price"] = [round(price, 4) for price in control.history]
    return found


def mean(found: dict[int, dict[str, Figures]], arm: str, key: str) -> float:
    """Mean over seeds."""
    return statistics.mean(parts[arm][key] for parts in found.values())


def write(found: dict[int, dict[str, Figures]]) -> None:
    """Write the two records."""
    own = [f"price {price}" for price in PRICES]
    per_group = [f"price {price}, per group" for price in SHOWN_PER_GROUP]
    fixed = f"price {PRICE_WITH_LIMIT}"

    def runs(arms: list[str]) -> dict[str, dict[str, Figures]]:
        return {str(seed): {arm: parts[arm] for arm in arms} for seed, parts in found.items()}

    def points(arms: list[str]) -> str:
        return ", ".join(f"{mean(found, arm, 'success'):.3f} at cost {mean(found, arm, 'cost'):.3f}" for arm in arms)

    write_record(
        name="agents-price-front",
        claim=f"Agent with noted answers, prices {', '.join(map(str, PRICES))} of a unit of cost: success "
        f"{points(own)}; with advantages scaled group by group, prices {', '.join(map(str, SHOWN_PER_GROUP))}: "
        f"{points(per_group)} (sampled on unseen tasks, means of {len(found)} seeds).",
        value=mean(found, own[0], "cost") - mean(found, own[-1], "cost"),
        unit="cost between the ends of the front", sources=SOURCES, packages=PACKAGES, seeds=len(found),
        prices=list(PRICES), per_group=list(SHOWN_PER_GROUP), unsafe_price=UNSAFE_PRICE,
        runs=runs(["base", *own, *per_group]),
    )  # fmt: skip
    unsafe = {arm: mean(found, arm, "unsafe") for arm in ("no price on unsafe", fixed, "limit")}
    write_record(
        name="agents-unsafe-limit",
        claim=f"Agent with noted answers: {unsafe['no price on unsafe']:.3f} of the episodes are unsafe without a "
        f"price, {unsafe[fixed]:.3f} at a fixed price of {UNSAFE_PRICE}, {unsafe['limit']:.3f} with dual steps under "
        f"a limit of {LIMIT} (sampled on unseen tasks, means of {len(found)} seeds).",
        value=unsafe["limit"], unit="share of episodes that are unsafe", sources=SOURCES, packages=PACKAGES,
        peer="without a price", peer_value=unsafe["no price on unsafe"], seeds=len(found), limit=LIMIT,
        step_size=STEP_SIZE, price=PRICE_WITH_LIMIT, fixed_unsafe_price=UNSAFE_PRICE, unsafe=unsafe,
        runs=runs(["base", "no price on unsafe", fixed, "limit"]),
    )  # fmt: skip


def main() -> None:
    """Run the seeds, print the means, write the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds (default 5)")
    parser.add_argument("--quick", action="store_true", help="one seed, two iterations, nothing written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[int, dict[str, Figures]] = {}
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if options.quick else options.seeds))
    with tqdm(total=9 * len(seeds), desc="prices", unit="run") as bar:

        def tick(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        for seed in seeds:
            found[seed] = run_seed(seed, tick, options.quick)
            if not options.quick:
                write(found)  # after every seed, so that an interrupted run leaves what it has
    for arm in found[FIRST_SEED]:
        keys = ("success", "cost", "unsafe", "turns", "mistakes", "seconds")
        print(f"  {arm:22s} " + "  ".join(f"{key} {mean(found, arm, key):.3f}" for key in keys))


if __name__ == "__main__":
    main()
