"""Checkpoints, sampling and scoring with real models: against transformers' own generation and plain forward passes."""

import json
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from rlkit.lm import chain
from rlkit.lm.checkpoints import SHIPPED, character_tokenizer, load_checkpoint, save_checkpoint, stop_tokens, tiny_llama
from rlkit.lm.evaluation import accuracy, num_correct, pass_at_k
from rlkit.lm.sampling import continue_from, decode, encode_prompts, sample
from rlkit.lm.scoring import score
from rlkit.lm.supervised import SupervisedConfig, encode_completions, train
from rlkit.seeding import make_generator


@pytest.fixture(scope="module")
def shipped():
    return load_checkpoint(SHIPPED / "chain", "cpu")


def test_the_shipped_checkpoint_is_small_and_is_what_the_chapters_say(shipped):
    model, tokenizer = shipped
    assert sum(path.stat().st_size for path in (SHIPPED / "chain").iterdir()) <= 600_000
    prompts = chain.prompts(256, make_generator(5, "test"), "test")
    assert accuracy(model, tokenizer, chain.reward, prompts, chain.MAX_NEW_TOKENS) <= 0.2
    right = num_correct(model, tokenizer, chain.reward, prompts, 16, chain.MAX_NEW_TOKENS, make_generator(6, "test"))
    assert 0.25 <= right.float().mean() / 16 <= 0.55
    assert pass_at_k(right, 16, 8).mean() >= 0.9


def test_it_loads_with_transformers_alone():
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / "chain", local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(SHIPPED / "chain", local_files_only=True)
    ids = tokenizer("77941=", return_tensors="pt")["input_ids"]
    assert ids.shape == (1, 6) and tokenizer.decode(ids[0]) == "77941="
    assert model(ids).logits.shape == (1, 6, len(tokenizer))


def test_training_parts_never_overlap_and_answers_are_right():
    train_prompts = chain.prompts(4000, make_generator(0, "train"), "train")
    test_prompts = chain.prompts(1000, make_generator(0, "test"), "test")
    digits = [{"".join(sorted(text)) for text in part} for part in (train_prompts, test_prompts)]
    assert not digits[0] & digits[1]
    for prompt, completion in chain.demonstrations(500, make_generator(1, "demonstrations")):
        assert completion[-1] == str(sum(map(int, prompt[:-1])) % 10) and completion[-2] == "#"
        assert len(completion) in (2, 12) and not chain.is_test_prompt(prompt)
    assert chain.scratchpad("77941=") == "7774934718"
    assert chain.reward(["77941="] * 5, ["#8", "7774934718#8", "#8#8", "8", "#7"]) == [1, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="'dev'"):
        chain.prompts(3, make_generator(0, "train"), "dev")


def test_greedy_sampling_equals_transformers_generate_with_left_padding(shipped):
    model, tokenizer = shipped
    prompts = ["77941=", "123", "0=", "99999="]
    ours = sample(model, tokenizer, prompts, 12, temperature=0)
    ids, mask = encode_prompts(tokenizer, prompts)
    theirs = model.generate(input_ids=ids, attention_mask=mask.long(), max_new_tokens=12, do_sample=False)
    expected = [tokenizer.decode(row, skip_special_tokens=True) for row in theirs[:, ids.shape[1] :]]
    assert decode(tokenizer, ours) == expected


def test_noted_log_probabilities_are_those_of_a_forward_pass(shipped):
    model, tokenizer = shipped
    for prompts in (["77941=", "00000="], ["77941=", "12"]):
        completions = sample(model, tokenizer, prompts * 20, 12, make_generator(0, "sampling"), temperature=0.7)
        again = score(model, *completions[:4], temperature=0.7).log_probabilities
        assert torch.allclose(completions.log_probabilities, again, atol=2e-5)
        assert (completions.log_probabilities[~completions.mask] == 0).all()


def test_sampled_frequencies_are_the_models_probabilities(shipped):
    model, tokenizer = shipped
    completions = sample(model, tokenizer, ["77941="] * 20_000, 1, make_generator(0, "sampling"), temperature=1.5)
    with torch.no_grad():
        expected = (model(encode_prompts(tokenizer, ["77941="])[0]).logits[0, -1] / 1.5).softmax(-1)
    seen = torch.bincount(completions.ids[:, 0], minlength=len(expected)) / 20_000
    # Each share within 5 standard errors: with 15 tokens the chance of a failure is below 1e-5.
    assert ((seen - expected).abs() <= 5 * (expected * (1 - expected) / 20_000).sqrt() + 1e-6).all()


def test_padding_changes_no_score_and_chunks_change_nothing(shipped):
    model, tokenizer = shipped
    prompts, prompt_mask = encode_prompts(tokenizer, ["77941=", "1="])
    ids, mask = encode_completions(tokenizer, ["#8", "11#1"])
    together = score(model, prompts, prompt_mask, ids, mask, entropy=True)
    for row, (prompt, text) in enumerate([("77941=", "#8"), ("1=", "11#1")]):
        alone = score(model, *encode_prompts(tokenizer, [prompt]), *encode_completions(tokenizer, [text]))
        length = alone.log_probabilities.shape[1]
        assert torch.allclose(together.log_probabilities[row, :length], alone.log_probabilities[0], atol=1e-5)
    for chunk in (1, 2, 100):
        parts = score(model, prompts, prompt_mask, ids, mask, entropy=True, chunk=chunk)
        assert torch.allclose(parts.log_probabilities, together.log_probabilities, atol=1e-6)
        assert torch.allclose(parts.entropies, together.entropies, atol=1e-6)


@pytest.mark.parametrize("prompts", [["77941=", "12345="], ["77941=", "1="]])
def test_prompts_that_are_shared_are_read_once_with_the_same_scores_and_gradients(shipped, prompts):
    """Rows of two groups, mixed; beside each row scored alone."""
    model, tokenizer = shipped
    rows = [prompts[i] for i in (0, 1, 0, 0, 1)]
    inputs = (*encode_prompts(tokenizer, rows), *encode_completions(tokenizer, ["#8", "1123364105#5", "", "7#8", "#1"]))
    gradients, values = [], []
    for parts in ([slice(None)], [slice(i, i + 1) for i in range(5)]):
        model.zero_grad()
        found = [score(model, *(tensor[part] for tensor in inputs)).log_probabilities for part in parts]
        (torch.cat(found) * torch.arange(1.0, 6.0)[:, None]).sum().backward()
        values.append(torch.cat(found).detach())
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    model.zero_grad()
    assert torch.allclose(values[0], values[1], atol=1e-5)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-3)


def test_chunks_have_the_same_gradient(shipped):
    model, tokenizer = shipped
    prompts, prompt_mask = encode_prompts(tokenizer, ["77941=", "1="])
    ids, mask = encode_completions(tokenizer, ["#8", "11#1"])
    gradients = []
    for chunk in (None, 2):
        model.zero_grad()
        score(model, prompts, prompt_mask, ids, mask, chunk=chunk).log_probabilities.sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    model.zero_grad()
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))


def test_a_checkpoint_without_padding_token_gets_the_end_token_and_right_masks(tmp_path, shipped):
    model, tokenizer = shipped
    save_checkpoint(tmp_path, model, tokenizer)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    again, other = load_checkpoint(tmp_path, "cpu")
    assert other.pad_token_id == other.eos_token_id == tokenizer.eos_token_id
    first = sample(model, tokenizer, ["77941="] * 64, 12, make_generator(0, "sampling"))
    second = sample(again, other, ["77941="] * 64, 12, make_generator(0, "sampling"))
    assert torch.equal(first.mask, second.mask) and decode(tokenizer, first) == decode(other, second)
    assert torch.allclose(first.log_probabilities, score(again, *second[:4]).log_probabilities, atol=2e-5)
    ends = first.ids[first.finished].gather(1, first.mask[first.finished].sum(1, keepdim=True) - 1)
    assert (ends == tokenizer.eos_token_id).all()


def test_bad_checkpoints_are_named(tmp_path, shipped):
    model, tokenizer = shipped
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_checkpoint(tmp_path / "nothing")
    save_checkpoint(tmp_path / "wide", model, character_tokenizer(chain.CHARACTERS + "abc"))
    with pytest.raises(ValueError, match="token ids up to 17, but the model has embeddings for 15 tokens"):
        load_checkpoint(tmp_path / "wide", "cpu")
    save_checkpoint(tmp_path / "endless", model, tokenizer)
    settings = json.loads((tmp_path / "endless" / "tokenizer_config.json").read_text())
    settings.pop("eos_token")
    (tmp_path / "endless" / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="has no end token"):
        load_checkpoint(tmp_path / "endless", "cpu")
    with pytest.raises(ValueError, match="each once"):
        character_tokenizer("aa")


def test_bad_prompts_and_settings_are_named(shipped):
    model, tokenizer = shipped
    generator = make_generator(0, "sampling")
    with pytest.raises(ValueError, match=r"prompt 1 has 120 tokens .* together more than the context of 128"):
        sample(model, tokenizer, ["1=", "1" * 120], 12, generator)
    with pytest.raises(ValueError, match="prompt '' has no tokens"):
        sample(model, tokenizer, [""], 12, generator)
    with pytest.raises(ValueError, match="one string, expected a list"):
        sample(model, tokenizer, "1=", 12, generator)
    with pytest.raises(ValueError, match="generator is missing"):
        sample(model, tokenizer, ["1="], 12)
    with pytest.raises(ValueError, match="temperature is -1"):
        sample(model, tokenizer, ["1="], 12, generator, temperature=-1)
    with pytest.raises(ValueError, match="prompts is empty"):
        sample(model, tokenizer, [], 12, generator)


def test_an_empty_completion_is_its_end_token(shipped):
    _model, tokenizer = shipped
    ids, mask = encode_completions(tokenizer, ["", "#8"])
    assert ids[0, 0] == tokenizer.eos_token_id and mask.long().tolist() == [[1, 0, 0], [1, 1, 1]]


def test_several_stop_tokens_end_a_completion(shipped):
    model, tokenizer = shipped
    assert stop_tokens(model, tokenizer) == [tokenizer.eos_token_id]
    ids, mask = encode_prompts(tokenizer, ["77941="] * 32)
    hash_id = tokenizer.convert_tokens_to_ids("#")
    stops = [tokenizer.eos_token_id, hash_id]
    found = continue_from(model, ids, mask, 12, stops, tokenizer.pad_token_id, make_generator(0, "sampling"))
    assert found.finished.all()
    for row, chosen in zip(found.ids, found.mask, strict=True):
        assert row[chosen][-1] in stops and not torch.isin(row[chosen][:-1], torch.tensor(stops)).any()


def test_supervised_training_lowers_the_loss_and_ignores_the_prompts_tokens():
    tokenizer = character_tokenizer(chain.CHARACTERS)
    examples = chain.demonstrations(256, make_generator(0, "demonstrations"))
    config = SupervisedConfig(num_steps=60, batch_size=64, warm_up_steps=5, learning_rate=1e-2)
    model = tiny_llama(tokenizer, hidden_size=16, seed=1)
    result = train(model, tokenizer, examples, config)
    assert result.ended == "completed"
    assert result.history["loss"][0].item() == pytest.approx(math.log(15), abs=0.4)
    assert result.history["loss"][-1] < 0.8 * result.history["loss"][0]
    again = tiny_llama(tokenizer, hidden_size=16, seed=1)
    assert torch.equal(train(again, tokenizer, examples, config).history["loss"], result.history["loss"])
    with pytest.raises(ValueError, match="256 demonstrations, expected at least one batch of 257"):
        train(model, tokenizer, examples, SupervisedConfig(batch_size=257))


def test_an_interrupted_or_diverging_run_returns_its_history():
    tokenizer = character_tokenizer(chain.CHARACTERS)
    examples = chain.demonstrations(64, make_generator(0, "demonstrations"))
    calls = []

    def stop(log_probabilities, mask):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return -log_probabilities.sum() / mask.sum() * (float("nan") if len(calls) == 6 else 1.0)

    config = SupervisedConfig(num_steps=10, batch_size=32)
    model = tiny_llama(tokenizer, hidden_size=16)
    with pytest.warns(UserWarning, match="interrupted in iteration 2 of 10"):
        result = train(model, tokenizer, examples, config, loss=stop)
    assert len(result.history["loss"]) == 2
    with pytest.warns(UserWarning, match="diverged: loss .* is nan at step 2"):
        result = train(model, tokenizer, examples, config, loss=stop)
    assert len(result.history["loss"]) == 2


def test_everything_works_with_another_architecture(tmp_path):
    """Qwen2, with biases and grouped key-value heads, as the real checkpoints have."""
    tokenizer = character_tokenizer(chain.CHARACTERS)
    # transformers loads this architecture's tokenizer with one token more.
    config = Qwen2Config(vocab_size=len(tokenizer) + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)  # fmt: skip
    save_checkpoint(tmp_path, Qwen2ForCausalLM(config), tokenizer)
    model, tokenizer = load_checkpoint(tmp_path, "cpu")
    completions = sample(model, tokenizer, ["77941=", "1="], 8, make_generator(0, "sampling"))
    for chunk in (None, 3):
        again = score(model, *completions[:4], chunk=chunk).log_probabilities
        assert torch.allclose(completions.log_probabilities, again, atol=2e-5)


def test_bfloat16_weights_are_scored_in_float32(shipped):
    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu", torch.bfloat16)
    completions = sample(model, tokenizer, ["77941="] * 8, 12, make_generator(0, "sampling"))
    assert completions.log_probabilities.dtype is torch.float32
    assert score(model, *completions[:4]).log_probabilities.dtype is torch.float32


def test_pairs_put_the_better_completion_first_and_skip_equal_groups(shipped):
    from rlkit.lm.preferences import sample_pairs

    model, tokenizer = shipped
    pairs = sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=20, seed=3)
    assert pairs and pairs == sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=20, seed=3)
    prompts, better, worse = (list(column) for column in zip(*pairs, strict=True))
    assert set(chain.reward(prompts, better)) == {1.0} and set(chain.reward(prompts, worse)) == {0.0}
    assert max(prompts.count(prompt) for prompt in prompts) <= 2
    assert not any(chain.is_test_prompt(prompt) for prompt in prompts)

    def all_alike(asked, texts):
        return [0.5] * len(asked)

    assert sample_pairs(model, tokenizer, chain.prompts, all_alike, num_prompts=5) == []
