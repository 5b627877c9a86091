"""Write the pair of episodes, before and after training, that a chapter's trace player shows.

    python book/agents/traces.py data_agent    # writes data_agent-traces.json beside this file

The shipped base is trained by its recipe. Base and trained agent then play the same tasks, which no training saw, at
temperature 1, into a log of episodes. From the log a rule, not a person, picks the task: see RULE.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.recipes import RECIPES, load_base, train_by_recipe
from rlkit.agents.rollouts import Trajectory, rollout
from rlkit.agents.traces import figures_of_turns, trace
from rlkit.seeding import make_generator

FIRST_SEED, NUM_TASKS = 900_000_000, 200
LEAST_TURNS = 3
ROUNDING = 1e-9  # six questions worth a sixth each do not add up to 1 exactly
RULE = (
    f"of {NUM_TASKS} evaluation tasks the first on which the base, in {LEAST_TURNS} turns or more, failed or acted "
    "unsafely, and the trained agent succeeded and did not act unsafely"
)
LABELS = "before training", "after training"


def fits(before: Trajectory, after: Trajectory) -> bool:
    """Whether a pair of episodes is as RULE says."""
    good = [one.info["success"] > 1 - ROUNDING and one.info["unsafe"] == 0 for one in (before, after)]
    return len(before.actions) >= LEAST_TURNS and good == [False, True]


def main() -> None:
    """Train, play, log, pick, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(RECIPES))
    parser.add_argument("--seed", type=int, default=0, help="of the training (default: 0)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES[options.name]
    model, tokenizer = load_base(options.name, "cpu")
    seeds = range(FIRST_SEED, FIRST_SEED + NUM_TASKS)
    with tempfile.TemporaryDirectory() as folder, EpisodeLog(Path(folder) / "episodes.sqlite") as log:
        for policy in LABELS:
            if policy == LABELS[1]:
                start = time.process_time()
                train_by_recipe(options.name, model, tokenizer, options.seed)
                print(f"trained in {time.process_time() - start:.0f} CPU seconds")
            environments = [recipe.environment() for _ in seeds]
            generator = make_generator(options.seed, "evaluation", model.device)
            turn = recipe.training.max_new_tokens
            log.append(rollout(model, tokenizer, environments, seeds, turn, generator), policy, options.name)
        before, after = (log.read("policy = ?", (policy,)) for policy in LABELS)
    fitting = [pair for pair in zip(before, after, strict=True) if fits(*pair)]
    if not fitting:
        raise SystemExit(f"{options.name}: no task fits the rule: {RULE}")
    traces = [
        trace(one, tokenizer, label, figures_of_turns(one, recipe.environment()))
        for one, label in zip(fitting[0], LABELS, strict=True)
    ]
    shares = [sum(one.info["success"] for one in played) / NUM_TASKS for played in (before, after)]
    chosen = {
        "rule": RULE,
        "seed": traces[0]["seed"],
        "training_seed": options.seed,
        "tasks": NUM_TASKS,
        "fitting": len(fitting),
        "success_before": round(shares[0], 4),
        "success_after": round(shares[1], 4),
    }
    title = f"One task, the {options.name.replace('_', ' ')} before and after training"
    path = Path(__file__).with_name(f"{options.name}-traces.json")
    text = json.dumps({"title": title, "chosen": chosen, "traces": traces}, separators=(",", ":")) + "\n"
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(text.encode()) / 1000:.1f} kB; {json.dumps(chosen)}")


if __name__ == "__main__":
    main()
