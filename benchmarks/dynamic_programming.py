"""Planning on slippery grids beside QuantEcon's DiscreteDP, at equal guaranteed error, in one run.

    python benchmarks/dynamic_programming.py            # 90,000 and 1,000,000 states, three runs each
    python benchmarks/dynamic_programming.py --quick    # 10,000 states, one run, nothing written

Both sides promise values within 5e-5 of the optimum (QuantEcon: epsilon = 1e-4 gives epsilon / 2). One CPU
thread, float64. Of QuantEcon, value iteration and two settings of modified policy iteration are timed, and the
fastest is the peer. (On these grids modified policy iteration is the slower one on our side too: news of the goal
travels one cell per improvement, so sweeps that do not improve are wasted. With its default of 20 such sweeps it
is left out at a million states, where it needs minutes.)
Timed on both sides: solving, in CPU seconds of the one thread, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import scipy.sparse
import torch
from evidence import write_record
from quantecon.markov import DiscreteDP

from rlkit.dynamic_programming import error_bound
from rlkit.grid_backup import GridBackup
from rlkit.gridworld import slippery_grid
from rlkit.mdp import FiniteMDP
from rlkit.planning import value_iteration

GUARANTEED_ERROR = 5e-5
LARGEST_FOR_THE_DEFAULT = 300
PEER_METHODS = {
    "value iteration": ("value_iteration", {}),
    "modified policy iteration, k = 20 (its default)": ("modified_policy_iteration", {}),
    "modified policy iteration, k = 5": ("modified_policy_iteration", {"k": 5}),
}
SOURCES = ["rlkit/grid_backup.py", "rlkit/planning.py", "rlkit/dynamic_programming.py", "rlkit/mdp.py",
           "rlkit/neighbours.py", "rlkit/gridworld.py", "benchmarks/dynamic_programming.py"]  # fmt: skip


def quantecon_problem(mdp: FiniteMDP) -> DiscreteDP:
    """Build the same MDP in QuantEcon's state-action pair form with a sparse matrix."""
    assert mdp.next_states is not None
    num_pairs, width = mdp.num_states * mdp.num_actions, mdp.next_states.shape[2]
    row_starts = np.arange(0, num_pairs * width + 1, width)
    data, columns = mdp.transition_probabilities.numpy().ravel(), mdp.next_states.numpy().ravel()
    chances = scipy.sparse.csr_matrix((data, columns, row_starts), shape=(num_pairs, mdp.num_states))
    states = np.repeat(np.arange(mdp.num_states), mdp.num_actions)
    actions = np.tile(np.arange(mdp.num_actions), mdp.num_states)
    return DiscreteDP(mdp.expected_rewards.numpy().ravel(), chances, mdp.discount, states, actions)


def seconds(solve: Callable[[], Any], on_gpu: bool) -> tuple[float, Any]:
    """Time of one call and its result: CPU seconds of this process, or wall time for work on a GPU."""
    clock = time.perf_counter if on_gpu else time.process_time
    began = clock()
    result = solve()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - began, result


def measure(size: int, runs: int) -> dict[str, Any]:
    """Time all methods in turn, ``runs`` times; print and return medians and the worst distance between answers."""
    grid = slippery_grid(size)
    mdp = grid.mdp()
    problem = quantecon_problem(mdp)
    ours: dict[str, Callable[[], Any]] = {
        "grid": lambda: value_iteration(grid, GUARANTEED_ERROR),
        "table": lambda: value_iteration(mdp, GUARANTEED_ERROR),
    }
    if torch.cuda.is_available():
        ours["grid on the GPU"] = lambda: value_iteration(GridBackup(grid, device="cuda"), GUARANTEED_ERROR)
    theirs = {
        name: lambda method=method, options=options: problem.solve(
            method=method, epsilon=2 * GUARANTEED_ERROR, max_iter=100_000, **options
        )
        for name, (method, options) in PEER_METHODS.items()
        if options or method == "value_iteration" or size <= LARGEST_FOR_THE_DEFAULT
    }
    value_iteration(slippery_grid(20), 1e-3)  # first calls compile and allocate
    quantecon_problem(slippery_grid(20).mdp()).solve("modified_policy_iteration")
    times: dict[str, list[float]] = {}
    answers: dict[str, torch.Tensor] = {}
    for run in range(runs):
        for side, methods in (("rlkit", ours), ("quantecon", theirs)):
            for name, solve in methods.items():
                label = f"{side}: {name}"
                elapsed, result = seconds(solve, on_gpu="GPU" in name)
                times.setdefault(label, []).append(elapsed)
                values = result.state_values.cpu() if side == "rlkit" else torch.from_numpy(np.asarray(result.v))
                answers[label] = values.double()
                print(f"{size}x{size}  run {run + 1}/{runs}  {label:62s} {elapsed:8.3f} s", flush=True)
    certified = {label: error_bound(mdp, values) for label, values in answers.items() if label.startswith("rlkit")}
    reference = answers["rlkit: grid"]
    spread = max(float((values - reference).abs().max()) for values in answers.values())
    medians = {label: statistics.median(values) for label, values in times.items()}
    return {"medians": medians, "largest_difference_between_answers": spread, "certified_errors": certified}


def main() -> None:
    """Run, print a table, write the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each method (default 3)")
    parser.add_argument("--quick", action="store_true", help="a small grid, once, without writing a record")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for size, goal in [(100, None)] if options.quick else [(300, 5.0), (1000, 4.0)]:
        found = measure(size, 1 if options.quick else options.runs)
        medians = found["medians"]
        peer = min((label for label in medians if label.startswith("quantecon")), key=medians.__getitem__)
        for label, median in sorted(medians.items(), key=lambda item: item[1]):
            print(f"  {median:8.3f} s  {medians[peer] / median:6.2f} x  {label}")
        print(f"  answers differ by at most {found['largest_difference_between_answers']:.1e}", flush=True)
        if options.quick:
            continue
        entries = [
            ("grid", "rlkit: grid", goal, "with the grid's structure", "cpu"),
            ("table", "rlkit: table", None,
             "on general tables", "cpu"),
        ]  # fmt: skip
        if "rlkit: grid on the GPU" in medians:
            entries.append(
                ("grid-gpu", "rlkit: grid on the GPU", None, "on a GPU (QuantEcon on one CPU thread)", "cuda")
            )
        for suffix, label, wanted, how, device in entries:
            ratio = medians[peer] / medians[label]
            write_record(
                name=f"dp-quantecon-{size * size}-{suffix}",
                claim=f"Planning a slippery grid of {size * size:,} states within 5e-5 of the optimum {how} takes "
                f"{medians[label]:.3g} s, {ratio:.2g} times as fast as QuantEcon's best method.",
                value=medians[label], unit="s", sources=SOURCES, packages=["torch", "numpy", "quantecon", "scipy"],
                peer=f"QuantEcon DiscreteDP, {peer.removeprefix('quantecon: ')}", peer_value=medians[peer],
                ratio=ratio, goal=wanted, seeds=options.runs, device=device, **found,
            )  # fmt: skip
    if not options.quick:
        print("records are in benchmarks/results/")


if __name__ == "__main__":
    main()
