"""A local server with OpenAI's interface over a checkpoint: ``python -m rlkit.bridges.server --model FOLDER``.

Answers ``/v1/models``, ``/v1/chat/completions`` and ``/v1/completions``, to this computer alone. Beside what OpenAI
answers there are the fields that training frameworks read and that vLLM named: ``prompt_token_ids`` and, with each
choice, ``token_ids``. Log-probabilities are those of the distribution that was sampled from, temperature included.

What a policy wrote in earlier turns comes back as text and is tokenised again; with the tokenizers of the course that
gives the same ids, with others it may not (:mod:`rlkit.lm.chat`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rlkit.bridges.local_model import LocalModel, Script, Written
from rlkit.bridges.openai_requests import CompletionRequest, RequestError, read_request
from rlkit.lm.checkpoints import load_checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
MOST_BYTES = 10_000_000
START_SECONDS = 20


class ServerError(RuntimeError):
    """A server that cannot start."""


def make_application(model: LocalModel, name: str) -> Any:
    """Return the ASGI application that serves a model under a name."""
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.exceptions import HTTPException
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import JSONResponse
        from starlette.routing import Route
    except ImportError as error:
        raise ServerError(f'{error}; the server needs: python -m pip install "mastering-rl[serve]"') from error

    async def models(request: Any) -> Any:
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model", "owned_by": "rlkit"}]})

    async def completions(request: Any) -> Any:
        chat = request.url.path.endswith("/chat/completions")
        asked = await _read(request)
        if asked.get("model", name) != name:
            message = f"the model {asked['model']!r} is not here; this server has {name!r}"
            raise RequestError(message, "model", "model_not_found", 404)
        wanted = read_request(asked, chat)
        try:
            written = await run_in_threadpool(model.write, wanted)
            return JSONResponse(answer(model, name, wanted, written, chat))
        except RequestError:
            raise
        except Exception as error:  # left to starlette it would also close the connection
            LOG.exception("a completion failed")
            raise RequestError(f"{type(error).__name__}: {error}", status=500) from error

    async def refused(request: Any, error: Any) -> Any:
        if isinstance(error, HTTPException):
            error = RequestError(
                f"{request.method} {request.url.path}: {error.detail}; there are GET /v1/models, "
                "POST /v1/chat/completions and POST /v1/completions",
                status=error.status_code,
            )
        return JSONResponse(error.body(), status_code=error.status)

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
        ],
        # A page in a browser could reach a server on loopback under a name of its own.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])],
        exception_handlers={RequestError: refused, HTTPException: refused},
    )


async def _read(request: Any) -> dict[str, Any]:
    """Return the JSON object of a request."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise RequestError(f"the body has more than {MOST_BYTES:,} bytes", status=413)
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise RequestError(f"the body is {type(asked).__name__}, expected a JSON object")
    return asked


def answer(
    model: LocalModel, name: str, request: CompletionRequest, written: list[Written], chat: bool
) -> dict[str, Any]:
    """Put completions into OpenAI's format."""
    spent = sum(len(one.ids) for one in written)
    prompt = written[0].prompt_ids
    return {
        "id": ("chatcmpl-" if chat else "cmpl-") + uuid.uuid4().hex,
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": name,
        "prompt_token_ids": prompt,
        "choices": [_choice(model, request, one, number, chat) for number, one in enumerate(written)],
        "usage": {"prompt_tokens": len(prompt), "completion_tokens": spent, "total_tokens": len(prompt) + spent},
    }


def _choice(model: LocalModel, request: CompletionRequest, one: Written, number: int, chat: bool) -> dict[str, Any]:
    """Return one completion."""

    def shown(token: int) -> str:
        return f"token_id:{token}" if request.tokens_as_ids else model.decode([token], whole=True)

    def scored(token: int, value: float) -> dict[str, Any]:
        text = model.decode([token], whole=True)
        return {"token": shown(token), "logprob": value, "bytes": list(text.encode())}

    choice: dict[str, Any] = {
        "index": number,
        "finish_reason": "stop" if one.finished else "length",
        "token_ids": one.ids,
        "logprobs": None,
    }
    places = zip(one.ids, one.log_probabilities, one.likeliest, strict=True)
    if not chat:
        if request.log_probabilities:
            choice["logprobs"] = {
                "tokens": [shown(token) for token in one.ids],
                "token_logprobs": one.log_probabilities,
                "top_logprobs": [{shown(token): value for token, value in best} for best in one.likeliest],
            }
        return {**choice, "text": one.text}
    if request.log_probabilities:
        content = [
            {**scored(token, value), "top_logprobs": [scored(*pair) for pair in best]} for token, value, best in places
        ]
        choice["logprobs"] = {"content": content, "refusal": None}
    text, calls = model.calls(one, request.tools) if request.tools else (one.text, [])
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": function} for function in calls
        ]
        message["content"] = text or None
        choice["finish_reason"] = "tool_calls" if one.finished else "length"
    return {**choice, "message": message}


def reserve(port: int) -> socket.socket:
    """Take a port of the loopback interface, any free one for 0, or say that somebody else has it."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((LOOPBACK, port))
    except OSError as error:
        taken.close()
        raise ServerError(
            f"port {port} cannot be used ({error.strerror}); stop the other program, name another with --port, "
            "or take any free one with --port 0"
        ) from error
    return taken


@contextlib.contextmanager
def serving(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    script: Script | None = None,
    port: int | socket.socket = 0,
    name: str = "rlkit",
    seed: int = 0,
) -> Iterator[str]:
    """Serve a model from a thread of this process; yield the address, ``http://127.0.0.1:PORT/v1``."""
    application = make_application(LocalModel(model, tokenizer, script, seed), name)
    import uvicorn

    taken = reserve(port) if isinstance(port, int) else port
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > until:
                raise ServerError("the server did not start; what it said is above")
            time.sleep(0.01)
        yield f"http://{LOOPBACK}:{taken.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        taken.close()


def main(arguments: list[str] | None = None) -> None:
    """Load a checkpoint and serve it until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m rlkit.bridges.server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of a causal language model with its tokenizer")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one (default 8000)")
    parser.add_argument("--name", default="rlkit", help="of the model in requests (default rlkit)")
    parser.add_argument("--seed", type=int, default=0, help="for requests that bring none (default 0)")
    parser.add_argument("--device", help="cpu, cuda, mps; the best one present if left out")
    options = parser.parse_args(arguments)
    try:
        port = reserve(options.port)  # loading takes longer
        checkpoint = load_checkpoint(options.model, options.device)
        with serving(*checkpoint, None, port, options.name, options.seed) as address:
            print(f"serving {options.model} as {options.name!r} at {address} (stop with Ctrl-C)", flush=True)
            threading.Event().wait()
    except (ServerError, OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
