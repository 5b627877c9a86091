"""What each agent is trained with: its environment, how its base imitates, how reinforcement learning goes on.

The bases come with rlkit as checkpoints. ``python -m rlkit.agents.recipes`` makes them again, two minutes on one core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from rlkit.agents.advantage_functions import by_situation
from rlkit.agents.cached_data_agent import CachedDataAgent
from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import ImitationConfig
from rlkit.agents.imitation import train as imitate
from rlkit.agents.project_agent import ProjectAgent
from rlkit.agents.research_agent import ResearchAgent
from rlkit.agents.text_environment import TextEnvironment
from rlkit.agents.training import Advantages, AgentConfig, AgentResult, episode_advantages
from rlkit.agents.training import train as train_agent
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint, save_checkpoint, tiny_llama, word_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXT_LENGTH = 512
SHIPPED_SEED = 0


@dataclass(frozen=True)
class Recipe:
    """An environment with the settings for its base and for its training, tuned here on the seeds 0 to 2.

    ``advantages`` says what a turn is credited with (:mod:`rlkit.agents.advantage_functions`).
    """

    environment: type[TextEnvironment]
    imitation: ImitationConfig
    training: AgentConfig
    advantages: Advantages = episode_advantages


RECIPES = {
    # One deviation for the batch: with one for each group, a group without a success teaches to give up at the least
    # cost, and some seeds learn nothing else.
    "data_agent": Recipe(
        DataAgent,
        ImitationConfig(),
        AgentConfig(num_iterations=120, final_share=0.1, kl_coefficient=0.01),
        partial(episode_advantages, divide_by_std=False),
    ),
    "code_agent": Recipe(CodeAgent, ImitationConfig(), AgentConfig()),
    "research_agent": Recipe(
        ResearchAgent,
        ImitationConfig(num_steps=400),
        AgentConfig(num_iterations=40, tasks_per_iteration=4, group_size=8, learning_rate=1.2e-3),
        by_situation,
    ),
    "project_agent": Recipe(ProjectAgent, ImitationConfig(), AgentConfig(num_iterations=90, final_share=0.1)),
    "cached_data_agent": Recipe(
        CachedDataAgent,
        ImitationConfig(num_steps=360),
        AgentConfig(num_iterations=50, tasks_per_iteration=16, group_size=6, kl_coefficient=0.1, final_share=0.5),
        partial(episode_advantages, divide_by_std=False),
    ),
}


def make_base(name: str, seed: int, progress: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Train the base of an agent from a seed, on the CPU; every seed has weights and demonstrations of its own."""
    recipe = RECIPES[name]
    tokenizer = word_tokenizer(recipe.environment.WORDS)
    model = tiny_llama(tokenizer, context_length=CONTEXT_LENGTH, seed=seed)
    imitate(model, tokenizer, recipe.environment, replace(recipe.imitation, seed=seed), progress=progress)
    return model, tokenizer


def train_by_recipe(
    name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int, progress: bool = False
) -> AgentResult:
    """Train a model in place with the settings of an agent's recipe."""
    recipe = RECIPES[name]
    config = replace(recipe.training, seed=seed)
    return train_agent(model, tokenizer, recipe.environment, config, recipe.advantages, progress=progress)


def load_base(name: str, device: str | torch.device | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the base that comes with rlkit."""
    if name not in RECIPES:
        raise ValueError(f"name is {name!r}, expected one of {sorted(RECIPES)}")
    return load_checkpoint(SHIPPED / name, device)


def main() -> None:
    """Make the shipped bases, or some of them."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.agents.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RECIPES), help=f"of: {', '.join(RECIPES)} (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        save_checkpoint(SHIPPED / name, *make_base(name, SHIPPED_SEED, progress=True))
        print(f"wrote {SHIPPED / name}")


if __name__ == "__main__":
    main()
