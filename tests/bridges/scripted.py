"""Scripted episodes for the bridges' tests: the same hundred in every framework."""

import random

from rlkit.bridges.episodes import Episode

DATA_AGENT = "rlkit/DataAgent-v0"
HUNDRED = range(1_000, 1_100)


def policy_of(seed: int) -> str:
    """Which scripted policy plays a seed: half of them are played well."""
    return "expert" if seed % 2 else "sloppy"


def play(seed: int, environment_id: str = DATA_AGENT) -> Episode:
    """Play an episode to its end with the scripted policy of its seed."""
    episode, chance = Episode(environment_id, seed), random.Random(seed)
    while not episode.ended:
        episode.reply(episode.scripted(policy_of(seed), chance))
    return episode
