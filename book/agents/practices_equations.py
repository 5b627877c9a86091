"""What the bound equation of practices.md says, in plain Python, beside what rlkit's environment pays."""

import random

import numpy as np
from bound_equations import equation

from rlkit.agents.project_agent import ProjectAgent


@equation("eq-price-out-of-success", latex="80f31116e2d1", function="rlkit.agents.project_agent.ProjectAgent")
def _(chance_numbers: np.random.Generator):
    price, seed = float(chance_numbers.uniform(0.1, 2.0)), int(chance_numbers.integers(10_000))
    world, chance = ProjectAgent(price=price), random.Random(seed)
    # One episode that succeeds, and one that may fail: the scripted policies write what the world then judges.
    for policy in ("expert", "sloppy"):
        world.reset(seed=seed)
        costs, rewards = [], []
        while not world.finished:
            command = getattr(world, policy)(chance)
            _, reward, *_ = world.step(command)
            costs.append(world.TOOLS[command.split()[0]].price)
            rewards.append(reward)
        yield (1 - price * sum(costs) if world.info["success"] else 0.0), sum(rewards)
