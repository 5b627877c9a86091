"""Small MDPs that each make one difficulty visible."""

from __future__ import annotations

import torch

from rlkit.mdp import FiniteMDP


def stay_or_quit(discount: float = 0.99, quit_reward: float = 30.0) -> FiniteMDP:
    r"""Stay (action 0) and earn 1, or quit (action 1), earn ``quit_reward`` and end the game.

    Staying for ever is worth :math:`1 / (1 - \gamma)`. State 0 is the game, state 1 its end.
    """
    next_states = torch.tensor([[[0], [1]], [[1], [1]]])
    rewards = torch.tensor([[1.0, quit_reward], [0.0, 0.0]], dtype=torch.float64)
    return FiniteMDP(torch.ones(2, 2, 1, dtype=torch.float64), rewards, discount, next_states, _start(2))


def random_walk(num_states: int = 19, discount: float = 1.0) -> FiniteMDP:
    """Return a row of states between two ends: -1 on leaving at the left, +1 at the right, one action that drifts.

    From the middle, one step left or right with equal probability (Sutton and Barto 2018, examples 6.2 and 7.1).
    States 0 to ``num_states - 1`` are the row, then the left and the right end.
    """
    if num_states < 1 or num_states % 2 == 0:
        raise ValueError(f"num_states is {num_states!r}, expected an odd number: walks start in the middle")
    left_end, right_end = num_states, num_states + 1
    row = torch.arange(num_states)
    neighbours = torch.stack([row - 1, row + 1], dim=1)
    neighbours[0, 0], neighbours[-1, 1] = left_end, right_end
    next_states = torch.cat([neighbours, torch.tensor([[left_end] * 2, [right_end] * 2])])[:, None]
    rewards = torch.zeros(num_states + 2, 1, 2, dtype=torch.float64)
    rewards[0, 0, 0], rewards[num_states - 1, 0, 1] = -1.0, 1.0
    start = torch.zeros(num_states + 2, dtype=torch.float64)
    start[num_states // 2] = 1.0
    return FiniteMDP(torch.full_like(rewards, 0.5), rewards, discount, next_states, start)


def tempting_noise(num_actions: int = 10, mean: float = -0.1, spread: float = 1.0) -> FiniteMDP:
    """Go left or right; the right ends with 0, the left leads to gambles that lose on average.

    State 0 is the choice: the first half of the actions go left, the others right. In state 1 every action pays
    ``mean + spread`` or ``mean - spread`` with equal probability and ends. State 2 is the end. After Sutton and
    Barto (2018), example 6.7, with two outcomes in place of a normal distribution.
    """
    probabilities = torch.full((3, num_actions, 2), 0.5, dtype=torch.float64)
    rewards = torch.zeros(3, num_actions, 2, dtype=torch.float64)
    rewards[1] = torch.tensor([mean + spread, mean - spread])
    next_states = torch.full((3, num_actions, 2), 2)
    next_states[0, : num_actions // 2] = 1
    return FiniteMDP(probabilities, rewards, 1.0, next_states, _start(3))


def two_alike(discount: float = 0.5, first_reward: float = 1.0, second_reward: float = -1.5) -> FiniteMDP:
    """Two steps that look alike to the agent: action 1 pays ``first_reward``, then ``second_reward``; action 0 nothing.

    States 0 and 1 are the steps, state 2 is the end. An agent that cannot tell 0 from 1 has to choose one
    probability of action 1 for both.
    """
    next_states = torch.tensor([[[1], [1]], [[2], [2]], [[2], [2]]])
    rewards = torch.tensor([[0.0, first_reward], [0.0, second_reward], [0.0, 0.0]], dtype=torch.float64)
    return FiniteMDP(torch.ones(3, 2, 1, dtype=torch.float64), rewards, discount, next_states, _start(3))


def probes(discount: float = 0.9) -> dict[str, tuple[FiniteMDP, torch.Tensor]]:
    """Return five problems that each need one more part of a learner to work, with the right action values.

    In this order: *constant* (one action, reward 1, the end), *observation* (the reward is the observation's),
    *delay* (the reward comes one step later), *action* (the reward is the action's), *both* (it depends on the
    observation and the action). The first one that fails points at the part. Values have shape (S, A), the last
    state is the end. After Jones (2021), "Debugging RL, Without the Agonizing Pain".
    """

    def table(rewards: list[list[float]], follows: list[int], starts: list[float]) -> FiniteMDP:
        pay = torch.tensor([*rewards, [0.0] * len(rewards[0])], dtype=torch.float64)
        after = torch.tensor([*follows, len(follows)])[:, None, None].expand(-1, pay.shape[1], 1)
        start = torch.tensor([*starts, 0.0], dtype=torch.float64)
        ones = torch.ones(*pay.shape, 1, dtype=torch.float64)
        return FiniteMDP(ones, pay, discount, after, start)

    problems = {
        "constant": table([[1.0]], [1], [1.0]),
        "observation": table([[-1.0], [1.0]], [2, 2], [0.5, 0.5]),
        "delay": table([[0.0], [1.0]], [1, 2], [1.0, 0.0]),
        "action": table([[-1.0, 1.0]], [1], [1.0]),
        "both": table([[1.0, -1.0], [-1.0, 1.0]], [2, 2], [0.5, 0.5]),
    }
    values = {
        "constant": [[1.0]],
        "observation": [[-1.0], [1.0]],
        "delay": [[discount], [1.0]],
        "action": [[-1.0, 1.0]],
        "both": [[1.0, -1.0], [-1.0, 1.0]],
    }
    return {name: (mdp, torch.tensor(values[name], dtype=torch.float64)) for name, mdp in problems.items()}


def _start(num_states: int) -> torch.Tensor:
    """Every episode begins in state 0."""
    return torch.eye(num_states, dtype=torch.float64)[0]
