import gymnasium
import pytest
import torch

from rlkit.environments import TableEnvironment
from rlkit.gridworld import Gridworld
from rlkit.toy_text import mdp_from_gymnasium
from tests.rlkit.problems import puterman_two_states, random_mdp


def test_a_deterministic_lake_steps_exactly_as_in_gymnasium():
    """Observations, rewards, both flags, and the final observation before the automatic reset."""
    limit = 9
    mdp = mdp_from_gymnasium("FrozenLake-v1", 0.99, is_slippery=False)
    ours = TableEnvironment(mdp, 1, seed=0, step_limit=limit)
    theirs = gymnasium.make("FrozenLake-v1", is_slippery=False, max_episode_steps=limit)
    observation, _ = theirs.reset(seed=0)
    assert ours.reset().tolist() == [observation]
    generator = torch.Generator().manual_seed(0)
    endings = {"terminated": 0, "truncated": 0}
    for _ in range(3_000):
        action = torch.randint(4, (1,), generator=generator)
        observation, reward, terminated, truncated, _ = theirs.step(int(action))
        step = ours.step(action)
        assert (step.final_observation.item(), step.reward.item()) == (observation, reward)
        assert (step.terminated.item(), step.truncated.item()) == (terminated, truncated)
        endings["terminated"] += terminated
        endings["truncated"] += truncated
        if terminated or truncated:
            observation, _ = theirs.reset()
        assert step.observation.item() == observation
    assert min(endings.values()) > 50  # both kinds of ending were compared


def test_next_states_have_the_frequencies_of_the_mdp():
    mdp = random_mdp(seed=0, num_states=3, num_actions=2)
    environment = TableEnvironment(mdp, 100_000, seed=1)
    state = environment.reset()
    step = environment.step(torch.ones(100_000, dtype=torch.int64))
    for s in range(3):
        arrived = step.final_observation[state == s]
        frequencies = torch.bincount(arrived, minlength=3) / len(arrived)
        # Five standard errors with at least 30,000 draws from each state.
        assert frequencies.tolist() == pytest.approx(mdp.transition_probabilities[s, 1].tolist(), abs=0.0145)
    assert torch.equal(step.reward, mdp.rewards[state, 1, step.final_observation])


def test_the_last_step_of_an_episode_belongs_to_it_and_the_observation_to_the_next():
    corridor = Gridworld(["S.G"]).mdp()
    environment = TableEnvironment(corridor, (2, 3), seed=0)
    environment.reset()
    right = torch.ones(2, 3, dtype=torch.int64)
    environment.step(right)
    step = environment.step(right)
    assert step.terminated.all() and not step.truncated.any()
    assert (step.final_observation == 2).all() and (step.observation == 0).all() and (step.reward == 1).all()


def test_a_step_that_ends_at_the_limit_is_both():
    environment = TableEnvironment(Gridworld(["S.G"]).mdp(), 1, seed=0, step_limit=2)
    environment.reset()
    right = torch.ones(1, dtype=torch.int64)
    environment.step(right)
    step = environment.step(right)
    assert step.terminated.item() and step.truncated.item()


def test_the_same_seed_gives_the_same_episodes():
    def rollout(seed):
        environment = TableEnvironment(random_mdp(seed=0), 5, seed=seed)
        environment.reset()
        return torch.stack([environment.step(torch.zeros(5, dtype=torch.int64)).observation for _ in range(20)])

    assert torch.equal(rollout(0), rollout(0))
    assert not torch.equal(rollout(0), rollout(1))


def test_bad_use_is_refused():
    mdp = puterman_two_states()
    with pytest.raises(ValueError, match="batch_size is 0, expected a positive integer"):
        TableEnvironment(mdp, 0, seed=0)
    with pytest.raises(ValueError, match="step_limit is 0"):
        TableEnvironment(mdp, 1, seed=0, step_limit=0)
    environment = TableEnvironment(mdp, 2, seed=0)
    with pytest.raises(RuntimeError, match="step was called before reset"):
        environment.step(torch.zeros(2, dtype=torch.int64))
    environment.reset()
    with pytest.raises(ValueError, match=r"action has shape \(3,\) and dtype torch.int64, expected \(2,\)"):
        environment.step(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"action 2 does not exist, expected 0\.\.1"):
        environment.step(torch.tensor([0, 2]))
    for _ in range(50):  # sooner or later state 1 is reached, where action 1 does not exist
        try:
            environment.step(torch.ones(2, dtype=torch.int64))
        except ValueError as error:
            assert "action 1 is not admissible in state 1" in str(error)
            break
    else:
        pytest.fail("an action that is not admissible was accepted")
