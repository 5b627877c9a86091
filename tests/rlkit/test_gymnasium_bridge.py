import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from rlkit import ppo
from rlkit.environments import (
    CartPole,
    Catch,
    GymnasiumEnvironment,
    TableEnvironment,
    as_gymnasium_vector,
    make_environment,
)
from rlkit.small_problems import stay_or_quit


class Countdown(gymnasium.Env):
    """Observes how many steps are left and pays it; the reward of the last step can be made NaN."""

    def __init__(self, length=3, last_reward=0.0, observation_space=None, action_space=None):
        self.length, self.last_reward = length, last_reward
        self.observation_space = observation_space or gymnasium.spaces.Box(0, length, (1,), np.float32)
        self.action_space = action_space or gymnasium.spaces.Discrete(2, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.length
        return np.array([self.left], np.float32), {}

    def step(self, action):
        assert action in (1, 2)
        self.left -= 1
        done = self.left == 0
        reward = self.last_reward if done else float(self.left)
        return np.array([self.left], np.float32), reward, done, False, {}


gymnasium.register("Countdown-v0", Countdown, max_episode_steps=None)
gymnasium.register("ShortCountdown-v0", Countdown, max_episode_steps=2)


def test_the_final_observation_is_the_one_before_the_automatic_reset():
    environment = GymnasiumEnvironment("Countdown-v0", (2, 2), seed=0)
    assert environment.reset().tolist() == [[[3.0]] * 2] * 2
    action = torch.zeros(2, 2, dtype=torch.int64)  # actions count from 0 here, whatever the space starts with
    for left in (2, 1):
        step = environment.step(action)
        assert (step.observation == left).all() and (step.final_observation == left).all()
    step = environment.step(action)
    assert step.terminated.all() and not step.truncated.any()
    assert (step.final_observation == 0).all() and (step.observation == 3).all()


def test_a_time_limit_of_gymnasium_is_a_truncation():
    environment = make_environment("ShortCountdown-v0", 3, seed=0)
    environment.reset()
    action = torch.zeros(3, dtype=torch.int64)
    environment.step(action)
    step = environment.step(action)
    assert step.truncated.all() and not step.terminated.any()
    assert (step.final_observation == 1).all() and (step.observation == 3).all()


def test_known_ids_become_tensor_environments_unless_told_otherwise():
    assert isinstance(make_environment("CartPole-v1", 2, seed=0), CartPole)
    lake = make_environment("FrozenLake8x8-v1", 2, seed=0)
    assert isinstance(lake, TableEnvironment) and lake.step_limit == 200
    assert make_environment("CliffWalking-v1", 2, seed=0).step_limit is None
    assert isinstance(make_environment("CartPole-v1", 2, seed=0, native=False), GymnasiumEnvironment)
    assert make_environment("Pendulum-v1", 2, seed=0).action_size == 1
    assert make_environment("Taxi-v4", 2, seed=0, native=False).num_observations == 500


def test_what_no_learner_takes_is_refused_by_name():
    with pytest.raises(ValueError, match="gymnasium cannot make 'CartPole-v99'"):
        make_environment("CartPole-v99", 2, seed=0)
    with pytest.raises(ValueError, match="gymnasium cannot make 'NoSuchWorld-v0'"):
        make_environment("NoSuchWorld-v0", 2, seed=0)
    with pytest.raises(ValueError, match="Blackjack-v1 observes Tuple"):
        make_environment("Blackjack-v1", 2, seed=0)
    with pytest.raises(ValueError, match="Countdown-v0 takes actions from MultiDiscrete"):
        GymnasiumEnvironment("Countdown-v0", 2, seed=0, action_space=gymnasium.spaces.MultiDiscrete([2, 2]))


def test_seeds_make_gymnasium_environments_repeatable_and_different_from_each_other():
    first, again, other = (GymnasiumEnvironment("CartPole-v1", (1, 3), seed=seed).reset() for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len({tuple(row) for row in first[0].tolist()}) == 3


@pytest.mark.parametrize(
    "environment", [CartPole((2, 3), 0, step_limit=20), Catch(5, 0), TableEnvironment(stay_or_quit(), 4, 0, 10)]
)
def test_gymnasiums_wrappers_take_a_tensor_environment(environment):
    vector = RecordEpisodeStatistics(as_gymnasium_vector(environment))
    observation, _ = vector.reset(seed=3)
    assert vector.observation_space.contains(observation)
    vector.action_space.seed(0)
    finished, total = 0, np.zeros(vector.num_envs)
    for _ in range(60):
        observation, reward, terminated, truncated, infos = vector.step(vector.action_space.sample())
        assert vector.observation_space.contains(observation)
        total += reward
        ended = terminated | truncated
        for index in np.flatnonzero(ended):
            assert infos["episode"]["r"][index] == pytest.approx(total[index])
            assert infos["final_obs"][index].shape == vector.single_observation_space.shape
            total[index] = 0
            finished += 1
        if ended.any():
            assert infos["_final_obs"].tolist() == ended.tolist()
    assert finished > 5
    again, _ = vector.reset(seed=3)
    assert np.array_equal(again, as_gymnasium_vector(environment).reset(seed=3)[0])


def test_the_same_learner_runs_on_gymnasiums_own_environments():
    environment = make_environment("CartPole-v1", (2, 2), seed=0, native=False)
    result = ppo.train(environment, ppo.PPOConfig(num_iterations=3, rollout_length=16))
    assert result.ended == "completed" and torch.isfinite(result.history["entropy"]).all()
    continuous = ppo.train(make_environment("Pendulum-v1", (2, 2), seed=0), ppo.PPOConfig(num_iterations=2))
    assert continuous.policy.export(0)[-1].shape == (1,)


def test_a_reward_that_is_not_a_number_is_named_with_seed_and_step_and_the_history_is_kept():
    environment = GymnasiumEnvironment("Countdown-v0", (2, 2), seed=0, length=5, last_reward=float("nan"))
    with pytest.warns(UserWarning, match="training stopped early"):
        result = ppo.train(environment, ppo.PPOConfig(num_iterations=5, rollout_length=4))
    assert result.ended == "diverged: reward of seed 0 is nan at step 16"
    assert len(result.history["steps"]) == 1
