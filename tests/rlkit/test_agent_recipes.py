"""The bases that come with rlkit: ordinary checkpoints, small, weak but able, and what their script makes."""

import dataclasses

import pytest
import torch

from rlkit.agents import training
from rlkit.agents.imitation import FIRST_TASK, demonstrate, encode_context, imitation_loss
from rlkit.agents.recipes import RECIPES, load_base, make_base
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED


def unlikeliness(name, model, tokenizer):
    """Mean negative log-likelihood of a scripted policy's tokens in episodes that no seed trained on."""
    environment, chat = RECIPES[name].environment(), Chat(tokenizer)
    contexts = [c for task in range(100) for c in demonstrate(environment, FIRST_TASK - 1_000 + task)]
    with torch.no_grad():
        return imitation_loss(model, tokenizer.pad_token_id, [encode_context(chat, c) for c in contexts], 0.0)[1].item()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_base_is_an_ordinary_small_checkpoint_that_succeeds_now_and_then(name):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert sum(path.stat().st_size for path in (SHIPPED / name).iterdir()) <= 600_000
    model = AutoModelForCausalLM.from_pretrained(SHIPPED / name, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / name, local_files_only=True)
    assert tokenizer.chat_template and model.config.max_position_embeddings == 512
    found = training.evaluate(model, tokenizer, RECIPES[name].environment, 100)["success"]
    # Of the scripted policy that it imitates 10 to 40 in 100 succeed; RL needs some successes to start from.
    assert 0.08 <= found <= 0.5, found


def test_a_shipped_base_is_what_its_script_makes():
    """Bit by bit on one machine; elsewhere rounding lets the weights drift, and the likelihoods stay close."""
    name = "project_agent"
    shipped, again = load_base(name, "cpu"), make_base(name, 0)
    assert again[1].get_vocab() == shipped[1].get_vocab()
    assert unlikeliness(name, *again) == pytest.approx(unlikeliness(name, *shipped), abs=0.03)


def test_the_learning_rate_falls_to_its_final_share():
    config = dataclasses.replace(RECIPES["data_agent"].training, num_iterations=11, final_share=0.1)
    shares = [training.falling_share(step, config) for step in range(11)]
    assert shares[0] == 1 and shares[5] == pytest.approx(0.55) and shares[-1] == pytest.approx(0.1)
    assert training.falling_share(0, dataclasses.replace(config, num_iterations=1)) == 1


def test_a_base_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="expected one of"):
        load_base("chess_agent")
