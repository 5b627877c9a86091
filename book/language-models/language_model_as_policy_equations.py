"""What the bound equations of language-model-as-policy.md say, in plain numpy, beside what rlkit computes."""

import numpy as np
import torch
from bound_equations import equation

from rlkit.lm import divergence, supervised, tokens

B, L, V = 3, 6, 5


def tensors(*arrays):
    """The same as tensors."""
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@equation("eq-token-log-probabilities", latex="09fb6efab47f", function="rlkit.lm.tokens.token_log_probabilities")
def _(random: np.random.Generator):
    z, x = random.normal(size=(L, V)), random.integers(V, size=L)
    expected = [z[t - 1, x[t]] - np.log(sum(np.exp(z[t - 1, v]) for v in range(V))) for t in range(1, L)]
    yield expected, tokens.token_log_probabilities(*tensors(z, x))


@equation("eq-sequence-log-probability", latex="c058b24b0f79", function="rlkit.lm.tokens.sequence_log_probability")
def _(random: np.random.Generator):
    log_pi, lengths = -random.exponential(size=(B, L)), random.integers(1, L + 1, size=B)
    expected = [sum(log_pi[b, k] for k in range(lengths[b])) for b in range(B)]
    mask = np.arange(L) < lengths[:, None]
    yield expected, tokens.sequence_log_probability(*tensors(log_pi, mask))


@equation("eq-supervised-loss", latex="3606e2046236", function="rlkit.lm.supervised.negative_log_likelihood")
def _(random: np.random.Generator):
    log_pi, m = -random.exponential(size=(B, L)), random.random((B, L)) < 0.6
    expected = -sum(m[i, k] * log_pi[i, k] for i in range(B) for k in range(L)) / sum(m.flatten())
    yield expected, supervised.negative_log_likelihood(*tensors(log_pi, m))


@equation("eq-kl-divergence", latex="10de1712e337", function="rlkit.lm.divergence.kl_divergence")
def _(random: np.random.Generator):
    p, q = random.dirichlet(np.ones(V)), random.dirichlet(np.ones(V))
    expected = sum(p[x] * (np.log(p[x]) - np.log(q[x])) for x in range(V))
    yield expected, divergence.kl_divergence(*tensors(np.log(p), np.log(q)))


@equation("eq-kl-estimates", latex="a0a6a7446964", function="rlkit.lm.divergence.kl_estimate")
def _(random: np.random.Generator):
    pi, ref = np.log(random.dirichlet(np.ones(V))), np.log(random.dirichlet(np.ones(V)))
    ell = ref - pi
    for kind, expected in (("k1", -ell), ("k2", ell**2 / 2), ("k3", np.exp(ell) - 1 - ell)):
        yield expected, divergence.kl_estimate(*tensors(pi, ref), kind)
