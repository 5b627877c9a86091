"""OpenPipe ART 0.5.18 beside rlkit: a hundred scripted episodes through its trajectories, tokens, packed rows and loss.

ART has an environment of its own: ``make test-bridges``. Its trainer needs a GPU and is not run here.
"""

import asyncio
import gc
import importlib
import math
import os
import random
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("art", reason="OpenPipe ART is not here; make test-bridges makes its environment")
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import encode_context
from rlkit.agents.recipes import load_base
from rlkit.agents.text_environment import TextEnvironment
from rlkit.agents.training import evaluate
from rlkit.bridges import art as bridge
from rlkit.bridges.episodes import Episode, EpisodeError, RolloutError, rows
from rlkit.bridges.examples import art as example
from rlkit.bridges.server import serving
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm.chat import Chat
from rlkit.lm.scoring import score_sequences
from tests.bridges.from_text import write
from tests.bridges.scripted import DATA_AGENT, HUNDRED
from tests.bridges.seen import LARGEST, REPORT, equal, recorded

art = bridge.framework()
loss_fn = importlib.import_module("art.loss").loss_fn
tokenize_trajectory_groups = importlib.import_module("art.preprocessing.tokenize").tokenize_trajectory_groups

TASKS, GROUP = 25, 4
TOLERANCE = 1e-6


@pytest.fixture(scope="module", autouse=True)
def record():
    """Write what was run, where it was asked for."""
    with recorded(
        "art",
        "In ART a hundred scripted episodes have rlkit's token ids and rewards, and the losses are equal.",
        sources=["rlkit/bridges/server.py", "rlkit/group_objective.py"],
        packages=["openpipe-art", "openai", "torch", "transformers"],
        peer="OpenPipe ART",
    ):
        yield


@pytest.fixture(scope="module")
def base():
    return load_base("data_agent", "cpu")


class Script:
    """Plays turns well or badly by chance; the same conversation for the third time is always played the same way."""

    def __init__(self):
        self.asked = Counter()

    def __call__(self, messages):
        conversation = str([message["content"] for message in messages])
        self.asked[conversation] += 1
        chance = random.Random(f"{conversation} {self.asked[conversation]}")
        return write(messages, chance.choice(("expert", "sloppy")), chance)


@pytest.fixture(scope="module")
def groups(base):
    """A hundred scripted episodes of 25 tasks, gathered by ART."""
    started = time.perf_counter()
    with serving(*base, Script()) as address:
        found = bridge.collect(address, "rlkit", rows(DATA_AGENT, HUNDRED[:TASKS]), GROUP, max_tokens=6)
    REPORT["gather_trajectory_groups, 100 scripted episodes against the local server"] = (
        f"{time.perf_counter() - started:.1f} s"
    )
    return found


@pytest.fixture(scope="module")
def tokenised(groups, base):
    """What ART's preprocessing makes of them, in order, none left out."""
    options = {"shuffle_group_trajectories": False, "drop_zero_advantage_trajectories": False}
    found = list(tokenize_trajectory_groups(base[1], groups, False, True, **options))
    assert [one.trajectory for one in found] == [one for group in groups for one in group]
    return found


def turns_of(one):
    """Ids of a trajectory's turns: runs of tokens that the mask says the policy wrote."""
    found, before = [], 0
    for token, mine in zip(one.token_ids, one.assistant_mask, strict=True):
        if mine:
            found = found if before else [*found, []]
            found[-1].append(token)
        before = mine
    return found


@pytest.fixture(scope="module")
def replayed(tokenised, base):
    """The episodes once more, in new environments, from the tokens that ART would train on."""
    episodes = []
    for one in tokenised:
        episode = Episode(DATA_AGENT, one.trajectory.metadata["seed"])
        for ids in turns_of(one):
            episode.reply(base[1].decode(ids, skip_special_tokens=True).strip())
        episodes.append(episode)
    return episodes


def test_the_reward_of_a_trajectory_is_what_the_environment_paid(groups, tokenised, replayed):
    assert len(replayed) == 100 and all(episode.ended for episode in replayed)
    assert [len(group) for group in groups] == [GROUP] * TASKS
    earned = [episode.total_reward for episode in replayed]
    assert [one.trajectory.reward for one in tokenised] == earned
    assert len(set(earned)) > 10
    assert [one.trajectory.metrics["success"] for one in tokenised] == [episode.info["success"] for episode in replayed]
    REPORT["reward of the environment = reward of the trajectory"] = f"{len(earned)} of {len(earned)} episodes"


def test_advantages_are_rlkits_with_the_deviation_of_a_population(tokenised, replayed):
    """ART divides by the number of a group and adds 1e-6; rlkit divides by one less, and adds 1e-4."""
    rewards = torch.tensor([episode.total_reward for episode in replayed], dtype=torch.float64)
    ids = torch.arange(TASKS).repeat_interleave(GROUP)
    sample = rewards.reshape(TASKS, GROUP).std(1).repeat_interleave(GROUP)
    population = sample * math.sqrt((GROUP - 1) / GROUP)
    ours = group_advantages(rewards, ids) * (sample + 1e-4) / (population + 1e-6)
    theirs = torch.tensor([one.advantage for one in tokenised], dtype=torch.float64)
    equal("advantages of 100 episodes", ours, theirs)
    assert theirs.abs().max() > 1


def test_token_ids_and_masks_are_those_of_rlkits_episode(tokenised, replayed, base):
    chat, tokens = Chat(base[1]), 0
    for one, episode in zip(tokenised, replayed, strict=True):
        conversation = [(message["content"], message["role"] == "assistant") for message in episode.messages]
        ids, mine = encode_context(chat, conversation)
        assert one.token_ids == ids
        assert [bool(part) for part in one.assistant_mask] == mine
        tokens += len(ids)
    REPORT["token ids and masks = those of rlkit's episodes"] = f"{tokens:,} of {tokens:,} tokens"


def test_log_probabilities_are_the_models(tokenised, base):
    for one in tokenised[:20]:
        ids = torch.tensor([one.token_ids])
        with torch.no_grad():
            ours = score_sequences(base[0], ids, torch.ones_like(ids).bool())[0]
        mask = torch.tensor(one.assistant_mask).bool()
        theirs = torch.tensor(one.logprobs)
        assert theirs[~mask].isnan().all()
        equal("log-probabilities of the server", ours[mask[1:]], theirs[mask], 1e-5)


@pytest.fixture(scope="module")
def packed(groups, base):
    random.seed(0)  # ART shuffles with Python's global generator
    return bridge.pack(groups, base[1], 512)


def test_in_packed_rows_a_trajectory_reads_itself_and_its_groups_prompt_only(packed, base):
    """So its log-probabilities are those that it was written with, though its neighbours stand before it."""
    with torch.no_grad():
        found = example.log_probabilities(base[0], packed)
    after = packed["assistant_mask"][:, 1:]
    assert after.sum() > 800 and len(packed["tokens"]) < 10
    equal("log-probabilities in packed rows", found[:, :-1][after], packed["logprobs"][:, 1:][after], 1e-4)


def test_packing_scales_advantages_to_one_and_gives_every_trajectory_the_same_weight(packed, tokenised):
    mask, weights, advantages = packed["assistant_mask"], packed["weights"], packed["advantages"]
    assert weights[mask].mean().item() == pytest.approx(1, abs=1e-5)
    assert (weights * advantages.abs())[mask].mean().item() == pytest.approx(1, abs=1e-5)
    totals = [weights[packed["group_ids"] == own].sum() for own in packed["group_ids"][mask].unique()]
    assert len(totals) == sum(one.advantage != 0 for one in tokenised)
    assert torch.stack(totals).std() / torch.stack(totals).mean() < 1e-4


def test_the_loss_of_packed_episodes_is_rlkits_of_the_same_episodes_up_to_that_scale(packed, tokenised, base):
    """PPO's form of ART's loss is rlkit's GRPO with the mean over each sequence; float32."""
    model, tokenizer = base
    kept = [one for one in tokenised if one.advantage]
    longest = max(len(one.token_ids) for one in kept)
    pad = lambda values, filling: torch.tensor([[*row, *[filling] * (longest - len(row))] for row in values])  # noqa: E731
    ids = pad([one.token_ids for one in kept], tokenizer.pad_token_id)
    mask = pad([one.assistant_mask for one in kept], 0).bool()
    old = pad([one.logprobs for one in kept], 0.0).nan_to_num() + 0.3 * draw(len(kept), longest, seed=1).float()
    advantages = torch.tensor([one.advantage for one in kept])
    policy = score_sequences(model, ids, torch.ones_like(ids).bool())
    moved = dict(packed)
    moved["logprobs"] = torch.full_like(packed["logprobs"], torch.nan)
    where = {tuple(one.token_ids): row for row, one in enumerate(kept)}
    assert len(where) > 20
    written = packed["assistant_mask"]
    for row in range(len(written)):
        for own in packed["group_ids"][row][written[row]].unique():
            mine = packed["group_ids"][row] == own
            prompt = packed["group_ids"][row] == packed["parent_ids"][row][mine][0]
            text = (*packed["tokens"][row][prompt].tolist(), *packed["tokens"][row][mine].tolist())
            moved["logprobs"][row][mine & written[row]] = old[where[text]][mask[where[text]]]
    same = [where[tuple(one.token_ids)] for one in kept]  # episodes that went alike share one row of noise here
    ours = grpo_loss(policy, old[same][:, 1:], advantages, mask[:, 1:], 0.2, 0.28, "sequence_mean")
    scale = (packed["weights"] * packed["advantages"].abs())[written].sum() / advantages.abs().sum() / written.sum()
    theirs = example.policy_loss(model, moved, ppo=True, epsilon=0.2, epsilon_high=0.28)
    equal("loss of packed episodes", ours * scale * len(kept), theirs, 1e-4)
    parts = [torch.autograd.grad(loss, list(model.parameters())) for loss in (ours * scale * len(kept), theirs)]
    flat = [torch.cat([part.flatten() for part in gradient]) for gradient in parts]
    equal("gradient of packed episodes", *flat, 1e-4)
    assert flat[0].abs().max() > 1e-2
    REPORT["loss of packed episodes = rlkit's grpo_loss, sequence mean, float32"] = (
        f"{LARGEST['loss of packed episodes']:.0e}"
    )


# Formulas in float64 ---------------------------------------------------------------------------------------------


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(seed, batch=8, length=12):
    """Random sequences: policy, old policy, advantages, mask of the tokens."""
    policy = (draw(batch, length, seed=seed) - 2).requires_grad_()
    old = policy.detach() + 0.4 * draw(batch, length, seed=seed + 1)
    lengths = torch.randint(1, length, (batch, 1), generator=torch.Generator().manual_seed(seed))
    return policy, old, draw(batch, seed=seed + 2), torch.arange(length) < lengths


def arts_loss(policy, old, advantages, mask, weights=None, reference=None, **config):
    """ART moves its inputs by one place; here they are moved back first, so that both sides see the same tokens."""

    def back(values, filling):
        return torch.cat([torch.full_like(values[:, :1], filling), values[:, :-1]], dim=1)

    inputs = {
        "logprobs": back(old.masked_fill(~mask, torch.nan), torch.nan),
        "advantages": back(advantages[:, None].expand_as(old).contiguous(), 0.0),
        "assistant_mask": back(mask, False),
        "weights": back(torch.ones_like(old) if weights is None else weights, 0.0),
        "group_ids": back(torch.arange(1, len(old) + 1)[:, None].expand(old.shape), 0),
    }
    return loss_fn(inputs, policy, reference, None, config).policy_loss


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean"])
@pytest.mark.parametrize("high", [0.2, 0.28])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_losses_and_gradients_of_ppos_form_equal_rlkits(aggregation, high, ratio):
    """Up to the 1e-6 that ART adds to a number of tokens, and the 1e-8 that it adds to a length."""
    for seed in range(0, 50, 10):
        policy, old, advantages, mask = problem(seed)
        weights = None
        if aggregation == "sequence_mean":  # the weights that ART's packing makes
            weights = (1 / mask.sum(1, keepdim=True)).expand(mask.shape).double()
            weights = weights / weights[mask].mean()
        level = {"importance_sampling_level": ratio}
        theirs = arts_loss(policy, old, advantages, mask, weights, ppo=True, epsilon=0.2, epsilon_high=high, **level)
        ours = grpo_loss(policy, old, advantages, mask, 0.2, high, aggregation, ratio)
        equal(f"loss, {aggregation}, {ratio} ratio", ours, theirs)
        gradients = [torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)]
        equal(f"gradient, {aggregation}, {ratio} ratio", *gradients)
        assert gradients[0].abs().max() > 1e-3


def test_the_default_loss_has_the_gradient_of_an_unclipped_ratio_until_the_ratio_passes_five():
    """CISPO, clipped to 0 … 5, is another number than the surrogate, with its gradient; beyond 5 its gradient stays."""
    policy, old, advantages, mask = problem(3)
    ours = grpo_loss(policy, old, advantages, mask, 1.0, 4.0)
    theirs = arts_loss(policy, old, advantages, mask)
    ratio = (policy - old).exp()
    formula = -(ratio.clamp(0, 5).detach() * advantages[:, None] * policy)[mask].mean()
    equal("loss, CISPO", formula, theirs)
    assert (ours - theirs).abs() > 0.1
    equal("gradient, CISPO and the surrogate", *(torch.autograd.grad(loss, policy)[0] for loss in (ours, theirs)))
    far = old - 10 * torch.eye(*old.shape, dtype=torch.float64)  # one ratio of each row is far beyond 5
    gradients = [
        torch.autograd.grad(loss, policy)[0][0, 0]
        for loss in (
            grpo_loss(policy, far, advantages.abs(), mask, 1.0, 4.0),
            arts_loss(policy, far, advantages.abs(), mask),
        )
    ]
    assert gradients[0] == 0 and gradients[1].item() == pytest.approx(
        -5 * advantages[0].abs().item() / mask.sum().item()
    )


def test_the_penalty_for_leaving_the_reference_is_in_the_advantages():
    """ART centres the log-ratio (k1) over the batch and takes it off the advantages; rlkit adds k3 to the loss."""
    policy, old, advantages, mask = problem(5)
    reference = policy.detach() + 0.3 * draw(8, 12, seed=6)
    theirs = arts_loss(policy, old, advantages, mask, None, reference, kl_penalty_coef=0.1, ppo=True)
    ratio = policy.detach() - reference
    shifted = advantages[:, None] + 0.1 * (ratio[mask].mean() - ratio)
    equal("loss with a penalty", grpo_loss(policy, old, shifted, mask), theirs)
    in_the_loss = grpo_loss(policy, old, advantages, mask, reference_log_probabilities=reference, kl_coefficient=0.1)
    assert (in_the_loss - theirs).abs() > 1e-3


# What else there is ----------------------------------------------------------------------------------------------


def test_fresh_contexts_become_histories_that_all_carry_the_episodes_advantage():
    """The research agent, sampled by its tiny base: six questions, six conversations, one reward."""
    model, tokenizer = load_base("research_agent", "cpu")
    with serving(model, tokenizer) as address:
        found = bridge.collect(address, "rlkit", rows("rlkit/ResearchAgent-v0", range(3)), GROUP, max_tokens=6)
    assert all(len(one.additional_histories) == 5 for group in found for one in group)
    options = {"shuffle_group_trajectories": False, "drop_zero_advantage_trajectories": False}
    tokenised = list(tokenize_trajectory_groups(tokenizer, found, False, True, **options))
    assert len(tokenised) == 6 * 3 * GROUP
    chat = Chat(tokenizer)
    for start in range(0, len(tokenised), 6):
        parts = tokenised[start : start + 6]
        assert len({one.advantage for one in parts}) == len({one.weight for one in parts}) == 1
        episode, trajectory = (
            Episode("rlkit/ResearchAgent-v0", parts[0].trajectory.metadata["seed"]),
            parts[0].trajectory,
        )
        for one in parts:
            for ids in turns_of(one):
                episode.reply(chat.written(ids))
        assert episode.ended and episode.total_reward == trajectory.reward
    REPORT["episodes of six contexts as histories of one trajectory: reward = the environment's"] = (
        f"{3 * GROUP} episodes"
    )


def test_importing_art_replaces_a_function_of_transformers_which_the_bridge_puts_back(base):
    code = (
        "import art\nfrom rlkit.lm.checkpoints import *\nimport torch\n"
        "model, _ = load_checkpoint(SHIPPED / 'data_agent', 'cpu')\n{}model(input_ids=torch.ones(1, 3).long())\n"
    )
    run = {"capture_output": True, "text": True, "check": False, "env": {**os.environ, "RLKIT_DEVICE": "cpu"}}
    broken = subprocess.run([sys.executable, "-c", code.format("")], **run)
    mended = subprocess.run(
        [sys.executable, "-c", code.format("from rlkit.bridges.art import framework; framework()\n")], **run
    )
    assert broken.returncode and "_patched_preprocess_mask_arguments()" in broken.stderr
    assert mended.returncode == 0, mended.stderr
    REPORT["a model's forward pass after 'import art' alone"] = broken.stderr.strip().splitlines()[-1]


def test_rewards_that_are_all_equal_and_rows_that_are_too_short_are_refused(groups, base):
    with pytest.raises(ValueError, match=r"length is 16, but a trajectory has \d+ tokens; ART would cut it"):
        bridge.pack(groups, base[1], 16)
    for one in groups[0].trajectories:
        one.reward = 0.9  # the mean of seven of them is not 0.9
    with pytest.raises(ValueError, match="equal within each of 1 groups"):
        bridge.pack([art.TrajectoryGroup([groups[0].trajectories[0]] * 7)], base[1], 512)
    same = [art.TrajectoryGroup([group.trajectories[0]] * GROUP) for group in groups]
    with pytest.raises(ValueError, match="equal within each of 25 groups"):
        bridge.pack(same, base[1], 512)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(RolloutError, match=r"127.0.0.1:9/v1/ in turn 1 of rlkit/DataAgent-v0, seed 3"):
        bridge.collect("http://127.0.0.1:9/v1", "rlkit", rows(DATA_AGENT, [3]), 1)


def test_a_model_of_another_name_is_refused_with_the_servers_own_words(base):
    with serving(*base) as address, pytest.raises(RolloutError, match="this server has 'rlkit'"):
        bridge.collect(address, "other", rows(DATA_AGENT, [3]), 1)


def test_a_server_that_dies_in_mid_rollout_leaves_nothing_behind(base, caplog):
    script = Script()

    def dying(messages):
        if script.asked.total() > 9:
            raise OSError("the disk is full")
        return script(messages)

    with serving(*base, dying) as address:
        try:
            bridge.collect(address, "rlkit", rows(DATA_AGENT, range(3)), GROUP, max_tokens=6)
        except RolloutError as error:  # which keeps what it went through alive, until this block ends
            said = str(error)
    assert "the disk is full" in said
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]  # no task was forgotten


def test_a_server_without_log_probabilities_is_refused_where_art_would_train_on_nothing(base):
    message = SimpleNamespace(content="WAIT")

    async def create(**request):
        assert request["extra_body"] == {"return_tokens_as_token_ids": True}
        return SimpleNamespace(choices=[SimpleNamespace(logprobs=None, message=message)])

    client = SimpleNamespace(base_url="x", chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with pytest.raises(RolloutError, match="x answered without log-probabilities in turn 1"):
        asyncio.run(bridge.rollout(client, "rlkit", rows(DATA_AGENT, [3])[0]))


def test_an_environment_that_raises_is_no_trajectory(base, monkeypatch):
    original = TextEnvironment.step

    def step(self, action):
        if self.history:
            raise ZeroDivisionError("division by zero")
        return original(self, action)

    monkeypatch.setattr(TextEnvironment, "step", step)
    with serving(*base, Script()) as address, pytest.raises(EpisodeError, match="raised ZeroDivisionError in turn 2"):
        bridge.collect(address, "rlkit", rows(DATA_AGENT, [1000]), GROUP, max_tokens=6)


@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_arts_own_check_accepts_the_division_of_gpus(gpus):
    chosen = example.settings(gpus)
    assert len(chosen.get("trainer_gpu_ids", []) + chosen.get("inference_gpu_ids", [])) == (gpus if gpus > 1 else 0)
    REPORT[f"settings of LocalBackend for {gpus} GPU(s), validate_dedicated_config"] = "accepted"


def test_training_on_a_cpu_with_arts_loss_raises_the_success(base):
    started = time.perf_counter()
    trained = example.train_on_a_cpu(6)
    took = time.perf_counter() - started
    before, after = (evaluate(model, base[1], DataAgent)["success"] for model in (base[0], trained))
    assert after > before + 0.15
    REPORT["training on the CPU, 6 steps of 96 episodes: success on new tasks before, after, time"] = (
        f"{before:.3f}, {after:.3f}, {took:.0f} s"
    )


def test_the_trainer_itself_asks_for_packages_that_need_a_gpu(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    from art.local import LocalBackend

    async def register():
        model = art.TrainableModel(name="agent", project="rlkit", base_model="none", base_path=str(tmp_path))
        await model.register(LocalBackend(path=str(tmp_path)))

    with pytest.raises(ModuleNotFoundError, match="No module named 'megatron'") as found:
        asyncio.run(register())
    REPORT["TrainableModel.register(LocalBackend()) without the GPU's packages"] = f"ModuleNotFoundError: {found.value}"
