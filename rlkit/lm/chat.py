"""Conversations as token ids, through a tokenizer's chat template, one turn at a time.

What a policy wrote stays as the ids that were sampled: written out and read again they may come back as other ids,
and the log-probabilities that were noted would belong to none of them. So only what the *others* say is ever
tokenised: the opening, and after each turn the text between the end of that turn and the beginning of the next.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACE = "turn"  # stands for what the policy wrote


class Chat:
    """The token ids around a policy's turns.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        With a chat template whose assistant turns end with the end token.

    Raises
    ------
    ValueError
        If there is no template, or one that does not render a turn as it is.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ValueError(
                "the tokenizer has no chat template; set tokenizer.chat_template to that of the model's documentation"
            )
        self.tokenizer, self.end = tokenizer, tokenizer.eos_token_id
        self.opening = functools.lru_cache(maxsize=100_000)(self._opening)
        self.reply = functools.lru_cache(maxsize=100_000)(self._reply)
        self.reply("x")

    def _render(self, messages: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _opening(self, text: str) -> tuple[int, ...]:
        """Ids of a conversation that begins with this text, up to where the policy writes."""
        return self._ids(self._render([{"role": "user", "content": text}]))

    def _reply(self, text: str) -> tuple[int, ...]:
        """Ids between the end token of the policy's turn and its next turn, with this text in between."""
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": PLACE}]
        _, found, after = self._render([*messages, {"role": "user", "content": text}]).partition(PLACE)
        if not found:
            raise ValueError("the chat template does not render the policy's turn as it is; rlkit cannot append to it")
        after = after.lstrip(" ")
        return self._ids(after.removeprefix(self.tokenizer.eos_token))

    def written(self, ids: list[int]) -> str:
        """Text of a policy's turn, without what ends it."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()
