"""Stable-baselines3 on CartPole-v1 with the tuned settings of rl-baselines3-zoo (hyperparams/ppo.yml, dqn.yml; MIT)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from episode_watch import EpisodeWatch, TrainingRun
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

PPO_STEPS, PPO_ENVIRONMENTS = 100_000, 8
DQN_STEPS = 50_000
EVALUATED_EPISODES = 100


def falling_to_zero(start: float) -> Callable[[float], float]:
    """What the zoo writes as ``lin_<start>``: a value times the share of the run that is left."""
    return lambda remaining: remaining * start


PPO_SETTINGS: dict[str, Any] = {
    "n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0,
    "learning_rate": falling_to_zero(0.001), "clip_range": falling_to_zero(0.2),
}  # fmt: skip
DQN_SETTINGS: dict[str, Any] = {
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1_000, "gamma": 0.99,
    "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128, "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip


class _TellEpisodes(BaseCallback):
    """Tells the watch of every episode; ends the run at the goal unless the whole budget is wanted."""

    def __init__(self, watch: EpisodeWatch, whole_budget: bool) -> None:
        super().__init__()
        self._watch, self._whole_budget = watch, whole_budget

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            for info in self.locals["infos"]:
                if "episode" in info:
                    self._watch.add(info["episode"]["r"], self.num_timesteps)
        return self._whole_budget or not self._watch.reached


def train_ppo(seed: int, total_steps: int = PPO_STEPS, whole_budget: bool = False) -> TrainingRun:
    """Train PPO with one seed until the last 100 episodes return 475 on average, or to the end of the budget."""
    watch = EpisodeWatch()
    environments = make_vec_env("CartPole-v1", n_envs=PPO_ENVIRONMENTS, seed=seed)
    model = PPO("MlpPolicy", environments, seed=seed, device="cpu", **PPO_SETTINGS)
    model.learn(total_steps, callback=_TellEpisodes(watch, whole_budget))
    environments.close()
    return watch.result(model.num_timesteps)


@dataclass(frozen=True)
class DeepQRun:
    """One run of deep Q-learning: what its last network is worth, and what it cost."""

    greedy_return: float
    seconds: float
    steps: int
    last_training_mean: float


def train_deep_q(seed: int, total_steps: int = DQN_STEPS) -> DeepQRun:
    """Train DQN with one seed through its whole budget, then play its greedy policy (not timed).

    The budget has 50,000 steps, and 100 episodes of 475 alone are 47,500: no run can show a mean of 475 over its last
    100 training episodes unless it had nothing to learn. So what counts here is what the network at the end is worth.
    """
    began = time.process_time()
    environments = make_vec_env("CartPole-v1", seed=seed)
    model = DQN("MlpPolicy", environments, seed=seed, device="cpu", **DQN_SETTINGS)
    model.learn(total_steps)
    elapsed = time.process_time() - began
    recent = float(np.mean([episode["r"] for episode in model.ep_info_buffer])) if model.ep_info_buffer else np.nan
    fresh = make_vec_env("CartPole-v1", seed=10_000 + seed)
    greedy, _ = evaluate_policy(model, fresh, EVALUATED_EPISODES, deterministic=True)
    environments.close()
    fresh.close()
    return DeepQRun(float(greedy), elapsed, model.num_timesteps, recent)
