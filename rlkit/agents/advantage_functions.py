r"""Ready advantages of turns for :func:`rlkit.agents.training.train`: trajectories in, a tensor (B, T) out.

The formulas are those of :mod:`rlkit.agents.credit`. Three choices decide them: what a turn is credited with (the
return of the whole episode, or what came after the turn, with a discount), and what it is compared with.

====================================================  ==============================  ===============================
``advantages=``                                       a turn is credited with         and compared with
====================================================  ==============================  ===============================
:func:`rlkit.agents.training.episode_advantages`      the return of its episode       its group's episodes
``by_turn_number``                                    the rewards from this turn on   turns of the same number
``functools.partial(by_turn_number, discount=0.0)``   its own reward                  turns of the same number
``functools.partial(by_situation, discount=0.0)``     its own reward                  turns in the same situation
====================================================  ==============================  ===============================

Turns are compared within a group only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlkit.agents.batches import turn_rewards
from rlkit.agents.credit import turn_advantages, turn_keys
from rlkit.agents.rollouts import Trajectory


def by_turn_number(trajectories: Sequence[Trajectory], discount: float = 1.0) -> Tensor:
    """Compare what came after a turn with what came after the turns of the same number in its group, (B, T)."""
    return _against(trajectories, [[str(turn) for turn in range(len(one.rewards))] for one in trajectories], discount)


def by_situation(trajectories: Sequence[Trajectory], discount: float = 1.0) -> Tensor:
    """Compare what came after a turn with what came after all turns of its group that had the same anchor, (B, T).

    An environment says with :meth:`~rlkit.agents.text_environment.TextEnvironment.anchor` which situations are alike.
    A turn whose anchor is the only one of its kind gets 0.
    """
    return _against(trajectories, [one.anchors for one in trajectories], discount)


def _against(trajectories: Sequence[Trajectory], names: list[list[str]], discount: float) -> Tensor:
    """Return less the mean over turns of the same group and name, in units of the batch's deviation."""
    rewards, mask = turn_rewards(trajectories)
    groups = torch.tensor([one.group for one in trajectories])
    return turn_advantages(rewards, mask, turn_keys(groups, names, mask.shape[1]), discount)
