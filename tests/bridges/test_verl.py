"""verl 0.9.1 beside rlkit: its ``core_algos`` on random float64 tensors, and rlkit's episodes in its agent loops.

verl needs an environment of its own: ``make test-bridges``. Its second clip for negative advantages, ``clip_ratio_c``,
is set so large that it never bites, since neither the paper of GRPO nor rlkit has it.
"""

import asyncio
import json
import os
import pickle
import random
import re
import signal
import string
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy
import pytest
import torch

pytest.importorskip("verl", reason="verl is not here; make test-bridges makes its environment")
from hydra.errors import HydraException
from verl import DataProto
from verl.experimental.agent_loop.agent_loop import AgentLoopWorker, DictConfigWrap
from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
from verl.workers.config import ActorConfig
from verl.workers.rollout.replica import TokenOutput

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import encode_context
from rlkit.agents.text_environment import TextEnvironment
from rlkit.agents.training import evaluate
from rlkit.bridges.episodes import Episode, EpisodeError, rows, write_rows
from rlkit.bridges.examples import verl as example
from rlkit.bridges.verl import chain_rows, compute_score, episode_rows, write_run
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED, character_tokenizer, load_checkpoint, save_checkpoint, tiny_llama
from rlkit.lm.divergence import kl_estimate
from rlkit.ppo import clipped_surrogate, ppo_loss
from rlkit.rlhf import token_advantages
from tests.bridges.from_text import write
from tests.bridges.scripted import DATA_AGENT, HUNDRED
from tests.bridges.seen import LARGEST, REPORT, equal, runs

MODES = {"sequence_mean": "seq-mean-token-mean", "token_mean": "token-mean", "fixed_length": "seq-mean-token-sum-norm"}
SOURCES = (
    "rlkit/bridges/episodes.py",
    "rlkit/bridges/examples/verl.py",
    "rlkit/bridges/plugins/rlkit_verl.py",
    "rlkit/bridges/tools.py",
    "rlkit/bridges/verl.py",
    "tests/bridges/test_verl.py",
)
TASKS, GROUP, PROMPT, RESPONSE = 25, 4, 32, 192


@pytest.fixture(scope="module", autouse=True)
def record():
    """Write the largest differences and what was run, where it was asked for."""
    started = time.perf_counter()
    yield
    if not os.environ.get("RLKIT_RECORD"):
        return
    from benchmarks.evidence import write_record

    command = "python -m tests.bridges.run verl --record"
    if LARGEST:
        worst = max(LARGEST.values())
        write_record(
            "verl-parity",
            f"Losses, gradients and advantages differ from verl's by at most {worst:.0e} on random float64 tensors.",
            worst,
            "largest difference",
            sources=(
                "rlkit/group_objective.py",
                "rlkit/lm/divergence.py",
                "rlkit/ppo.py",
                "rlkit/rlhf.py",
                "tests/bridges/test_verl.py",
            ),
            packages=("torch", "verl"),
            command=command,
            peer="verl",
            largest_differences=LARGEST,
        )
    if REPORT:
        write_record(
            "bridge-verl",
            "In verl's agent loops a hundred scripted episodes have the token ids and the rewards that rlkit has.",
            REPORT["largest difference of advantages"],
            "largest difference of advantages",
            sources=SOURCES,
            packages=("verl", "torch", "transformers", "ray", "hydra-core", "tensordict"),
            command=command,
            peer="verl",
            seconds=round(time.perf_counter() - started, 1),
            runs=runs(),
        )


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lengths_mask(batch, length, seed):
    lengths = torch.randint(1, length + 1, (batch, 1), generator=torch.Generator().manual_seed(seed))
    return torch.arange(length) < lengths


def settings(low, high, mode):
    return ActorConfig(
        strategy="fsdp",
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio=low,
        clip_ratio_low=low,
        clip_ratio_high=high,
        clip_ratio_c=1e9,
        loss_agg_mode=mode,
    )


@pytest.mark.parametrize("aggregation", MODES)
@pytest.mark.parametrize("high", [0.2, 0.28])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_grpo_losses_and_gradients_equal_verls(aggregation, high, ratio, beta):
    mode = MODES[aggregation]
    theirs_of = {"token": core_algos.compute_policy_loss_vanilla, "sequence": core_algos.compute_policy_loss_gspo}[
        ratio
    ]
    for seed in range(0, 50, 10):
        policy = (draw(8, 12, seed=seed) - 2).requires_grad_()
        old = policy.detach() + 0.4 * draw(8, 12, seed=seed + 1)
        reference = policy.detach() + 0.3 * draw(8, 12, seed=seed + 2)
        advantages, mask = draw(8, seed=seed + 3), lengths_mask(8, 12, seed)
        counted = mask.double()
        theirs, _ = theirs_of(
            old_log_prob=old,
            log_prob=policy,
            advantages=advantages[:, None].expand(8, 12),
            response_mask=counted,
            loss_agg_mode=mode,
            config=settings(0.2, high, mode),
        )
        if beta:
            k3 = core_algos.kl_penalty(policy, reference, "k3")
            theirs = theirs + beta * core_algos.agg_loss(k3, counted, mode)
        ours = grpo_loss(policy, old, advantages, mask, 0.2, high, aggregation, ratio, reference, beta)
        name = f"{mode}, {ratio} ratio"
        equal(f"loss, {name}", ours, theirs)
        gradients = [torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)]
        equal(f"gradient, {name}", *gradients)
        assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_estimates_of_the_divergence_equal_verls(kind):
    policy, reference = draw(200, seed=1) / 2, draw(200, seed=2) / 2  # verl cuts k3 at 10: beyond any of these
    equal(kind, kl_estimate(policy, reference, kind), core_algos.kl_penalty(policy, reference, kind))


def outcome(rewards, mask):
    """Rewards as verl has them: with the last token."""
    return torch.zeros_like(mask, dtype=torch.float64).scatter(1, mask.sum(1, keepdim=True) - 1, rewards[:, None])


@pytest.mark.parametrize("divide", [True, False])
def test_group_advantages_equal_verls_up_to_the_offset_of_the_deviation(divide):
    """verl adds 1e-6 to the deviation and rlkit 1e-4, as TRL does: the offset is taken out of both."""
    rewards, mask, ids = draw(24, seed=5), lengths_mask(24, 6, 5), torch.arange(3).repeat_interleave(8)
    theirs, _ = core_algos.compute_grpo_outcome_advantage(
        outcome(rewards, mask), mask.double(), ids.numpy(), norm_adv_by_std_in_grpo=divide
    )
    ours = group_advantages(rewards, ids, divide)
    if divide:
        deviation = rewards.reshape(3, 8).std(1).repeat_interleave(8)
        ours = ours * (deviation + 1e-4) / (deviation + 1e-6)
    equal(f"group advantages, divided {divide}", ours[:, None] * mask, theirs)


def test_leave_one_out_equals_verls():
    rewards, mask, ids = draw(24, seed=6), lengths_mask(24, 6, 6), torch.arange(3).repeat_interleave(8)
    theirs, _ = core_algos.compute_rloo_outcome_advantage(outcome(rewards, mask), mask.double(), ids.numpy())
    equal("leave one out", group_advantages(rewards, ids, False, "leave_one_out")[:, None] * mask, theirs)


def test_advantages_of_tokens_equal_verls_before_it_whitens_them():
    """verl returns whitened advantages; the raw ones are its returns less the values."""
    for seed in range(5):
        mask = lengths_mask(16, 10, seed)
        rewards, values = draw(16, 10, seed=seed) * mask, draw(16, 10, seed=seed + 50) * mask
        _, returns = core_algos.compute_gae_advantage_return(rewards, values, mask.double(), 0.99, 0.95)
        equal("advantages of tokens", token_advantages(rewards, values, mask, 0.99, 0.95), (returns - values) * mask)


def test_an_equal_group_gets_zero_on_both_sides():
    rewards, mask = torch.full((7,), 0.9, dtype=torch.float64), torch.ones(7, 2, dtype=torch.bool)
    theirs, _ = core_algos.compute_grpo_outcome_advantage(outcome(rewards, mask), mask.double(), numpy.zeros(7))
    assert group_advantages(rewards, torch.zeros(7, dtype=torch.long)).abs().max() == 0
    assert theirs.abs().max() < 1e-6


def test_ppo_objective_equals_verls():
    policy = (draw(64, seed=8) - 1).requires_grad_()
    old, advantages = policy.detach() + 0.4 * draw(64, seed=9), draw(64, seed=10)
    theirs, _ = core_algos.compute_policy_loss_vanilla(
        old_log_prob=old[:, None],
        log_prob=policy[:, None],
        advantages=advantages[:, None],
        response_mask=torch.ones(64, 1, dtype=torch.float64),
        loss_agg_mode="token-mean",
        config=settings(0.2, 0.2, "token-mean"),
    )
    ours = -clipped_surrogate(policy, old, advantages, 0.2).mean()
    equal("loss of PPO", ours, theirs)
    equal("gradient of PPO", *(torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)))


def test_whitened_advantages_are_rlkits_less_their_mean_over_their_deviation():
    mask = lengths_mask(16, 10, 3)
    rewards, values = draw(16, 10, seed=3) * mask, draw(16, 10, seed=53) * mask
    theirs, _ = core_algos.compute_gae_advantage_return(rewards, values, mask.double(), 0.99, 0.95)
    ours = token_advantages(rewards, values, mask, 0.99, 0.95)
    whitened = (ours - ours[mask].mean()) * (ours[mask].var() + 1e-8).rsqrt()
    equal("whitened advantages of tokens", whitened * mask, theirs * mask)


def value_losses(spread, clip):
    """rlkit's loss of a critic with a coefficient of one half, and verl's."""
    mask = lengths_mask(16, 10, 4)
    old, returns = draw(16, 10, seed=21), draw(16, 10, seed=22)
    prediction = (old + spread * draw(16, 10, seed=23)).requires_grad_()
    theirs, _ = core_algos.compute_value_loss(prediction, returns, old, mask.double(), clip)
    zeros = torch.zeros_like(old)
    return prediction, ppo_loss(zeros, prediction, returns, zeros, 0.5, 0.0)[mask].mean(), theirs


def test_loss_of_the_critic_equals_verls_where_its_clip_does_not_bite():
    """verl halves the squared error; rlkit's coefficient is then one half of what it would be."""
    prediction, ours, theirs = value_losses(spread=1.0, clip=1e9)
    equal("loss of the critic", ours, theirs)
    equal("gradient of the critic", *(torch.autograd.grad(loss, prediction)[0] for loss in (ours, theirs)))
    _, ours, theirs = value_losses(spread=1.0, clip=0.5)  # verl's default
    assert (theirs - ours).item() > 0.01


def test_verl_cuts_the_third_estimate_of_the_divergence_at_ten():
    ratio = torch.tensor([0.0, 1.0, 2.0, 3.0, 5.0], dtype=torch.float64)
    ours, theirs = kl_estimate(-ratio, torch.zeros(5)), core_algos.kl_penalty(-ratio, torch.zeros(5), "k3")
    equal("k3, cut at 10", ours.clamp(max=10), theirs)
    assert theirs[-1] == 10 and ours[-1] > 140


# Episodes --------------------------------------------------------------------------------------------------------


class Scripted:
    """Stands where verl's client of inference servers does; every second conversation is played badly."""

    def __init__(self, tokenizer, read, wrap="{}"):
        self.tokenizer, self.read, self.wrap, self.chance = tokenizer, read, wrap, random.Random(0)
        self.policies, self.written, self.stops_after = {}, {}, None

    async def generate(self, request_id, *, prompt_ids, sampling_params, **others):
        policy = self.policies.setdefault(request_id, ("expert", "sloppy")[len(self.policies) % 2])
        if self.stops_after is not None and sum(map(len, self.written.values())) >= self.stops_after:
            raise ConnectionError("the inference server is gone")
        text = write(self.read(self.tokenizer.decode(prompt_ids)), policy, self.chance)
        ids = self.tokenizer(self.wrap.format(text) + " <end>")["input_ids"]
        scores = [-0.5 - 0.01 * place for place in range(len(ids))]
        self.written.setdefault(request_id, []).append((ids, scores))
        return TokenOutput(token_ids=ids, log_probs=scores)


def words(text):
    """Messages of a conversation in the format of the course's tiny models."""
    parts = re.split(r"<user>|<agent>", text.replace("<end>", ""))[1:-1]
    return [{"content": part} for part in parts]


def make_worker(folder, found, model=SHIPPED / "data_agent", **sizes):
    """verl's worker of agent loops, with the configuration that the bridge writes."""
    changed = write_run(folder, found, found[:2], max_tokens=6)
    config = example.configuration(
        [*changed, *example.settings(model, **{"prompt": PROMPT, "response": RESPONSE, **sizes})]
    )
    return AgentLoopWorker(config, None)


def read_rows(worker, folder):
    """The data set as verl reads it from its parquet file, each row repeated for its group."""
    data = RLHFDataset(str(folder / "train.parquet"), worker.tokenizer, worker.config.data)
    batch = DataProto.from_single_dict(collate_fn([data[number] for number in range(len(data))]))
    batch.non_tensor_batch["uid"] = batch.non_tensor_batch["index"].astype(str).astype(object)
    return batch.repeat(GROUP, interleave=True)


def generate(worker, batch):
    """Play, and let verl estimate advantages."""
    played = asyncio.run(worker.generate_sequences(batch))
    played.batch["token_level_rewards"] = played.batch["rm_scores"]
    played.non_tensor_batch["uid"] = batch.non_tensor_batch["uid"]  # verl's trainer joins the two
    return compute_advantage(played, "grpo")


def replay(seed, texts):
    """The episode of a seed, with these commands."""
    episode = Episode(DATA_AGENT, seed)
    for text in texts:
        episode.reply(text)
    return episode


def turns_of(batch, row):
    """Ids of a row's turns: runs of tokens that the mask says the policy wrote."""
    found, before = [], 0
    for token, mine in zip(batch["responses"][row].tolist(), batch["response_mask"][row].tolist(), strict=True):
        if mine:
            found = found if before else [*found, []]
            found[-1].append(token)
        before = mine
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A hundred scripted episodes of 25 tasks, played by the agent loop ``rlkit`` in verl's worker."""
    folder = tmp_path_factory.mktemp("episodes")
    worker = make_worker(folder, episode_rows(DATA_AGENT, HUNDRED[:TASKS]))
    worker.llm_client = Scripted(worker.tokenizer, words)
    started = time.perf_counter()
    batch = generate(worker, read_rows(worker, folder))
    REPORT["agent loop 'rlkit' in AgentLoopWorker, 100 scripted episodes"] = f"{time.perf_counter() - started:.1f} s"
    episodes = [
        replay(row["seed"], [worker.tokenizer.decode(ids[:-1]) for ids in turns_of(batch.batch, number)])
        for number, row in enumerate(batch.non_tensor_batch["extra_info"])
    ]
    return worker, batch, episodes


def test_the_reward_that_verl_trains_on_is_what_the_environment_paid(played):
    """The commands in the batch are played again in new environments."""
    _, batch, episodes = played
    assert len(episodes) == 100 and all(episode.ended for episode in episodes)
    earned = torch.tensor([episode.total_reward for episode in episodes])
    assert len(earned.unique()) > 10
    assert torch.equal(batch.batch["rm_scores"].sum(1), earned)
    figures = [episode.info["success"] for episode in episodes]
    assert batch.non_tensor_batch["success"].tolist() == figures and 0.3 < numpy.mean(figures) < 0.9
    REPORT["reward of the environment = sum of verl's rm_scores"] = f"{len(episodes)} of {len(episodes)} episodes"


def test_verls_advantages_are_rlkits_of_the_same_rewards(played):
    _, batch, episodes = played
    rewards = torch.tensor([episode.total_reward for episode in episodes], dtype=torch.float64)
    groups = torch.arange(TASKS).repeat_interleave(GROUP)
    deviation = rewards.reshape(TASKS, GROUP).std(1).repeat_interleave(GROUP)
    ours = group_advantages(rewards, groups) * (deviation + 1e-4) / (deviation + 1e-6)
    difference = (ours[:, None] * batch.batch["response_mask"] - batch.batch["advantages"]).abs().max().item()
    assert difference < 1e-5  # verl holds rewards in float32
    assert batch.batch["advantages"].abs().max() > 1
    REPORT["largest difference of advantages"] = difference


def test_token_ids_mask_and_log_probabilities_arrive_as_they_were_sampled(played):
    worker, batch, episodes = played
    chat, tensors, tokens = Chat(worker.tokenizer), batch.batch, 0
    sampled = sorted([ids for ids, _ in turns] for turns in worker.llm_client.written.values())
    assert sorted(turns_of(tensors, row) for row in range(len(episodes))) == sampled
    for row, episode in enumerate(episodes):
        conversation = [(message["content"], message["role"] == "assistant") for message in episode.messages]
        ids, mine = encode_context(chat, conversation)
        real = tensors["attention_mask"][row].bool()
        assert tensors["input_ids"][row][real].tolist() == ids
        mask = torch.zeros_like(real).masked_scatter(real, torch.tensor(mine))[PROMPT:]
        assert torch.equal(tensors["response_mask"][row].bool(), mask)
        scores = [-0.5 - 0.01 * place for turn in turns_of(tensors, row) for place in range(len(turn))]
        assert torch.equal(tensors["rollout_log_probs"][row][mask], torch.tensor(scores))
        assert not tensors["rollout_log_probs"][row][~mask].any()
        tokens += len(ids)
    REPORT["token ids and masks of verl's batch = those of rlkit's episodes"] = f"{tokens:,} of {tokens:,} tokens"


def test_a_turn_that_was_cut_gets_its_end_token_which_is_not_trained_on(played):
    worker, _, _ = played
    tokenizer = worker.tokenizer
    script = iter([["LOOK", "pear"], ["LOOK", "fig", "<end>"]])

    class Cutting:
        async def generate(self, request_id, *, prompt_ids, sampling_params, **others):
            assert sampling_params["max_tokens"] == 6
            ids = tokenizer.convert_tokens_to_ids(next(script, ["SAVE", "1", "2", "<end>"]))
            return TokenOutput(token_ids=ids, log_probs=[-1.0] * len(ids))

    output = run_alone(worker, Cutting(), episode_rows(DATA_AGENT, [4])[0])
    written = tokenizer.convert_ids_to_tokens(output.response_ids)
    assert written[:4] == ["LOOK", "pear", "<end>", "<user>"]
    assert output.response_mask[:4] == [1, 1, 0, 0]
    assert output.response_logprobs[:4] == [-1, -1, 0, 0]


def run_alone(worker, server, row):
    """Run the agent loop outside of the worker."""
    from rlkit.bridges.plugins.rlkit_verl import EpisodeLoop

    async def run():
        parts = {"server_manager": server, "tokenizer": worker.tokenizer, "processor": None}
        data = {"dataset_cls": RLHFDataset, "data_config": DictConfigWrap(worker.config.data)}
        loop = EpisodeLoop(DictConfigWrap(worker.config), **parts, **data, max_tokens=6)
        return await loop.run({"temperature": 1.0}, **row)

    return asyncio.run(run())


def test_an_episode_without_room_is_cut_and_keeps_what_it_earned(played, tmp_path):
    worker = make_worker(tmp_path, episode_rows(DATA_AGENT, [2]), response=16)
    tokenizer = worker.tokenizer

    class Waiting:
        async def generate(self, request_id, *, prompt_ids, sampling_params, **others):
            ids = tokenizer("WAIT <end>")["input_ids"]
            return TokenOutput(token_ids=ids, log_probs=[-1.0] * len(ids))

    output = run_alone(worker, Waiting(), episode_rows(DATA_AGENT, [2])[0])
    assert len(output.response_ids) == len(output.response_mask) == len(output.response_logprobs) <= 16
    turns = len(output.extra_fields["turn_scores"])
    assert turns == 3 and output.reward_score == pytest.approx(-0.05 * turns)


def test_every_fresh_context_becomes_a_sequence_of_its_own_with_the_advantage_of_its_episode(tmp_path):
    """The research agent, sampled by its tiny base; the advantage is what verl's trainer makes of several outputs."""
    name, seeds, group = "rlkit/ResearchAgent-v0", range(3), 4
    folder = SHIPPED / "research_agent"
    model, tokenizer = load_checkpoint(folder, "cpu")
    worker, server = make_worker(tmp_path, episode_rows(name, [0]), model=folder), example.LocalServer(model, tokenizer)
    found = [(seed, run_alone(worker, server, episode_rows(name, [seed])[0])) for seed in seeds for _ in range(group)]
    keys, masks, rewards, lines = [], [], [], []
    for session, (seed, outputs) in enumerate(found):
        assert len(outputs) == 6 and all(one.reward_score is None for one in outputs[:-1])
        rewards.append(outputs[-1].reward_score)
        assert rewards[-1] == pytest.approx(sum(outputs[-1].extra_fields["turn_scores"]))
        for index, one in enumerate(outputs):
            keys.append(f"{seed}_{session}_{index}")
            masks.append(torch.tensor(one.response_mask))
            lines.append(session)
    mask = torch.nn.utils.rnn.pad_sequence(masks, batch_first=True)
    scores = torch.zeros(mask.shape)
    scores[:, 0] = torch.tensor(
        [rewards[session] for session in lines]
    )  # as verl's worker gives each output the last's
    uid = numpy.array([key.split("_")[0] for key in keys], dtype=object)
    batch = DataProto.from_single_dict({"response_mask": mask, "token_level_rewards": scores, "uid": uid})
    theirs = compute_advantage_for_multi_trajectories(batch, keys, core_algos.AdvantageEstimator.GRPO).batch[
        "advantages"
    ]
    groups = torch.arange(len(seeds)).repeat_interleave(group)
    rewards = torch.tensor(rewards, dtype=torch.float64)
    deviation = rewards.reshape(-1, group).std(1).repeat_interleave(group)
    ours = (group_advantages(rewards, groups) * (deviation + 1e-4) / (deviation + 1e-6))[lines]
    assert (ours[:, None] * mask - theirs).abs().max() < 1e-4 and theirs.abs().max() > 0.5
    REPORT["episodes of six contexts, several sequences each: advantages = rlkit's"] = f"{len(found)} episodes"


# The tool --------------------------------------------------------------------------------------------------------

CHAT_WITH_TOOLS = (
    "{% for message in messages %}{% set role = message.role %}"
    "{% if role == 'assistant' %}[agent]{{ message.content }}{% for call in message.tool_calls or [] %}"
    "<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}<end>"
    "{% elif role == 'system' %}[system]{{ message.content }}{% else %}[{{ role }}]{{ message.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[agent]{% endif %}"
)


def calls(text):
    """Messages of a conversation in the format above."""
    parts = re.split(r"\[(?:user|agent|tool)\]", text.replace("<end>", ""))[1:-1]
    return [{"content": re.sub(r"<tool_call>.*\"command\": \"(.*)\".*", r"\1", part)} for part in parts]


@pytest.fixture(scope="module")
def with_tool(tmp_path_factory):
    """A worker whose model calls tools in the notation of Hermes, and the reward worker beside it."""
    folder = tmp_path_factory.mktemp("calls")
    tokenizer = character_tokenizer(string.printable)
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    tokenizer.chat_template = CHAT_WITH_TOOLS
    save_checkpoint(folder / "model", tiny_llama(tokenizer), tokenizer)
    found = episode_rows(DATA_AGENT, HUNDRED[:TASKS], with_tool=True)
    worker = make_worker(folder, found, folder / "model", prompt=64, response=2500)
    script = Scripted(
        worker.tokenizer, calls, '<tool_call>{{"name": "act", "arguments": {{"command": "{}"}}}}</tool_call>'
    )

    async def generate(request_id, *, prompt_ids, **others):
        if worker.tokenizer.decode(prompt_ids).endswith(" <end>[agent]"):  # the answer to the last command
            return TokenOutput(token_ids=worker.tokenizer("bye<end>")["input_ids"], log_probs=[-1.0] * 4)
        return await Scripted.generate(script, request_id, prompt_ids=prompt_ids, **others)

    worker.llm_client = SimpleNamespace(generate=generate)

    async def compute_score(data):
        if "reward" not in found_worker or found_worker["loop"] is not asyncio.get_running_loop():
            found_worker.update(reward=RewardLoopWorker(worker.config), loop=asyncio.get_running_loop())
        # Ray hands over copies; rows of one group share a dict that verl writes the rewards of the tool into.
        return await found_worker["reward"].compute_score(pickle.loads(pickle.dumps(data)))

    found_worker = {}
    handle = SimpleNamespace(compute_score=SimpleNamespace(remote=compute_score))  # as an actor of Ray's has it
    worker.reward_loop_worker_handles = [handle]
    return worker, folder


def test_the_tool_in_verls_own_loop_earns_what_the_environment_pays(with_tool):
    worker, folder = with_tool
    batch = read_rows(worker, folder)
    identities = [row["seed"] for row in batch.non_tensor_batch["extra_info"]]
    started = time.perf_counter()
    played = generate(worker, batch)
    took = time.perf_counter() - started
    earned = []
    for row, seed in enumerate(identities):
        texts = [worker.tokenizer.decode(ids, skip_special_tokens=True) for ids in turns_of(played.batch, row)]
        assert texts.pop() == "bye"
        commands = [json.loads(text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>")) for text in texts]
        episode = replay(seed, [call["arguments"]["command"] for call in commands])
        assert episode.ended
        assert played.non_tensor_batch["tool_rewards"][row] == pytest.approx([*episode.rewards])
        earned.append(episode.total_reward)
    assert torch.allclose(played.batch["rm_scores"].sum(1), torch.tensor(earned), atol=1e-6)
    assert len(set(earned)) > 10 and played.batch["advantages"].abs().max() > 1
    REPORT["ToolAgentLoop with the tool 'act', 100 scripted episodes, reward = the environment's"] = f"{took:.1f} s"


def test_an_environment_that_raises_stops_the_tools_episode_from_being_scored(with_tool, monkeypatch):
    worker, folder = with_tool
    raising_environment(monkeypatch)
    batch = read_rows(worker, folder)[:GROUP]
    with pytest.raises(EpisodeError, match=r"seed 1000 raised ZeroDivisionError in turn 2 .* not to be trained on"):
        asyncio.run(worker.generate_sequences(batch))


def raising_environment(monkeypatch):
    """The second step of every episode divides by zero."""
    original = TextEnvironment.step

    def step(self, action):
        if self.history:
            raise ZeroDivisionError("division by zero")
        return original(self, action)

    monkeypatch.setattr(TextEnvironment, "step", step)


def test_an_environment_that_raises_stops_the_agent_loop(played, tmp_path, monkeypatch):
    worker, _, _ = played
    worker = make_worker(tmp_path, episode_rows(DATA_AGENT, [1000]))
    worker.llm_client = Scripted(worker.tokenizer, words)
    raising_environment(monkeypatch)
    with pytest.raises(EpisodeError, match="seed 1000 raised ZeroDivisionError in turn 2"):
        asyncio.run(worker.generate_sequences(read_rows(worker, tmp_path)))


def test_a_server_that_dies_in_mid_rollout_leaves_no_batch(tmp_path):
    worker = make_worker(tmp_path, episode_rows(DATA_AGENT, [1000, 1001]))
    worker.llm_client = Scripted(worker.tokenizer, words)
    worker.llm_client.stops_after = 5
    with pytest.raises(ConnectionError, match="the inference server is gone"):
        asyncio.run(worker.generate_sequences(read_rows(worker, tmp_path)))


# Rows, rewards, settings -----------------------------------------------------------------------------------------


def test_rows_come_out_of_verls_data_set_as_they_went_in(tmp_path):
    found = episode_rows(DATA_AGENT, range(20), with_tool=True, instructions=True)
    plain = rows(DATA_AGENT, range(20), instructions=True)
    worker = make_worker(tmp_path, found, prompt=2048)
    data = RLHFDataset(str(tmp_path / "train.parquet"), worker.tokenizer, worker.config.data)
    assert len(data) == len(found)
    for number, row in enumerate(plain):
        read = data[number]
        assert read["raw_prompt"][0]["content"].startswith(row["prompt"][0]["content"])
        assert "tool act" in read["raw_prompt"][0]["content"]
        assert read["tools_kwargs"]["act"]["create_kwargs"] == {
            name: row[name] for name in ("environment_id", "seed", "options")
        }
        assert Episode.from_row(read["extra_info"]).messages == row["prompt"]


def test_rewards_of_chain_are_rlkits():
    row = chain_rows(["77941="])[0]
    truth = row["reward_model"]["ground_truth"]
    assert [compute_score(row["data_source"], text, truth, {}) for text in ("#8", "7774934718#8", "#3", "8", "")] == [
        1,
        1,
        0,
        0,
        0,
    ]


def test_an_episode_that_was_never_played_is_not_given_a_reward():
    with pytest.raises(ValueError, match="its agent_name has to be 'rlkit' or 'tool_agent'"):
        compute_score(DATA_AGENT, "SAVE 1 2", "", {})


def test_a_data_set_is_written_whole_or_not_at_all(tmp_path):
    broken = [*episode_rows(DATA_AGENT, [0]), {"prompt": object()}]
    with pytest.raises(Exception, match="object"):
        write_rows(broken, tmp_path / "train.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("gpus", "machines"), [(1, 1), (8, 2)])
def test_verls_parser_accepts_the_command_for_gpus(tmp_path, gpus, machines):
    example.main(["--folder", str(tmp_path), "--tasks", "8", "--gpus", str(gpus), "--machines", str(machines)])
    script = (tmp_path / "train.sh").read_text(encoding="utf-8").replace("exec python", f"exec {sys.executable}")
    (tmp_path / "train.sh").write_text(script, encoding="utf-8")
    shell = ["sh", str(tmp_path / "train.sh"), "--cfg", "job"]
    shown = subprocess.run(shell, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120).stdout
    for line in (f"n_gpus_per_node: {gpus}", f"nnodes: {machines}", "adv_estimator: grpo", "kl_loss_type: low_var_kl"):
        assert line in shown
    REPORT[f"verl.trainer.main_ppo --cfg job, {gpus} GPU(s) a machine, {machines} machine(s)"] = "accepted"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["algorithm.adv_estimater=grpo"], "adv_estimater"),
        (["data.train_batch_size=7", "actor_rollout_ref.actor.ppo_mini_batch_size=8"], "train_batch_size"),
    ],
)
def test_settings_that_verl_does_not_know_or_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises((HydraException, ValueError, AssertionError), match=message):
        example.configuration([*example.settings("model"), *changed])


def test_training_on_a_cpu_with_verls_loop_and_losses_raises_the_success():
    started = time.perf_counter()
    trained = example.train_on_a_cpu(5)
    took = time.perf_counter() - started
    base, tokenizer = load_checkpoint(SHIPPED / "data_agent", "cpu")
    before, after = (evaluate(model, tokenizer, DataAgent)["success"] for model in (base, trained))
    assert after > before + 0.15
    REPORT["training on the CPU, 5 steps of 96 episodes: success on new tasks before, after, time"] = (
        f"{before:.3f}, {after:.3f}, {took:.0f} s"
    )


def test_the_whole_trainer_reads_everything_and_then_asks_for_a_gpu(tmp_path):
    """On a machine without one. Ray counts processors by name only, so more of them are declared than there are."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = episode_rows(DATA_AGENT, range(64))
    changed = [
        *write_run(tmp_path, found, found[:4]),
        *example.settings(SHIPPED / "data_agent", prompt=PROMPT, response=RESPONSE),
        "ray_kwargs.ray_init.num_cpus=16",
        "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
        "reward.num_workers=1",
        "actor_rollout_ref.rollout.agent.num_workers=1",
        "data.dataloader_num_workers=0",
    ]
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *changed]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=240)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert process.returncode == 1
    assert "dataset len: 64" in said
    error = "ValueError: Total available GPUs 0 is less than total desired GPUs 1"
    assert error in said
    REPORT["verl.trainer.main_ppo without a GPU"] = f"{error} (after {time.perf_counter() - started:.0f} s)"
