r"""Formulas on tokens: log-probabilities with the one-token shift, masks by stop token, masked sums, padding.

A causal language model reads :math:`x_1 \ldots x_L` and returns logits at every position; those at position
:math:`t - 1` are the distribution of :math:`x_t`. So L positions give the log-probabilities of L - 1 tokens,
and the first token has none.

References
----------
Sutton and Barto (2018), section 13.1, for the policy as a distribution over actions; Ouyang et al. (2022), "Training
language models to follow instructions with human feedback", for tokens as actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from rlkit.validation import require_boolean, require_shapes


def token_log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    r"""Log-probability of each token given those before it, :math:`\log \pi(x_t \mid x_{<t})` for t = 2 ... L.

    The softmax is taken in float32 at least, also where the model computes in bfloat16: an error of bfloat16, three
    decimal digits, would be larger than the difference of two policies one step apart.

    Parameters
    ----------
    logits : Tensor, shape (..., L, V)
        Those at position t belong to the token at position t + 1; the last are not used.
    ids : LongTensor, shape (..., L)

    Returns
    -------
    Tensor, shape (..., L - 1)
        Entry t is about token t + 1.
    """
    require_shapes(logits="... L V", ids="... L", given=locals())
    if ids.shape[-1] < 2:
        raise ValueError(
            f"ids has shape {tuple(ids.shape)}, expected at least two tokens: the first has no probability"
        )
    return target_log_probabilities(logits[..., :-1, :], ids[..., 1:])


def target_log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target under the logits of its own row, (..., V) and (...) to (...); no shift."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    return logits.gather(-1, targets[..., None]).squeeze(-1) - logits.logsumexp(-1)


def token_entropies(logits: Tensor) -> Tensor:
    """Entropy in nats of the distribution at each position: (..., V) to (...), in float32 at least."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    log_probabilities = logits.log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def completion_mask(ids: Tensor, stop_ids: Iterable[int]) -> Tensor:
    """True for the tokens that the policy chose: up to and including the first stop token.

    It looks for the stop token and never for padding, so it is right where the padding token *is* the
    end-of-sequence token: a completion's own end counts, the padding after it does not.

    Parameters
    ----------
    ids : LongTensor, shape (..., L)
        Completions without their prompts.
    stop_ids : iterable of int

    Returns
    -------
    BoolTensor, shape (..., L)
    """
    stops = torch.isin(ids, torch.as_tensor(list(stop_ids), dtype=ids.dtype, device=ids.device))
    before = stops.cumsum(-1) - stops.long()
    return before == 0


def sequence_log_probability(log_probabilities: Tensor, mask: Tensor) -> Tensor:
    r"""Log-probability of a whole completion: the *sum* over its tokens, (..., L) to (...).

    Where the mask is False nothing counts, not even NaN or infinity.
    """
    require_shapes(log_probabilities="... L", mask="... L", given=locals())
    require_boolean(mask=mask)
    return log_probabilities.masked_fill(~mask, 0.0).sum(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all entries where the mask is True; 0 where there is none. A scalar tensor."""
    require_shapes(values="...", mask="...", given=locals())
    require_boolean(mask=mask)
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp_min(1)


def left_pad(
    sequences: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Token lists of unequal lengths to one tensor that ends flush, ready to be continued.

    Returns
    -------
    ids : LongTensor, shape (B, L)
    mask : BoolTensor, shape (B, L)
        True for the real tokens. It is made from the lengths, so a real token may equal ``pad_id``.
    """
    ids, mask = _pad(sequences, pad_id, left=True)
    return ids.to(device), mask.to(device)


def right_pad(
    sequences: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Token lists of unequal lengths to one tensor that starts flush; as :func:`left_pad` otherwise."""
    ids, mask = _pad(sequences, pad_id, left=False)
    return ids.to(device), mask.to(device)


def _pad(sequences: Sequence[Sequence[int]], pad_id: int, left: bool) -> tuple[Tensor, Tensor]:
    """Ids and mask on the CPU."""
    lengths = [len(sequence) for sequence in sequences]
    if not lengths or min(lengths) == 0:
        empty = "there is none" if not lengths else f"number {lengths.index(0)} is empty"
        raise ValueError(f"expected token lists with at least one token each, but {empty}")
    longest = max(lengths)
    rows = [
        [pad_id] * (longest - len(row)) * left + list(row) + [pad_id] * (longest - len(row)) * (not left)
        for row in sequences
    ]
    place, length = torch.arange(longest), torch.tensor(lengths)[:, None]
    return torch.tensor(rows), place >= longest - length if left else place < length
