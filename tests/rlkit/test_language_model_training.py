"""GRPO, DPO, reward model and RLHF: short runs, exact resumption, bad rewards, divergence, the student's functions."""

import json

import pytest
import torch

from rlkit import dpo, grpo, reward_model, rlhf
from rlkit.group_objective import group_advantages, grpo_loss
from rlkit.lm import chain, grpo_command, supervised
from rlkit.lm.checkpoints import SHIPPED, character_tokenizer, load_checkpoint, save_checkpoint, tiny_llama
from rlkit.ppo import clipped_surrogate
from rlkit.seeding import make_generator


def fresh():
    return load_checkpoint(SHIPPED / "chain", "cpu")


def weights(model):
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


SHORT = {"num_steps": 4, "prompts_per_step": 4, "group_size": 8}


def run(model, tokenizer, reward=chain.reward, **settings):
    functions = {name: settings.pop(name) for name in ("loss", "advantages") if name in settings}
    return grpo.train(model, tokenizer, chain.prompts, reward, grpo.GRPOConfig(**(SHORT | settings)), **functions)


def test_the_first_ratio_is_one_and_a_run_repeats_itself():
    seen = []

    def spy(policy, old, advantages, mask, **options):
        seen.append((policy - old).detach().abs().max().item())
        return grpo_loss(policy, old, advantages, mask, **options)

    model, tokenizer = fresh()
    result = run(model, tokenizer, loss=spy)
    assert max(seen[::2]) < 1e-4 < min(seen[1::2])  # first and second epoch of each step
    again, _ = fresh()
    run(again, tokenizer)
    assert torch.equal(weights(model), weights(again))
    assert result.ended == "completed" and len(result.history["reward"]) == 4


def test_micro_batches_and_chunks_change_nothing_but_memory():
    one, tokenizer = fresh()
    two, _ = fresh()
    run(one, tokenizer, num_steps=1)
    run(two, tokenizer, num_steps=1, micro_batch_size=5, chunk=4)
    # Adam divides by the gradient's size, so entries near zero may differ by the learning rate; few do.
    assert ((weights(one) - weights(two)).abs() > 1e-5).float().mean() < 0.01


@pytest.mark.parametrize(
    "settings",
    [
        {"aggregation": "fixed_length", "kl_coefficient": 0.0},
        {"aggregation": "sequence_mean", "ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        {"clip_high": 0.28, "drop_equal_groups": True, "kl_coefficient": 0.0, "num_minibatches": 2},
    ],
)
def test_every_variant_trains(settings):
    model, tokenizer = fresh()
    before = weights(model)
    result = run(model, tokenizer, num_steps=2, **settings)
    assert result.ended == "completed" and not torch.equal(before, weights(model))


def test_a_step_without_signal_is_said_skipped_and_counted():
    model, tokenizer = fresh()
    before = weights(model)
    with pytest.warns(UserWarning, match="in 4 of 4 steps every group had equal rewards"):
        result = run(model, tokenizer, reward=lambda prompts, texts: [0.9] * len(prompts))
    assert torch.equal(before, weights(model))
    assert result.history["skipped"].tolist() == [1.0] * 4
    assert result.history["equal_groups"].tolist() == [1.0] * 4
    assert result.history["gradient_norm"].isnan().all()


def test_bad_rewards_stop_the_run_with_the_prompts_name():
    model, tokenizer = fresh()
    with pytest.raises(ValueError, match=r"nan for prompt '[0-9]{5}='"):
        run(model, tokenizer, reward=lambda prompts, texts: [float("nan")] * len(prompts))
    with pytest.raises(ValueError, match="for 32 completions"):
        run(model, tokenizer, reward=lambda prompts, texts: [1.0])
    with pytest.raises(ZeroDivisionError) as caught:
        run(model, tokenizer, reward=lambda prompts, texts: [1 / 0])
    assert "called with 32 prompts from '" in caught.value.__notes__[0]
    config = rlhf.RLHFConfig(num_steps=1, batch_size=4)
    with pytest.raises(ValueError, match=r"inf for prompt '[0-9]{5}='"):
        rlhf.train(model, tokenizer, chain.prompts, lambda prompts, texts: [float("inf")] * len(prompts), config)


def test_a_diverging_run_stops_and_keeps_the_last_good_weights():
    model, tokenizer = fresh()
    kept, calls = [], []

    def poisoned(policy, old, advantages, mask, **options):
        calls.append(1)
        if len(calls) % 2:  # the first epoch of a step: the weights are those after the step before
            kept.append(weights(model))
        return grpo_loss(policy, old, advantages, mask, **options) * (float("nan") if len(calls) == 5 else 1.0)

    with pytest.warns(UserWarning, match="diverged: loss .* is nan at step 2"):
        result = run(model, tokenizer, loss=poisoned)
    assert len(result.history["reward"]) == 2
    assert torch.equal(weights(model), kept[1])  # the update before the one that gave NaN is undone


def test_an_interrupted_run_goes_on_where_it_was_saved(tmp_path):
    straight, tokenizer = fresh()
    whole = run(straight, tokenizer, num_steps=6)
    steps = []

    def interrupt(prompts, texts):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return chain.reward(prompts, texts)

    model, _ = fresh()
    settings = {"num_steps": 6, "checkpoint_folder": str(tmp_path / "run"), "checkpoint_every": 2}
    with pytest.warns(UserWarning, match="interrupted in iteration 4 of 6"):
        part = run(model, tokenizer, reward=interrupt, **settings)
    assert len(part.history["reward"]) == 4
    other, _ = fresh()
    rest = run(other, tokenizer, **settings)
    assert torch.equal(weights(other), weights(straight))
    assert torch.equal(rest.history["reward"], whole.history["reward"])
    loaded, _ = load_checkpoint(tmp_path / "run", "cpu")
    assert torch.equal(weights(loaded), weights(straight))
    with pytest.raises(ValueError, match="other settings"):
        run(other, tokenizer, **(settings | {"learning_rate": 1e-3}))


def test_the_students_functions_train_the_model():
    model, tokenizer = fresh()
    seen = []

    def plain_advantages(rewards, group_ids):
        seen.append(rewards.shape)
        return group_advantages(rewards, group_ids, divide_by_std=False)

    run(model, tokenizer, num_steps=2, advantages=plain_advantages)
    assert seen == [(32,), (32,)]


@pytest.mark.parametrize(
    ("name", "value"), [("group_size", 1), ("num_steps", 0), ("temperature", 0.0), ("num_epochs", 0)]
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        grpo.GRPOConfig(**{name: value})


PAIRS = [("77941=", "7774934718#8", "#3"), ("11111=", "1112131415#5", "#5"), ("00000=", "#0", "")] * 8


def test_dpo_starts_at_log_two_and_moves_the_right_way():
    model, tokenizer = fresh()
    result = dpo.train(model, tokenizer, PAIRS, dpo.DPOConfig(num_epochs=6, batch_size=8))
    history = result.history
    assert history["loss"][0].item() == pytest.approx(0.693147, abs=1e-4)
    assert history["loss"][-1] < 0.3 and history["margin"][-1] > 1 and history["accuracy"][-1] == 1
    assert (history["chosen_change"] - history["rejected_change"])[-1] > 10
    with pytest.raises(ValueError, match="pairs is empty"):
        dpo.train(model, tokenizer, [])


def test_dpo_with_a_supervised_term_holds_the_chosen_completions_up():
    changes = []
    for coefficient in (0.0, 0.5):
        model, tokenizer = fresh()
        config = dpo.DPOConfig(num_epochs=6, batch_size=8, supervised_coefficient=coefficient)
        changes.append(dpo.train(model, tokenizer, PAIRS, config).history["chosen_change"][-1])
    assert changes[1] > changes[0]


def test_texts_longer_than_the_context_are_refused_before_a_step_is_taken():
    tokenizer = character_tokenizer(chain.CHARACTERS)
    model = tiny_llama(tokenizer, hidden_size=16, context_length=32)
    before, long = weights(model), "1" * 29
    supervised.train(model, tokenizer, [(long, "#8")], supervised.SupervisedConfig(num_steps=1, batch_size=1))
    assert not torch.equal(before, weights(model))  # 29 tokens, two and the end: as many as there is room for
    before = weights(model)
    calls = [
        lambda: supervised.train(model, tokenizer, [("1=", "#1"), (long, "11#")], supervised.SupervisedConfig(1, 1)),
        lambda: dpo.train(model, tokenizer, [("1=", "#1", "#2"), (long, "#8", "11#")]),
        lambda: reward_model.train(model, tokenizer, [("1=", "#1", "#2"), (long, "11#", "#8")]),
    ]
    for call in calls:
        with pytest.raises(
            ValueError, match=r"prompt 1 has 29 tokens and its completion has 4, .* context of 32: '111"
        ):
            call()
    reason = "prompt 0 has 29 tokens and max_new_tokens is 4, together more than the context of 32"
    with pytest.raises(ValueError, match=reason):
        grpo.train(model, tokenizer, lambda number, _: [long] * number, chain.reward, grpo.GRPOConfig(max_new_tokens=4))
    with pytest.raises(ValueError, match=reason):
        rlhf.train(model, tokenizer, lambda number, _: [long] * number, chain.reward, rlhf.RLHFConfig(max_new_tokens=4))
    assert torch.equal(before, weights(model))


def test_supervised_training_and_rlhf_undo_the_update_that_gave_nan():
    model, tokenizer = fresh()
    seen = []

    def poisoned(*arguments):
        """The loss, or the surrogate; both have a mean to be spoiled."""
        seen.append(weights(model))
        usual = supervised.negative_log_likelihood if len(arguments) == 2 else clipped_surrogate
        return usual(*arguments) * (float("nan") if len(seen) == 5 else 1.0)

    demonstrations = chain.demonstrations(64, make_generator(0, "demonstrations"))
    config = supervised.SupervisedConfig(num_steps=10, batch_size=16)
    with pytest.warns(UserWarning, match="diverged: loss .* is nan at step 4"):
        result = supervised.train(model, tokenizer, demonstrations, config, loss=poisoned)
    assert torch.equal(weights(model), seen[3]) and not torch.equal(seen[3], seen[4])
    assert len(result.history["loss"]) == 4
    seen.clear()
    settings = rlhf.RLHFConfig(num_steps=6, batch_size=8)
    with pytest.warns(UserWarning, match="diverged: loss .* is nan at step 2"):
        result = rlhf.train(model, tokenizer, chain.prompts, chain.reward, settings, surrogate=poisoned)
    assert torch.equal(weights(model), seen[2]) and not torch.equal(seen[2], seen[4])  # two updates a step
    assert len(result.history["loss"]) == 2


def test_a_diverging_reward_model_goes_back_to_the_weights_before_the_last_update():
    model, tokenizer = fresh()
    calls = []

    def poisoned(chosen, rejected):
        calls.append(1)
        return reward_model.bradley_terry_loss(chosen, rejected) * (float("nan") if len(calls) == 2 else 1.0)

    config = reward_model.RewardModelConfig(batch_size=8)
    with pytest.warns(UserWarning, match="diverged: loss .* is nan at step 1"):
        result = reward_model.train(model, tokenizer, PAIRS, config, loss=poisoned)
    assert torch.equal(weights(result.reward_model), weights(reward_model.RewardModel(model, tokenizer)))
    assert len(result.history["loss"]) == 1


def interrupting(function, at):
    """The function, with Ctrl-C at one of its calls."""
    calls = []

    def call(*arguments):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return function(*arguments)

    return call


def train_supervised(model, tokenizer, folder, at):
    demonstrations = chain.demonstrations(40, make_generator(0, "demonstrations"))
    config = supervised.SupervisedConfig(num_steps=6, batch_size=16, checkpoint_folder=folder, checkpoint_every=2)
    loss = interrupting(supervised.negative_log_likelihood, at)
    return supervised.train(model, tokenizer, demonstrations, config, loss=loss)


def train_dpo(model, tokenizer, folder, at):
    config = dpo.DPOConfig(num_epochs=2, batch_size=8, checkpoint_folder=folder, checkpoint_every=2)
    return dpo.train(model, tokenizer, PAIRS, config, loss=interrupting(dpo.dpo_loss, at))


def train_rlhf(model, tokenizer, folder, at):
    config = rlhf.RLHFConfig(num_steps=6, batch_size=8, checkpoint_folder=folder, checkpoint_every=2)
    return rlhf.train(model, tokenizer, chain.prompts, interrupting(chain.reward, at), config)


@pytest.mark.parametrize("train", [train_supervised, train_dpo, train_rlhf])
def test_what_was_interrupted_goes_on_from_its_folder_as_if_it_had_not_been(tmp_path, train):
    straight, tokenizer = fresh()
    whole = train(straight, tokenizer, None, at=None)
    model, _ = fresh()
    with pytest.warns(UserWarning, match="interrupted in iteration 3 of 6"):
        part = train(model, tokenizer, str(tmp_path / "run"), at=4)
    assert torch.equal(part.history["loss"], whole.history["loss"][:3])
    saved, _ = load_checkpoint(tmp_path / "run", "cpu")
    assert not torch.equal(weights(saved), weights(model))  # it was saved after two steps, and went on for one
    other, _ = fresh()
    rest = train(other, tokenizer, str(tmp_path / "run"), at=None)
    assert rest.ended == "completed" and torch.equal(weights(other), weights(straight))
    assert all(torch.equal(rest.history[name], values) for name, values in whole.history.items())


def test_dpo_takes_the_students_loss_and_stops_when_it_is_nan():
    model, tokenizer = fresh()
    before = weights(model)
    with pytest.warns(UserWarning, match="diverged: loss"):
        result = dpo.train(model, tokenizer, PAIRS, loss=lambda a, b, c, d, beta: (a - b) * float("nan"))
    assert result.history == {} and torch.equal(weights(model), before)


def test_the_reward_model_learns_pairs_and_scores_texts_as_ids():
    model, tokenizer = fresh()
    result = reward_model.train(model, tokenizer, PAIRS, reward_model.RewardModelConfig(num_epochs=10, batch_size=8))
    prompts, chosen, rejected = (list(column) for column in zip(*PAIRS[:3], strict=True))
    good, bad = (torch.tensor(result.reward_model(prompts, texts)) for texts in (chosen, rejected))
    assert reward_model.preference_accuracy(good, bad) == 1
    alone = torch.tensor([result.reward_model([p], [t])[0] for p, t in zip(prompts, chosen, strict=True)])
    assert torch.allclose(alone, good, atol=1e-5)  # padding beside longer texts changes nothing
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_rlhf_records_score_and_true_reward_and_repeats_itself():
    config = rlhf.RLHFConfig(num_steps=3, batch_size=16)
    found = []
    for _ in range(2):
        model, tokenizer = fresh()
        found.append(rlhf.train(model, tokenizer, chain.prompts, chain.reward, config, watch=chain.reward).history)
    assert torch.equal(found[0]["score"], found[0]["true_reward"])
    assert torch.equal(found[0]["loss"], found[1]["loss"])
    assert abs(found[0]["kl"][0]) < 1e-3  # the policy starts as the reference


def test_rlhf_values_and_probabilities_are_those_of_the_plain_model():
    model, tokenizer = fresh()
    from rlkit.lm.sampling import sample
    from rlkit.lm.scoring import score

    head = torch.nn.Linear(64, 1)
    completions = sample(model, tokenizer, ["77941=", "12"], 8, make_generator(0, "sampling"))
    policy, values = rlhf.policy_and_values(model, head, completions)
    assert torch.allclose(policy, score(model, *completions[:4]).log_probabilities, atol=1e-5)
    assert values.shape == policy.shape and (values[~completions.mask] == 0).all()


def test_the_command_line_trains_a_qwen2_checkpoint_and_can_be_repeated(tmp_path, capsys):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = character_tokenizer(chain.CHARACTERS)
    # transformers loads this architecture's tokenizer with one token more.
    config = Qwen2Config(vocab_size=len(tokenizer) + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)  # fmt: skip
    save_checkpoint(tmp_path / "base", Qwen2ForCausalLM(config), tokenizer)
    (tmp_path / "sevens.py").write_text(
        "from rlkit.lm.chain import prompts\n"
        "def reward(asked, completions):\n    return [text.count('7') / 8 for text in completions]\n"
    )
    arguments = ["--model", tmp_path / "base", "--task", "sevens", "--out", tmp_path / "out", "--device", "cpu"]
    arguments += ["--bfloat16", "--gradient-checkpointing", "--micro-batch-size", 8, "--chunk", 4]
    arguments += ["--num-steps", 3, "--prompts-per-step", 4, "--group-size", 4, "--max-new-tokens", 8]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        grpo_command.main([str(argument) for argument in arguments])
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert history["ended"] == "completed" and len(history["reward"]) == 3
    assert "sampled tokens/s" in capsys.readouterr().out
    load_checkpoint(tmp_path / "out", "cpu")


def test_the_command_line_names_a_task_it_cannot_find(tmp_path):
    with pytest.raises(ValueError, match="task 'nowhere' was not found"):
        grpo_command.find_task("nowhere")
    with pytest.raises(ValueError, match="task 'json' has no prompts and no reward"):
        grpo_command.find_task("json")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_runs_on_cuda():
    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cuda")
    assert run(model, tokenizer).ended == "completed"
    result = dpo.train(model, tokenizer, PAIRS)
    assert result.ended == "completed" and next(model.parameters()).is_cuda


def test_tiny_models_are_made_from_their_seed():
    tokenizer = character_tokenizer(chain.CHARACTERS)
    state = torch.random.get_rng_state()
    assert torch.equal(weights(tiny_llama(tokenizer, seed=3)), weights(tiny_llama(tokenizer, seed=3)))
    assert not torch.equal(weights(tiny_llama(tokenizer, seed=3)), weights(tiny_llama(tokenizer, seed=4)))
    assert torch.equal(state, torch.random.get_rng_state())
