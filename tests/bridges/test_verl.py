"""Losses, gradients and advantages beside those of verl 0.9.1's ``core_algos``, on random float64 tensors.

verl needs an environment of its own: ``make test-bridges``. Its second clip for negative advantages, ``clip_ratio_c``,
is set so large that it never bites, since neither the paper of GRPO nor rlkit has it.
"""

import os

import numpy
import pytest
import torch

pytest.importorskip("verl", reason="verl is not here; make test-bridges makes its environment")
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm.divergence import kl_estimate
from rlkit.ppo import clipped_surrogate
from rlkit.rlhf import token_advantages

MODES = {"sequence_mean": "seq-mean-token-mean", "token_mean": "token-mean", "fixed_length": "seq-mean-token-sum-norm"}
TOLERANCE = 1e-6
LARGEST = {}


@pytest.fixture(scope="module", autouse=True)
def record():
    """Write the largest differences seen, where the run was asked to."""
    yield
    if os.environ.get("RLKIT_RECORD") and LARGEST:
        from benchmarks.evidence import write_record

        worst = max(LARGEST.values())
        write_record(
            "verl-parity",
            f"Losses, gradients and advantages differ from verl's by at most {worst:.0e} on random float64 tensors.",
            worst,
            "largest difference",
            sources=(
                "rlkit/group_objective.py",
                "rlkit/lm/divergence.py",
                "rlkit/rlhf.py",
                "tests/bridges/test_verl.py",
            ),
            packages=("torch", "verl"),
            command="python -m tests.bridges.run verl --record",
            peer="verl",
            largest_differences=LARGEST,
        )


def equal(name, ours, theirs):
    """Compare and remember the largest difference."""
    difference = (ours - theirs).detach().abs().max().item()
    LARGEST[name] = max(LARGEST.get(name, 0.0), difference)
    assert difference < TOLERANCE, name


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lengths_mask(batch, length, seed):
    lengths = torch.randint(1, length + 1, (batch, 1), generator=torch.Generator().manual_seed(seed))
    return torch.arange(length) < lengths


def settings(low, high, mode):
    return ActorConfig(
        strategy="fsdp",
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio=low,
        clip_ratio_low=low,
        clip_ratio_high=high,
        clip_ratio_c=1e9,
        loss_agg_mode=mode,
    )


@pytest.mark.parametrize("aggregation", MODES)
@pytest.mark.parametrize("high", [0.2, 0.28])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_grpo_losses_and_gradients_equal_verls(aggregation, high, ratio, beta):
    mode = MODES[aggregation]
    theirs_of = {"token": core_algos.compute_policy_loss_vanilla, "sequence": core_algos.compute_policy_loss_gspo}[
        ratio
    ]
    for seed in range(0, 50, 10):
        policy = (draw(8, 12, seed=seed) - 2).requires_grad_()
        old = policy.detach() + 0.4 * draw(8, 12, seed=seed + 1)
        reference = policy.detach() + 0.3 * draw(8, 12, seed=seed + 2)
        advantages, mask = draw(8, seed=seed + 3), lengths_mask(8, 12, seed)
        counted = mask.double()
        theirs, _ = theirs_of(
            old_log_prob=old,
            log_prob=policy,
            advantages=advantages[:, None].expand(8, 12),
            response_mask=counted,
            loss_agg_mode=mode,
            config=settings(0.2, high, mode),
        )
        if beta:
            k3 = core_algos.kl_penalty(policy, reference, "k3")
            theirs = theirs + beta * core_algos.agg_loss(k3, counted, mode)
        ours = grpo_loss(policy, old, advantages, mask, 0.2, high, aggregation, ratio, reference, beta)
        name = f"{mode}, {ratio} ratio"
        equal(f"loss, {name}", ours, theirs)
        gradients = [torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)]
        equal(f"gradient, {name}", *gradients)
        assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_estimates_of_the_divergence_equal_verls(kind):
    policy, reference = draw(200, seed=1) / 2, draw(200, seed=2) / 2  # verl cuts k3 at 10: beyond any of these
    equal(kind, kl_estimate(policy, reference, kind), core_algos.kl_penalty(policy, reference, kind))


def outcome(rewards, mask):
    """Rewards as verl has them: with the last token."""
    return torch.zeros_like(mask, dtype=torch.float64).scatter(1, mask.sum(1, keepdim=True) - 1, rewards[:, None])


@pytest.mark.parametrize("divide", [True, False])
def test_group_advantages_equal_verls_up_to_the_offset_of_the_deviation(divide):
    """verl adds 1e-6 to the deviation and rlkit 1e-4, as TRL does: the offset is taken out of both."""
    rewards, mask, ids = draw(24, seed=5), lengths_mask(24, 6, 5), torch.arange(3).repeat_interleave(8)
    theirs, _ = core_algos.compute_grpo_outcome_advantage(
        outcome(rewards, mask), mask.double(), ids.numpy(), norm_adv_by_std_in_grpo=divide
    )
    ours = group_advantages(rewards, ids, divide)
    if divide:
        deviation = rewards.reshape(3, 8).std(1).repeat_interleave(8)
        ours = ours * (deviation + 1e-4) / (deviation + 1e-6)
    equal(f"group advantages, divided {divide}", ours[:, None] * mask, theirs)


def test_leave_one_out_equals_verls():
    rewards, mask, ids = draw(24, seed=6), lengths_mask(24, 6, 6), torch.arange(3).repeat_interleave(8)
    theirs, _ = core_algos.compute_rloo_outcome_advantage(outcome(rewards, mask), mask.double(), ids.numpy())
    equal("leave one out", group_advantages(rewards, ids, False, "leave_one_out")[:, None] * mask, theirs)


def test_advantages_of_tokens_equal_verls_before_it_whitens_them():
    """verl returns whitened advantages; the raw ones are its returns less the values."""
    for seed in range(5):
        mask = lengths_mask(16, 10, seed)
        rewards, values = draw(16, 10, seed=seed) * mask, draw(16, 10, seed=seed + 50) * mask
        _, returns = core_algos.compute_gae_advantage_return(rewards, values, mask.double(), 0.99, 0.95)
        equal("advantages of tokens", token_advantages(rewards, values, mask, 0.99, 0.95), (returns - values) * mask)


def test_an_equal_group_gets_zero_on_both_sides():
    rewards, mask = torch.full((7,), 0.9, dtype=torch.float64), torch.ones(7, 2, dtype=torch.bool)
    theirs, _ = core_algos.compute_grpo_outcome_advantage(outcome(rewards, mask), mask.double(), numpy.zeros(7))
    assert group_advantages(rewards, torch.zeros(7, dtype=torch.long)).abs().max() == 0
    assert theirs.abs().max() < 1e-6


def test_ppo_objective_equals_verls():
    policy = (draw(64, seed=8) - 1).requires_grad_()
    old, advantages = policy.detach() + 0.4 * draw(64, seed=9), draw(64, seed=10)
    theirs, _ = core_algos.compute_policy_loss_vanilla(
        old_log_prob=old[:, None],
        log_prob=policy[:, None],
        advantages=advantages[:, None],
        response_mask=torch.ones(64, 1, dtype=torch.float64),
        loss_agg_mode="token-mean",
        config=settings(0.2, 0.2, "token-mean"),
    )
    ours = -clipped_surrogate(policy, old, advantages, 0.2).mean()
    equal("loss of PPO", ours, theirs)
    equal("gradient of PPO", *(torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)))
