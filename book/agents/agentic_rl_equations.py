"""What the bound equations of agentic-rl.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit.agents import key_figures


@equation("eq-wilson-interval", latex="de2500bfd1ff", function="rlkit.agents.key_figures.wilson_interval")
def _(random: np.random.Generator):
    n = int(random.integers(1, 500))
    successes, z = int(random.integers(0, n + 1)), key_figures.Z
    p = successes / n
    found = key_figures.wilson_interval(successes, n)
    for sign, limit in ((-1, found.low), (+1, found.high)):
        root = np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        yield (p + z**2 / (2 * n) + sign * z * root) / (1 + z**2 / n), limit


@equation("eq-cost-per-success", latex="8646382155cb", function="rlkit.agents.key_figures.cost_per_success")
def _(random: np.random.Generator):
    n = 40
    c, succeeds = random.uniform(0, 1, size=n), random.uniform(size=n) < 0.5
    expected = sum(c[i] for i in range(n)) / sum(1 for i in range(n) if succeeds[i])
    yield expected, key_figures.cost_per_success(torch.from_numpy(c), torch.from_numpy(succeeds)).value
