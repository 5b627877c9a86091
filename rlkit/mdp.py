r"""Finite Markov decision processes as tensors.

An MDP is :math:`(\mathcal{S}, \mathcal{A}, P, R, \gamma)`: from state :math:`s`, action :math:`a` leads to
:math:`s'` with probability :math:`P(s' \mid s, a)` and earns :math:`R(s, a, s')`. Planning needs only the
expected reward :math:`r(s, a) = \sum_{s'} P(s' \mid s, a) R(s, a, s')`.

Two layouts hold the same thing. *Dense*: probabilities of shape (S, A, S). *Neighbour lists*: each state and
action has at most K possible next states, ``next_states`` (S, A, K) beside probabilities (S, A, K); a grid of
a million states has K = 3 and fits in memory. A terminal state is one that every action leaves unchanged at
reward 0.

References
----------
Puterman (1994), "Markov Decision Processes", chapters 2 and 6. Sutton and Barto (2018), chapter 3.
"""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rlkit.neighbours import neighbour_matrix
from rlkit.validation import require_discount, require_distribution, require_finite


class FiniteMDP:
    r"""A validated finite MDP. Treat it as a constant: ``to`` and ``with_discount`` return new ones.

    Parameters
    ----------
    transition_probabilities : Tensor, shape (S, A, S), or (S, A, K) with ``next_states``
        :math:`P(s' \mid s, a)`. Rows of actions that are not admissible are ignored.
    rewards : Tensor, shape (S, A), or the shape of ``transition_probabilities``
        :math:`r(s, a)`, or :math:`R(s, a, s')` for each transition.
    discount : float
        :math:`\gamma` in [0, 1]. With 1, a terminal state must be reachable from every state.
    next_states : LongTensor, shape (S, A, K), optional
        Index of each possible next state.
    initial_distribution : Tensor, shape (S,), optional
        :math:`\mu`; uniform over the states that are not terminal if left out.
    admissible : BoolTensor, shape (S, A), optional
        Which actions exist in which state; all of them if left out.
    state_names, action_names : tuple of str, optional
        For errors, tables and figures.

    Raises
    ------
    ValueError
        If shapes disagree, a number is NaN, a probability negative, a row does not sum to 1, an index is out
        of range, a state has no action, the discount lies outside [0, 1], or it is 1 and some state cannot
        reach an end.
    """

    def __init__(
        self,
        transition_probabilities: Tensor,
        rewards: Tensor,
        discount: float,
        next_states: Tensor | None = None,
        initial_distribution: Tensor | None = None,
        admissible: Tensor | None = None,
        state_names: tuple[str, ...] = (),
        action_names: tuple[str, ...] = (),
    ) -> None:
        require_discount(discount)
        self.transition_probabilities, self.rewards, self.discount = transition_probabilities, rewards, discount
        self.next_states, self.state_names, self.action_names = next_states, state_names, action_names
        self._check_layout()
        if admissible is None:
            shape = transition_probabilities.shape[:2]
            admissible = torch.ones(shape, dtype=torch.bool, device=transition_probabilities.device)
        self.admissible = admissible
        self._check_admissible()
        self._check_numbers()
        self.initial_distribution = self._uniform_start() if initial_distribution is None else initial_distribution
        if tuple(self.initial_distribution.shape) != (self.num_states,):
            given = tuple(self.initial_distribution.shape)
            raise ValueError(f"initial_distribution has shape {given}, expected ({self.num_states},)")
        require_distribution(self.initial_distribution, "initial probabilities")
        if discount == 1:
            self._check_an_end_is_reachable()

    def _check_numbers(self) -> None:
        allowed, probabilities, rewards = self.admissible, self.transition_probabilities, self.rewards
        shaped = allowed if rewards.ndim == 2 else allowed[..., None]
        require_finite(rewards=torch.where(shaped, rewards, torch.zeros_like(rewards)))
        # Rows of actions that do not exist may hold anything: a distribution stands in for them here.
        first = torch.nn.functional.one_hot(torch.zeros_like(allowed, dtype=torch.int64), probabilities.shape[2])
        filled = torch.where(allowed[..., None], probabilities, first.to(probabilities.dtype))
        require_distribution(filled, "transition probabilities of state {0}, action {1}")
        for names, what, count in (
            (self.state_names, "state_names", self.num_states),
            (self.action_names, "action_names", self.num_actions),
        ):
            if names and len(names) != count:
                raise ValueError(f"{what} has {len(names)} entries, expected {count}")

    def _check_layout(self) -> None:
        probabilities, rewards, neighbours = self.transition_probabilities, self.rewards, self.next_states
        for name, value in (("transition_probabilities", probabilities), ("rewards", rewards)):
            if not isinstance(value, Tensor) or not value.is_floating_point():
                given = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise ValueError(f"{name} is {given}, expected a floating point tensor; use torch.tensor(...)")
        shape = tuple(probabilities.shape)
        if len(shape) != 3 or 0 in shape:
            raise ValueError(f"transition_probabilities has shape {shape}, expected (S, A, S) or (S, A, K)")
        if neighbours is None and shape[0] != shape[2]:
            raise ValueError(
                f"transition_probabilities has shape {shape}, expected (S, A, S); "
                "give next_states as well to list only the possible next states"
            )
        if tuple(rewards.shape) not in (shape[:2], shape):
            raise ValueError(f"rewards has shape {tuple(rewards.shape)}, expected {shape[:2]} or {shape}")
        if rewards.dtype != probabilities.dtype:
            raise ValueError(f"rewards is {rewards.dtype} and transition_probabilities {probabilities.dtype}; use one")
        if neighbours is not None:
            if tuple(neighbours.shape) != shape or neighbours.dtype != torch.int64:
                raise ValueError(
                    f"next_states has shape {tuple(neighbours.shape)} and dtype {neighbours.dtype}, "
                    f"expected {shape} and torch.int64"
                )
            low, high = int(neighbours.min()), int(neighbours.max())
            if low < 0 or high >= shape[0]:
                raise ValueError(f"next_states ranges over {low}..{high}, expected 0..{shape[0] - 1}")

    def _check_admissible(self) -> None:
        allowed, expected = self.admissible, tuple(self.transition_probabilities.shape[:2])
        if tuple(allowed.shape) != expected or allowed.dtype is not torch.bool:
            raise ValueError(
                f"admissible has shape {tuple(allowed.shape)} and dtype {allowed.dtype}, "
                f"expected {expected} and torch.bool"
            )
        stuck = ~allowed.any(dim=1)
        if stuck.any():
            raise ValueError(f"state {int(stuck.nonzero()[0])} has no admissible action, expected at least one")

    def _uniform_start(self) -> Tensor:
        starts = (~self.terminal).to(self.rewards.dtype)
        starts = starts if starts.sum() > 0 else torch.ones_like(starts)
        return starts / starts.sum()

    def _check_an_end_is_reachable(self) -> None:
        reached = self.terminal.clone()
        possible = self.admissible[..., None] & (self.transition_probabilities > 0)
        while True:
            into = reached[self.next_states] if self.next_states is not None else reached.expand_as(possible)
            grown = reached | (possible & into).any(dim=2).any(dim=1)
            if torch.equal(grown, reached):
                break
            reached = grown
        if not reached.all():
            raise ValueError(
                f"discount is 1, but from state {int((~reached).nonzero()[0])} no terminal state can be reached, "
                "so values may be infinite; use a discount below 1 or add a terminal state"
            )

    @property
    def num_states(self) -> int:
        """Number of states S."""
        return self.transition_probabilities.shape[0]

    @property
    def num_actions(self) -> int:
        """Number of actions A."""
        return self.transition_probabilities.shape[1]

    @cached_property
    def expected_rewards(self) -> Tensor:
        r""":math:`r(s, a)`, shape (S, A); 0 for actions that are not admissible."""
        expected = self.rewards
        if expected.ndim == 3:
            expected = (self.transition_probabilities * expected).sum(dim=2)
        expected = torch.where(self.admissible, expected, torch.zeros_like(expected))
        # In memory as expected_next_values gives it, so that adding the two runs through both in order.
        return expected if self.next_states is None else expected.T.contiguous().T

    @cached_property
    def every_action_is_admissible(self) -> bool:
        """Whether all actions exist in all states."""
        return bool(self.admissible.all())

    @cached_property
    def terminal(self) -> Tensor:
        """Boolean, shape (S,): states that every admissible action leaves unchanged at reward 0."""
        own = torch.arange(self.num_states, device=self.rewards.device)[:, None, None]
        targets = own.flatten() if self.next_states is None else self.next_states
        elsewhere = (self.transition_probabilities > 0) & (targets != own)
        leaves = elsewhere.any(dim=2) | (self.expected_rewards != 0)
        return ~(leaves & self.admissible).any(dim=1)

    def expected_next_values(self, state_values: Tensor) -> Tensor:
        r"""Return :math:`\sum_{s'} P(s' \mid s, a) V(s')`, shape (S, A), from values of shape (S,)."""
        if tuple(state_values.shape) != (self.num_states,):
            raise ValueError(f"state_values has shape {tuple(state_values.shape)}, expected ({self.num_states},)")
        if self.next_states is None:
            return self.transition_probabilities @ state_values
        return (self._neighbour_matrix @ state_values).view(self.num_actions, self.num_states).T

    @cached_property
    def _neighbour_matrix(self) -> Tensor:
        """Rows in action-major order: the maximum over actions is then a maximum of A contiguous rows."""
        assert self.next_states is not None  # only neighbour lists come here
        probabilities, next_states = self.transition_probabilities.transpose(0, 1), self.next_states.transpose(0, 1)
        return neighbour_matrix(probabilities, next_states, self.num_states)

    def dense(self) -> Tensor:
        r"""Return :math:`P(s' \mid s, a)` with shape (S, A, S), whatever the layout."""
        if self.next_states is None:
            return self.transition_probabilities
        zeros = self.rewards.new_zeros(self.num_states, self.num_actions, self.num_states)
        return zeros.scatter_add_(2, self.next_states, self.transition_probabilities)

    def with_discount(self, discount: float) -> FiniteMDP:
        """Return the same process with another discount."""
        return self._copy(discount=discount)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> FiniteMDP:
        """Return a copy on another device or in another floating point type."""
        moved = {}
        for name in ("transition_probabilities", "rewards", "next_states", "initial_distribution", "admissible"):
            tensor = getattr(self, name)
            if tensor is not None:
                moved[name] = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
        return self._copy(**moved)

    def _copy(self, **changes: Any) -> FiniteMDP:
        names = inspect.signature(FiniteMDP).parameters
        return FiniteMDP(**{name: changes.get(name, getattr(self, name)) for name in names})
