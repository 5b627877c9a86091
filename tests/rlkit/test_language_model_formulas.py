"""Tokens, masks, divergences, pass@k: against enumeration, closed forms and loops."""

import itertools
import math

import pytest
import torch

from rlkit.lm.divergence import kl_divergence, kl_estimate
from rlkit.lm.evaluation import call_reward, pass_at_k
from rlkit.lm.tokens import (
    completion_mask,
    left_pad,
    masked_mean,
    right_pad,
    sequence_log_probability,
    token_entropies,
    token_log_probabilities,
)


def random_logits(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_token_log_probabilities_are_shifted_by_one():
    logits, ids = random_logits(2, 3, 5, 7), torch.arange(30).reshape(2, 3, 5) % 7
    found = token_log_probabilities(logits, ids)
    for b, g, t in itertools.product(range(2), range(3), range(4)):
        row = [math.exp(x) for x in logits[b, g, t].tolist()]
        assert found[b, g, t].item() == pytest.approx(math.log(row[ids[b, g, t + 1]] / sum(row)), abs=1e-12)


def test_the_last_logits_and_the_first_token_do_not_count():
    logits, ids = random_logits(1, 4, 5), torch.tensor([[0, 1, 2, 3]])
    changed = logits.clone()
    changed[:, -1] = 99
    assert torch.equal(token_log_probabilities(logits, ids), token_log_probabilities(changed, ids))
    other = torch.tensor([[4, 1, 2, 3]])
    assert torch.equal(token_log_probabilities(logits, ids), token_log_probabilities(logits, other))


def test_probabilities_of_all_sequences_of_a_length_sum_to_one():
    """A table as a language model: the next token depends on the last one."""
    table, start = random_logits(3, 3), 0
    total = 0.0
    for rest in itertools.product(range(3), repeat=4):
        ids = torch.tensor([[start, *rest]])
        total += token_log_probabilities(table[ids], ids).sum().exp().item()
    assert total == pytest.approx(1, abs=1e-12)


def test_bfloat16_logits_are_scored_in_float32():
    logits = random_logits(1, 3, 50).to(torch.bfloat16)
    ids = torch.tensor([[1, 2, 3]])
    found = token_log_probabilities(logits, ids)
    assert found.dtype is torch.float32
    assert torch.allclose(found, token_log_probabilities(logits.float(), ids), atol=1e-6)
    assert token_entropies(logits).dtype is torch.float32


def test_entropies_are_those_of_the_softmax():
    logits = random_logits(4, 6)
    expected = torch.distributions.Categorical(logits=logits).entropy()
    assert torch.allclose(token_entropies(logits), expected, atol=1e-12)
    assert token_entropies(torch.zeros(8, dtype=torch.float64)).item() == pytest.approx(math.log(8))


def test_one_token_alone_has_no_probability():
    with pytest.raises(ValueError, match="at least two tokens"):
        token_log_probabilities(torch.zeros(1, 1, 3), torch.zeros(1, 1, dtype=torch.long))


def test_the_mask_keeps_the_stop_token_and_nothing_after_it():
    ids = torch.tensor([[5, 6, 2, 5, 2], [2, 5, 5, 5, 5], [5, 5, 5, 5, 5], [5, 5, 5, 5, 2]])
    expected = [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
    assert completion_mask(ids, [2]).long().tolist() == expected


def test_the_mask_is_right_when_padding_is_the_end_token():
    """Pad = end = 2: the completion's own end counts, the padding after it does not."""
    assert completion_mask(torch.tensor([[7, 2, 2, 2]]), [2]).tolist() == [[True, True, False, False]]
    assert completion_mask(torch.tensor([[7, 3, 2, 2]]), [2, 3]).tolist() == [[True, True, False, False]]


def test_masked_places_may_hold_anything():
    mask = torch.tensor([[True, True, False]])
    values = torch.tensor([[-1.0, -2.0, float("nan")]], requires_grad=True)
    assert sequence_log_probability(values, mask).tolist() == [-3.0]
    mean = masked_mean(values, mask)
    assert mean.item() == -1.5
    mean.backward()
    assert values.grad.tolist() == [[0.5, 0.5, 0.0]]
    assert masked_mean(values.detach(), torch.zeros_like(mask)).item() == 0


def test_padding_is_made_from_lengths():
    ids, mask = left_pad([[0, 1], [2]], 0)
    assert ids.tolist() == [[0, 1], [0, 2]] and mask.tolist() == [[True, True], [False, True]]
    ids, mask = right_pad([[0, 1], [2]], 0)
    assert ids.tolist() == [[0, 1], [2, 0]] and mask.tolist() == [[True, True], [True, False]]
    with pytest.raises(ValueError, match="number 1 is empty"):
        left_pad([[1], []], 0)


def test_the_divergence_is_exact_and_zero_probabilities_count_nothing():
    p, q = torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([0.25, 0.5, 0.25]).double()
    assert kl_divergence(p.log(), q.log()).item() == pytest.approx(0.5 * math.log(2))
    assert kl_divergence(q.log(), p.log()).item() == math.inf


@pytest.mark.parametrize(("kind", "unbiased"), [("k1", True), ("k2", False), ("k3", True)])
def test_means_of_the_estimators_by_enumeration(kind, unbiased):
    p, q = random_logits(6).log_softmax(-1), random_logits(6, seed=1).log_softmax(-1)
    mean = (p.exp() * kl_estimate(p, q, kind)).sum()
    assert (abs(mean - kl_divergence(p, q)) < 1e-12) == unbiased


def test_gradients_of_the_estimators_by_enumeration():
    """On samples of the policy: k1 has gradient 0 on average, k2 that of KL(p, q), k3 that of KL(q, p)."""
    logits = random_logits(6).requires_grad_()
    q = random_logits(6, seed=1).log_softmax(-1)

    def gradient(value):
        return torch.autograd.grad(value, logits)[0]

    weights = logits.log_softmax(-1).exp().detach()
    found = {
        kind: gradient((weights * kl_estimate(logits.log_softmax(-1), q, kind)).sum()) for kind in ("k1", "k2", "k3")
    }
    assert found["k1"].abs().max() < 1e-12
    assert torch.allclose(found["k2"], gradient(kl_divergence(logits.log_softmax(-1), q)), atol=1e-12)
    assert torch.allclose(found["k3"], gradient(kl_divergence(q, logits.log_softmax(-1))), atol=1e-12)


def test_k2_and_k3_are_never_negative_and_an_unknown_kind_is_refused():
    p, q = random_logits(100), random_logits(100, seed=1)
    assert (kl_estimate(p, q, "k2") >= 0).all() and (kl_estimate(p, q, "k3") >= 0).all()
    assert kl_estimate(torch.tensor(-1.0), torch.tensor(-1.0), "k3").item() == 0
    with pytest.raises(ValueError, match=r"'k4'.*k1, k2, k3"):
        kl_estimate(p, q, "k4")


def test_pass_at_k_is_the_share_of_subsets_with_a_right_one():
    for n, c, k in [(5, 2, 2), (6, 0, 3), (6, 6, 1), (6, 5, 3), (8, 1, 8), (8, 3, 6)]:
        subsets = list(itertools.combinations(range(n), k))
        share = sum(any(i < c for i in subset) for subset in subsets) / len(subsets)
        assert pass_at_k(torch.tensor(c), n, k).item() == pytest.approx(share, abs=1e-12)


def test_pass_at_k_is_unbiased():
    n, k, p = 7, 3, 0.3
    chances = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    mean = (torch.tensor(chances).double() * pass_at_k(torch.arange(n + 1), n, k)).sum().item()
    assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-7)


@pytest.mark.parametrize(("c", "n", "k"), [(1, 4, 5), (1, 4, 0), (5, 4, 2), (-1, 4, 2)])
def test_pass_at_k_refuses_impossible_counts(c, n, k):
    with pytest.raises(ValueError, match=r"expected|outside"):
        pass_at_k(torch.tensor(c), n, k)


def test_bad_rewards_are_named_by_their_prompt():
    prompts, texts = ["a", "b"], ["x", "y"]
    assert call_reward(lambda p, c: [1, 0], prompts, texts).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match=r"shape \(1,\) for 2 completions"):
        call_reward(lambda p, c: [1.0], prompts, texts)
    with pytest.raises(ValueError, match="nan for prompt 'b' with completion 'y'"):
        call_reward(lambda p, c: [1.0, float("nan")], prompts, texts)

    def broken(p, c):
        raise KeyError("no such column")

    with pytest.raises(KeyError) as caught:
        call_reward(broken, prompts, texts)
    assert "2 prompts from 'a' on" in caught.value.__notes__[0]
