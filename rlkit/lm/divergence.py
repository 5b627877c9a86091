r"""Kullback–Leibler divergence: exact for categorical distributions, and estimated from sampled tokens.

With :math:`x \sim \pi` and :math:`\ell = \log \pi_\text{ref}(x) - \log \pi(x)` three estimates of
:math:`\mathrm{KL}(\pi \,\|\, \pi_\text{ref})` are in use:

.. math:: k_1 = -\ell, \qquad k_2 = \tfrac12 \ell^2, \qquad k_3 = e^{\ell} - 1 - \ell.

:math:`k_1` and :math:`k_3` have the right mean; :math:`k_2` and :math:`k_3` are never negative. What they estimate
and what their *gradient* estimates are different questions: on samples of :math:`\pi` the gradient of :math:`k_1` is
zero on average, that of :math:`k_2` is the gradient of :math:`\mathrm{KL}(\pi \,\|\, \pi_\text{ref})`, and that of
:math:`k_3` the gradient of :math:`\mathrm{KL}(\pi_\text{ref} \,\|\, \pi)`.

References
----------
Schulman (2020), "Approximating KL Divergence". Shao et al. (2024), "DeepSeekMath", equation 4, for :math:`k_3`.
"""

from __future__ import annotations

from torch import Tensor

from rlkit.validation import require_shapes

KINDS = ("k1", "k2", "k3")


def kl_divergence(log_probabilities: Tensor, other_log_probabilities: Tensor) -> Tensor:
    r"""Exact :math:`\sum_x p(x) (\log p(x) - \log q(x))` over the last axis, (..., N) to (...).

    Outcomes with p = 0 (log-probability minus infinity) count nothing.
    """
    require_shapes(log_probabilities="... N", other_log_probabilities="... N", given=locals())
    impossible = log_probabilities.isneginf()
    difference = (log_probabilities - other_log_probabilities).masked_fill(impossible, 0.0)
    return (log_probabilities.exp() * difference).sum(-1)


def kl_estimate(log_probabilities: Tensor, reference_log_probabilities: Tensor, kind: str = "k3") -> Tensor:
    r"""Estimate of :math:`\mathrm{KL}(\pi \,\|\, \pi_\text{ref})` from each sampled token or sequence.

    Parameters
    ----------
    log_probabilities, reference_log_probabilities : Tensor, shape (...)
        Of the same samples of :math:`\pi`.
    kind : {"k1", "k2", "k3"}

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(log_probabilities="...", reference_log_probabilities="...", given=locals())
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    log_ratio = reference_log_probabilities - log_probabilities
    if kind == "k1":
        return -log_ratio
    if kind == "k2":
        return log_ratio.square() / 2
    return log_ratio.expm1() - log_ratio
