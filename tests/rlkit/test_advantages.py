import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.advantages import generalized_advantage_estimate, returns_to_go
from rlkit.prediction import n_step_return

NAN = float("nan")


def random_steps(seed, num_steps=40, num_environments=6):
    """Rewards, values and endings; the next values of the rows inside an episode are the following values."""
    generator = torch.Generator().manual_seed(seed)
    shape = (num_steps, num_environments)
    rewards, values, final = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    terminated = torch.rand(shape, generator=generator) < 0.1
    truncated = torch.rand(shape, generator=generator) < 0.1
    following = torch.cat([values[1:], final[-1:]])
    next_values = torch.where(terminated | truncated, final, following)
    return rewards, values, next_values, terminated, truncated


def loop_advantages(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """The definition as a double sum, for each step: discounted TD errors up to the end of its episode."""
    advantages = np.zeros(rewards.shape)
    for n in range(rewards.shape[1]):
        for t in range(rewards.shape[0]):
            weight = 1.0
            for k in range(t, rewards.shape[0]):
                bootstrap = 0.0 if terminated[k, n] else float(next_values[k, n])
                advantages[t, n] += weight * (float(rewards[k, n]) + discount * bootstrap - float(values[k, n]))
                if terminated[k, n] or truncated[k, n]:
                    break
                weight *= discount * gae_lambda
    return torch.from_numpy(advantages)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_the_recursion_is_the_double_sum(seed, discount, gae_lambda):
    steps = random_steps(seed)
    expected = loop_advantages(*steps, discount, gae_lambda)
    torch.testing.assert_close(generalized_advantage_estimate(*steps, discount, gae_lambda), expected)


@pytest.mark.parametrize("gae_lambda", [0.0, 0.8, 0.95, 1.0])
def test_it_equals_stable_baselines3(gae_lambda):
    """Their buffer knows one flag; the value at a truncation goes into the reward, as their collector does."""
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    spaces = pytest.importorskip("gymnasium.spaces")
    rewards, values, next_values, terminated, truncated = random_steps(3)
    num_steps, num_environments = rewards.shape
    box = spaces.Box(-1, 1, (1,), np.float32)
    buffer = buffers.RolloutBuffer(
        num_steps, box, box, device="cpu", gae_lambda=gae_lambda, gamma=0.97, n_envs=num_environments
    )
    for name in (
        "rewards",
        "values",
        "advantages",
        "returns",
        "episode_starts",
    ):  # float32 as it comes; the formulas are compared
        setattr(buffer, name, getattr(buffer, name).astype(np.float64))
    cut = truncated & ~terminated
    starts = np.ones(num_environments)
    for t in range(num_steps):
        reward = rewards[t] + 0.97 * next_values[t] * cut[t]
        nothing = np.zeros((num_environments, 1), np.float32)
        buffer.add(nothing, nothing, reward.numpy(), starts, values[t], torch.zeros(num_environments))
        starts = (terminated[t] | truncated[t]).float().numpy()
    buffer.compute_returns_and_advantage(next_values[-1], starts)
    ours = generalized_advantage_estimate(rewards, values, next_values, terminated, truncated, 0.97, gae_lambda)
    assert ours.numpy() == pytest.approx(buffer.advantages, abs=1e-9)
    assert (ours + values).numpy() == pytest.approx(buffer.returns, abs=1e-9)


def test_lambda_zero_is_the_td_error_and_lambda_one_the_return_minus_the_value():
    rewards, values, next_values, terminated, truncated = steps = random_steps(1)
    one_step = rewards + 0.9 * ~terminated * next_values - values
    torch.testing.assert_close(generalized_advantage_estimate(*steps, 0.9, 0.0), one_step)
    returns = returns_to_go(rewards, next_values, terminated, truncated, 0.9)
    torch.testing.assert_close(generalized_advantage_estimate(*steps, 0.9, 1.0), returns - values)


def test_by_hand_a_cut_off_episode_keeps_its_future_and_an_ended_one_does_not():
    rewards = torch.ones(4, 1, dtype=torch.float64)
    next_values = torch.full((4, 1), 10.0, dtype=torch.float64)
    none = torch.zeros(4, 1, dtype=torch.bool)
    second = torch.tensor([[False], [True], [False], [False]])
    # The last row bootstraps: 1 + 0.5 * 10 = 6, before it 1 + 0.5 * 6 = 4.
    assert returns_to_go(rewards, next_values, second, none, 0.5).flatten().tolist() == [1.5, 1.0, 4.0, 6.0]
    assert returns_to_go(rewards, next_values, none, second, 0.5).flatten().tolist() == [4.0, 6.0, 4.0, 6.0]
    # An episode that reaches the limit in the step that ends it has ended.
    assert returns_to_go(rewards, next_values, second, second, 0.5).flatten().tolist() == [1.5, 1.0, 4.0, 6.0]


def test_a_value_that_must_not_count_may_be_anything():
    rewards, values, next_values, terminated, truncated = random_steps(2)
    poisoned = next_values.masked_fill(terminated, NAN)
    steps = (rewards, values, poisoned, terminated, truncated)
    assert torch.isfinite(generalized_advantage_estimate(*steps, 0.9, 0.9)).all()
    inside = ~(terminated | truncated)
    inside[-1] = False
    for function in (returns_to_go, lambda *a: n_step_return(*a, num_steps=100)):
        poisoned = next_values.masked_fill(terminated | inside, NAN)
        assert torch.isfinite(function(rewards, poisoned, terminated, truncated, 0.9)).all()


def test_what_happens_after_a_cut_does_not_leak_back_across_it():
    rewards, values, next_values, terminated, truncated = random_steps(5)
    truncated[20], terminated[20] = True, False
    before = generalized_advantage_estimate(rewards, values, next_values, terminated, truncated, 0.9, 0.9)
    rewards[21:] += 100.0
    values[21:] -= 50.0
    after = generalized_advantage_estimate(rewards, values, next_values, terminated, truncated, 0.9, 0.9)
    assert torch.equal(before[:21], after[:21]) and not torch.equal(before[21:], after[21:])


@pytest.mark.parametrize("num_steps", [1, 2, 5, 39, 40, 1000])
def test_n_step_returns_sum_n_rewards_and_then_the_value(num_steps):
    rewards, _, next_values, terminated, truncated = random_steps(7)
    expected = torch.zeros_like(rewards)
    for n in range(rewards.shape[1]):
        for t in range(len(rewards)):
            for i in range(num_steps):
                expected[t, n] += 0.9**i * rewards[t + i, n]
                if terminated[t + i, n]:
                    break
                if truncated[t + i, n] or i == num_steps - 1 or t + i == len(rewards) - 1:
                    expected[t, n] += 0.9 ** (i + 1) * next_values[t + i, n]
                    break
    torch.testing.assert_close(n_step_return(rewards, next_values, terminated, truncated, 0.9, num_steps), expected)


def test_leading_axes_dtype_and_device_are_kept():
    steps = [values.float() if values.is_floating_point() else values for values in random_steps(0)]
    more = [values.view(40, 2, 3) for values in steps]
    flat = generalized_advantage_estimate(*steps, 0.9, 0.9)
    assert flat.dtype == torch.float32
    assert torch.equal(generalized_advantage_estimate(*more, 0.9, 0.9), flat.view(40, 2, 3))


def test_bad_input_is_named():
    rewards, values, next_values, terminated, truncated = random_steps(0)
    with pytest.raises(ValueError, match=r"shapes disagree on 'T'.*next_values \(39, 6\)"):
        generalized_advantage_estimate(rewards, values, next_values[1:], terminated, truncated, 0.9, 0.9)
    with pytest.raises(ValueError, match=r"terminated has dtype torch\.float64, expected torch\.bool"):
        returns_to_go(rewards, next_values, terminated.double(), truncated, 0.9)
    with pytest.raises(ValueError, match=r"gae_lambda is 1\.5"):
        generalized_advantage_estimate(rewards, values, next_values, terminated, truncated, 0.9, 1.5)
    empty = [part[:0] for part in (rewards, values, next_values, terminated, truncated)]
    with pytest.raises(ValueError, match=r"expected at least one step \(an empty episode\?\)"):
        generalized_advantage_estimate(*empty, 0.9, 0.9)
    with pytest.raises(ValueError, match="num_steps is 0"):
        n_step_return(rewards, next_values, terminated, truncated, 0.9, 0)
