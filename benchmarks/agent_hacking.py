"""Rewards that were not meant: patched tests, charged failures, and credit that stops at the end of a question.

    python benchmarks/agent_hacking.py                          # everything; twenty minutes on one core
    python benchmarks/agent_hacking.py --only reward-hacking    # or other names of the list below

- ``reward-hacking``: the coding agent, paid for the visible tests, for the visible ones with a price on overwriting
  them, and for the visible ones as they were given.
- ``charged-failures``: the project agent, whose prices are taken from failures too.
- ``hard-projects``: the same agent on projects with every difficulty at once, where its base seldom succeeds; with
  prices out of success, and with prices from failures too.
- ``own-question``: the research agent, where a turn is credited with what came after it in its own question only.

What bases do and what the recipes reach is in the records of ``benchmarks/agents.py``, in part over other seeds.
Every seed has a base of its own. Success is that of episodes sampled at temperature 1 on tasks that no training saw.
One CPU thread; times are CPU seconds, those of the programs' worker among them. The arms of a seed share the runs that
it remembers.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import copy
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import torch
from evidence import RESULTS, source_hash, write_record
from torch import Tensor
from tqdm import tqdm

from rlkit.agents.advantage_functions import by_situation
from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.programs import WORKER
from rlkit.agents.project_agent import ProjectAgent
from rlkit.agents.recipes import RECIPES, make_base
from rlkit.agents.rollouts import Trajectory
from rlkit.agents.text_environment import TextEnvironment
from rlkit.agents.training import Advantages, evaluate, train

FIRST_SEED = 300  # settings were tuned on the seeds 0 to 2
PATCH_PRICE = 0.5
HARD = {"open_intent": 1.0, "broken_start": 1.0, "stale_file": 1.0}
SOURCES = [
    "advantage_functions", "batches", "credit", "imitation", "programs", "rollouts", "text_environment", "training",
]  # fmt: skip
PACKAGES = ["torch", "transformers", "tokenizers", "gymnasium"]


class ChargedProjectAgent(ProjectAgent):
    """Every turn has its price, whether the project succeeds or not."""

    ONLY_SUCCESS_PAYS: ClassVar[bool] = False


def within_question(trajectories: Sequence[Trajectory]) -> Tensor:
    """Advantages (B, T) that credit a turn with the rewards from it on up to the end of its own question."""
    questions = [
        Trajectory(
            one.seed, one.group, rewards=[one.rewards[k] for k in turns], anchors=[one.anchors[k] for k in turns]
        )
        for one in trajectories
        for turns in questions_of(one)
    ]
    values, row = by_situation(questions), 0
    result = torch.zeros(len(trajectories), max(len(one.rewards) for one in trajectories))
    for number, one in enumerate(trajectories):
        for turns in questions_of(one):
            result[number, turns] = values[row, : len(turns)]
            row += 1
    return result


def questions_of(trajectory: Trajectory) -> list[list[int]]:
    """Numbers of the turns of each context: every question opens a fresh one."""
    context_of = trajectory.context_of_turn
    return [list(turns) for _, turns in groupby(range(len(context_of)), key=context_of.__getitem__)]


@dataclass(frozen=True)
class Measurement:
    """An agent, and in which environment and with which credit each arm trains it."""

    agent: str
    arms: dict[str, tuple[Callable[[], TextEnvironment], Advantages | None]]
    figure: str
    """Key figure, beside success, that the claim names."""


MEASUREMENTS = {
    "reward-hacking": Measurement(
        "code_agent",
        {
            "visible": (partial(CodeAgent, rewarded="visible"), None),
            "priced": (partial(CodeAgent, rewarded="visible", unsafe_price=PATCH_PRICE), None),
            "protected": (partial(CodeAgent, rewarded="visible", protected=True), None),
        },
        "patched",
    ),
    "charged-failures": Measurement("project_agent", {"charged": (ChargedProjectAgent, None)}, "turns"),
    "hard-projects": Measurement(
        "project_agent",
        {"paid": (partial(ProjectAgent, **HARD), None), "charged": (partial(ChargedProjectAgent, **HARD), None)},
        "turns",
    ),
    "own-question": Measurement(
        "research_agent", {"own_question": (RECIPES["research_agent"].environment, within_question)}, "searches"
    ),
}
NUM_EPISODES = {"research_agent": 200}  # of six questions each


def cpu_seconds() -> float:
    """Of this process and of the programs' worker, which is ended."""
    WORKER.close()
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


def run_seed(what: Measurement, seed: int) -> dict[str, Any]:
    """The base of one seed, and what each arm makes of it."""
    recipe, episodes = RECIPES[what.agent], NUM_EPISODES.get(what.agent, 400)
    base, tokenizer = make_base(what.agent, seed)
    found: dict[str, Any] = {}
    for arm, (environment, advantages) in what.arms.items():
        model, began = copy.deepcopy(base), cpu_seconds()
        config = replace(recipe.training, seed=seed)
        result = train(model, tokenizer, environment, config, advantages or recipe.advantages)
        seconds = cpu_seconds() - began
        curves = {key: [round(x, 4) for x in values.tolist()] for key, values in result.history.items()}
        after = evaluate(model, tokenizer, environment, episodes)
        found[arm] = {"seconds": seconds, "ended": result.ended, "after": after, "curves": curves}
    return found


def measured_code(name: str) -> list[str]:
    """Files of rlkit that a measurement runs."""
    return [f"rlkit/agents/{one}.py" for one in (*SOURCES, MEASUREMENTS[name].agent)]


def what_is_measured(name: str) -> dict[str, str]:
    """Settings and the hash of rlkit's files that make the runs what they are."""
    recipe = RECIPES[MEASUREMENTS[name].agent]
    return {"code": source_hash(measured_code(name)), "settings": f"{recipe.imitation} {recipe.training}"}


def done_before(name: str) -> dict[int, dict[str, Any]]:
    """Runs of an interrupted measurement; none where the code that it measures has changed since."""
    path = RESULTS / f"agents-{name}.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if record is None or record["details"].get("measured") != what_is_measured(name):
        return {}
    return {int(seed): run for seed, run in record["details"]["runs"].items()}


def write(name: str, runs: dict[int, dict[str, Any]]) -> None:
    """Print and write the record of one measurement."""
    what, every = MEASUREMENTS[name], list(runs.values())
    means = {
        arm: {key: statistics.mean(run[arm]["after"][key] for run in every) for key in every[0][arm]["after"]}
        for arm in what.arms
    }
    parts = [f"{arm.replace('_', ' ')} {one['success']:.3f} ({one[what.figure]:.2f})" for arm, one in means.items()]
    claim = (
        f"{what.agent.replace('_', ' ')}, success ({what.figure}): {', '.join(parts)}; means of {len(every)} seeds, "
        "episodes sampled."
    )
    write_record(
        name=f"agents-{name}", claim=claim, value=means[next(iter(what.arms))]["success"],
        unit="share of episodes, sampled",
        sources=[*measured_code(name), "benchmarks/agent_hacking.py"],
        packages=PACKAGES, seeds=len(every), means=means, patch_price=PATCH_PRICE if name == "reward-hacking" else None,
        measured=what_is_measured(name),
        command=f"python benchmarks/agent_hacking.py --only {name}",
        runs={str(seed): run for seed, run in runs.items()},
    )  # fmt: skip
    print(claim, flush=True)


def main() -> None:
    """Run the measurements, print them, write their records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(MEASUREMENTS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--afresh", action="store_true", help="also the seeds that the records have")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tqdm(total=len(options.only) * options.seeds, desc="agents", unit="seed") as bar:
        for name in options.only:
            runs = {} if options.afresh else done_before(name)
            for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
                if seed not in runs:
                    runs[seed] = run_seed(MEASUREMENTS[name], seed)
                    write(name, runs)  # after every seed, so that an interruption loses one
                bar.update()


if __name__ == "__main__":
    main()
