import pytest
import torch
from torch.nn import functional

from rlkit import ppo
from rlkit.advantages import generalized_advantage_estimate
from rlkit.environments import CartPole, TableEnvironment
from rlkit.policies import CategoricalPolicy, GaussianPolicy
from rlkit.policy_diagnostics import approximate_kl, clip_fraction, explained_variance
from rlkit.ppo import PPOConfig, clipped_surrogate, ppo_loss, train
from rlkit.small_problems import probes
from rlkit.training import greedy_returns


def random_batch(seed, size=500):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, size, generator=generator, dtype=torch.float64).unbind(0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),  # at the old policy: the plain policy gradient
        (1.5, 2.0, 2.4, 0.0),  # good action, already likelier: no more
        (0.5, 2.0, 1.0, 2.0),  # good action, become rarer: pull it back
        (1.5, -2.0, -3.0, -2.0),  # bad action, become likelier: push it down
        (0.5, -2.0, -1.6, 0.0),  # bad action, already rarer: no more
        (0.5, 0.0, 0.0, 0.0),
    ],
)
def test_both_signs_of_the_advantage(ratio, advantage, value, slope):
    ratio = torch.tensor([ratio], dtype=torch.float64, requires_grad=True)
    objective = clipped_surrogate(ratio.log(), torch.zeros_like(ratio), torch.full_like(ratio, advantage), 0.2)
    objective.sum().backward()
    assert objective.item() == pytest.approx(value) and ratio.grad.item() == pytest.approx(slope)


def test_losses_and_gradients_equal_stable_baselines3s_formula_and_a_loop():
    """Their PPO.train, written out: the same loss with value coefficient 0.5 and its gradients, to 1e-12."""
    new, old, advantages, values, targets, entropy = random_batch(0)
    new, values, entropy = (part.requires_grad_() for part in (new, values, entropy))
    ours = ppo_loss(clipped_surrogate(new, old, advantages, 0.2), values, targets, entropy, 0.5, 0.01).mean()
    gradients = torch.autograd.grad(ours, (new, values, entropy))
    ratio = torch.exp(new - old)
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 0.8, 1.2)).mean()
    theirs = policy_loss + 0.01 * -torch.mean(entropy) + 0.5 * functional.mse_loss(targets, values)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)
    for one, other in zip(gradients, torch.autograd.grad(theirs, (new, values, entropy)), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    total = 0.0
    for i in range(len(new)):
        r, a = ratio[i].item(), advantages[i].item()
        total += -min(r * a, max(0.8, min(1.2, r)) * a) + 0.5 * (values[i] - targets[i]).item() ** 2
        total -= 0.01 * entropy[i].item()
    assert ours.item() == pytest.approx(total / len(new), abs=1e-9)


def test_the_value_target_carries_no_gradient_and_signs_are_those_of_a_loss():
    zero = torch.zeros(1)
    assert ppo_loss(torch.ones(1), zero, zero, zero, 0.5, 0.1).item() == -1.0
    assert ppo_loss(zero, zero, torch.full((1,), 3.0), zero, 0.5, 0.1).item() == 4.5
    assert ppo_loss(zero, zero, zero, torch.ones(1), 0.5, 0.1).item() == pytest.approx(-0.1)
    prediction, target = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    ppo_loss(zero, prediction, target, zero, 0.5, 0.1).sum().backward()
    assert target.grad is None and prediction.grad.item() == 1.0


def test_without_a_limit_the_surrogate_is_importance_weighting():
    new, old, advantages = random_batch(1)[:3]
    assert torch.allclose(clipped_surrogate(new, old, advantages, float("inf")), (new - old).exp() * advantages)


def test_approximate_kl_averages_to_the_exact_divergence_and_is_never_negative():
    old, new = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.4, 0.4, 0.2]).double()
    estimates = approximate_kl(new.log(), old.log())
    exact = (old * (old / new).log()).sum()
    assert (old * estimates).sum().item() == pytest.approx(exact.item())
    assert (estimates >= 0).all()


def test_clip_fraction_counts_ratios_outside_the_range():
    ratio = torch.tensor([[0.7, 0.81, 1.0, 1.19, 1.3, 1.5]])
    assert clip_fraction(ratio.log(), torch.zeros(1, 6), 0.2).tolist() == [0.5]


def test_explained_variance_of_perfect_constant_and_useless_values():
    returns = torch.tensor([1.0, 2.0, 3.0, 4.0])
    values = torch.stack([returns, torch.full((4,), 9.0), returns + 5, -returns])
    assert explained_variance(values, returns.expand(4, -1)).tolist() == pytest.approx([1.0, 0.0, 1.0, -3.0])
    assert explained_variance(returns, torch.ones(4)).isnan()


@pytest.mark.parametrize("kind", [CategoricalPolicy, GaussianPolicy])
def test_policies_agree_with_torchs_distributions(kind):
    generator = torch.Generator().manual_seed(0)
    policy = kind(2, [3, 8, 3], generator).double()
    if kind is GaussianPolicy:
        policy.log_standard_deviation.data.normal_(generator=generator)
    inputs = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    outputs = policy.network(inputs)
    if kind is CategoricalPolicy:
        reference = torch.distributions.Categorical(logits=outputs)
    else:
        spread = policy.log_standard_deviation.exp().expand_as(outputs)
        reference = torch.distributions.Independent(torch.distributions.Normal(outputs, spread), 1)
    action, log_probability = policy.sample(inputs, generator)
    assert torch.allclose(log_probability, reference.log_prob(action), atol=1e-6)
    again, entropy = policy.evaluate(inputs, action)
    assert torch.allclose(again, log_probability, atol=1e-6) and torch.allclose(entropy, reference.entropy())


@pytest.mark.parametrize("num_actions", [2, 4])
def test_sampled_actions_have_their_probabilities(num_actions):
    policy = CategoricalPolicy(1, [1, num_actions], torch.Generator().manual_seed(0))
    policy.network.layers[0].weight.data = torch.arange(num_actions).view(1, 1, -1).float()
    inputs = torch.ones(1, 100_000, 1)
    action, _ = policy.sample(inputs, torch.Generator().manual_seed(1))
    frequencies = torch.bincount(action[0], minlength=num_actions) / 100_000
    expected = torch.arange(num_actions).float().softmax(0)
    assert (frequencies - expected).abs().max() < 5 * 0.5 / 100_000**0.5


def test_five_seeds_in_one_call_learn_cartpole_and_the_policies_hold_it():
    result = train(CartPole((5, 32), seed=3), PPOConfig(stop_at=475.0, seed=3))
    assert result.ended == "reached 475.0" and (result.reached > 0).all()
    returns = greedy_returns(CartPole((5, 20), seed=4), result.policy.greedy, 500).mean(dim=1)
    assert (returns > 400).sum() >= 4


def test_it_solves_the_probes_also_on_states_of_a_table():
    for name in ("action", "both", "delay"):
        mdp, values = probes()[name]
        result = train(TableEnvironment(mdp, (3, 8), seed=0), PPOConfig(num_iterations=30, discount=0.9))
        states = torch.eye(mdp.num_states).expand(3, -1, -1)
        best = values.argmax(-1)
        assert (result.policy.greedy(states)[:, :-1] == best).all(), name


def test_every_formula_that_is_handed_in_is_used():
    calls = {"advantage": 0, "surrogate": 0, "loss": 0}

    def counted(name, function):
        def run(*arguments):
            calls[name] += 1
            return function(*arguments)

        return run

    config = PPOConfig(num_iterations=2, num_epochs=3, num_minibatches=4)
    formulas = {"advantage": generalized_advantage_estimate, "surrogate": clipped_surrogate, "loss": ppo_loss}
    handed = {name: counted(name, function) for name, function in formulas.items()}
    ours = train(CartPole((2, 8), seed=0), config, **handed)
    assert calls == {"advantage": 2, "surrogate": 24, "loss": 24}
    default = train(CartPole((2, 8), seed=0), config)
    assert torch.equal(ours.history["entropy"], default.history["entropy"])


def test_a_loss_that_diverges_is_named_and_stops_the_run():
    calls = []

    def breaks(*arguments):
        calls.append(1)
        return ppo_loss(*arguments) * (torch.nan if len(calls) > 40 else 1.0)

    with pytest.warns(UserWarning, match="training stopped early"):
        result = train(CartPole((2, 4), seed=0), PPOConfig(num_iterations=9), loss=breaks)
    assert result.ended == "diverged: loss of seed 0 is nan at step 384"
    assert result.history["steps"].tolist() == [128, 256]


def test_an_interrupt_keeps_the_history():
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted in iteration 0 of 9"):
        result = train(CartPole((2, 4), seed=0), PPOConfig(num_iterations=9), surrogate=interrupt)
    assert result.history == {} and result.ended.startswith("interrupted")


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="num_epochs is 0"):
        PPOConfig(num_epochs=0)
    with pytest.raises(ValueError, match=r"clip_range is -0\.1"):
        clipped_surrogate(torch.zeros(1), torch.zeros(1), torch.zeros(1), -0.1)
    with pytest.raises(ValueError, match=r"batch axes \(4,\), expected \(seeds, environments\)"):
        train(CartPole(4, seed=0))
    assert ppo.PPOConfig().stop_at is None
