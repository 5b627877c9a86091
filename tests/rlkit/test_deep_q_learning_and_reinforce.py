import pytest
import torch

from rlkit import deep_q_learning, reinforce
from rlkit.deep_q_learning import DeepQConfig, huber_loss, soft_update
from rlkit.environments import CartPole, Catch, TableEnvironment, make_environment
from rlkit.policies import categorical_log_probability, gaussian_log_probability
from rlkit.reinforce import ReinforceConfig, leave_one_out_baseline, policy_gradient_loss
from rlkit.small_problems import probes
from rlkit.training import greedy_returns


@pytest.mark.parametrize("threshold", [0.5, 1.0, 3.0])
def test_huber_loss_and_its_gradient_equal_torchs(threshold):
    prediction = torch.linspace(-6, 6, 101, dtype=torch.float64).requires_grad_()
    target = torch.zeros(101, dtype=torch.float64).requires_grad_()
    ours = huber_loss(prediction, target, threshold)
    theirs = torch.nn.functional.huber_loss(prediction, target.detach(), reduction="none", delta=threshold)
    assert torch.allclose(ours, theirs)
    one, other = (torch.autograd.grad(loss.sum(), prediction)[0] for loss in (ours, theirs))
    assert torch.allclose(one, other) and one.abs().max() <= threshold + 1e-12
    huber_loss(prediction, target).sum().backward()
    assert target.grad is None


def test_soft_update_moves_a_share_of_the_way_and_rate_one_copies():
    target, online = torch.zeros(3), torch.ones(3, requires_grad=True)
    assert soft_update(target, online, 0.25).tolist() == [0.25] * 3
    assert torch.equal(soft_update(target, online, 1.0), online) and not soft_update(target, online, 0.5).requires_grad


@pytest.mark.parametrize("double", [False, True])
def test_every_probe_is_solved(double):
    for name, (mdp, values) in probes().items():
        config = DeepQConfig(
            num_steps=800, discount=0.9, learning_starts=50, double=double, final_epsilon=1.0, target_rate=0.05
        )
        result = deep_q_learning.train(TableEnvironment(mdp, (4, 4), seed=0), config)
        predicted = result.network(torch.eye(mdp.num_states).expand(4, -1, -1))[:, :-1]
        assert (predicted - values).abs().max() < 0.05, name


@pytest.mark.parametrize(
    ("probe", "bug"),
    [
        ("constant", lambda r, n, d, g: torch.zeros_like(r)),
        ("delay", lambda r, n, d, g: r),
        ("delay", lambda r, n, d, g: r + g * n.amax(-1)),
    ],
)
def test_a_planted_bug_fails_its_probe(probe, bug):
    mdp, values = probes()[probe]
    config = DeepQConfig(num_steps=800, discount=0.9, learning_starts=50, double=False, final_epsilon=1.0)
    result = deep_q_learning.train(TableEnvironment(mdp, (4, 4), seed=0), config, target=bug)
    predicted = result.network(torch.eye(mdp.num_states).expand(4, -1, -1))[:, :-1]
    assert (predicted - values).abs().amax(dim=(1, 2)).min() > 0.3


def test_catch_is_learned_on_all_of_twenty_seeds():
    result = deep_q_learning.train(Catch((20, 4), seed=7), DeepQConfig(seed=7))
    # 200 boards a seed hold every one of the five columns but for a chance of 5 * 0.8^200 a seed.
    returns = greedy_returns(Catch((20, 200), seed=8), lambda board: result.network(board).argmax(-1), 9)
    assert (returns == 1).all()


def test_deep_q_learning_names_what_it_cannot_use_and_what_went_wrong():
    with pytest.raises(ValueError, match="has continuous actions, deep Q-learning needs discrete ones"):
        deep_q_learning.train(make_environment("Pendulum-v1", (1, 1), seed=0))
    with pytest.raises(ValueError, match="threshold is 0"):
        huber_loss(torch.zeros(1), torch.zeros(1), 0)
    config = DeepQConfig(num_steps=60, learning_starts=20, record_every=10)
    broken = lambda prediction, target: prediction * torch.tensor([[1.0], [torch.inf]])  # noqa: E731
    with pytest.warns(UserWarning, match="training stopped early"):
        result = deep_q_learning.train(Catch((2, 4), seed=0), config, loss=broken)
    assert result.ended.startswith("diverged: loss of seed 1 is") and result.ended.endswith("at step 21")
    assert result.history["steps"].tolist() == [40, 80]


def test_log_probabilities_and_gradients_equal_torchs():
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) * 30).requires_grad_()
    actions = torch.randint(5, (3, 4), generator=generator)
    ours = categorical_log_probability(logits, actions)
    theirs = torch.distributions.Categorical(logits=logits).log_prob(actions)
    assert torch.allclose(ours, theirs)
    one, other = (torch.autograd.grad(value.sum(), logits)[0] for value in (ours, theirs))
    assert torch.allclose(one, other)
    mean, spread, action = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64).unbind(0)
    normal = torch.distributions.Independent(torch.distributions.Normal(mean, spread.exp()), 1)
    assert torch.allclose(gaussian_log_probability(mean, spread, action), normal.log_prob(action))


def test_the_gradient_of_the_loss_is_minus_the_estimate_and_spares_the_advantages():
    log_probabilities, advantages = (torch.randn(7, dtype=torch.float64, requires_grad=True) for _ in range(2))
    policy_gradient_loss(log_probabilities, advantages).sum().backward()
    assert torch.equal(log_probabilities.grad, -advantages.detach()) and advantages.grad is None


def test_an_episode_is_left_out_of_its_own_baseline():
    returns = torch.tensor([[1.0, 2.0, 6.0]])
    assert leave_one_out_baseline(returns).tolist() == [[4.0, 3.5, 1.5]]
    mask = torch.tensor([[True, False, True]])
    assert leave_one_out_baseline(returns, mask)[0, [0, 2]].tolist() == [6.0, 1.0]
    assert leave_one_out_baseline(returns, torch.tensor([[True, False, False]]))[0, 0].item() == 0


@pytest.mark.parametrize("baseline", ["leave_one_out", "value"])
def test_reinforce_with_a_baseline_balances_the_pole_for_two_hundred_steps(baseline):
    result = reinforce.train(CartPole((5, 16), seed=1, step_limit=200), ReinforceConfig(baseline=baseline, seed=1))
    assert (result.history["return"] >= 190).any(dim=0).all()


def test_a_gaussian_policy_learns_where_to_push():
    """A one-step task in gymnasium: the reward is minus the squared distance of the action from 0.7."""
    import gymnasium
    import numpy as np

    class Target(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.ones(1, np.float32), {}

        def step(self, action):
            return np.ones(1, np.float32), -float((action[0] - 0.7) ** 2), True, False, {}

    gymnasium.register("Target-v0", Target)
    environment = make_environment("Target-v0", (3, 32), seed=0)
    config = ReinforceConfig(num_iterations=150, episode_length=1, learning_rate=2e-2)
    policy = reinforce.train(environment, config).policy
    assert policy.greedy(torch.ones(3, 1, 1)).flatten().tolist() == pytest.approx([0.7] * 3, abs=0.15)
    assert (policy.log_standard_deviation < -0.5).all()  # it also learned to be sure


def test_reinforce_refuses_unknown_baselines_and_names_bad_rewards():
    with pytest.raises(ValueError, match="baseline is 'mean', expected one of none, leave_one_out, value"):
        ReinforceConfig(baseline="mean")
    with pytest.warns(UserWarning, match="training stopped early"):
        result = reinforce.train(
            CartPole((2, 4), seed=0, step_limit=20),
            ReinforceConfig(num_iterations=5, episode_length=20),
            returns=lambda rewards, *rest: rewards * torch.nan,
        )
    assert result.ended == "diverged: loss of seed 0 is nan at step 80"
