"""The conversation with the kernel in which a student's cells run: the candidate.

Everything that arrives from that process is data written by the student's code, who may also forge, repeat or omit
messages. So nothing here depends on who sent a message: an answer is read as data, a missing one is a time limit, and
a kernel that died or cannot be interrupted is replaced and the cells that had survived are run again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any, TypeVar

from autograder.grading.outputs import Transcript
from autograder.sandboxing.kernels import STARTUP_SECONDS, Kernel, StartKernel
from autograder.subject import Gone, Late, StudentError

LOG = logging.getLogger(__name__)
INTERRUPT_GRACE = 2.0
CELL_TRIES, CALL_TRIES = 3, 2
Answer = TypeVar("Answer")


class Ended(Gone):
    """The kernel's process ended by itself."""


class KernelSession:
    """A candidate kernel that is started when it is needed and replaced when it is lost.

    Parameters
    ----------
    start_kernel : callable
        Starts a kernel with files beside it: in the sandbox or not (kernels.py).
    opening : str
        Code that runs first in every kernel; it is ours, so a failure is an error of the course.
    seconds : float
        Time for everything together.
    restarts : int
        Fresh kernels after one died or hung.
    files : mapping
        Names and contents of the files that lie beside the student's notebook.
    """

    def __init__(
        self, start_kernel: StartKernel, opening: str, seconds: float, restarts: int, files: Mapping[str, bytes]
    ) -> None:
        self._start_kernel, self._opening, self._files = start_kernel, opening, files
        self._stop_at = time.monotonic() + seconds
        self._starts_left = restarts + 1
        self._survived: list[tuple[str, float]] = []
        self._kernel: Kernel | None = None

    def run_cell(self, source: str, seconds: float, transcript: Transcript) -> None:
        """Run one of the student's cells and collect what it shows.

        Raises
        ------
        Late
            If it was interrupted at the time limit; the kernel goes on.
        Gone
            If it ended the process or could not be interrupted; the next cell gets a fresh kernel.
        """
        self._again_if_it_ends(CELL_TRIES, lambda: self._execute(source, seconds, transcript))
        self._survived.append((source, seconds))

    def _again_if_it_ends(self, tries: int, act: Callable[[], Answer]) -> Answer:
        """Act in a kernel; if that ends, once more in a fresh one.

        What was called before may have ended it, in a thread that it left behind; in a fresh kernel the cells have run
        and nothing has been called.
        """
        for left in reversed(range(tries)):
            self.ensure_running()
            try:
                return act()
            except Ended:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _execute(self, source: str, seconds: float, transcript: Transcript) -> None:
        self._exchange({"code": source, "store_history": True, "silent": False}, [], seconds, transcript)

    def ask(
        self, code: str, request: dict[str, Any], buffers: list[bytes], seconds: float, transcript: Transcript
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Put one question to the student's code and return its answer, which is data that proves nothing."""
        content = {"code": code, "store_history": False, "silent": True, "examiner": json.dumps(request)}
        # An object that was made for the examiner went with its kernel, so a call of its methods cannot be repeated.
        tries = 1 if "handle" in request else CALL_TRIES
        text, answer_buffers = self._again_if_it_ends(
            tries, lambda: self._exchange(content, buffers, seconds, transcript)
        )
        try:
            reply = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StudentError(f"the answer could not be read ({type(error).__name__})") from None
        texts = isinstance(reply, dict) and all(isinstance(reply.get(key), str) for key in ("error", "message"))
        if not texts and not (isinstance(reply, dict) and "ok" in reply):
            raise StudentError("your code did not answer: something in it stopped the call from being carried out")
        return reply, answer_buffers

    def ensure_running(self) -> None:
        """Start a kernel if none is running, and run in it the cells that had survived in the one before."""
        if time.monotonic() > self._stop_at:
            self.close()
            raise Gone("the time limit for the whole notebook is used up")
        if self._kernel is not None:
            return
        if self._starts_left <= 0:
            raise Gone("the notebook's Python process ended or hung too often")
        self._starts_left -= 1
        self._start()
        for cell in list(self._survived):
            try:
                self._execute(*cell, Transcript(0))
            except (Gone, Late):
                # It survived once and does not now; without it the others may.
                self._survived.remove(cell)
                raise

    def _start(self) -> None:
        self._kernel = self._start_kernel(self._files)
        problems = Transcript(10_000)
        self._exchange({"code": self._opening, "store_history": False, "silent": True}, [], STARTUP_SECONDS, problems)
        errors = [output for output in problems.outputs if output.output_type == "error"]
        if errors:
            raise RuntimeError(f"the candidate kernel could not be prepared: {errors[0].evalue}")

    def close(self) -> None:
        """End the kernel, whatever state it is in."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            try:
                kernel.close()
            except Exception as error:
                LOG.warning("the candidate kernel did not end cleanly: %r", error)

    def _exchange(
        self, content: dict[str, Any], buffers: list[bytes], seconds: float, transcript: Transcript
    ) -> tuple[str, list[bytes]]:
        """Run code and listen until the kernel is idle; return the last answer among its messages."""
        try:
            return self._listen(content, buffers, min(seconds, max(0.1, self._stop_at - time.monotonic())), transcript)
        except Gone:
            self.close()
            raise
        except StudentError:
            raise
        except Exception as error:
            # Nonsense on the wire: unreadable, unsigned or absurdly nested messages.
            LOG.warning("the connection to a candidate kernel broke: %r", error)
            self.close()
            raise Gone("the connection to your code broke") from None

    def _listen(
        self, content: dict[str, Any], buffers: list[bytes], seconds: float, transcript: Transcript
    ) -> tuple[str, list[bytes]]:
        kernel = self._kernel
        assert kernel is not None
        question = self._send(kernel, content, buffers)
        stop, interrupted = time.monotonic() + seconds, False
        answer: tuple[str, list[bytes]] = ("null", [])
        while True:
            left = stop - time.monotonic()
            if left <= 0:
                if interrupted:
                    raise Gone(f"no answer within {seconds:.3g} seconds, and the code could not be interrupted")
                kernel.interrupt()
                stop, interrupted = time.monotonic() + INTERRUPT_GRACE, True
                continue
            try:
                message = kernel.client.get_iopub_msg(timeout=min(left, 0.2))
            except Empty:
                if kernel.is_alive():
                    continue
                raise Ended("your code ended the notebook's Python process") from None
            if message["parent_header"].get("msg_id") != question:
                continue
            kind, body = message["msg_type"], message["content"]
            if kind == "status" and body.get("execution_state") == "idle":
                break
            if kind == "examiner_reply":
                answer = (str(body.get("reply")), [bytes(buffer) for buffer in message["buffers"]])
            else:
                transcript.add(kind, body)
        if interrupted:
            raise Late(f"no answer within {seconds:.3g} seconds")
        return answer

    def _send(self, kernel: Kernel, content: dict[str, Any], buffers: list[bytes]) -> str:
        """Send an execution request. Its extra fields travel outside the code, and binary data outside the text."""
        fixed = {"user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        message = kernel.client.session.msg("execute_request", {**fixed, **content})
        message["buffers"] = buffers
        kernel.client.shell_channel.send(message)
        return message["header"]["msg_id"]
