"""A checkpoint of this machine behind the server: it writes completions, or scores what a scripted policy writes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rlkit.bridges.openai_requests import CompletionRequest, RequestError
from rlkit.lm.checkpoints import stop_tokens
from rlkit.lm.sampling import continue_from
from rlkit.seeding import make_generator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Script = Callable[[Sequence[dict[str, Any]]], str]
HERMES = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


class Written(NamedTuple):
    """One completion: ids as they were sampled, with log-probabilities of the distribution they were sampled from."""

    prompt_ids: list[int]
    ids: list[int]
    log_probabilities: list[float]
    likeliest: list[list[tuple[int, float]]]
    text: str
    finished: bool


class LocalModel:
    """A model and its tokenizer, for one request at a time.

    Parameters
    ----------
    model, tokenizer
        Of one checkpoint.
    script : callable, optional
        Writes instead of the model, from the messages; the model gives the log-probabilities.
    seed : int
        For requests that bring no seed.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        script: Script | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.tokenizer, self.script = model.eval(), tokenizer, script
        self.stops = stop_tokens(model, tokenizer)
        self.generator = make_generator(seed, "server", model.device)
        self.lock = threading.Lock()

    def encode(self, request: CompletionRequest) -> list[int]:
        """Return the ids of a request's prompt, or of its conversation up to where the model writes."""
        if isinstance(request.prompt, list):
            if max(request.prompt) >= self.model.get_input_embeddings().weight.shape[0]:  # type: ignore[operator,union-attr]
                raise RequestError(f"prompt has the token id {max(request.prompt)}, which the model has not", "prompt")
            return request.prompt
        if request.prompt:
            return list(self.tokenizer(request.prompt)["input_ids"])
        if not getattr(self.tokenizer, "chat_template", None):
            raise RequestError("this checkpoint has no chat template: use /v1/completions", "messages")
        try:
            text = self.tokenizer.apply_chat_template(
                list(request.messages), tools=list(request.tools) or None, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates raise errors of their own about conversations they cannot render
            raise RequestError(f"the chat template does not render these messages: {error}", "messages") from error
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def write(self, request: CompletionRequest) -> list[Written]:
        """Answer a request, with as many completions as it asks for."""
        prompt = self.encode(request)
        limit = self._limit(len(prompt), request.max_tokens)
        with self.lock, torch.no_grad():
            generator = self.generator
            if request.seed is not None:
                generator = make_generator(request.seed, "server", self.model.device)
            found = (
                [self._forced(prompt, self.script(request.messages), limit, request.temperature)] * request.number
                if self.script and request.messages
                else self._sampled(prompt, limit, request, generator)
            )
            return [self._finish(prompt, ids, scores, request) for ids, scores in found]

    def calls(self, written: Written, tools: Sequence[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
        """Split a completion into text and calls of tools.

        As the tokenizer's response template says, or else in the notation of Hermes and Qwen, ``<tool_call>`` and JSON.
        What is neither stays text.
        """
        try:
            if getattr(self.tokenizer, "response_template", None):
                parsed = self.tokenizer.parse_response(written.ids, prefix=written.prompt_ids, tools=list(tools))
                found = [call["function"] for call in parsed.get("tool_calls") or []]
                text = parsed.get("content") or ""
            else:
                found = [json.loads(text) for text in HERMES.findall(written.text)]
                text = HERMES.sub("", written.text).strip() if found else written.text
            return text, [{"name": str(one["name"]), "arguments": json.dumps(one["arguments"])} for one in found]
        except (ValueError, KeyError, TypeError):
            return written.text, []

    def _limit(self, prompt: int, wanted: int | None) -> int:
        """Return how many tokens may be written."""
        context = getattr(self.model.config, "max_position_embeddings", None) or 10**9
        if prompt + (wanted or 1) > context:
            raise RequestError(
                f"the context has {context} tokens, the prompt {prompt}, and max_tokens is {wanted}",
                "messages",
                "context_length_exceeded",
            )
        return wanted or context - prompt

    def _sampled(
        self, prompt: list[int], limit: int, request: CompletionRequest, generator: torch.Generator
    ) -> list[tuple[list[int], list[float]]]:
        """Sample completions."""
        prompts = torch.tensor([prompt] * request.number, device=self.model.device)
        pad = self.tokenizer.pad_token_id
        made = continue_from(
            self.model, prompts, torch.ones_like(prompts).bool(), limit, self.stops, pad, generator, request.temperature
        )
        return [
            (ids[mask].tolist(), scores[mask].tolist())
            for ids, mask, scores in zip(made.ids, made.mask, made.log_probabilities, strict=True)
        ]

    def _forced(self, prompt: list[int], text: str, limit: int, temperature: float) -> tuple[list[int], list[float]]:
        """Score what the scripted policy writes."""
        ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id][:limit]
        table = self._table(prompt, ids, temperature)
        return ids, table.gather(1, torch.tensor(ids, device=table.device)[:, None])[:, 0].tolist()

    def _table(self, prompt: list[int], ids: list[int], temperature: float) -> Tensor:
        """Log-probabilities of every token at every place of a completion."""
        read = torch.tensor([[*prompt, *ids][:-1]], device=self.model.device)
        logits = self.model(input_ids=read, use_cache=False, logits_to_keep=len(ids)).logits[0]
        return (logits.float() / (temperature or 1.0)).log_softmax(-1)

    def _finish(self, prompt: list[int], ids: list[int], scores: list[float], request: CompletionRequest) -> Written:
        """Cut at a stop text, write the tokens out, and add the likeliest tokens if they are asked for."""
        finished, text = ids[-1] in self.stops, self.decode(ids)
        if any(stop in text for stop in request.stop):
            length = next(
                k for k in range(1, len(ids) + 1) if any(stop in self.decode(ids[:k]) for stop in request.stop)
            )
            ids, scores, finished = ids[:length], scores[:length], True
            text = self.decode(ids)
            text = text[: min(text.find(stop) for stop in request.stop if stop in text)]
        likeliest: list[list[tuple[int, float]]] = [[] for _ in ids]
        if request.top:
            best = self._table(prompt, ids, request.temperature).topk(min(request.top, len(self.tokenizer)), dim=-1)
            likeliest = [
                list(zip(*row, strict=True)) for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
        return Written(prompt, ids, scores, likeliest, text, finished)

    def decode(self, ids: list[int], whole: bool = False) -> str:
        """Return the text of tokens, with those that end a turn only if ``whole``."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=not whole))
