"""The flywheel on the data agent: methods at equal budget, and adaptation after a change, over fresh seeds.

    python benchmarks/agent_flywheel.py                        # everything; half an hour on one core
    python benchmarks/agent_flywheel.py --only on_policy dpo   # some methods, or: adaptation
    python benchmarks/agent_flywheel.py --quick                # a smoke run, nothing written

One CPU thread. Every seed has a base of its own, kept in ``_build/agent_bases`` with the policy that imitation of safe
successes makes of it, for this is what adapts. A record is written anew after each run. Runs are kept in
``_build/agent_runs``, so the command can be interrupted and goes on where it was; ``--anew`` makes all of them again.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from evidence import RESULTS, ROOT, write_record
from tqdm import tqdm

from rlkit.agents import flywheel
from rlkit.agents.changed_data import DearCopy, NoCopy
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.recipes import make_base
from rlkit.agents.replay import effective_sample_size, logged_episode_log_weights
from rlkit.agents.rollouts import Trajectory
from rlkit.agents.training import evaluate
from rlkit.lm.checkpoints import load_checkpoint, save_checkpoint

FIRST_SEED = 300  # settings were tuned on seeds below
SEEDS = 5
ARMS: dict[str, dict[str, Any]] = {
    **{method: {"method": method} for method in flywheel.METHODS},
    # What a ratio is good for could be a matter of the step size: without one, a third of it was better in tuning.
    "no_ratio_small_steps": {"method": "no_ratio", "learning_rate": 3e-4},
}
UNSTABLE = ("no_ratio",)
"""Arms whose runs differ so much that they get ten seeds."""
NUM_TEST_EPISODES, NUM_FINAL_EPISODES = 200, 600
EPISODES_WEIGHED = 256
REVOLUTIONS = 5
CHANGES = {"no_copy": NoCopy, "dear_copy": DearCopy}
STARTING = "safe_rejection"  # the arm whose policies meet the changes
ADAPTING = ("on_policy", "safe_rejection")
ADAPTATION, ADAPTATION_EPISODES = {"num_revolutions": 10, "num_batches": 2}, 200
KEPT = ROOT / "_build" / "agent_bases"
RUNS = ROOT / "_build" / "agent_runs"
SOURCES = [f"rlkit/agents/{name}.py" for name in (
    "batches", "changed_data", "credit", "data_agent", "flywheel", "imitation", "recipes", "replay", "rollouts",
    "text_environment", "training",
)] + ["rlkit/dpo.py", "rlkit/group_objective.py", "benchmarks/agent_flywheel.py"]  # fmt: skip
PACKAGES = ["torch", "transformers", "tokenizers", "numpy"]
Model = Any


def base_of(seed: int) -> tuple[Model, Any]:
    """Load the base of a seed, made once."""
    folder = KEPT / f"data_agent-{seed}"
    if not (folder / "config.json").is_file():
        save_checkpoint(folder, *make_base("data_agent", seed))
    return load_checkpoint(folder, "cpu")


def judge(model: Model, tokenizer: Any, world: type = DataAgent, count: int = NUM_FINAL_EPISODES) -> dict[str, Any]:
    """Key figures of sampled episodes on tasks that no training saw."""
    found = evaluate(model, tokenizer, world, count)
    kept = {name: round(found[name], 4) for name in ("return", "success", "unsafe", "cost", "turns", "latency")}
    # Without a success there is no such number, and JSON has no infinity.
    return kept | {"cost_per_success": round(found["cost"] / found["success"], 4) if found["success"] else None}


def run_arm(arm: str, seed: int, revolutions: int = REVOLUTIONS) -> dict[str, Any]:
    """Figures after each revolution, and how much each revolution's log is worth under the policies after it."""
    base, tokenizer = base_of(seed)
    model, figures = copy.deepcopy(base), [judge(base, tokenizer, count=NUM_TEST_EPISODES)]
    logs: list[list[Trajectory]] = []
    shares: dict[str, list[float]] = {"one_later": [], "two_later": []}
    seconds, began = 0.0, time.process_time()

    def after(revolution: int, played: list[Trajectory]) -> None:
        nonlocal began, seconds
        seconds += time.process_time() - began
        figures.append(
            judge(model, tokenizer, count=NUM_FINAL_EPISODES if revolution == revolutions else NUM_TEST_EPISODES)
        )
        logs.append(played[:: len(played) // EPISODES_WEIGHED])
        for name, back in (("one_later", 1), ("two_later", 2)):
            if len(logs) >= back:
                weights = logged_episode_log_weights(model, logs[-back], tokenizer.pad_token_id)
                shares[name].append(round(float(effective_sample_size(weights)) / len(weights), 4))
        began = time.process_time()

    with tempfile.TemporaryDirectory() as folder, EpisodeLog(Path(folder) / "episodes.db") as log:
        began = time.process_time()
        config = flywheel.FlywheelConfig(seed=seed, num_revolutions=revolutions, **ARMS[arm])
        result = flywheel.train(model, tokenizer, DataAgent, log, config, after)
        logged = len(log.figures())
    if arm == STARTING:
        save_checkpoint(KEPT / f"data_agent-{seed}-{arm}", model, tokenizer)
    curves = {name: [one[name] for one in figures] for name in figures[0]}
    used = [int(number) for number in result.history["used"].tolist()]
    return {
        "seconds": seconds, "ended": result.ended, "episodes": logged, "used": used, "effective_share": shares,
        **{name: values[-1] for name, values in curves.items()}, "curves": curves,
    }  # fmt: skip


def run_adaptation(change: str, method: str, seed: int) -> dict[str, Any]:
    """What a trained policy does after a change: frozen, and learning from its own logs, batch by batch."""
    base_of(seed)
    folder = KEPT / f"data_agent-{seed}-{STARTING}"
    if not (folder / "config.json").is_file():
        run_arm(STARTING, seed)
    trained, tokenizer = load_checkpoint(folder, "cpu")
    world, model, curves = CHANGES[change], copy.deepcopy(trained), []
    before, frozen = (judge(trained, tokenizer, kind, ADAPTATION_EPISODES) for kind in (DataAgent, world))

    def after(revolution: int, played: list[Trajectory]) -> None:
        curves.append([(one.info["success"], one.info["cost"], sum(one.rewards)) for one in played])

    with tempfile.TemporaryDirectory() as name, EpisodeLog(Path(name) / "episodes.db") as log:
        began = time.process_time()
        config = flywheel.FlywheelConfig(method=method, seed=seed + 1_000, **ADAPTATION)
        flywheel.train(model, tokenizer, world, log, config, after)
        seconds = time.process_time() - began
    rows = torch.tensor(curves)  # revolutions, episodes, figures
    adapted = judge(model, tokenizer, world, ADAPTATION_EPISODES)
    return {
        "seconds": seconds, "before": before, "frozen": frozen, "adapted": adapted, **adapted,
        "episodes_a_revolution": rows.shape[1],
        "curves": {
            name: [round(value, 4) for value in rows[:, :, column].mean(1).tolist()]
            for column, name in enumerate(("success", "cost", "return"))
        },
    }  # fmt: skip


def kept_run(name: str, seed: int, run: Callable[[], dict[str, Any]], anew: bool) -> dict[str, Any]:
    """Make a run, or read it where it was made before."""
    path = RUNS / f"{name}-{seed}.json"
    if anew or not path.is_file():
        RUNS.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def write(name: str, what: str, runs: dict[str, dict[str, Any]]) -> None:
    """Write one record."""
    mean = {key: sum(run[key] for run in runs.values()) / len(runs) for key in ("success", "unsafe", "cost", "seconds")}
    cost = mean["cost"] / mean["success"] if mean["success"] else None  # of all episodes of all seeds
    mean["cost_per_success"] = cost
    write_record(
        name=name,
        claim=f"Data agent, {what}: {mean['success']:.3f} of the episodes succeed, {mean['unsafe']:.3f} are unsafe, at "
        f"a cost of {'-' if cost is None else round(cost, 3)} a success, in {mean['seconds']:.3g} CPU seconds a seed "
        f"(means of {len(runs)} seeds).",
        value=mean["success"], unit="share of episodes that succeed", sources=SOURCES, packages=PACKAGES,
        seeds=len(runs), command="python benchmarks/agent_flywheel.py", mean=mean, runs=runs,
    )  # fmt: skip


def jobs(only: list[str], seeds: int) -> list[tuple[str, str, int, Any]]:
    """Record, description, seed and run of everything to be measured, the first seeds of all before further ones."""
    found: list[tuple[str, str, int, Any]] = []
    for seed in range(FIRST_SEED, FIRST_SEED + 2 * seeds):
        for arm in ARMS:
            if arm in only and (seed < FIRST_SEED + seeds or arm in UNSTABLE):
                name = f"agents-flywheel-{arm.replace('_', '-')}"
                what = f"flywheel by {arm.replace('_', ' ')}, {REVOLUTIONS} revolutions"
                found.append((name, what, seed, lambda a=arm, s=seed: run_arm(a, s)))
        if seed == FIRST_SEED + seeds - 1 and "adaptation" in only:
            for again in range(FIRST_SEED, FIRST_SEED + seeds):
                for change in CHANGES:
                    for method in ADAPTING:
                        name = f"agents-flywheel-{change}-{method}".replace("_", "-")
                        what = f"{change.replace('_', ' ')}, adapting by {method}"
                        arguments = (change, method, again)
                        found.append((name, what, again, lambda a=arguments: run_adaptation(*a)))
    return found


def main() -> None:
    """Run what is not known yet, print it, write its records."""
    parts = [*ARMS, "adaptation"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help=f"default {SEEDS}; twice as many where runs differ much"
    )
    parser.add_argument("--quick", action="store_true", help="one revolution of each method, without writing records")
    parser.add_argument("--anew", action="store_true", help="make runs again that are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        for arm in options.only:
            if arm != "adaptation":
                print(f"{arm:21s}", run_arm(arm, FIRST_SEED, revolutions=1)["curves"]["success"])
        return
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with tqdm(jobs(options.only, options.seeds), desc="flywheel", unit="run") as bar:
        for name, what, seed, run in bar:
            bar.set_postfix_str(f"{name.removeprefix('agents-flywheel-')} {seed}")
            runs = found.setdefault(name, {})
            runs[str(seed)] = kept_run(name, seed, run, options.anew)
            write(name, what, runs)
    for name in found:
        print(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["claim"])


if __name__ == "__main__":
    main()
