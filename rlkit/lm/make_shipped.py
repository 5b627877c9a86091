"""Makes the checkpoint that comes with rlkit: ``python -m rlkit.lm.make_shipped``, half a minute on one core.

The supervised base of *Chain*: 132,000 parameters of the Llama architecture, trained on demonstrations of which 70 in
100 answer at once and 30 with a scratchpad.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import torch

from rlkit.lm import chain
from rlkit.lm.checkpoints import SHIPPED, character_tokenizer, save_checkpoint, tiny_llama
from rlkit.lm.supervised import SupervisedConfig, train
from rlkit.seeding import make_generator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED_SEED = 0


def make_chain_base(seed: int, progress: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Train the base from a seed, on the CPU; every seed has weights and demonstrations of its own."""
    config = SupervisedConfig(seed=seed)
    tokenizer = character_tokenizer(chain.CHARACTERS)
    model = tiny_llama(tokenizer, seed=seed)
    number = config.num_steps * config.batch_size
    examples = chain.demonstrations(number, make_generator(seed, "demonstrations"))
    train(model, tokenizer, examples, config, progress=progress)
    return model, tokenizer


def main() -> None:
    """Make the checkpoint and write it where :data:`rlkit.lm.checkpoints.SHIPPED` points, or elsewhere."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.lm.make_shipped", description=__doc__)
    parser.add_argument("--out", default=str(SHIPPED / "chain"), help="folder (default: inside the package)")
    parser.add_argument("--seed", type=int, default=SHIPPED_SEED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    save_checkpoint(options.out, *make_chain_base(options.seed, progress=True))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
