"""Language models: *Chain* over seeds that were not used for tuning, and training steps beside TRL's, in one run.

    python benchmarks/language_models.py                 # everything; about a quarter of an hour on one core
    python benchmarks/language_models.py --only chain    # of: chain, trl
    python benchmarks/language_models.py --quick         # a minute, nothing written

One CPU thread. Times of *Chain* are CPU seconds of this process, times of a step are wall time, medians.

Not measured: GRPO at half a billion parameters on a GPU, since none was at hand. ``python -m rlkit.grpo`` prints its
tokens a second, and on a GPU its peak memory.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import chain_seeds
import torch
import trl_peers

PARTS = ("chain", "trl")


def main() -> None:
    """Run the parts, print them, write their records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=5, help="seeds of Chain (default 5)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each side beside TRL (default 3)")
    parser.add_argument("--quick", action="store_true", help="a smoke run of every part, without writing records")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        trl_peers.show(trl_peers.measure(runs=1, steps=4))
        return
    if "chain" in options.only:
        found = chain_seeds.measure(options.seeds)
        chain_seeds.show(found)
        chain_seeds.write(found)
    if "trl" in options.only:
        steps = trl_peers.measure(options.runs)
        trl_peers.show(steps)
        trl_peers.write(steps)


if __name__ == "__main__":
    main()
