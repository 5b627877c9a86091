"""One tool, ``act``, for frameworks in which a policy reaches its environment through calls of tools.

A model of the course writes commands as they are, ``SUM tb pear``. With :func:`with_tools` its tokenizer reads such a
turn as the call ``act(command="SUM tb pear")`` and writes such a call as that turn: token for token the conversation
that it was trained on. Models that were trained with tools bring a notation of their own and need none of this.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rlkit.bridges.episodes import Episode, EpisodeError
from rlkit.lm.checkpoints import CHAT_TEMPLATE, END

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ACT: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "act",
        "description": "Carry out one command in the environment and return its answer.",
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string", "description": "One command with its arguments."}},
            "required": ["command"],
        },
    },
}
RESPONSE_TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    # After the end of an episode the last anchor is an earlier one, and what follows it holds "<user>": no call.
    "start_anchor_pattern": rf"(?<!{END} )<agent>",
    "fields": {
        "tool_calls": {
            "open_pattern": r"\A(?!.*<user>)\s*",
            "close_pattern": rf"\s*{END}",
            "content": "text",
            "repeats": True,
            "transform": {"type": "function", "function": {"name": "act", "arguments": {"command": "{content}"}}},
        },
        "content": {"content": "text"},
    },
}
HOW = "\n\nGive each command to the tool act, one at a time."
CONTENT = "{{ message['content'] }}"
# A template has to render name and arguments of any call, or TRL refuses it; those of act are the command alone.
CALLS = (
    "{% for call in message.tool_calls or [] %}{% set called = call.function %}"
    "{% if called.name == 'act' %}{{ called.arguments.command }}"
    "{% else %}{{ called.name }} {{ called.arguments | tojson }}{% endif %}{% endfor %}"
)


def with_tools(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Teach the tokenizer of a tiny model that a turn is a call of ``act``; leave every other tokenizer alone."""
    if tokenizer.chat_template == CHAT_TEMPLATE:
        tokenizer.chat_template = CHAT_TEMPLATE.replace(f"<agent> {CONTENT}", f"<agent> {CONTENT}{CALLS}")
        tokenizer.response_template = RESPONSE_TEMPLATE
    return tokenizer


class TextAgent:
    """An episode behind ``reset``, the tool ``act``, and ``get_reward``: made once, reset with each row's columns."""

    def __init__(self) -> None:
        self._episode: Episode | None = None
        self._error: EpisodeError | None = None

    def reset(self, **row: Any) -> str | None:
        """Begin the episode of a row, whose prompt opens it; return what is to be added to the instructions, if any."""
        self._error, self._episode = None, Episode.from_row(row)
        return HOW if json.loads(row.get("options") or "{}").get("instructions") else None

    def act(self, command: str) -> str:
        """Carry out one command in the environment and return its answer.

        Args:
            command: One command with its arguments.
        """
        if self._episode is None or self._episode.ended:
            return END
        try:
            observation, _, ended = self._episode.reply(command)
        except EpisodeError as error:  # a framework may tell the policy and train on the reward so far
            self._error = error
            raise
        return f"{observation} {END}" if ended else observation

    def get_reward(self) -> float:
        """Return what the episode earned, or raise what the environment raised."""
        if self._error:
            raise self._error
        return 0.0 if self._episode is None else self._episode.total_reward
