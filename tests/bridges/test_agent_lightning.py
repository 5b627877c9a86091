"""Agent-Lightning 0.3.0 plays a hundred scripted episodes against the local server, and its training batch is rlkit's.

What it would train on is built by its own ``AgentModeDaemon`` and by ``compute_advantage`` of verl 0.6.1, the newest
verl that its trainer works with. An environment of its own: ``make test-bridges``.
"""

import contextlib
import copy
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("agentlightning", reason="Agent-Lightning is not here; make test-bridges makes its environment")
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import encode_context
from rlkit.bridges import agent_lightning, episodes
from rlkit.bridges.examples import agent_lightning as example
from rlkit.bridges.server import serving
from rlkit.group_objective import group_advantages
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
from rlkit.lm.scoring import score_sequences
from tests.bridges.scripted import DATA_AGENT, HUNDRED, play
from tests.bridges.seen import LARGEST, REPORT, recorded

GROUP = 10
LENGTHS = {"max_prompt_length": 64, "max_response_length": 160}


@pytest.fixture(scope="module", autouse=True)
def report():
    """Write what was run, where it was asked for."""
    with recorded(
        "agent_lightning",
        "Agent-Lightning trains on the token ids and rewards of a hundred scripted episodes, as rlkit has them. "
        "It holds rewards in bfloat16: advantages differ by at most {worst}.",
        sources=["rlkit/bridges/server.py"],
        packages=["agentlightning", "agentops", "openai", "verl", "torch", "transformers"],
        peer="Agent-Lightning",
        of="advantages",
    ):
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The shipped base; its tokenizer names its class as transformers 5 does, and here is transformers 4."""
    folder = tmp_path_factory.mktemp("base") / "data_agent"
    shutil.copytree(SHIPPED / "data_agent", folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))
    return load_checkpoint(folder, "cpu")


class Script:
    """Writes what was written in episodes that were played before, and looks whether the conversations are the same."""

    def __init__(self, planned):
        self.turns = [(one.messages[: 2 * k + 1], text) for one in planned for k, text in enumerate(one.actions)]

    def __call__(self, messages):
        expected, text = self.turns.pop(0)
        assert list(messages) == expected
        return text


@pytest.fixture(scope="module")
def played(base):
    """The hundred episodes, Agent-Lightning's record of them, and its daemon's."""
    from agentlightning.verl.daemon import AgentModeDaemon

    agl, (model, tokenizer) = agent_lightning.framework(), base
    planned, turns, records = [play(seed) for seed in HUNDRED], {}, {}

    class Keep(agl.Baseline):
        async def _handle_rollout_finish(self, rollout):
            assert rollout.status == "succeeded"
            store, adapter = self.get_store(), self.get_adapter()
            daemon = new_daemon(AgentModeDaemon, tokenizer, store=store, adapter=adapter)
            record = await daemon._validate_data_v1(rollout)
            records[rollout.input["number"]] = record
            turns[rollout.input["number"]] = [agent_lightning.turn_of(triplet) for triplet in record.triplets]

    started = time.perf_counter()
    with serving(model, tokenizer, Script(planned)) as address:
        algorithm = Keep(polling_interval=agent_lightning.SECONDS)
        agent_lightning.fit(algorithm, episodes.rows(DATA_AGENT, HUNDRED), address, "rlkit", max_tokens=6)
    REPORT["Trainer.fit, 100 scripted episodes against the local server"] = f"{time.perf_counter() - started:.1f} s"
    assert len(turns) == len(planned)
    return planned, [turns[k] for k in range(len(planned))], [records[k] for k in range(len(planned))]


def new_daemon(kind, tokenizer, **parts):
    """Make what turns rollouts into a training batch, without its server."""
    parts = {"store": object(), "adapter": object(), "llm_proxy": object(), **parts}
    return kind(None, 1, {}, tokenizer, 1, tokenizer.pad_token_id, **parts)


def conversation(episode):
    """An episode's only context as rlkit encodes it: texts, and whether the policy wrote them."""
    (messages,) = episode.contexts
    return [(message["content"], message["role"] == "assistant") for message in messages]


def training_batch(records, tokenizer, level):
    """Agent-Lightning's training batch of the episodes, in groups of ten, with verl's advantages."""
    from agentlightning.verl.daemon import AgentModeDaemon
    from verl.trainer.ppo.ray_trainer import compute_advantage, compute_response_mask

    daemon = new_daemon(AgentModeDaemon, tokenizer, trace_aggregator={"level": level})
    daemon._completed_rollouts_v0 = {record.rollout_id: record for record in records}
    daemon._task_id_to_original_sample = {
        record.rollout_id: {"data_id": str(number // GROUP)} for number, record in enumerate(records)
    }
    daemon._total_tasks_queued = len(records)
    batch, figures = daemon.get_train_data_batch(**LENGTHS, device="cpu", global_steps=0)
    batch.non_tensor_batch["uid"] = batch.non_tensor_batch["data_id_list"]
    if "response_mask" not in batch.batch:
        batch.batch["response_mask"] = compute_response_mask(batch)
    batch.batch["token_level_rewards"] = batch.batch["token_level_scores"]
    return compute_advantage(batch, adv_estimator="grpo", norm_adv_by_std_in_grpo=True), figures


def test_the_reward_of_an_episode_stands_with_its_last_turn_and_is_exactly_what_the_environment_paid(played):
    planned, turns, records = played
    assert len({one.total_reward for one in planned}) > 10
    for episode, found, record in zip(planned, turns, records, strict=True):
        assert [turn.reward for turn in found] == [None] * (len(found) - 1) + [episode.total_reward]
        assert record.final_reward == episode.total_reward
    REPORT["reward of the environment = final reward of the rollout"] = f"{len(planned)} of {len(planned)} episodes"


def test_token_ids_are_those_of_rlkits_own_episode(played, base):
    planned, turns, _ = played
    chat, tokens = Chat(base[1]), 0
    for episode, found in zip(planned, turns, strict=True):
        ids, mine = encode_context(chat, conversation(episode))
        assert found[-1].prompt + found[-1].written == ids
        place = 0
        for turn in found:
            place = len(turn.prompt)
            assert turn.prompt == ids[:place] and not mine[place - 1]
            assert turn.written == ids[place : place + len(turn.written)]
            assert all(mine[place : place + len(turn.written)])
        assert sum(mine) == sum(len(turn.written) for turn in found)
        tokens += len(ids)
    REPORT["token ids of triplets = token ids of rlkit's episode"] = f"{tokens:,} of {tokens:,} tokens"


def test_log_probabilities_of_the_triplets_are_the_models(played, base):
    _, turns, _ = played
    model, _ = base
    for found in turns[:20]:
        ids = torch.tensor([found[-1].prompt + found[-1].written])
        with torch.no_grad():
            scores = score_sequences(model, ids, torch.ones_like(ids, dtype=torch.bool))[0]
        for turn in found:
            start = len(turn.prompt) - 1
            ours = scores[start : start + len(turn.written)]
            assert (ours - torch.tensor(turn.log_probabilities)).abs().max() < 1e-5


def test_whole_trajectories_are_trained_on_with_rlkits_mask_and_advantages(played, base):
    """With ``level: trajectory`` an episode is one row; its reward is kept in bfloat16, three digits."""
    planned, _, records = played
    chat = Chat(base[1])
    batch, figures = training_batch(records, base[1], "trajectory")
    assert figures["training/n_unmerged_rollouts"] == 0 and figures["training/n_truncated_triplets"] == 0
    assert list(batch.non_tensor_batch["rollout_id_list"]) == [record.rollout_id for record in records]
    rewards = torch.tensor([one.total_reward for one in planned]).bfloat16()
    assert torch.equal(batch.batch["token_level_scores"].sum(1), rewards)
    for row, episode in enumerate(planned):
        ids, mine = encode_context(chat, conversation(episode))
        real = batch.batch["attention_mask"][row].bool()
        assert batch.batch["input_ids"][row][real].tolist() == ids
        written = torch.zeros_like(real).masked_scatter(real, torch.tensor(mine))[LENGTHS["max_prompt_length"] :]
        assert torch.equal(batch.batch["response_mask"][row].bool(), written)
    exact = torch.tensor([one.total_reward for one in planned], dtype=torch.float64)
    LARGEST["rewards, in bfloat16"] = (rewards.double() - exact).abs().max().item()
    ours = offset_of_verl(exact, torch.arange(len(planned)) // GROUP)
    LARGEST["advantages"] = (spread(ours, batch) - batch.batch["advantages"]).abs().max().item()
    assert LARGEST["advantages"] < 2e-2  # bfloat16 has eight bits
    assert batch.batch["advantages"].abs().max() > 1


def test_single_turns_are_trained_on_with_the_episodes_reward_and_long_episodes_weigh_more(played, base):
    """With ``level: transition``, the default, each turn is a row of its episode's group: mean and deviation are over
    turns."""
    planned, turns, records = played
    batch, figures = training_batch(records, base[1], "transition")
    lengths = torch.tensor([len(found) for found in turns])
    assert figures["training/n_triplets"] == lengths.sum()
    rewards = torch.tensor([one.total_reward for one in planned]).bfloat16().double()
    assert torch.equal(batch.batch["token_level_scores"].sum(1).double(), rewards.repeat_interleave(lengths))
    groups = torch.arange(len(planned)) // GROUP
    over_turns = offset_of_verl(rewards.repeat_interleave(lengths), groups.repeat_interleave(lengths))
    over_episodes = offset_of_verl(rewards, groups).repeat_interleave(lengths)
    assert (spread(over_turns, batch) - batch.batch["advantages"]).abs().max() < 2e-2
    apart = (over_turns - over_episodes).abs().max().item()
    assert apart > 0.1
    REPORT["level transition: advantages over turns and over episodes"] = f"differ by up to {apart:.2f}"


def offset_of_verl(rewards, groups):
    """rlkit's advantages with verl's 1e-6 beside the deviation in place of 1e-4."""
    deviation = torch.stack([rewards[groups == group].std() for group in groups])
    return group_advantages(rewards, groups) * (deviation + 1e-4) / (deviation + 1e-6)


def spread(advantages, batch):
    """Advantages of rows at each token that is trained on."""
    return advantages[:, None] * batch.batch["response_mask"]


def test_rewards_that_are_emitted_turn_by_turn_would_be_lost_but_for_the_last(base):
    """Why the bridge reports one number."""
    agl, (model, tokenizer) = agent_lightning.framework(), base
    planned, finals = [play(seed) for seed in HUNDRED[:4]], []

    class Final(agl.Baseline):
        async def _handle_rollout_finish(self, rollout):
            from agentlightning.verl.daemon import AgentModeDaemon

            daemon = new_daemon(AgentModeDaemon, tokenizer, store=self.get_store(), adapter=self.get_adapter())
            finals.append((await daemon._validate_data_v1(rollout)).final_reward)

    def turn_by_turn(task, endpoint, model, **sampling):
        class Emitting(episodes.Episode):
            def reply(self, text):
                found = super().reply(text)
                agl.emit_reward(found.reward)
                return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(agent_lightning, "Episode", Emitting)
            return original(task, endpoint, model, **sampling)

    class WithoutTotal:
        total_reward = None

    original = agent_lightning.play
    with serving(model, tokenizer, Script(planned)) as address, pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent_lightning, "play", lambda *a, **k: (turn_by_turn(*a, **k), WithoutTotal)[1])
        agent_lightning.fit(Final(polling_interval=0.05), episodes.rows(DATA_AGENT, HUNDRED[:4]), address, "rlkit")
    assert finals == [one.rewards[-1] for one in planned]
    assert finals != [one.total_reward for one in planned]


def test_an_episode_that_the_model_samples_itself_is_rlkits_too(base):
    """Without a script: what was sampled, played again in the environment, has the same reward and the same ids."""
    model, tokenizer = base
    seeds = range(50)
    with serving(model, tokenizer) as address:
        found = agent_lightning.collect(episodes.rows(DATA_AGENT, seeds), address, "rlkit", max_tokens=6)
    chat = Chat(tokenizer)
    for seed, turns in zip(seeds, found, strict=True):
        episode = episodes.Episode(DATA_AGENT, seed)
        ids = list(chat.opening(episode.opening))
        for turn in turns:
            assert turn.prompt == ids
            reply = episode.reply(chat.written(turn.written))
            ids += [
                *turn.written,
                *([] if turn.written[-1] == chat.end else [chat.end]),
                *chat.reply(reply.observation),
            ]
        assert episode.ended and turns[-1].reward == episode.total_reward
    REPORT["50 episodes that the model sampled: reward and token ids = rlkit's"] = "50 of 50 episodes"


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(episodes.RolloutError, match=r"127.0.0.1:9/v1 in turn 1 of rlkit/DataAgent-v0, seed 3"):
        agent_lightning.play(episodes.rows(DATA_AGENT, [3])[0], "http://127.0.0.1:9/v1", "rlkit")


def test_a_server_that_dies_in_mid_rollout_leaves_no_data_behind(base):
    model, tokenizer = base

    script = Script([play(seed) for seed in HUNDRED[:3]])

    def dying(messages):
        if len(script.turns) < 4:
            raise OSError("the disk is full")
        return script(messages)

    with (
        serving(model, tokenizer, dying) as address,
        pytest.raises(episodes.RolloutError, match="of 3 episodes failed"),
    ):
        agent_lightning.collect(episodes.rows(DATA_AGENT, HUNDRED[:3]), address, "rlkit", max_tokens=6)


def test_a_model_of_another_name_is_refused_with_the_servers_own_words(base):
    with serving(*base) as address, pytest.raises(episodes.RolloutError, match="this server has 'rlkit'"):
        agent_lightning.play(episodes.rows(DATA_AGENT, [3])[0], address, "other")


def test_an_environment_that_raises_fails_the_episode_and_the_collection(base, monkeypatch):
    def broken(self, action):
        raise KeyError("pear")

    asked = episodes.rows(DATA_AGENT, [3])
    monkeypatch.setattr(DataAgent, "step", broken)
    with serving(*base) as address:
        with pytest.raises(episodes.EpisodeError, match="seed 3 raised KeyError in turn 1"):
            agent_lightning.play(asked[0], address, "rlkit", max_tokens=6)
        with pytest.raises(episodes.RolloutError, match="1 of 1 episodes failed"):
            agent_lightning.collect(asked, address, "rlkit", max_tokens=6)


def test_the_example_takes_rlkits_step_on_what_agent_lightning_played(base):
    model, tokenizer = copy.deepcopy(base[0]), base[1]
    started, before = time.perf_counter(), [one.clone() for one in model.parameters()]
    (mean,) = example.train(1, model, tokenizer)
    assert -0.5 < mean < 0.5
    assert all((one != other).any() for one, other in zip(before, model.parameters(), strict=True))
    REPORT["the example: a step on 96 episodes"] = f"mean reward {mean:.2f}, {time.perf_counter() - started:.0f} s"


def known(settings, defaults, path=""):
    """Every setting is one that the defaults have."""
    for name, value in settings.items():
        assert name in defaults, f"{path}{name}"
        if isinstance(value, dict):
            known(value, defaults[name], f"{path}{name}.")


@pytest.mark.parametrize("gpus", [1, 4])
def test_the_settings_for_gpus_are_accepted_by_verls_own_check(gpus):
    from omegaconf import OmegaConf
    from verl.utils.config import validate_config

    agl = agent_lightning.framework()
    settings = example.verl_settings(str(SHIPPED / "data_agent"), gpus)
    known(settings, OmegaConf.to_container(agl.VERL({}).config, throw_on_missing=False))
    config = agl.VERL(settings).config
    validate_config(config, use_reference_policy=False, use_critic=False)
    assert config.trainer.n_gpus_per_node == gpus
    REPORT[f"the settings of verl for {gpus} GPU{'s' * (gpus > 1)}"] = "accepted by verl's validate_config"


def test_training_by_way_of_verl_asks_for_a_gpu(base):
    """The command for one GPU, as it is documented, up to where there is none."""
    settings = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    tool = Path(sys.executable).with_name("agl")
    quiet = {"env": settings, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    store = subprocess.Popen([tool, "store", "--host", "127.0.0.1", "--port", port], **quiet)
    try:
        wait_for(int(port))
        command = [sys.executable, "-m", "rlkit.bridges.examples.agent_lightning", "--gpus", "1"]
        command += ["--verl", base[1].name_or_path, "--store", f"http://127.0.0.1:{port}"]
        said = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=400, check=False)
    finally:
        store.terminate()
        store.wait(30)
    words = "Total available GPUs 0 is less than total desired GPUs 1"
    assert f"ValueError: {words}" in said.stdout + said.stderr
    REPORT["VERL, training on a GPU"] = f"ValueError: {words}"


def wait_for(port, seconds=90):
    """Return when something answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing answers at port {port}")
