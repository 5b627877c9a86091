r"""Discounted returns.

.. math:: G_t = \sum_{k=t}^{T-1} \gamma^{k-t} r_k = r_t + \gamma G_{t+1}

The reward that follows action :math:`a_t` is :math:`r_t`; Sutton and Barto (2018, section 3.3) write it
:math:`R_{t+1}`.
"""

from __future__ import annotations

from torch import Tensor

from rlkit.validation import require_discount


def discounted_return(rewards: Tensor, discount: float) -> Tensor:
    r"""Return of the whole sequence, :math:`G_0 = \sum_t \gamma^t r_t`.

    Computed from the last reward to the first, :math:`G_t = r_t + \gamma G_{t+1}`, one multiplication a step.

    Parameters
    ----------
    rewards : Tensor, shape (T, ...)
        Rewards in order of time; further axes are independent sequences. T may be 0: the return is then 0.
    discount : float
        :math:`\gamma` in [0, 1].

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ValueError
        If ``rewards`` has no time axis or the discount lies outside [0, 1].
    """
    require_discount(discount)
    if rewards.ndim == 0:
        raise ValueError("rewards has shape (), expected (T, ...) with time first")
    value = rewards.new_zeros(rewards.shape[1:])
    for reward in reversed(rewards.unbind(0)):
        value = reward + discount * value
    return value
