"""Losses and gradients beside TRL 1.16's own, called unbound on random tensors in float64, with a stub for the trainer.

What stands in for the trainer holds settings and hands the given log-probabilities out; the arithmetic is TRL's.
"""

from collections import defaultdict
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from rlkit.dpo import dpo_loss, ipo_loss, supervised_term
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm.tokens import sequence_log_probability

pytest.importorskip("trl", reason="TRL is not installed; make test installs it")
import trl.trainer.dpo_trainer as trl_dpo
from trl import DPOTrainer, GRPOTrainer

ACCELERATOR = SimpleNamespace(
    gather=lambda x: x,
    gather_for_metrics=lambda x: x,
    reduce=lambda x, reduction="sum": x,
    num_processes=1,
    device="cpu",
    sync_gradients=True,
)
MAX_LENGTH = 16
NAMES = {"grpo": "sequence_mean", "bnpo": "token_mean", "dapo": "token_mean", "dr_grpo": "fixed_length"}


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lengths_mask(batch, length, seed):
    lengths = torch.randint(1, length + 1, (batch, 1), generator=torch.Generator().manual_seed(seed))
    return torch.arange(length) < lengths


def trl_grpo_loss(policy, old, reference, advantages, mask, loss_type, low, high, beta, level):
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (policy, torch.zeros_like(policy), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=MAX_LENGTH,
        accelerator=ACCELERATOR,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )
    nothing = torch.zeros(len(policy), 1, dtype=torch.long)
    inputs = {
        "prompt_ids": nothing,
        "prompt_mask": nothing,
        "completion_ids": mask.long(),
        "completion_mask": mask.double(),
        "advantages": advantages,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
    }
    return GRPOTrainer._compute_loss(trainer, None, inputs)


@pytest.mark.parametrize("loss_type", NAMES)
@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("high", [0.2, 0.28])
def test_grpo_losses_and_gradients_equal_trls(loss_type, beta, level, high):
    for seed in range(0, 50, 10):
        policy = (draw(8, 12, seed=seed) - 2).requires_grad_()
        old = policy.detach() + 0.4 * draw(8, 12, seed=seed + 1)
        reference = policy.detach() + 0.3 * draw(8, 12, seed=seed + 2)
        advantages, mask = draw(8, seed=seed + 3), lengths_mask(8, 12, seed)
        theirs = trl_grpo_loss(policy, old, reference, advantages, mask, loss_type, 0.2, high, beta, level)
        ours = grpo_loss(
            policy,
            old,
            advantages,
            mask,
            clip_low=0.2,
            clip_high=high,
            aggregation=NAMES[loss_type],
            ratio=level,
            reference_log_probabilities=reference,
            kl_coefficient=beta,
            normaliser=8 * MAX_LENGTH if loss_type == "dr_grpo" else None,
        )
        assert abs(ours.item() - theirs.item()) < 1e-6
        one, other = (torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs))
        assert (one - other).abs().max() < 1e-6


def test_group_advantages_equal_trls_formula():
    """TRL computes them inside generation, so its lines are repeated here: mean and sample deviation plus 1e-4."""
    rewards = draw(24, seed=0)
    groups = rewards.view(-1, 8)
    theirs = (rewards - groups.mean(1).repeat_interleave(8)) / (groups.std(1).repeat_interleave(8) + 1e-4)
    assert torch.allclose(group_advantages(rewards, torch.arange(3).repeat_interleave(8)), theirs, atol=1e-12)


class ScoredModel:
    """A model whose output is the log-probabilities that it was made with."""

    training = True

    def __init__(self, scores):
        self.scores = scores

    def __call__(self, **ignored):
        zeros = torch.zeros_like(self.scores)
        top = torch.zeros_like(self.scores, dtype=torch.bool)
        return SimpleNamespace(log_probs=self.scores, entropy=zeros, mean_logits=zeros, is_top1=top)


def trl_dpo_loss(policy, reference, mask, beta, smoothing, kinds, patch):
    patch.setattr(trl_dpo, "disable_gradient_checkpointing", lambda *a, **k: nullcontext())
    patch.setattr(trl_dpo, "is_peft_model", lambda model: False)
    model = ScoredModel(policy)
    trainer = SimpleNamespace(
        model=model,
        ref_model=ScoredModel(reference),
        accelerator=ACCELERATOR,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=False,
        f_divergence_type="reverse_kl",
        loss_types=list(kinds),
        loss_weights=list(kinds.values()),
        beta=beta,
        label_smoothing=smoothing,
        use_weighting=False,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
    )
    whole = torch.cat([torch.zeros(len(mask), 1), mask.double()], dim=1)
    inputs = {"input_ids": torch.ones_like(whole, dtype=torch.long), "attention_mask": torch.ones_like(whole)}
    return DPOTrainer._compute_loss(trainer, model, inputs | {"completion_mask": whole}, False)


@pytest.mark.parametrize(("kind", "smoothing"), [("sigmoid", 0.0), ("robust", 0.1), ("ipo", 0.0)])
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_dpo_losses_and_gradients_equal_trls(kind, smoothing, beta, monkeypatch):
    for seed in range(0, 50, 10):
        mask = lengths_mask(12, 9, seed)
        policy = ((draw(12, 9, seed=seed) - 2) * mask).requires_grad_()
        reference = policy.detach() + 0.3 * draw(12, 9, seed=seed + 1) * mask
        # TRL's model gives 0 outside the completion.
        theirs = trl_dpo_loss(policy * mask, reference, mask, beta, smoothing, {kind: 1.0}, monkeypatch)
        sums = [sequence_log_probability(scores, mask) for scores in (policy, reference)]
        if kind == "ipo":  # TRL divides IPO's log-ratios by the lengths
            sums = [values / mask.sum(1) for values in sums]
        (chosen, rejected), (fixed_chosen, fixed_rejected) = (values.chunk(2) for values in sums)
        if kind == "ipo":
            ours = ipo_loss(chosen, rejected, fixed_chosen, fixed_rejected, beta).mean()
        elif kind == "robust":
            # TRL's "robust" is the unbiased version: the smoothed loss with a minus, divided by 1 - 2 eps.
            straight = dpo_loss(chosen, rejected, fixed_chosen, fixed_rejected, beta)
            swapped = dpo_loss(rejected, chosen, fixed_rejected, fixed_chosen, beta)
            ours = (((1 - smoothing) * straight - smoothing * swapped) / (1 - 2 * smoothing)).mean()
        else:
            ours = dpo_loss(chosen, rejected, fixed_chosen, fixed_rejected, beta).mean()
        assert abs(ours.item() - theirs.item()) < 1e-6
        one, other = (torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs))
        assert (one - other).abs().max() < 1e-6


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_label_smoothing_equals_that_of_trl(smoothing, beta, monkeypatch):
    """TRL smooths labels in "aot" alone, which sorts a batch's log-ratios: nothing to sort in a batch of one pair."""
    for seed in range(0, 50, 10):
        mask = lengths_mask(2, 9, seed)
        policy = ((draw(2, 9, seed=seed) - 2) * mask).requires_grad_()
        reference = policy.detach() + 0.3 * draw(2, 9, seed=seed + 1) * mask
        theirs = trl_dpo_loss(policy * mask, reference, mask, beta, smoothing, {"aot": 1.0}, monkeypatch)
        (chosen, rejected), fixed = (sequence_log_probability(scores, mask) for scores in (policy, reference))
        ours = dpo_loss(chosen, rejected, *fixed, beta, smoothing)
        assert abs(ours.item() - theirs.item()) < 1e-6
        one, other = (torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs))
        assert (one - other).abs().max() < 1e-6 < one.abs().max()


def test_the_supervised_term_equals_that_of_trl_where_the_chosen_answers_have_one_length(monkeypatch):
    for seed in range(0, 50, 10):
        mask = torch.cat([lengths_mask(1, 9, seed).expand(6, -1), lengths_mask(6, 9, seed + 1)])
        policy = ((draw(12, 9, seed=seed) - 2) * mask).requires_grad_()
        reference = policy.detach() + 0.3 * draw(12, 9, seed=seed + 1) * mask
        kinds = {"sigmoid": 1.0, "sft": 0.2}
        theirs = trl_dpo_loss(policy * mask, reference, mask, 0.1, 0.0, kinds, monkeypatch)
        (chosen, rejected), (fixed_chosen, fixed_rejected) = (
            sequence_log_probability(scores, mask).chunk(2) for scores in (policy, reference)
        )
        ours = dpo_loss(chosen, rejected, fixed_chosen, fixed_rejected, 0.1).mean()
        ours = ours + 0.2 * supervised_term(chosen, mask[:6].sum(1))
        assert abs(ours.item() - theirs.item()) < 1e-6
        one, other = (torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs))
        assert (one - other).abs().max() < 1e-6
