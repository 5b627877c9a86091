"""MDPs from the transition tables of gymnasium's toy-text environments (FrozenLake, CliffWalking, Taxi)."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch

from rlkit.mdp import FiniteMDP


def mdp_from_gymnasium(environment: str | gymnasium.Env, discount: float, **keywords: Any) -> FiniteMDP:
    """Read an MDP out of an environment that publishes its table ``P``.

    Gymnasium marks *transitions* as terminating; an MDP has terminal *states*. A state entered only by
    terminating transitions becomes terminal itself. Where a terminating transition enters a state that is
    also entered otherwise, it is sent to one extra terminal state, which then is the last one.

    Parameters
    ----------
    environment : str or gymnasium.Env
        An id such as ``"FrozenLake-v1"``, or an environment made from one.
    discount : float
        The discount, which gymnasium leaves open. Its time limits are not part of the MDP.
    **keywords
        Passed to ``gymnasium.make``.

    Returns
    -------
    FiniteMDP
        Neighbour lists in float64, a reward per transition, the environment's own initial distribution.

    Raises
    ------
    ValueError
        If the environment publishes no transition table.
    """
    made = gymnasium.make(environment, **keywords) if isinstance(environment, str) else environment
    table = getattr(made.unwrapped, "P", None)
    if table is None:
        raise ValueError(f"{made} has no transition table P; expected a toy-text environment such as FrozenLake-v1")
    num_states, num_actions = len(table), len(table[0])
    entered_by_ending: set[int] = set()
    entered_otherwise: set[int] = set()
    for state, actions in table.items():
        for transitions in actions.values():
            for _, next_state, _, ends in transitions:
                if next_state != state:
                    (entered_by_ending if ends else entered_otherwise).add(next_state)
    terminal = entered_by_ending - entered_otherwise
    extra = bool(entered_by_ending & entered_otherwise)
    width = max(len(transitions) for actions in table.values() for transitions in actions.values())
    shape = (num_states + extra, num_actions, width)
    probabilities = torch.zeros(shape, dtype=torch.float64)
    rewards = torch.zeros(shape, dtype=torch.float64)
    next_states = torch.arange(shape[0])[:, None, None].repeat(1, num_actions, width)
    probabilities[..., 0] = 1.0  # every state stays where it is until the table says otherwise
    for state, actions in table.items():
        if state in terminal:
            continue
        for action, transitions in actions.items():
            for index, (probability, next_state, reward, ends) in enumerate(transitions):
                probabilities[state, action, index] = probability
                rewards[state, action, index] = reward
                redirected = ends and next_state not in terminal
                next_states[state, action, index] = num_states if redirected else next_state
    initial = getattr(made.unwrapped, "initial_state_distrib", None)
    if initial is not None:
        initial = torch.zeros(shape[0], dtype=torch.float64).index_copy(
            0, torch.arange(num_states), torch.as_tensor(initial, dtype=torch.float64)
        )
    return FiniteMDP(probabilities, rewards, discount, next_states, initial)
