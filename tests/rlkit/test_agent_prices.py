"""Prices: the agent with noted answers, the reward, dual steps on a bandit whose saddle point is known, credit."""

import random
import warnings
from functools import partial

import pytest
import torch
from gymnasium.utils.env_checker import check_env

from rlkit.agents import training
from rlkit.agents.advantage_functions import by_situation, by_turn_number
from rlkit.agents.cached_data_agent import FRESHNESS, RELEASE, CachedDataAgent, Plan
from rlkit.agents.prices import PriceUnderLimit, dual_step, priced_reward
from rlkit.agents.rollouts import Trajectory
from rlkit.agents.ticket_queue import TicketQueue
from rlkit.lm.checkpoints import tiny_llama, word_tokenizer

EPISODES = 400


def play(environment, seed, policy):
    """Play an episode with a scripted policy; return its rewards and what it ends with."""
    environment.reset(seed=seed)
    chance, rewards, over = random.Random(seed), [], False
    while not over:
        _, reward, over, _, info = environment.step(getattr(environment, policy)(chance))
        rewards.append(reward)
    return rewards, info


def mean(environment, policy, key):
    """Mean of a key figure, or of the return, over episodes."""
    played = [play(environment, seed, policy) for seed in range(EPISODES)]
    return sum(sum(rewards) if key == "return" else info[key] for rewards, info in played) / EPISODES


# The environment ------------------------------------------------------------------------------------------------


def test_gymnasium_accepts_the_agent_with_notes_and_a_seed_decides_everything():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(CachedDataAgent(render_mode="ansi"), skip_render_check=True)
    one, other = CachedDataAgent(), CachedDataAgent()
    for seed in range(20):
        assert play(one, seed, "sloppy") == play(other, seed, "sloppy")


def test_a_note_is_right_as_often_as_its_freshness_says():
    environment, found = CachedDataAgent(), {name: [] for name in FRESHNESS}
    for seed in range(2_000):
        opening, _ = environment.reset(seed=seed)
        found[environment.freshness].append(environment.noted.replace(" ", "") == str(environment.truth[0]))
        assert opening == f"{environment.parts[0][1]} {environment.freshness} = {environment.noted}"
    for name, right in found.items():
        assert sum(right) / len(right) == pytest.approx(FRESHNESS[name], abs=0.09)  # four deviations of 500


def test_always_looking_bounds_success_and_the_sloppy_policy_is_where_training_can_begin():
    environment = CachedDataAgent()
    assert mean(environment, "expert", "success") >= 0.99
    assert mean(environment, "expert", "unsafe") == 0
    assert 0.1 <= mean(environment, "sloppy", "success") <= 0.4


@pytest.mark.parametrize(("price", "unsafe_price"), [(0.1, 0.5), (0.5, 0.5), (2.0, 0.5), (0.5, 0.0)])
def test_no_plan_earns_more_than_the_best_one_for_the_prices(price, unsafe_price):
    environment = CachedDataAgent(price=price, unsafe_price=unsafe_price)
    best = mean(environment, "thrifty", "return")
    plans = [Plan(True, "WAIT"), Plan(True, "FORCE"), Plan(True, "SAVE"), Plan(False, "SAVE")]
    for plan in plans:
        other = CachedDataAgent(price=price, unsafe_price=unsafe_price)
        other.best_plan = lambda plan=plan: plan
        assert mean(other, "thrifty", "return") <= best + 0.03  # same tasks; the locks' luck differs


def test_a_dearer_unit_of_cost_buys_less_success_for_less():
    points = [
        [mean(CachedDataAgent(price=price, unsafe_price=0.5), "thrifty", key) for key in ("cost", "success")]
        for price in (0.1, 0.5, 1.0, 2.0, 4.0)
    ]
    assert points == sorted(points, reverse=True) and all(points[k][1] > points[k + 1][1] for k in range(4))
    assert points[-1][0] == 0


def test_forcing_stops_paying_at_the_price_at_which_it_costs_as_much_as_waiting():
    saddle = 0.6 * (0.10 / RELEASE - 0.02)
    for excess, forces in ((-0.001, True), (0.001, False)):
        environment = CachedDataAgent(price=0.6, unsafe_price=saddle + excess)
        environment.reset(seed=next(s for s in range(50) if environment.reset(seed=s)[0].split()[1] == "old"))
        assert (environment.best_plan().at_a_lock == "FORCE") == forces


# The reward and the dual step -----------------------------------------------------------------------------------


def test_the_reward_of_the_environments_is_the_formula():
    assert priced_reward(1.0, 0.3, 1.0, 2.0, 0.5) == pytest.approx(1.0 - 0.6 - 0.5)
    environment = CachedDataAgent(price=2.0, unsafe_price=3.0)
    environment.reset(seed=0)
    assert environment.step("FORCE")[1] == pytest.approx(-2.0 * 0.02 - 3.0)
    assert environment.step("WAIT")[1] == pytest.approx(-2.0 * 0.10)


def test_a_price_rises_above_the_limit_falls_below_it_and_is_never_negative():
    assert dual_step(0.2, 0.5, 0.1, 0.5) == pytest.approx(0.4)
    assert dual_step(0.2, 0.0, 0.1, 0.5) == pytest.approx(0.15)
    assert dual_step(0.2, 0.1, 0.1, 0.5) == pytest.approx(0.2)
    assert dual_step(0.01, 0.0, 0.5, 0.5) == 0.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-0.1, 0.5, 0.1, 0.5), "multiplier"),
        ((0.1, 0.5, 0.1, 0.0), "step_size"),
        ((0.1, float("nan"), 0.1, 1), "value"),
    ],
)
def test_a_dual_step_refuses_what_makes_no_sense(arguments, name):
    with pytest.raises(ValueError, match=name):
        dual_step(*arguments)


def test_dual_steps_find_the_saddle_point_of_a_bandit():
    """Two arms, rewards 1 and 0.4, the first unsafe; a softmax policy; at most 0.25 unsafe.

    The constrained optimum presses the first arm with probability 0.25, and there the price equals the difference of
    the rewards, 0.6. Gradient steps on the Lagrangian with the entropy's weight 0.05, which has its saddle point where
    0.6 - price = 0.05 log(0.25 / 0.75).
    """
    logit, price, weight = torch.zeros((), dtype=torch.float64), 0.0, 0.05
    for _ in range(20_000):
        unsafe = torch.sigmoid(logit)
        slope = unsafe * (1 - unsafe)
        logit = logit + 0.5 * slope * (1.0 - price - 0.4 - weight * logit)
        price = dual_step(price, float(unsafe), 0.25, 0.01)
    assert float(torch.sigmoid(logit)) == pytest.approx(0.25, abs=1e-4)
    assert price == pytest.approx(0.6 - weight * float(torch.log(torch.tensor(0.25 / 0.75))), abs=1e-3)


def test_a_limit_that_does_not_bind_costs_nothing():
    price = 1.0
    for _ in range(200):
        price = dual_step(price, 0.03, 0.1, 0.5)
    assert price == 0.0


def test_the_price_under_a_limit_reaches_the_environments_of_training():
    tokenizer = word_tokenizer(CachedDataAgent.WORDS)
    model = tiny_llama(tokenizer, context_length=256)
    seen = []
    control = PriceUnderLimit(limit=-1.0, step_size=0.5, multiplier=0.25)  # below what is possible: it must rise

    def after(figures, environments, trajectories):
        seen.append({environment.unsafe_price for environment in environments})
        control(figures, environments, trajectories)

    config = training.AgentConfig(num_iterations=3, tasks_per_iteration=2, group_size=2)
    result = training.train(model, tokenizer, partial(CachedDataAgent, unsafe_price=0.25), config, after=after)
    assert [len(prices) for prices in seen] == [1, 1, 1]
    assert [prices.pop() for prices in seen] == pytest.approx(control.history)
    expected = 0.25
    for unsafe, price in zip(result.history["unsafe"].tolist(), control.history, strict=True):
        assert price == pytest.approx(expected)
        expected = dual_step(price, unsafe, -1.0, 0.5)
    assert control.multiplier == pytest.approx(expected) and control.multiplier > 1.7


# Ready advantages -----------------------------------------------------------------------------------------------


def trajectory(group, rewards, anchors):
    return Trajectory(seed=0, group=group, rewards=rewards, anchors=anchors)


PLAYED = [
    trajectory(0, [1.0, 0.0, 3.0], ["a", "b", "a"]),
    trajectory(0, [0.0, 2.0], ["a", "b"]),
    trajectory(1, [5.0, 1.0], ["a", "c"]),
    trajectory(1, [4.0, 1.0], ["a", "d"]),
]


def test_turns_of_the_same_number_are_compared():
    found = by_turn_number(PLAYED)
    centred = torch.tensor([[1.0, 0.5, 0.0], [-1.0, -0.5, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    real = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0]]) > 0
    assert torch.allclose(found, centred / (centred[real].std() + 1e-4))


def test_turns_in_the_same_situation_are_compared_wherever_they_stand():
    found = by_situation(PLAYED, discount=0.0)
    third = 4 / 3  # mean of 1, 3 and 0, the rewards of group 0 in situation a
    centred = torch.tensor([[1 - third, -1.0, 3 - third], [-third, 1.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    real = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0]]) > 0
    assert torch.allclose(found, centred / (centred[real].std() + 1e-4))
    assert (found[~real] == 0).all()


def test_an_own_reward_of_another_turn_teaches_nothing_about_this_one():
    """With a delay the first turns of all episodes earn 0 whatever was done, so that they get no advantage at all."""
    played = []
    for episode in range(8):
        environment = TicketQueue(num_tickets=8, delay=3)
        environment.reset(seed=1)
        chance, rewards, over = random.Random(episode), [], False
        while not over:
            _, reward, over, _, _ = environment.step(environment.sloppy(chance))
            rewards.append(reward)
        played.append(trajectory(0, rewards, [""] * 8))
    assert (by_turn_number(played, discount=0.0)[:, :3] == 0).all()
    assert (by_turn_number(played)[:, :3] != 0).any()
