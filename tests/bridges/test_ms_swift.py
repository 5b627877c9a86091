"""ms-swift 4.6.0 trains on two hundred scripted episodes of the data agent: ids, masks, rewards, advantages, losses.

Only the writing is scripted: what swift's engine would have sampled is put in its place. The scheduler, the plugin,
the reward function, the encoding, the advantages and the loss are swift's own, in ``swift rlhf``'s own process. An
environment of its own: ``make test-bridges``.
"""

import json
import os
import random
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

os.environ.update(CUDA_VISIBLE_DEVICES="", USE_HF="1", HF_HUB_OFFLINE="1")
pytest.importorskip("swift", reason="ms-swift is not here; make test-bridges makes its environment")
from swift.arguments import RLHFArguments
from swift.infer_engine import TransformersEngine
from swift.infer_engine.protocol import ChatCompletionResponse, ChatCompletionResponseChoice, ChatMessage, UsageInfo
from swift.pipelines import rlhf_main
from swift.rl_core.data import GRPOBatch
from swift.rlhf_trainers.grpo_trainer import GRPOTrainer
from swift.utils import parse_args

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import encode_context
from rlkit.agents.recipes import load_base
from rlkit.bridges import episodes, ms_swift
from rlkit.bridges.examples import ms_swift as example
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm import chain
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED
from rlkit.lm.scoring import score_sequences
from tests.bridges.scripted import DATA_AGENT, HUNDRED
from tests.bridges.seen import REPORT, equal, recorded

POLICIES = ("expert", "sloppy")
SMALL = {"num_generations": 8, "per_device_train_batch_size": 64}
LOSSES = {"grpo": "sequence_mean", "bnpo": "token_mean", "dapo": "token_mean", "dr_grpo": "fixed_length"}
LONGEST = 16


@pytest.fixture(scope="module", autouse=True)
def report():
    """Write what was run, where it was asked for."""
    with recorded(
        "ms_swift",
        "ms-swift trains on the token ids, masks and rewards of two hundred scripted episodes, as rlkit has them; "
        "advantages, losses and gradients differ by at most {worst}.",
        sources=["rlkit/group_objective.py"],
        packages=["ms-swift", "torch", "transformers", "trl"],
        peer="ms-swift",
    ):
        yield


class ScriptedWriting:
    """Stands for the engine: writes what the scripted policies write, each seed's episodes by both in turn."""

    def __init__(self, tokenizer):
        self.tokenizer, self.count, self.playing, self.done = tokenizer, {}, {}, {}

    def infer(self, engine, requests, config=None, **ignored):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        if request.uuid not in self.playing:
            seed = request.data_dict["seed"]
            number = self.count[seed] = self.count.get(seed, -1) + 1
            self.playing[request.uuid] = (episodes.Episode(DATA_AGENT, seed), POLICIES[number], random.Random(seed))
        episode, policy, chance = self.playing[request.uuid]
        assert [self.read(message) for message in request.messages] == [one["content"] for one in episode.messages]
        text = episode.scripted(policy, chance)
        episode.reply(text)
        ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
        choice = ChatCompletionResponseChoice(0, ChatMessage("assistant", text), "stop", token_ids=ids)
        return ChatCompletionResponse("scripted", [choice], UsageInfo(1, 1, 2))

    def read(self, message):
        content = message["content"]
        return content if isinstance(content, str) else self.tokenizer.decode(content, skip_special_tokens=True)


@pytest.fixture
def watched(monkeypatch):
    """What swift trains on: samples, rewards and batches of each generation, and every loss with its batch."""
    seen = SimpleNamespace(generations=[], losses=[])
    after, loss_of = GRPOTrainer._postprocess_batch, GRPOTrainer._compute_loss_and_metrics

    def postprocess(self, samples, batches):
        after(self, samples, batches)
        seen.generations.append((samples, self._rewards_per_func, batches))

    def compute(self, model, inputs, batch):
        loss, figures = loss_of(self, model, inputs, batch)
        policy, _ = self._get_per_token_logps_and_entropies(model, inputs, batch)
        seen.losses.append((loss.detach(), policy.detach(), batch))
        return loss, figures

    monkeypatch.setattr(GRPOTrainer, "_postprocess_batch", postprocess)
    monkeypatch.setattr(GRPOTrainer, "_compute_loss_and_metrics", compute)
    return seen


def train(rows, folder, **changed):
    """Run ``swift rlhf`` in this process."""
    data = episodes.write_rows(rows, folder / "rows.jsonl")
    rlhf_main(example.arguments(dataset=data, output_dir=folder, save_strategy="no", **changed))


def encoded(chat, episode):
    (messages,) = episode.contexts
    return encode_context(chat, [(message["content"], message["role"] == "assistant") for message in messages])


def test_two_hundred_scripted_episodes_are_trained_on_as_rlkit_has_them(watched, monkeypatch, tmp_path):
    tokenizer = load_base("data_agent", "cpu")[1]
    chat, writing = Chat(tokenizer), ScriptedWriting(tokenizer)
    monkeypatch.setattr(TransformersEngine, "infer", lambda self, *a, **k: writing.infer(self, *a, **k))
    size = len(HUNDRED) * len(POLICIES)
    settings = {"num_generations": len(POLICIES), "per_device_train_batch_size": size, "scale_rewards": "group"}
    started = time.perf_counter()
    train(ms_swift.episode_rows(DATA_AGENT, HUNDRED), tmp_path, max_steps=2, num_iterations=2, beta=0.04, **settings)
    seconds = time.perf_counter() - started
    (samples, rewards, (batch,)) = watched.generations[0]
    played = [writing.playing[sample.request_id][0] for sample in samples]
    assert len(played) == size and all(episode.ended for episode in played)
    assert sorted(episode.seed for episode in played) == sorted([*HUNDRED, *HUNDRED])

    totals = torch.tensor([episode.total_reward for episode in played], dtype=torch.float32)
    assert torch.equal(rewards[:, 0], totals) and len(totals.unique()) > 10

    inputs, trained = batch["model_inputs"], batch["grpo_batch"]
    for row, episode in enumerate(played):
        ids, mine = encoded(chat, episode)
        real = inputs["attention_mask"][row].bool()
        assert inputs["input_ids"][row][real].tolist() == ids
        kept = trained.completion_mask[row].tolist()
        width = inputs["input_ids"].shape[1]
        mask = [*mine, *[False] * (width - len(mine))]
        assert kept == mask[width - len(kept) :] and not any(mask[: width - len(kept)])

    groups = torch.tensor([episode.seed for episode in played])
    ours = group_advantages(totals, groups)
    mask = trained.completion_mask
    assert ours.abs().max() > 0.5
    equal("advantages of episodes, float32", ours[:, None] * mask, trained.advantages * mask, 1e-5)

    model = load_base("data_agent", "cpu")[0]
    with torch.no_grad():
        scores = score_sequences(model, inputs["input_ids"], inputs["attention_mask"].bool())[:, -mask.shape[1] :]
    equal("log-probabilities of the run, float32", scores * mask, trained.old_per_token_logps * mask, 1e-4)

    first, second = watched.losses[:2]
    assert abs(second[0].item()) > 1e-4
    for loss, policy, batch in (first, second):
        theirs = (batch.old_per_token_logps, batch.advantages, batch.completion_mask.bool())
        ours = grpo_loss(policy, *theirs, reference_log_probabilities=batch.ref_per_token_logps, kl_coefficient=0.04)
        equal("loss of the run, float32", ours, loss, 1e-6)
    assert (second[1] - second[2].old_per_token_logps).abs().max() > 1e-3  # the second epoch is off policy
    REPORT["swift rlhf, gym_scheduler: rewards of the environment = rewards that are trained on"] = (
        f"{size} of {size} episodes, {seconds:.1f} s"
    )
    REPORT["token ids and masks = rlkit's"] = f"{int(mask.sum()):,} tokens that the policy wrote"


def test_episodes_that_the_model_samples_itself_are_rlkits_too(watched, tmp_path):
    """swift's own engine writes; played again, the episodes have the same rewards, ids and masks."""
    chat = Chat(load_base("data_agent", "cpu")[1])
    train(ms_swift.episode_rows(DATA_AGENT, range(8)), tmp_path, max_steps=1)
    (samples, rewards, (batch,)) = watched.generations[0]
    assert len(samples) == 96 and len(rewards.unique()) > 5
    cut = 0
    for row, sample in enumerate(samples):
        episode = episodes.Episode(DATA_AGENT, sample.extra["seed"])
        ids, mine = list(chat.opening(episode.opening)), [False] * len(chat.opening(episode.opening))
        for written in sample.response_token_ids:
            reply = episode.reply(chat.written(written))
            ids, mine = ids + written, mine + [True] * len(written)
            if not reply.ended:
                ended = [] if written[-1] == chat.end else [chat.end]
                cut += len(ended)
                between = chat.reply(reply.observation)
                # swift trains on the end token that it writes itself behind a turn that was cut; rlkit does not.
                ids, mine = ids + ended + [*between], mine + [True] * len(ended) + [False] * len(between)
        assert episode.ended and rewards[row, 0] == torch.tensor(episode.total_reward, dtype=torch.float32)
        real = batch["model_inputs"]["attention_mask"][row].bool()
        assert batch["model_inputs"]["input_ids"][row][real].tolist() == ids
        assert batch["grpo_batch"].completion_mask[row].sum() == sum(mine)
    REPORT["swift rlhf, sampled by its own engine: rewards, token ids and masks = rlkit's"] = "96 of 96 episodes"
    assert cut > 0
    REPORT["end tokens behind turns that were cut, trained on by swift and not by rlkit"] = f"{cut} in 96 episodes"


def test_the_example_trains(watched, tmp_path):
    started = time.perf_counter()
    checkpoint = example.train(12, tmp_path)
    assert (checkpoint / "model.safetensors").is_file()
    means = [rewards.mean().item() for _, rewards, _ in watched.generations]
    assert len(means) == 12 and sum(means[-3:]) / 3 > sum(means[:3]) / 3 + 0.1
    REPORT["the example, 12 steps of 96 episodes: mean reward of the first and the last three"] = (
        f"{sum(means[:3]) / 3:.2f} to {sum(means[-3:]) / 3:.2f}, {time.perf_counter() - started:.0f} s"
    )


def test_two_processes_train_together(tmp_path):
    """As the command for several GPUs does, with gloo in place of NCCL, in processes that swift itself starts."""
    data = episodes.write_rows(ms_swift.episode_rows(DATA_AGENT, range(16)), tmp_path / "rows.jsonl")
    shared = {"per_device_train_batch_size": 48, "ddp_backend": "gloo", "max_steps": 2, "save_strategy": "no"}
    command = [Path(sys.executable).with_name("swift"), "rlhf"]
    command += example.arguments(dataset=data, output_dir=tmp_path, **shared)
    settings = {**os.environ, "NPROC_PER_NODE": "2", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300, check=False)
    assert said.returncode == 0, said.stderr[-2000:]
    logged = next(tmp_path.glob("*/logging.jsonl")).read_text().splitlines()
    steps = [line for line in map(json.loads, logged) if "reward" in line]
    assert len(steps) == 2 and all(float(line["reward_std"]) > 0.1 for line in steps)
    assert re.search(r"rank: \d, local_rank: \d, world_size: 2", said.stdout + said.stderr)
    REPORT["swift rlhf in two processes (torchrun, gloo)"] = "2 steps of 96 episodes"


def test_chain_is_rewarded_by_its_own_verifier(watched, tmp_path):
    asked = chain.prompts(8, torch.Generator().manual_seed(0))
    rows = [{"messages": [{"role": "user", "content": text}]} for text in asked]
    settings = {"model": SHIPPED / "chain", "reward_funcs": "rlkit_chain", "max_completion_length": 13, "max_steps": 1}
    train(rows, tmp_path, multi_turn_scheduler=None, use_chat_template=False, **settings)
    (samples, rewards, _) = watched.generations[0]
    written = [sample.messages[-1]["content"] for sample in samples]
    expected = chain.reward([sample.messages[0]["content"] for sample in samples], written)
    assert rewards[:, 0].tolist() == expected and 0 < sum(expected) < len(expected)
    REPORT["Chain by a reward function"] = f"{len(expected)} of {len(expected)} completions"


def trainer_of_losses(policy, loss_type, level, low, high, beta):
    """What the loss reads of a trainer."""
    return SimpleNamespace(
        model=SimpleNamespace(training=True),
        _get_per_token_logps_and_entropies=lambda *a, **k: (policy, None),
        compute_entropy=False,
        overlong_filter=False,
        beta=beta,
        kl_in_reward=False,
        rollout_importance_sampling_mode=None,
        log_rollout_offpolicy_metrics=False,
        disable_rollout_importance_sampling=True,
        importance_sampling_level=level,
        _has_teacher=False,
        off_policy_sequence_mask_delta=None,
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        args=SimpleNamespace(delta=None, gradient_accumulation_steps=1),
        max_completion_length=LONGEST,
        num_generations=4,
        accelerator=SimpleNamespace(num_processes=1, gather_for_metrics=lambda value: value),
        sdar_loss_coef=0.0,
        chord_sft_iterator=None,
        _undo_gradient_accumulation_scaling=lambda loss: loss,
    )


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("loss_type", LOSSES)
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("high", [0.2, 0.28])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_losses_and_gradients_equal_swifts(loss_type, level, high, beta):
    for seed in range(0, 50, 10):
        policy = (draw(8, 12, seed=seed) - 2).requires_grad_()
        old = policy.detach() + 0.4 * draw(8, 12, seed=seed + 1)
        reference = policy.detach() + 0.3 * draw(8, 12, seed=seed + 2)
        lengths = torch.randint(1, 13, (8, 1), generator=torch.Generator().manual_seed(seed))
        advantages, mask = draw(8, seed=seed + 3), torch.arange(12) < lengths
        batch = GRPOBatch(
            completion_mask=mask,
            truncated_mask=torch.zeros(8, dtype=torch.bool),
            seq_lengths=lengths[:, 0],
            old_per_token_logps=old,
            ref_per_token_logps=reference,
            advantages=advantages[:, None].expand(8, 12),
            num_items_in_batch=mask.sum(),
        )
        trainer = trainer_of_losses(policy, loss_type, level, 0.2, high, beta)
        theirs, _ = GRPOTrainer._compute_loss_and_metrics(trainer, None, {}, batch)
        aggregation, divisor = LOSSES[loss_type], 8 * LONGEST if loss_type == "dr_grpo" else None
        ours = grpo_loss(policy, old, advantages, mask, 0.2, high, aggregation, level, reference, beta, divisor)
        equal(f"loss, {loss_type}, {level} ratio", ours, theirs, 1e-6)
        gradients = [torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)]
        equal(f"gradient, {loss_type}, {level} ratio", *gradients, 1e-6)
        assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("settings", "ours"),
    [
        ({}, {}),
        ({"scale_rewards": "none"}, {"divide_by_std": False}),
        (
            {"scale_rewards": "none", "advantage_estimator": "rloo"},
            {"divide_by_std": False, "baseline": "leave_one_out"},
        ),
    ],
)
def test_group_advantages_equal_swifts(settings, ours):
    from swift.rl_core.advantage import compute_advantages

    rewards = draw(24, seed=5)
    theirs, _ = compute_advantages(rewards[:, None], torch.ones(1, dtype=torch.float64), 8, **settings)
    equal("group advantages", group_advantages(rewards, torch.arange(3).repeat_interleave(8), **ours), theirs, 1e-6)


def test_swifts_own_switch_for_the_reward_of_an_environment_is_not_read_without_vllm(watched, tmp_path):
    """Why the bridge brings a reward function: the environment pays, no reward arrives, and nothing says so."""
    train(ms_swift.episode_rows(DATA_AGENT, range(8)), tmp_path, use_gym_env=True, reward_funcs=None, max_steps=1)
    (samples, rewards, (batch,)) = watched.generations[0]
    assert len({sample.rollout_infos["total_reward"] for sample in samples}) > 5
    assert rewards.shape == (len(samples), 0) and batch["grpo_batch"].advantages.abs().max() == 0
    REPORT["use_gym_env without vLLM and without the bridge's reward function"] = "all advantages are 0, no message"


def test_generation_by_vllm_asks_for_vllm(tmp_path):
    with pytest.raises(ImportError, match="vLLM is not available and `use_vllm` is set to True") as raised:
        train(ms_swift.episode_rows(DATA_AGENT, range(8)), tmp_path, use_vllm=True, vllm_mode="colocate", max_steps=1)
    REPORT["generation by vLLM on this machine"] = f"{raised.type.__name__}: {raised.value}"


def commands():
    """The commands for GPUs in the example's docstring, as lists of arguments."""
    text = re.search(r"    (swift rlhf .*?)\n\n", example.__doc__, re.DOTALL)[1]
    one = shlex.split(text)[2:]
    return {"one GPU": one, "several GPUs": [*one, "--fsdp", "fsdp2"]}


@pytest.mark.parametrize("where", ["one GPU", "several GPUs"])
def test_the_documented_commands_are_read_by_swifts_own_parser(where, tmp_path, monkeypatch):
    """With the model that comes with rlkit, since nothing is downloaded here."""
    data = episodes.write_rows(ms_swift.episode_rows(DATA_AGENT, range(8), instructions=True), tmp_path / "rows.jsonl")
    here = {"Qwen/Qwen3-0.6B": str(SHIPPED / "data_agent"), "rows.jsonl": str(data), "agent": str(tmp_path)}
    given = [here.get(part, part) for part in commands()[where]]
    given += ["--model_type", "llama", "--template", ms_swift.TEMPLATE, "--check_model", "false", "--use_cpu", "true"]
    arguments, left = parse_args(RLHFArguments, given)
    assert not left
    assert arguments.use_vllm and arguments.vllm_mode == "colocate" and arguments.reward_funcs == ["rlkit_episode"]
    assert arguments.multi_turn_scheduler == "gym_scheduler" and not arguments.use_gym_env
    assert bool(arguments.training_args.fsdp) == (where == "several GPUs")
    REPORT[f"command for {where}"] = "read by swift's own parser"


def test_an_environment_that_raises_ends_the_run_and_is_named(monkeypatch, tmp_path):
    def broken(self, action):
        raise KeyError("pear")

    rows = ms_swift.episode_rows(DATA_AGENT, range(8))
    monkeypatch.setattr(DataAgent, "step", broken)
    with pytest.raises(episodes.EpisodeError, match=r"rlkit/DataAgent-v0 with seed \d raised KeyError in turn 1"):
        train(rows, tmp_path, max_steps=1)


def test_an_environment_with_fresh_contexts_is_refused(tmp_path):
    """An episode of swift is one conversation."""
    rows = ms_swift.episode_rows("rlkit/ResearchAgent-v0", range(8))
    with pytest.raises(ValueError, match="opens fresh contexts"):
        train(rows, tmp_path, model=SHIPPED / "research_agent", max_turns=60, max_steps=1, **SMALL)
