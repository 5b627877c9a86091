"""MDPs that several tests solve."""

import torch

from rlkit.mdp import FiniteMDP


def puterman_two_states(discount: float = 0.95) -> FiniteMDP:
    """Puterman (1994), section 3.1: in state 0 earn 5 and maybe stay, or 10 and leave for a state that costs 1 a step.

    Its second state has a single action. In closed form V*(1) = -1 / (1 - discount), and staying is worth
    (5 + discount / 2 * V*(1)) / (1 - discount / 2), leaving 10 + discount * V*(1).
    """
    probabilities = torch.tensor([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    rewards = torch.tensor([[5.0, 10.0], [-1.0, -torch.inf]], dtype=torch.float64)
    admissible = torch.tensor([[True, True], [True, False]])
    return FiniteMDP(probabilities, rewards, discount, admissible=admissible)


def random_mdp(seed: int, num_states: int = 12, num_actions: int = 3, discount: float = 0.9) -> FiniteMDP:
    """Return a dense MDP with Dirichlet-like rows and normal rewards for each transition."""
    generator = torch.Generator().manual_seed(seed)
    shape = (num_states, num_actions, num_states)
    weights = -torch.rand(shape, generator=generator, dtype=torch.float64).log()
    rewards = torch.randn(shape, generator=generator, dtype=torch.float64)
    return FiniteMDP(weights / weights.sum(-1, keepdim=True), rewards, discount)


def random_policy(seed: int, mdp: FiniteMDP) -> torch.Tensor:
    """Return a policy with every admissible action possible."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(mdp.num_states, mdp.num_actions, generator=generator, dtype=torch.float64) * mdp.admissible
    return weights / weights.sum(1, keepdim=True)
