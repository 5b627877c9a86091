"""Record the forty steps that the advantage dial of chapter 7 shows.

    python book/algorithms/pole_trajectory.py    # writes pole-trajectory.json beside this file

A half-trained agent on CartPole with a limit of 30 steps; the stretch is the first that holds both kinds of ending.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from rlkit.advantages import returns_to_go
from rlkit.environments import CartPole
from rlkit.ppo import PPOConfig, train
from rlkit.rollouts import collect, seeds_first, time_first
from rlkit.seeding import make_generator

LENGTH, SETTLING = 40, 400


def main() -> None:
    """Train, record, write."""
    torch.set_num_threads(1)
    result = train(CartPole((1, 32), 0, step_limit=30, device="cpu"), PPOConfig(num_iterations=12, seed=0))
    game = CartPole((1, 8), 1, step_limit=30, device="cpu")
    rollout, _ = collect(game, result.policy, game.reset(), SETTLING, make_generator(0, "actions"))
    with torch.no_grad():
        values, next_values = (
            time_first(result.critic(seeds_first(observations)), rollout.rewards.shape)
            for observations in (rollout.observations, rollout.final_observations)
        )
    flags = rollout.terminated, rollout.truncated
    returns = returns_to_go(rollout.rewards, next_values, *flags, 0.99)
    start, column = next(
        (start, column)
        for start in range(0, SETTLING - LENGTH, 4)
        for column in range(8)
        if all(flag[start + 8 : start + LENGTH - 8, 0, column].any() for flag in flags)
    )
    series = {
        "rewards": rollout.rewards, "values": values, "next_values": next_values,
        "terminated": rollout.terminated, "truncated": rollout.truncated, "returns": returns,
    }  # fmt: skip
    picked = {name: series[name][start : start + LENGTH, 0, column] for name in series}
    # What follows the last row is left to its value, as in a rollout that ends there.
    picked["returns"] = returns_to_go(*(picked[n] for n in ("rewards", "next_values", "terminated", "truncated")), 0.99)
    record = {
        name: part.tolist() if part.dtype is torch.bool else [round(float(each), 4) for each in part]
        for name, part in picked.items()
    }
    path = Path(__file__).with_name("pole-trajectory.json")
    path.write_text(json.dumps({**record, "returns_label": "measured return − value"}) + "\n", encoding="utf-8")
    print(f"{path.name}: environment {column}, steps {start} to {start + LENGTH - 1}")


if __name__ == "__main__":
    main()
