"""Checkpoints in the ordinary format of ``transformers``, loaded from a folder or made here.

A tiny model is a real one: the Llama architecture with few and narrow layers, and a tokenizer with one token per
character. Both save and load with ``save_pretrained`` and ``from_pretrained``, without a network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rlkit.device import choose_device

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD, BEGIN, END = "<pad>", "<begin>", "<end>"
UNKNOWN, USER, AGENT = "<unknown>", "<user>", "<agent>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}<agent> {{ message['content'] }} <end> "
    "{% else %}<user> {{ message['content'] }} {% endif %}{% endfor %}{% if add_generation_prompt %}<agent>{% endif %}"
)
SHIPPED = Path(__file__).parent / "shipped"
SMALL = 50_000_000  # bytes


def character_tokenizer(characters: str) -> PreTrainedTokenizerBase:
    """Return a tokenizer with one token per character, after the tokens for padding, begin and end (0, 1, 2)."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if not characters or len(set(characters)) != len(characters):
        raise ValueError(f"characters is {characters!r}, expected at least one, each once")
    vocabulary = {token: index for index, token in enumerate([PAD, BEGIN, END, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerBase:
    """Return a tokenizer with one token per word and a chat template; words it does not know become ``<unknown>``."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if not words or len(set(words)) != len(words):
        raise ValueError(f"{len(words)} words, {len(set(words))} of them different: expected at least one, each once")
    vocabulary = {word: index for index, word in enumerate([PAD, UNKNOWN, END, USER, AGENT, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def tiny_llama(
    tokenizer: PreTrainedTokenizerBase,
    hidden_size: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    context_length: int = 128,
    seed: int = 0,
) -> PreTrainedModel:
    """Return an untrained model of the Llama architecture; 132,000 parameters as it stands."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        max_position_embeddings=context_length,
        tie_word_embeddings=True,
        initializer_range=0.05,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws the weights from torch's global generator
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def load_checkpoint(
    folder: str | Path, device: str | torch.device | None = None, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load model and tokenizer of any causal language model from a folder.

    A tokenizer without a padding token gets its end token as one, which is right because every mask here is made
    from lengths and stop tokens. Dropout is switched off: a policy that draws new weights at every call has no
    probability ratio. ``rlkit.lm.checkpoints.SHIPPED / "chain"`` is the checkpoint that comes with rlkit.

    Raises
    ------
    FileNotFoundError
        If the folder holds no checkpoint.
    ValueError
        If the tokenizer has no end token, or has tokens for which the model has no row.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder} holds no config.json, expected the folder of a checkpoint (save_pretrained writes one)"
        )
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    with _quiet_if_small(folder):
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
    if tokenizer.eos_token_id is None:
        raise ValueError(f"the tokenizer of {folder} has no end token; set tokenizer.eos_token and save it again")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    require_agreement(model, tokenizer)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.to(choose_device(device))  # type: ignore[arg-type]
    return model.eval(), tokenizer


@contextlib.contextmanager
def _quiet_if_small(folder: Path) -> Iterator[None]:
    """Leave out the progress bar of loading where nobody has to wait."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    if sum(path.stat().st_size for path in folder.glob("*.safetensors")) < SMALL:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar() if shown else None


def save_checkpoint(folder: str | Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write model and tokenizer to a folder that :func:`load_checkpoint` and ``from_pretrained`` read."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def require_agreement(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ``ValueError`` if the tokenizer can write a token that the model has no embedding for."""
    largest = max(tokenizer.get_vocab().values())
    rows = len(model.get_input_embeddings().weight)  # type: ignore[arg-type]
    if largest >= rows:
        raise ValueError(
            f"the tokenizer writes token ids up to {largest}, but the model has embeddings for {rows} tokens "
            f"(0 to {rows - 1}): are both from one checkpoint?"
        )


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end a completion: the tokenizer's end token and those of the model's generation settings."""
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    more = [] if own is None else [own] if isinstance(own, int) else list(own)
    return sorted({tokenizer.eos_token_id, *more})
