"""Requests in the format of OpenAI's interface, read and checked; what cannot be honoured is refused, not ignored.

vLLM's names are understood too where frameworks send them: ``return_tokens_as_token_ids``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool")
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "stream": (False,),
    "top_p": (1, -1),
    "top_k": (-1, 0),
    "min_p": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "tool_choice": ("auto", "none"),
    "echo": (False,),
    "suffix": ("",),
}
"""Settings that would change what is written, and the values with which they do not: only these are accepted."""


class RequestError(ValueError):
    """A request that cannot be answered, with what OpenAI's error object says about it."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True)
class CompletionRequest:
    """What is asked for: a conversation or a prompt, and how to go on."""

    messages: tuple[dict[str, Any], ...]
    prompt: str | list[int]
    tools: tuple[dict[str, Any], ...]
    max_tokens: int | None
    temperature: float
    stop: tuple[str, ...]
    number: int
    seed: int | None
    log_probabilities: bool
    top: int
    tokens_as_ids: bool


def read_request(body: Any, chat: bool) -> CompletionRequest:
    """Check the JSON of a request for a chat completion, or for a plain one.

    Raises
    ------
    RequestError
        That names the field, what was given and what is expected.
    """
    if not isinstance(body, dict):
        raise RequestError(f"the body is {type(body).__name__}, expected a JSON object")
    for name, accepted in NEUTRAL.items():
        if body.get(name) is not None and body[name] not in accepted:
            raise RequestError(
                f"{name} is {body[name]!r}; this server supports only {' or '.join(map(repr, accepted))}", name
            )
    stop = body.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    if not (isinstance(stop, list) and all(isinstance(text, str) and text for text in stop)):
        raise RequestError(f"stop is {stop!r}, expected a text or a list of texts", "stop")
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    shown = _number(body, "top_logprobs" if chat else "logprobs", None, 0, 20, int)
    tools = body.get("tools") or [] if body.get("tool_choice") != "none" else []
    return CompletionRequest(
        messages=_messages(body.get("messages")) if chat else (),
        prompt="" if chat else _prompt(body.get("prompt")),
        tools=_tools(tools) if chat else (),
        max_tokens=_number(body, limit, None if chat else 16, 1, 10**9, int),
        temperature=_number(body, "temperature", 1.0, 0.0, 10.0, float),
        stop=tuple(stop),
        number=_number(body, "n", 1, 1, 128, int),
        seed=_number(body, "seed", None, 0, 2**63 - 1, int),
        log_probabilities=bool(body.get("logprobs")) if chat else shown is not None,
        top=shown or 0,
        tokens_as_ids=bool(body.get("return_tokens_as_token_ids")),
    )


def _number(body: Mapping[str, Any], name: str, default: Any, low: float, high: float, kind: type) -> Any:
    """Return a field that is a number between two others."""
    value = body.get(name)
    if value is None:
        return default
    right = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not (right and low <= value <= high):
        article = "an integer" if kind is int else "a number"
        raise RequestError(f"{name} is {value!r}, expected {article} from {low:g} to {high:g}", name)
    return kind(value)


def _prompt(value: Any) -> str | list[int]:
    """Return a text or the ids of tokens."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(one, int) and one >= 0 for one in value):
        return value
    raise RequestError(f"prompt is {value!r}, expected one text or one list of token ids", "prompt")


def _messages(value: Any) -> tuple[dict[str, Any], ...]:
    """Return messages as chat templates want them: contents are texts, arguments of tool calls are objects."""
    if not isinstance(value, list) or not value:
        raise RequestError(f"messages is {value!r}, expected a list with at least one message", "messages")
    found = []
    for number, message in enumerate(value):
        name = f"messages[{number}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            role = message.get("role") if isinstance(message, dict) else message
            raise RequestError(f"the role of {name} is {role!r}, expected one of {', '.join(ROLES)}", name)
        kept = {key: part for key, part in message.items() if part is not None}
        found.append({**kept, "content": _content(message.get("content"), name)})
        if message.get("tool_calls"):
            found[-1]["tool_calls"] = [_call(call, f"{name}.tool_calls") for call in message["tool_calls"]]
    return tuple(found)


def _content(value: Any, name: str) -> str:
    """Return a message's text, which may come in parts."""
    if value is None:
        return ""
    parts = [{"type": "text", "text": value}] if isinstance(value, str) else value
    if not isinstance(parts, list) or any(not isinstance(part, dict) or part.get("type") != "text" for part in parts):
        raise RequestError(f"the content of {name} is {value!r}, expected text: this server has no other kind", name)
    return "".join(str(part.get("text", "")) for part in parts)


def _call(call: Any, name: str) -> dict[str, Any]:
    """Return an earlier call of a tool with its arguments as an object."""
    try:
        function = dict(call["function"])
        if isinstance(function["arguments"], str):
            function["arguments"] = json.loads(function["arguments"])
    except (KeyError, TypeError, ValueError):
        raise RequestError(f"{name} holds {call!r}, expected a function with a name and JSON arguments", name) from None
    return {**call, "function": function}


def _tools(value: Any) -> tuple[dict[str, Any], ...]:
    """Return the tools, each a function with a name."""
    right = isinstance(value, list) and all(
        isinstance(tool, dict) and isinstance(tool.get("function"), dict) and tool["function"].get("name")
        for tool in value
    )
    if not right:
        raise RequestError("tools holds something else than functions with a name", "tools")
    return tuple(value)
