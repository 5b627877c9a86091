import gymnasium
import numpy as np
import pytest
import torch

from rlkit.dynamic_programming import evaluate_policy
from rlkit.planning import policy_iteration
from rlkit.toy_text import mdp_from_gymnasium

VARIANTS = [
    ("FrozenLake-v1", {"is_slippery": True}),
    ("FrozenLake-v1", {"is_slippery": False, "map_name": "8x8"}),
    ("CliffWalking-v1", {}),
    ("CliffWalking-v1", {"is_slippery": True}),
    ("Taxi-v4", {}),
    ("Taxi-v4", {"is_rainy": True}),
]


@pytest.mark.parametrize(("name", "keywords"), VARIANTS)
def test_every_transition_that_gymnasium_takes_has_its_reward_and_ending(name, keywords):
    mdp = mdp_from_gymnasium(name, 0.99, **keywords)
    table = mdp.dense()
    environment = gymnasium.make(name, **keywords)
    rng = np.random.default_rng(0)
    state, _ = environment.reset(seed=1)
    assert mdp.initial_distribution[state] > 0
    for _ in range(3_000):
        action = int(rng.integers(mdp.num_actions))
        next_state, reward, terminated, truncated, _ = environment.step(action)
        arrived = next_state if not terminated or mdp.terminal[next_state] else mdp.num_states - 1
        assert table[state, action, arrived] > 0
        assert bool(mdp.terminal[arrived]) == terminated
        listed = (mdp.next_states[state, action] == arrived) & (mdp.transition_probabilities[state, action] > 0)
        assert reward in mdp.rewards[state, action][listed].tolist()
        state = next_state
        if terminated or truncated:
            state, _ = environment.reset()


def test_optimal_values_are_the_known_ones():
    def value(name, discount, **keywords):
        mdp = mdp_from_gymnasium(name, discount, **keywords)
        return float(mdp.initial_distribution @ policy_iteration(mdp).state_values)

    assert value("FrozenLake-v1", 0.99, map_name="8x8") == pytest.approx(0.41464, abs=5e-6)
    assert value("Taxi-v4", 0.99) == pytest.approx(6.3275, abs=5e-5)
    assert value("CliffWalking-v1", 1.0) == pytest.approx(-13, abs=1e-9)  # thirteen steps along the cliff


def test_taxi_needs_an_extra_terminal_state_and_frozen_lake_does_not():
    assert mdp_from_gymnasium("Taxi-v4", 0.99).num_states == 501
    lake = mdp_from_gymnasium("FrozenLake-v1", 0.99)
    assert lake.terminal.nonzero().flatten().tolist() == [5, 7, 11, 12, 15]


def test_the_value_of_a_policy_agrees_with_simulation_by_gymnasium():
    lake = mdp_from_gymnasium("FrozenLake-v1", 1.0)
    uniform = torch.full((16, 4), 0.25, dtype=torch.float64)
    expected = float(evaluate_policy(lake, uniform)[0])
    environment = gymnasium.make("FrozenLake-v1", max_episode_steps=10_000)
    rng = np.random.default_rng(0)
    episodes, wins = 20_000, 0.0
    environment.reset(seed=0)
    for _ in range(episodes):
        ended = False
        while not ended:
            _, reward, ended, _, _ = environment.step(int(rng.integers(4)))
        wins += reward
        environment.reset()
    # Five standard errors: wrong by chance less than once in a million runs.
    assert wins / episodes == pytest.approx(expected, abs=5 * (expected * (1 - expected) / episodes) ** 0.5)


def test_an_environment_without_a_table_is_refused():
    with pytest.raises(ValueError, match="has no transition table P; expected a toy-text environment"):
        mdp_from_gymnasium("CartPole-v1", 0.99)
