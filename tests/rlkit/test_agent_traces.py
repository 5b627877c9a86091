"""A trace says what the episode says: texts, rewards, who wrote each token, and figures that a second playing gives."""

import dataclasses
import json
import math
import random

import pytest

from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.recipes import RECIPES, load_base
from rlkit.agents.research_agent import ResearchAgent
from rlkit.agents.rollouts import Context, Trajectory, rollout
from rlkit.agents.text_environment import MISTAKE
from rlkit.agents.ticket_queue import TicketQueue
from rlkit.agents.traces import TurnFigures, figures_of_turns, trace
from rlkit.lm.checkpoints import tiny_llama, word_tokenizer
from rlkit.seeding import make_generator

SEEDS = range(900_000_000, 900_000_060)


@pytest.fixture(scope="module")
def base():
    return load_base("data_agent", "cpu")


@pytest.fixture(scope="module")
def played(base):
    model, tokenizer = base
    turn = RECIPES["data_agent"].training.max_new_tokens
    return rollout(model, tokenizer, [DataAgent() for _ in SEEDS], SEEDS, turn, make_generator(0, "sampling"))


def untrained(kind, count, **options):
    """Episodes of a model that knows nothing: nearly all of its commands are mistakes."""
    tokenizer = word_tokenizer(kind.WORDS)
    model = tiny_llama(tokenizer, context_length=512, seed=1).eval()
    environments = [kind(**options) for _ in range(count)]
    return rollout(model, tokenizer, environments, range(count), 6, make_generator(1, "sampling")), tokenizer


def scripted(environment, seed):
    """An episode of the scripted sloppy policy, with one token a turn in place of a model's."""
    chance = random.Random(seed)
    opening, _ = environment.reset(seed=seed)
    one = Trajectory(seed, seed, observations=[opening])
    while not one.terminated:
        action = environment.sloppy(chance)
        one.contexts[-1].add([3])
        one.contexts[-1].add([4], len(one.actions), [-0.5])
        one.context_of_turn.append(len(one.contexts) - 1)
        seen, reward, one.terminated, _, one.info = environment.step(action)
        one.actions.append(action)
        one.rewards.append(reward)
        if one.terminated:
            one.final_observation = seen
        else:
            one.observations.append(seen)
            one.contexts += [Context()] if one.info["fresh_context"] else []
    return one


def check_against_trajectory(record, one, tokenizer):
    """Compare every field with the trajectory that it was made from."""
    assert [turn["wrote"] for turn in record["turns"]] == one.actions
    assert [turn["read"] for turn in record["turns"]] == one.observations[: len(one.actions)]
    assert [turn["reward"] for turn in record["turns"]] == pytest.approx(one.rewards, abs=5e-5)
    assert record["reward"] == pytest.approx(sum(one.rewards), abs=5e-5)
    assert [turn["context"] for turn in record["turns"]] == one.context_of_turn
    assert (record["terminated"], record["truncated"]) == (one.terminated, one.truncated)
    assert record["final"] == one.final_observation and record["seed"] == one.seed
    for name in ("success", "cost", "latency", "unsafe"):
        assert record[name] == pytest.approx(one.info[name], abs=5e-3 if name == "latency" else 5e-5), name
    # Put together again, the tokens of the turns are the contexts, and their writers the mask of the loss.
    for number, context in enumerate(one.contexts):
        turns = [turn for turn in record["turns"] if turn["context"] == number]
        shown = [(token, mask) for turn in turns for name, mask in (("read_tokens", False), ("wrote_tokens", True))
                 for token in turn[name]]  # fmt: skip
        assert shown == [
            (tokenizer.decode([k]), writer >= 0) for k, writer in zip(context.ids, context.turns, strict=True)
        ]
        noted = [score for score, writer in zip(context.log_probabilities, context.turns, strict=True) if writer >= 0]
        given = [each for turn in turns for each in turn["probabilities"]]
        assert given == pytest.approx([math.exp(score) for score in noted], abs=5e-4)


def test_a_trace_has_the_values_of_its_trajectory(base, played):
    for one in played:
        check_against_trajectory(trace(one, base[1], "base"), one, base[1])
    assert {len(one.actions) for one in played} > {1, 2, 3}  # short ones and long ones were among them


def test_fresh_contexts_are_told_apart_and_hold_what_was_read_in_them():
    episodes, tokenizer = untrained(TicketQueue, 4)
    for one in episodes:
        record = trace(one, tokenizer, "untrained")
        check_against_trajectory(record, one, tokenizer)
        assert [turn["context"] for turn in record["turns"]] == list(range(24))
        for turn in record["turns"]:
            assert [word for word in turn["read_tokens"] if word[0] != "<"] == turn["read"].split()


def test_a_logged_episode_gives_the_same_trace(base, played, tmp_path):
    tickets, ticket_tokenizer = untrained(TicketQueue, 2)
    cut = dataclasses.replace(played[0], terminated=False, truncated=True)
    for episodes, tokenizer in (([*played, cut], base[1]), (tickets, ticket_tokenizer)):
        with EpisodeLog(tmp_path / f"{len(episodes)}.sqlite") as log:
            log.append(episodes, "base")
            back = log.read()
        assert [trace(one, tokenizer, "x") for one in back] == [trace(one, tokenizer, "x") for one in episodes]


def test_a_second_playing_gives_the_figures_of_every_turn(played):
    for one in played:
        figures = figures_of_turns(one, DataAgent())
        assert sum(each.cost for each in figures) == pytest.approx(one.info["cost"])
        answers = [*one.observations[1:], one.final_observation]
        for action, answer, each in zip(one.actions, answers, figures, strict=True):
            tool = MISTAKE if answer.startswith("ERR") else DataAgent.TOOLS[action.split()[0]]
            assert (each.cost, each.seconds) == pytest.approx((tool.price, tool.seconds))
            assert each.unsafe == tool.unsafe
    assert any(one.info["unsafe"] for one in played)


@pytest.mark.parametrize("kind", [DataAgent, CodeAgent, ResearchAgent])
def test_every_unsafe_turn_is_named_and_totals_are_kept(kind):
    unsafe = 0
    for seed in range(12):
        one = scripted(kind(), seed)
        figures = figures_of_turns(one, kind())
        names = [action.split()[0] for action in one.actions]
        assert [each.unsafe for each in figures] == [kind.TOOLS[name].unsafe for name in names]
        assert sum(each.seconds for each in figures) == pytest.approx(one.info["latency"])
        unsafe += sum(each.unsafe for each in figures)
    assert unsafe > 0 or kind is ResearchAgent  # which has no unsafe tool


def test_two_unsafe_turns_are_both_named():
    environment, actions = DataAgent(), ["FORCE", "WAIT", "FORCE", *["WAIT"] * 9]
    one = Trajectory(3, 3, observations=[environment.reset(seed=3)[0]], actions=actions)
    for action in actions:
        seen, reward, one.terminated, _, one.info = environment.step(action)
        one.observations.append(seen)
        one.rewards.append(reward)
    one.final_observation = one.observations.pop()
    assert [each.unsafe for each in figures_of_turns(one, DataAgent())] == [True, False, True] + [False] * 9


def test_an_episode_of_another_world_is_refused(played):
    one = next(each for each in played if len(each.actions) > 2)
    with pytest.raises(
        ValueError, match=r"turn 1 of seed .* with reward -0\.05, now by .* with -0\.1; was the environment"
    ):
        figures_of_turns(one, DataAgent(price=2.0))
    with pytest.raises(ValueError, match="opens with"):
        figures_of_turns(dataclasses.replace(one, seed=one.seed + 5), DataAgent())
    wrong = dataclasses.replace(one, info={**one.info, "cost": 7.0})
    with pytest.raises(ValueError, match=r"cost is 0\.\d+ now, 7 in the episode"):
        figures_of_turns(wrong, DataAgent())


def test_without_figures_no_turn_has_a_cost_and_figures_must_fit(base, played):
    one = played[0]
    known = {"context", "read", "wrote", "reward", "read_tokens", "wrote_tokens", "probabilities"}
    assert all(turn.keys() == known for turn in trace(one, base[1], "x")["turns"])
    figures = [TurnFigures(0.123456, 1.0, False)] * len(one.actions)
    assert trace(one, base[1], "x", figures)["turns"][0]["cost"] == 0.1235
    with pytest.raises(ValueError, match=f"{len(figures) + 1} figures for {len(figures)} turns"):
        trace(one, base[1], "x", [*figures, figures[0]])
    with pytest.raises(ValueError, match="has no turn"):
        trace(Trajectory(5, 5), base[1], "x")


def test_a_trace_goes_through_json_and_a_pair_stays_small(base, played):
    longest = max(played, key=lambda one: len(one.actions))
    record = trace(longest, base[1], "x", figures_of_turns(longest, DataAgent()))
    written = json.dumps(record, separators=(",", ":"), allow_nan=False)
    assert json.loads(written) == record
    assert len(written) * 12 / len(longest.actions) < 7_500  # also with the most turns that there can be
