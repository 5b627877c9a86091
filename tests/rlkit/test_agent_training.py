"""Episodes of language models: ids as they were sampled, one cache, masks; credit in closed form; training."""

import copy
import itertools

import pytest
import torch

from rlkit.agents import imitation, training
from rlkit.agents.batches import token_batch, turn_rewards
from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.credit import trajectory_advantages, turn_advantages, turn_keys, turn_returns
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.instructions import instructed
from rlkit.agents.recipes import RECIPES
from rlkit.agents.research_agent import ResearchAgent
from rlkit.agents.rollouts import rollout
from rlkit.agents.ticket_queue import TicketQueue
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import character_tokenizer, load_checkpoint, save_checkpoint, tiny_llama, word_tokenizer
from rlkit.lm.scoring import score_sequences
from rlkit.seeding import make_generator

# The template of Qwen2's chat models, which ends every turn with the end token and a line break.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<end>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def make_model(kind, seed=0, steps=0, context_length=512):
    tokenizer = word_tokenizer(kind.WORDS)
    model = tiny_llama(tokenizer, seed=seed, context_length=context_length)
    if steps:
        settings = imitation.ImitationConfig(num_steps=steps, drill_share=0.0, seed=seed)
        imitation.train(model, tokenizer, kind, settings)
    return model.eval(), tokenizer


@pytest.fixture(scope="module")
def data_model():
    """A model that has learned the form of the commands and little more."""
    return make_model(DataAgent, steps=50)


def chatml_tokenizer():
    import string

    tokenizer = character_tokenizer(string.ascii_letters + string.digits + " \n=<>|_")
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.mark.parametrize("tokenizer", [word_tokenizer(DataAgent.WORDS), chatml_tokenizer()], ids=["words", "chatml"])
def test_a_conversation_in_pieces_has_the_ids_of_the_whole(tokenizer):
    chat = Chat(tokenizer)
    turns = ["stock pear", "LOOK pear", "in tb", "SUM tb pear", "= 4 7", "SAVE 4 7"]
    messages = [{"role": ("user", "assistant")[k % 2], "content": text} for k, text in enumerate(turns)]
    pieces = list(chat.opening(turns[0]))
    for k, text in enumerate(turns[1:], start=1):
        mine = [*tokenizer(text, add_special_tokens=False)["input_ids"], chat.end]
        pieces += mine if k % 2 else list(chat.reply(text))
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert pieces == ids[: len(pieces)]


def test_a_tokenizer_without_a_template_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"set tokenizer\.chat_template"):
        Chat(character_tokenizer("abc"))
    tokenizer = chatml_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] | upper }}{% endfor %}"
    with pytest.raises(ValueError, match="does not render the policy's turn"):
        Chat(tokenizer)


@pytest.mark.parametrize("kind", [DataAgent, ResearchAgent, CodeAgent, TicketQueue])
def test_noted_log_probabilities_are_those_of_one_pass_over_each_context(kind):
    """What was sampled with a cache from turn to turn, with padding, ended rows and fresh contexts between."""
    model, tokenizer = make_model(kind, steps=40)
    environments = [kind() for _ in range(12)]
    played = rollout(model, tokenizer, environments, range(12), 6, make_generator(0, "sampling"), 0.9)
    assert any(len(one.actions) > 3 for one in played)
    batch = token_batch(played, torch.zeros(12, max(len(one.rewards) for one in played)), tokenizer.pad_token_id)
    scores = score_sequences(model, batch.ids, batch.real, 0.9)
    assert (scores - batch.log_probabilities).masked_fill(~batch.mask, 0.0).abs().max() < 1e-4
    assert batch.mask.sum() == sum(turn >= 0 for one in played for c in one.contexts for turn in c.turns)


def test_an_episode_does_not_depend_on_the_others_beside_it(data_model):
    model, tokenizer = data_model
    together = rollout(model, tokenizer, [DataAgent() for _ in range(8)], range(8), 6, temperature=0)
    for seed in (0, 3, 7):
        (alone,) = rollout(model, tokenizer, [DataAgent()], [seed], 6, temperature=0)
        assert alone.actions == together[seed].actions
        assert [c.ids for c in alone.contexts] == [c.ids for c in together[seed].contexts]


def test_the_mask_keeps_what_the_policy_wrote_its_end_tokens_among_them_and_nothing_else(data_model):
    model, tokenizer = data_model
    played = rollout(model, tokenizer, [DataAgent() for _ in range(6)], range(6), 6, make_generator(1, "sampling"))
    chat = Chat(tokenizer)
    for one in played:
        (context,) = one.contexts
        for turn, action in enumerate(one.actions):
            ids = [token for token, number in zip(context.ids, context.turns, strict=True) if number == turn]
            assert chat.written(ids) == action
            assert ids[-1] == chat.end or len(ids) == 6
        rest = [token for token, number in zip(context.ids, context.turns, strict=True) if number < 0]
        said = list(chat.opening(one.observations[0]))
        for turn, text in enumerate(one.observations[1:]):
            last = [t for t, number in zip(context.ids, context.turns, strict=True) if number == turn][-1]
            said += [*([] if last == chat.end else [chat.end]), *chat.reply(text)]
        assert rest == said


def test_ids_are_kept_as_sampled_where_reading_the_text_again_gives_others():
    """The unknown word is written out as nothing here, so a text read again would have fewer tokens."""
    model, tokenizer = make_model(DataAgent)
    played = rollout(model, tokenizer, [DataAgent() for _ in range(4)], range(4), 6, make_generator(0, "sampling"), 3.0)
    differ = 0
    for one in played:
        ids, turns = one.contexts[0].ids, one.contexts[0].turns
        for turn, action in enumerate(one.actions):
            mine = [token for token, number in zip(ids, turns, strict=True) if number == turn]
            again = tokenizer(action, add_special_tokens=False)["input_ids"]
            differ += [token for token in mine if token != tokenizer.eos_token_id] != again
    assert differ > 0


def test_a_conversation_that_outgrows_the_context_is_cut_and_that_is_a_truncation():
    model, tokenizer = make_model(DataAgent, context_length=40)
    played = rollout(model, tokenizer, [DataAgent() for _ in range(6)], range(6), 6, make_generator(0, "sampling"))
    assert any(one.truncated for one in played)
    for one in played:
        assert one.truncated != one.terminated
        assert len(one.contexts[0].ids) <= 40


# Credit ---------------------------------------------------------------------------------------------------------

REWARDS = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 7.0], [5.0, 7.0, 7.0], [2.0, 2.0, 0.0]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]]) > 0
GROUPS = torch.tensor([0, 0, 1, 1])


def test_returns_of_turns_by_hand():
    assert turn_returns(REWARDS, MASK).tolist() == [[7, 6, 4], [3, 3, 0], [5, 0, 0], [4, 2, 0]]
    assert turn_returns(REWARDS, MASK, 0.5).tolist()[0] == [3.0, 4.0, 4.0]
    assert turn_returns(REWARDS, MASK, 0.0).tolist() == REWARDS.masked_fill(~MASK, 0).tolist()
    poisoned = REWARDS.masked_fill(~MASK, torch.nan)
    assert torch.equal(turn_returns(poisoned, MASK), turn_returns(REWARDS, MASK))


def test_a_trajectory_advantage_is_the_groups_and_the_same_in_every_turn():
    found = trajectory_advantages(REWARDS, MASK, GROUPS)
    unit = 2.0 / (8**0.5 + 1e-4)
    assert torch.allclose(found[0], torch.full((3,), unit, dtype=torch.float64))
    assert torch.allclose(found[1], torch.tensor([-unit, -unit, 0.0], dtype=torch.float64))
    plain = trajectory_advantages(REWARDS, MASK, GROUPS, divide_by_std=False)
    centred = torch.tensor([2.0, -2.0, 0.5, -0.5], dtype=torch.float64)
    assert torch.allclose(plain[:, 0], centred / (centred.std() + 1e-4))


def test_turn_advantages_against_a_double_loop():
    names = [["a", "b", "c"], ["a", "b"], ["a"], ["a", "x", "c"]]
    keys = turn_keys(GROUPS, names, 3)
    assert keys[0, 0] == keys[1, 0] != keys[2, 0]
    assert keys[1, 2] == -1
    for discount in (1.0, 0.5, 0.0):
        returns = turn_returns(REWARDS, MASK, discount)
        places = [(i, t) for i, t in itertools.product(range(4), range(3)) if MASK[i, t]]
        centred = []
        for i, t in places:
            alike = [returns[j, u] for j, u in places if GROUPS[i] == GROUPS[j] and names[i][t] == names[j][u]]
            centred.append(returns[i, t] - sum(alike) / len(alike))
        expected = torch.stack(centred) / (torch.stack(centred).std() + 1e-4)
        found = turn_advantages(REWARDS, MASK, keys, discount)
        assert torch.allclose(found[MASK], expected) and (found[~MASK] == 0).all()


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="mask"):
        turn_returns(REWARDS, MASK[:, :2])
    with pytest.raises(ValueError, match="keys"):
        turn_advantages(REWARDS, MASK, torch.zeros(4, 2))


def test_tokens_get_the_advantage_of_their_turn(data_model):
    model, tokenizer = data_model
    played = rollout(model, tokenizer, [DataAgent() for _ in range(5)], range(5), 6, make_generator(2, "sampling"))
    _, mask = turn_rewards(played)
    numbers = torch.arange(float(mask.numel())).reshape(mask.shape) + 1
    batch = token_batch(played, numbers, tokenizer.pad_token_id)
    for row, one in enumerate(played):
        turns = torch.tensor(one.contexts[0].turns[1:])
        expected = torch.where(turns >= 0, numbers[row, turns.clamp_min(0)], 0.0)
        assert torch.equal(batch.advantages[row, : len(turns)], expected)
        assert (batch.advantages[row, len(turns) :] == 0).all()


# Training -------------------------------------------------------------------------------------------------------


def test_what_the_environment_said_gets_no_gradient(data_model):
    """Exchanging the loss's masked entries changes no gradient; the log-probabilities of observations are such."""
    model, tokenizer = data_model
    played = rollout(model, tokenizer, [DataAgent() for _ in range(6)], [5] * 6, 6, make_generator(3, "sampling"))
    batch = token_batch(played, training.episode_advantages(played), tokenizer.pad_token_id)
    scores = score_sequences(model, batch.ids, batch.real).detach().requires_grad_()
    loss = training.grpo_loss(scores, batch.log_probabilities, batch.advantages, batch.mask)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert (gradient[~batch.mask] == 0).all()
    assert (gradient[batch.mask] != 0).any()


def test_training_is_reproducible_and_reports_key_figures(data_model):
    model, tokenizer = data_model
    config = training.AgentConfig(num_iterations=2, tasks_per_iteration=2, group_size=4)
    runs = []
    for _ in range(2):
        again = copy.deepcopy(model)
        runs.append((training.train(again, tokenizer, DataAgent, config), again))
    assert torch.equal(runs[0][0].history["return"], runs[1][0].history["return"])
    for one, other in zip(runs[0][1].parameters(), runs[1][1].parameters(), strict=True):
        assert torch.equal(one, other)
    assert {"success", "cost", "latency", "unsafe", "turns", "gradient_norm"} <= runs[0][0].history.keys()
    assert runs[0][0].ended == "completed"


def test_training_teaches_the_ticket_queue():
    model, tokenizer = make_model(TicketQueue, steps=120)
    make = lambda: TicketQueue(num_tickets=8)  # noqa: E731
    before = training.evaluate(model, tokenizer, make, 60, max_new_tokens=3)["success"]

    def by_ticket(played):
        rewards, mask = turn_rewards(played)
        keys = turn_keys(torch.tensor([one.group for one in played]), [one.anchors for one in played], mask.shape[1])
        return turn_advantages(rewards, mask, keys, 0.0)

    config = training.AgentConfig(num_iterations=15, tasks_per_iteration=4, group_size=8, max_new_tokens=3)
    training.train(model, tokenizer, make, config, advantages=by_ticket)
    after = training.evaluate(model, tokenizer, make, 60, max_new_tokens=3)["success"]
    assert after > before + 0.1


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_instructions_name_every_command_and_price_and_open_every_context(name):
    environment = instructed(RECIPES[name].environment)()
    opening, _ = environment.reset(seed=3)
    plain, _ = RECIPES[name].environment().reset(seed=3)
    assert opening == f"{environment.instructions}\n\n{plain}" and opening in environment.observation_space
    for command, tool in environment.TOOLS.items():
        (line,) = [line for line in opening.splitlines() if line.split(" ")[0].rstrip(":") == command]
        assert f"costs {tool.price:g}" in line and ("unsafe" in line) == tool.unsafe
    if name == "research_agent":
        observation = environment.step("ANSWER rome")[0]
        assert observation.startswith(environment.instructions) and observation in environment.observation_space


def test_the_command_line_trains_a_qwen2_checkpoint_on_instructions_and_logs_its_episodes(tmp_path, capsys):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from rlkit.agents.__main__ import main

    tokenizer = chatml_tokenizer()
    config = Qwen2Config(vocab_size=len(tokenizer) + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048)  # fmt: skip
    save_checkpoint(tmp_path / "base", Qwen2ForCausalLM(config), tokenizer)
    arguments = ["--agent", "data_agent", "--model", tmp_path / "base", "--out", tmp_path / "out", "--device", "cpu"]
    arguments += ["--instructions", "--log", tmp_path / "log.sqlite", "--bfloat16", "--gradient-checkpointing"]
    arguments += ["--num-iterations", 2, "--tasks-per-iteration", 2, "--group-size", 2, "--episodes", 2]
    main([str(argument) for argument in arguments])
    assert "success 0.000" in capsys.readouterr().out
    with EpisodeLog(tmp_path / "log.sqlite") as log:
        assert len(log.read()) == 8 and len(log.read("policy = ?", ["iteration 1"])) == 4
        assert "SUM table item" in log.read()[0].observations[0]
    load_checkpoint(tmp_path / "out", "cpu")


def test_a_real_chat_template_goes_all_the_way():
    """A character-level model with Qwen2's template: nothing of the loop knows the tiny tokenizer's words."""
    tokenizer = chatml_tokenizer()
    model = tiny_llama(tokenizer, context_length=1024)
    config = training.AgentConfig(num_iterations=1, tasks_per_iteration=2, group_size=2, max_new_tokens=8)
    result = training.train(model, tokenizer, DataAgent, config)
    assert result.ended == "completed"
