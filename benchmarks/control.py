"""Learning to control, beside stable-baselines3, CleanRL's settings and the textbook loop, in one run.

    python benchmarks/control.py                # everything; about an hour and a half on one core
    python benchmarks/control.py --only ppo     # of: ppo, dqn, catch, tabular, steps
    python benchmarks/control.py --quick        # a minute, nothing written

One CPU thread. Times are CPU seconds of this process, which other programs on the machine disturb least; medians.
Figures of a GPU are wall time, and are written only where there is one.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import cartpole_steps
import dqn_peers
import ppo_peers
import tabular_peers
import torch

PARTS = ("ppo", "dqn", "catch", "tabular", "steps")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="timed calls of rlkit, each with a fresh seed (default 3)")
    parser.add_argument("--peer-seeds", type=int, default=10, help="seeds of each peer (default 10)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a smoke run of every part, without writing records")
    return parser.parse_args()


def quick() -> None:
    """Run a little of every part that has no long training."""
    import cleanrl_ppo
    import stable_baselines3_peers

    seconds, result = ppo_peers.timed_call(0, num_iterations=3)
    print(f"  rlkit PPO, 3 iterations of ten seeds: {seconds:.2f} CPU s, {result.ended}")
    print(f"  CleanRL's settings, 1,024 steps: {cleanrl_ppo.train(1, budget=1_024).seconds:.2f} CPU s")
    print(f"  stable-baselines3 PPO, 1,024 steps: {stable_baselines3_peers.train_ppo(0, 1_024).seconds:.2f} CPU s")
    print(f"  stable-baselines3 DQN, 1,500 steps: {stable_baselines3_peers.train_deep_q(0, 1_500).seconds:.2f} CPU s")
    print(f"  rlkit deep Q-learning on CartPole-v1, 1,500 steps: {dqn_peers.cartpole_call(0, 2, 1_500)[0]:.2f} CPU s")
    print(f"  rlkit deep Q-learning on Catch, 300 steps: {dqn_peers.catch_call(0, 2, 300)[0]:.2f} CPU s")
    for problem in tabular_peers.PROBLEMS[1:]:
        tabular_peers.show(problem, tabular_peers.measure(problem, 1, loop_steps=10_000))
    cartpole_steps.show(4_096, cartpole_steps.measure(4_096, 1, 1_000_000))


def main() -> None:
    """Run the parts, print them, write their records."""
    options = parse()
    torch.set_num_threads(1)
    if options.quick:
        quick()
        return
    if "ppo" in options.only:
        found = ppo_peers.measure(options.runs, options.peer_seeds)
        ppo_peers.show(found)
        ppo_peers.write(found)
    if "dqn" in options.only:
        found = dqn_peers.measure_cartpole(options.runs, options.peer_seeds)
        dqn_peers.show(found)
        dqn_peers.write_cartpole(found)
    if "catch" in options.only:
        found = dqn_peers.measure_catch(options.runs)
        dqn_peers.show(found)
        dqn_peers.write_catch(found)
    if "tabular" in options.only:
        for problem in tabular_peers.PROBLEMS:
            found = tabular_peers.measure(problem, options.runs)
            tabular_peers.show(problem, found)
            tabular_peers.write(problem, found, options.runs)
    if "steps" in options.only:
        for batch_size in cartpole_steps.BATCH_SIZES:
            found = cartpole_steps.measure(batch_size, options.runs)
            cartpole_steps.show(batch_size, found)
            cartpole_steps.write(batch_size, found, options.runs)
    print("records are in benchmarks/results/")


if __name__ == "__main__":
    main()
