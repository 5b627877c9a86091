"""rlkit's episodes inside TRL 1.16: what TRL trains on is what the environment paid, token by token.

Losses beside TRL's, for every aggregation and clip, are in tests/rlkit/test_trl_parity.py; here it is one loss of a
whole batch of episodes, through TRL's own generation, masks and advantages.
"""

import inspect
import json
import os
import random
import re
import shlex
import subprocess
import sys
import time

import datasets
import pytest
import torch

os.environ.update(HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")
pytest.importorskip("trl", reason="TRL is not installed; make test installs it")
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from rlkit.agents.data_agent import DataAgent
from rlkit.agents.imitation import encode_context
from rlkit.agents.recipes import load_base
from rlkit.bridges import trl as bridge
from rlkit.bridges.episodes import Episode, EpisodeError, chain_rows
from rlkit.bridges.examples import trl as example
from rlkit.bridges.tools import TextAgent, with_tools
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm import chain
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
from rlkit.lm.scoring import score_sequences
from tests.bridges.scripted import DATA_AGENT
from tests.bridges.seen import DEVICES, REPORT, equal, recorded

TASKS, GROUP = 25, 4  # a hundred episodes; TRL compares those of one task


@pytest.fixture(scope="module", autouse=True)
def record():
    """Write what was run and the largest differences, where the run was asked to."""
    with recorded(
        "trl",
        "In 100 scripted and 100 sampled episodes TRL trains on the rewards that the environments paid; rewards, "
        "advantages and loss differ by at most {worst}.",
        sources=["rlkit/bridges/tools.py"],
        packages=["accelerate", "torch", "transformers", "trl"],
        peer="trl",
    ):
        yield


def settings(folder, kind=GRPOConfig, **more):
    """Return settings for a CPU."""
    given = {
        "per_device_train_batch_size": TASKS * GROUP,
        "num_generations": GROUP,
        "max_completion_length": 300,
        "generation_kwargs": {"max_new_tokens": 6},
        "max_steps": 1,
        "learning_rate": 1e-3,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
        **more,
    }
    return kind(str(folder), **given)


def kept_batches(trainer):
    """Keep what TRL's generation hands to the loss."""
    batches, generate = [], trainer._generate_and_score_completions

    def keep(inputs):
        batches.append(generate(inputs))
        return batches[-1]

    trainer._generate_and_score_completions = keep
    return batches


def policy_of(number):
    return "expert" if number % 2 else "sloppy"


def played_without_trl(seeds):
    """Play the group of each seed with the scripted policies, half of it well; return the episodes in TRL's order."""
    episodes = []
    for seed in seeds:
        for number in range(GROUP):
            episode, chance = Episode(DATA_AGENT, seed), random.Random(100 * seed + number)
            while not episode.ended:
                episode.reply(episode.scripted(policy_of(number), chance))
            episodes.append(episode)
    return episodes


def let_scripts_write(trainer, tokenizer):
    """Replace sampling alone: tool calls, masks, rewards and advantages stay TRL's."""
    last_words, state = [*tokenizer("WAIT", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id], {}

    def write(prompt_ids, images, fields, num_generations=1, has_tool_images=False):
        if num_generations > 1:  # the first turn of a batch
            state["live"] = list(enumerate(trainer.environments))
            state["seeds"] = [environment._episode.seed for environment in trainer.environments]
            state["chances"] = [
                random.Random(100 * seed + number % GROUP) for number, seed in enumerate(state["seeds"])
            ]
        written, live = [], []
        for number, environment in state["live"]:
            episode = environment._episode
            if episode.ended:
                written.append(last_words)
                continue
            text = episode.scripted(policy_of(number % GROUP), state["chances"][number])
            written.append([*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])
            live.append((number, environment))
        assert len(written) == len(prompt_ids)
        state["live"] = live
        return written, None

    trainer._generate_single_turn = write
    return state, last_words


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """Return trainer, batch and reference of a hundred scripted episodes that TRL played; the model in float64."""
    model, tokenizer = load_base("data_agent", "cpu")
    args = settings(tmp_path_factory.mktemp("trl"), loss_type="bnpo", beta=0.0, learning_rate=0.0)
    rows = bridge.dataset(DATA_AGENT, range(TASKS))
    trainer = bridge.make_trainer(model.double(), tokenizer, args, rows, "trl")
    state, last_words = let_scripts_write(trainer, tokenizer)
    (batches, losses), compute = (kept_batches(trainer), []), trainer.compute_loss

    def keep_loss(model, inputs, **named):
        losses.append((inputs, compute(model, inputs, **named)))
        return losses[-1][1]

    trainer.compute_loss = keep_loss
    trainer.train()
    (inputs, loss), (batch,) = losses[0], batches
    return trainer, batch, (inputs, loss.detach()), played_without_trl(state["seeds"][::GROUP]), last_words


def test_the_reward_of_a_hundred_scripted_episodes_is_what_trl_trains_on(scripted):
    trainer, batch, _, episodes, _ = scripted
    rewards = torch.tensor([episode.total_reward for episode in episodes], dtype=torch.float64)
    theirs = torch.tensor([environment.get_reward() for environment in trainer.environments], dtype=torch.float64)
    assert len(rewards) == 100 and len(rewards.unique()) > 10
    equal("rewards of scripted episodes", rewards, theirs)
    logged = trainer.state.log_history[0]
    assert logged["reward"] == pytest.approx(rewards.mean().item(), abs=1e-6)
    groups = torch.arange(TASKS).repeat_interleave(GROUP)
    ours = group_advantages(rewards, groups)
    assert ours.abs().max() > 1
    equal("advantages of scripted episodes", ours, batch["advantages"], 1e-5)  # TRL's rewards are float32
    REPORT["100 scripted episodes through environment_factory"] = "rewards and group advantages equal rlkit's"


def test_the_tokens_are_those_that_were_written_and_only_they_count(scripted):
    trainer, batch, _, episodes, last_words = scripted
    tokenizer = trainer.processing_class
    chat = Chat(tokenizer)
    for row, (episode, environment) in enumerate(zip(episodes, trainer.environments, strict=True)):
        turns = [(message["content"], message["role"] == "assistant") for message in episode.messages]
        ids, mask = encode_context(chat, turns)
        assert environment._episode.actions == episode.actions
        prompt = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()].tolist()
        real = batch["completion_mask"][row].bool()
        completion, counted = batch["completion_ids"][row][real].tolist(), batch["tool_mask"][row][real].bool().tolist()
        assert (prompt + completion)[: len(ids)] == ids
        assert ([False] * len(prompt) + counted)[: len(ids)] == mask
        # Then TRL tells the policy how the episode ended and lets it speak once more.
        rest = completion[len(ids) - len(prompt) :]
        assert rest[-len(last_words) :] == last_words
        assert counted[len(ids) - len(prompt) :] == [False] * (len(rest) - len(last_words)) + [True] * len(last_words)


def test_the_loss_of_the_batch_is_that_of_rlkit(scripted):
    trainer, _, (inputs, theirs), _, _ = scripted
    model, tokenizer = trainer.model.eval(), trainer.processing_class
    rows, masks = [], []
    for row in range(len(inputs["prompt_ids"])):
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()]
        real = inputs["completion_mask"][row].bool()
        rows.append(torch.cat([prompt, inputs["completion_ids"][row][real]]))
        masks.append(torch.cat([torch.zeros(len(prompt)), inputs["tool_mask"][row][real]]).bool())
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask = torch.nn.utils.rnn.pad_sequence(masks, batch_first=True)[:, 1:]
    real = torch.arange(ids.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
    with torch.no_grad():
        scores = score_sequences(model, ids, real)
        advantages = inputs["advantages"].double()
        ours = grpo_loss(scores, scores, advantages, mask, 0.2, 0.2, "token_mean")
    assert abs(ours) > 1e-3
    equal("loss of scripted episodes", ours, theirs)
    REPORT["loss of that batch (bnpo) with the model in float64"] = f"equals rlkit's: {theirs.item():.9f}"


def test_a_hundred_sampled_episodes_that_rlkit_plays_are_paid_as_a_replay_of_them_is(tmp_path):
    model, tokenizer = load_base("data_agent", "cpu")
    rows = bridge.dataset(DATA_AGENT, range(TASKS))
    trainer = bridge.make_trainer(model, tokenizer, settings(tmp_path), rows, "rlkit")
    batches, prompts, rollout = kept_batches(trainer), [], trainer.rollout_func

    def keep(asked, trainer):
        prompts.extend(asked)
        return rollout(asked, trainer)

    trainer.rollout_func = keep
    trainer.train()
    (batch,), rewards, chat = batches, [], Chat(tokenizer)
    for row, prompt in enumerate(prompts):
        episode = Episode.from_row(json.loads(prompt[0]["row"]))
        real = batch["completion_mask"][row].bool()
        ids, mask = batch["completion_ids"][row][real].tolist(), batch["tool_mask"][row][real].bool().tolist()
        place = 0
        while not episode.ended:
            end = place + next((k for k, mine in enumerate(mask[place:]) if not mine), len(mask) - place)
            reply = episode.reply(chat.written(ids[place:end]))
            if not episode.ended:
                place = mask.index(True, end)
                ended = [] if ids[end - 1] == chat.end else [chat.end]
                assert ids[end:place] == [*ended, *chat.reply(reply.observation)]
        assert end == len(ids)
        rewards.append(episode.total_reward)
    rewards = torch.tensor(rewards)
    groups = torch.arange(TASKS).repeat_interleave(GROUP)
    equal("advantages of sampled episodes", group_advantages(rewards, groups), batch["advantages"], 1e-5)
    assert trainer.state.log_history[0]["reward"] == pytest.approx(rewards.mean().item(), abs=1e-6)
    assert batch["advantages"].abs().max() > 1
    REPORT["100 sampled episodes through rollout_func"] = "a replay of the tokens earns what TRL trained on"


@pytest.mark.parametrize("play", bridge.WAYS)
def test_an_environment_that_raises_stops_the_training(play, tmp_path, monkeypatch):
    def broken(self, text):
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(DataAgent, "tool_look", broken)
    model, tokenizer = load_base("data_agent", "cpu")
    before = [parameter.clone() for parameter in model.parameters()]
    trainer = bridge.make_trainer(model, tokenizer, settings(tmp_path), bridge.dataset(DATA_AGENT, range(TASKS)), play)
    with pytest.raises((EpisodeError, ZeroDivisionError), match="no rows") as raised:
        trainer.train()
    assert "DataAgent-v0" in str(raised.value) + "".join(getattr(raised.value, "__notes__", []))
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


def test_episodes_with_fresh_contexts_are_refused(tmp_path):
    model, tokenizer = load_base("research_agent", "cpu")
    rows = bridge.dataset("rlkit/ResearchAgent-v0", range(2))
    args = settings(tmp_path, per_device_train_batch_size=4)
    with pytest.raises(ValueError, match="opens fresh contexts"):
        bridge.make_trainer(model, tokenizer, args, rows).train()


def test_an_unknown_way_to_play_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'vllm', expected one of"):
        bridge.make_trainer(None, None, settings(tmp_path), None, "vllm")


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_rewards_of_chain_reach_the_advantages(kind, tmp_path):
    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    prompts = chain.prompts(TASKS, torch.Generator().manual_seed(0))
    rows = datasets.Dataset.from_list(chain_rows(prompts))
    config, maker = {"grpo": (GRPOConfig, GRPOTrainer), "rloo": (RLOOConfig, RLOOTrainer)}[kind]
    args = settings(tmp_path, config, max_completion_length=13, generation_kwargs={})
    seen = []

    def rewards(prompts, completions, **columns):
        seen.append((prompts, completions, bridge.chain_rewards(prompts, completions, **columns)))
        return seen[-1][2]

    trainer = maker(model, rewards, args=args, train_dataset=rows, processing_class=tokenizer)
    batches = kept_batches(trainer)
    trainer.train()
    (asked, written, paid), groups = seen[0], torch.arange(TASKS).repeat_interleave(GROUP)
    assert paid == chain.reward(asked, written) and 0.1 < sum(paid) / 100 < 0.95
    arguments = (True,) if kind == "grpo" else (False, "leave_one_out")
    ours = group_advantages(torch.tensor(paid), groups, *arguments)
    equal(f"advantages of Chain, {kind}", ours, batches[0]["advantages"], 1e-5)
    REPORT[f"Chain with {kind.upper()}"] = "rewards and advantages equal rlkit's"


# The tokenizer of a tiny model with tools --------------------------------------------------------------------------


def test_a_turn_is_read_as_a_call_and_a_call_is_written_as_that_turn():
    _, plain = load_base("data_agent", "cpu")
    _, told = load_base("data_agent", "cpu")
    with_tools(told)
    call = {"type": "function", "function": {"name": "act", "arguments": {"command": "SUM tb pear"}}}
    opening = [{"role": "user", "content": "stock pear"}]
    as_text = [*opening, {"role": "assistant", "content": "SUM tb pear"}, {"role": "user", "content": "= 4 2"}]
    as_call = [
        *opening,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "act", "content": "= 4 2"},
    ]
    assert told.apply_chat_template(as_call, tokenize=False).split() == (
        plain.apply_chat_template(as_text, tokenize=False).split()
    )
    parsed = told.parse_response("SUM tb pear <end>", prefix="<user> stock pear <agent>")
    assert parsed["tool_calls"] == [call]
    for said, command in (("<end>", ""), ("LOOK", "LOOK"), ("LOOK LOOK pear ERR", "LOOK LOOK pear ERR")):
        (made,) = told.parse_response(said, prefix="<user> x <agent>")["tool_calls"]
        assert made["function"]["arguments"] == {"command": command}
    over = "<user> stock pear <agent> SAVE 4 2 <end> <user> done <end> <agent>"
    assert not told.parse_response("LOOK pear <end>", prefix=over).get("tool_calls")


def test_other_tokenizers_keep_their_template():
    _, tokenizer = load_base("data_agent", "cpu")
    tokenizer.chat_template = "{{ messages }}"
    assert with_tools(tokenizer).chat_template == "{{ messages }}"
    assert getattr(tokenizer, "response_template", None) is None


def test_a_model_that_reads_instructions_is_told_of_the_tool():
    row = {"environment_id": DATA_AGENT, "seed": 0, "options": '{"instructions": true}'}
    agent = TextAgent()
    assert "the tool act" in agent.reset(**row)
    assert agent.reset(**{**row, "options": "{}"}) is None
    assert agent.act("LOOK pear").startswith("in ") and agent.get_reward() == pytest.approx(-0.05)


# The example and its commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize("play", bridge.WAYS)
def test_the_example_trains_on_a_cpu_and_its_checkpoint_loads(play, tmp_path, capsys):
    steps, started = (40 if os.environ.get("RLKIT_RECORD") else 2), time.perf_counter()
    arguments = f"--task data_agent --play {play} --max_steps {steps} --logging_steps 1 --output_dir {tmp_path}"
    trainer = example.main([*arguments.split(), "--disable_tqdm", "true"])
    seconds = time.perf_counter() - started
    rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    assert len(rewards) == steps and f"saved to {tmp_path}" in capsys.readouterr().out
    base, _ = load_base("data_agent", "cpu")
    trained, _ = load_checkpoint(tmp_path, "cpu")
    pairs = zip(base.parameters(), trained.parameters(), strict=True)
    assert any((one - other).abs().max() > 1e-4 for one, other in pairs)
    first, last = (sum(part) / len(part) for part in (rewards[:5], rewards[-5:]))
    what = f"the example, data agent, played by {play}, {steps} steps of 96 episodes, GRPO"
    REPORT[what] = f"reward {first:.3f} -> {last:.3f}, {seconds:.0f} s"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("play", bridge.WAYS)
def test_the_example_trains_on_a_gpu(play, tmp_path):
    arguments = f"--task data_agent --play {play} --max_steps 5 --use_cpu false --bf16 true --output_dir {tmp_path}"
    trainer = example.main([*arguments.split(), "--disable_tqdm", "true"])
    assert trainer.model.device.type == "cuda" and trainer.state.global_step == 5
    what = f"the example, played by {play}, bfloat16"
    REPORT[what], DEVICES[what] = "five steps of 96 episodes", torch.cuda.get_device_name()


def test_two_processes_train_together_on_a_cpu(tmp_path):
    """torchrun starts the processes, as accelerate's launcher does for GPUs; here they talk through gloo."""
    run = "-m torch.distributed.run --standalone --nproc_per_node 2 -m rlkit.bridges.examples.trl --task data_agent"
    more = "--per_device_train_batch_size 24 --max_steps 2 --logging_steps 1 --disable_tqdm true"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *run.split(), *more.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("in 2 steps, saved to") == 1  # one process says so
    assert re.search(r"train_samples_per_second", done.stdout) and (tmp_path / "trl-run" / "config.json").is_file()
    REPORT["the example in two processes (torchrun, gloo)"] = "two steps of 48 episodes"


def commands():
    """Return the commands of the example's docstring, continued lines joined."""
    text = inspect.getdoc(example).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip().startswith(("python -m", "accelerate launch"))]


def test_the_docstring_has_commands_for_cpu_one_gpu_and_several():
    found = [" ".join(command[:2]) for command in commands()]
    assert found == ["python -m"] * 3 + ["accelerate launch"] * 2


@pytest.mark.parametrize("number", range(5))
def test_the_commands_pass_the_parsers_of_accelerate_and_trl(number, tmp_path):
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    command = commands()[number]
    if command[0] == "accelerate":
        launch = launch_command_parser().parse_args(command[2:])
        launch, _, _ = _validate_launch_command(launch)
        assert launch.module and launch.training_script == "rlkit.bridges.examples.trl"
        assert launch.num_processes > 1 and (launch.multi_gpu or launch.use_fsdp)
        given = launch.training_script_args
    else:
        assert command[2] == "rlkit.bridges.examples.trl"
        given = command[3:]
    # TRL's settings look for a GPU when they are made; what is checked here is every name and value.
    task, args = example.parse([*given, "--use_cpu", "true", "--bf16", "false", "--output_dir", str(tmp_path)])
    assert task.task in example.OF_TASK and args.max_steps > 0
    assert args.use_vllm == ("--use_vllm" in given) and args.learning_rate == (1e-6 if "FOLDER" in given else 1e-3)
    REPORT[f"command: {' '.join(command[:6])} ..."] = "accepted by the framework's parser"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_command_without_a_gpu_is_refused_by_trl_itself(tmp_path):
    given = commands()[2][3:]
    with pytest.raises(ValueError, match="Your setup doesn't support bf16/gpu") as refused:
        example.parse([*given, "--output_dir", str(tmp_path)])
    REPORT["bf16 on a GPU"] = f"no GPU here, TRL says: {refused.value}"


def test_vllm_that_is_missing_is_named_by_trl_itself(tmp_path):
    model, tokenizer = load_base("data_agent", "cpu")
    rows = bridge.dataset(DATA_AGENT, range(TASKS))
    args = settings(tmp_path, use_vllm=True, vllm_mode="colocate")
    with pytest.raises(ImportError, match="vLLM is not available") as refused:
        bridge.make_trainer(model, tokenizer, args, rows, "trl")
    REPORT["vLLM"] = f"not installed here, TRL says: {refused.value}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--task nothing", "--task is 'nothing', expected one of data_agent"),
        ("--task data_agent --algorithm rloo", "expected grpo, or rloo for chain"),
    ],
)
def test_a_wrong_argument_of_the_example_is_named(arguments, message):
    with pytest.raises(SystemExit, match=re.escape(message)):
        example.parse(shlex.split(arguments))
