"""The notion of an episode that the bridges share."""

import json
import random

import gymnasium
import pytest

from rlkit.agents import ENVIRONMENTS
from rlkit.agents.data_agent import DataAgent
from rlkit.bridges import episodes
from rlkit.bridges.episodes import (
    Episode,
    EpisodeError,
    Framework,
    FrameworkError,
    chain_reward,
    require,
    rows,
    write_rows,
)
from rlkit.lm import chain
from tests.bridges.scripted import DATA_AGENT, HUNDRED, play, policy_of


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_episode_is_what_gymnasium_plays(name):
    environment_id = f"rlkit/{name}-v0"
    for seed in range(4):
        episode, chance = Episode(environment_id, seed), random.Random(seed)
        plain = gymnasium.make(environment_id).unwrapped
        observation, _ = plain.reset(seed=seed)
        assert episode.opening == observation
        rewards = []
        while not episode.ended:
            reply = episode.reply(episode.scripted("sloppy", chance))
            observation, reward, ended, _, info = plain.step(episode.actions[-1])
            rewards.append(reward)
            assert reply == (observation, reward, ended)
        assert episode.info == info and episode.total_reward == pytest.approx(sum(rewards), abs=1e-12)


def test_the_messages_alternate_and_end_with_what_the_policy_wrote():
    episode = play(HUNDRED[1])
    assert [message["role"] for message in episode.messages] == ["user", "assistant"] * len(episode.actions)
    assert [message["content"] for message in episode.messages[1::2]] == episode.actions


def test_a_fresh_context_begins_a_conversation_of_its_own():
    episode = play(HUNDRED[1], "rlkit/ResearchAgent-v0")
    assert len(episode.contexts) == 6 and all(context[0]["role"] == "user" for context in episode.contexts)
    assert sum(len(context) // 2 for context in episode.contexts) == len(episode.actions)


def test_instructions_come_first_and_change_no_reward():
    plain, told = (Episode(DATA_AGENT, 5, instructions=value) for value in (False, True))
    assert told.opening.endswith(plain.opening) and "LOOK item: " in told.opening
    assert plain.reply("LOOK pear") == told.reply("LOOK pear")


def test_the_hundred_scripted_episodes_tell_good_play_from_bad():
    played = {policy: [play(seed) for seed in HUNDRED if policy_of(seed) == policy] for policy in ("expert", "sloppy")}
    success = {policy: sum(one.info["success"] for one in some) / len(some) for policy, some in played.items()}
    assert success["expert"] > 0.95 > 0.6 > success["sloppy"]
    assert len({round(one.total_reward, 6) for some in played.values() for one in some}) > 10


def test_an_episode_that_ended_takes_no_more_turns():
    episode = play(HUNDRED[0])
    with pytest.raises(RuntimeError, match="has ended after"):
        episode.reply("WAIT")


def test_an_environment_that_raises_is_named_with_seed_and_turn(monkeypatch):
    def broken(self, text):
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(DataAgent, "tool_wait", broken)
    episode = Episode(DATA_AGENT, 7)
    episode.reply("nonsense")
    with pytest.raises(EpisodeError, match=r"DataAgent-v0 with seed 7 raised ZeroDivisionError in turn 2 on 'WAIT'"):
        episode.reply("WAIT")
    assert len(episode.rewards) == len(episode.actions) == 1  # the turn that failed is no turn


@pytest.mark.parametrize("name", ["rlkit/Nothing-v0", "CartPole-v1"])
def test_an_unknown_environment_is_told_which_there_are(name):
    with pytest.raises(ValueError, match="rlkit/DataAgent-v0"):
        Episode(name, 0)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_come_back_from_a_file_as_the_episodes_they_stand_for(suffix, tmp_path):
    datasets = pytest.importorskip("datasets")
    path = write_rows(rows(DATA_AGENT, range(3), max_turns=2), tmp_path / "new" / f"rows.{suffix}")
    kind = {"jsonl": "json", "parquet": "parquet"}[suffix]
    read = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    again = [Episode.from_row(row) for row in read]
    assert [one.messages for one in again] == [row["prompt"] for row in read]
    assert [one.environment.max_turns for one in again] == [2, 2, 2]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_data_set_that_fails_half_way_leaves_the_old_one(suffix, tmp_path):
    path = write_rows([{"prompt": "a"}], tmp_path / f"rows.{suffix}")
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"serializable|Expected bytes"):
        write_rows([{"prompt": "b"}, {"prompt": object()}], path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.jsonl or \.parquet"):
        write_rows([], tmp_path / "rows.csv")


def test_rewards_of_chain_are_the_same_for_texts_and_for_messages():
    prompts, texts = ["77941=", "11111="], ["7774934718#8", "#6"]
    expected = chain.reward(prompts, texts)
    asked = [[{"role": "user", "content": prompt}] for prompt in prompts]
    said = [[{"role": "assistant", "content": text}] for text in texts]
    assert chain_reward(prompts, texts) == chain_reward(asked, said) == expected == [1.0, 0.0]


def test_a_missing_framework_says_what_was_tested_and_how_to_install_it(monkeypatch):
    monkeypatch.setitem(episodes.FRAMEWORKS, "nowhere", Framework("nowhere", "no-such-framework", "1.2.3"))
    expected = r'not installed; .* no-such-framework 1\.2\.3\. .*python -m pip install "no-such-framework==1\.2\.3"'
    with pytest.raises(FrameworkError, match=expected):
        require("nowhere")


def test_another_version_is_named_beside_the_tested_one(monkeypatch):
    monkeypatch.setitem(episodes.FRAMEWORKS, "old", Framework("gymnasium", "gymnasium", "0.21.0"))
    found = gymnasium.__version__
    with pytest.raises(FrameworkError, match=f"gymnasium {found} was found; .* gymnasium 0.21.0"):
        require("old")


def test_another_last_number_of_the_version_is_let_through(monkeypatch):
    close = ".".join([*gymnasium.__version__.split(".")[:2], "99"])
    monkeypatch.setitem(episodes.FRAMEWORKS, "close", Framework("gymnasium", "gymnasium", close))
    assert require("close") is gymnasium


def test_the_options_of_a_row_are_text_that_every_format_holds():
    (row,) = rows(DATA_AGENT, [4], locked=1.0)
    assert json.loads(row["options"]) == {"locked": 1.0}
    assert Episode.from_row(row).environment.locked
