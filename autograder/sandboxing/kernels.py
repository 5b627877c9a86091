"""The process in which a student's code runs, seen from the side that grades: started, spoken to, stopped.

`WarmKernel` is the one that grades: in the sandbox, a copy of a process that has everything imported. `PlainKernel` is
an ordinary process of the user who grades, for whoever asks for no sandbox.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from autograder.course import COURSE_VARIABLE, GRADEBOOK_VARIABLE, SOLUTIONS_VARIABLE
from autograder.sandboxing.sandbox import Allowance
from autograder.sandboxing.template import PORTS, Template, template

LOG = logging.getLogger(__name__)
LARGEST_FRAME = 40_000_000
WAITING_MESSAGES = 16
STARTUP_SECONDS = 90.0


class Kernel(Protocol):
    """A running kernel.

    Attributes
    ----------
    client
        The conversation with it.
    """

    client: Any

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it."""

    def is_alive(self) -> bool:
        """Whether its process runs."""

    def close(self) -> None:
        """End it, whatever state it is in, and remove its folder."""


StartKernel = Callable[[Mapping[str, bytes]], Kernel]


def bounded_context() -> zmq.Context:
    """Return a context for one kernel's sockets: a flood waits in the student's process, not in this one."""
    context: zmq.Context = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, LARGEST_FRAME)
    context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
    return context


def wait_until_ready(kernel: Kernel, seconds: float = STARTUP_SECONDS) -> None:
    """Ask until the kernel answers on both of its channels."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        kernel.client.kernel_info()
        with contextlib.suppress(Empty):
            kernel.client.get_shell_msg(timeout=1)
            kernel.client.get_iopub_msg(timeout=0.2)
            return
        if not kernel.is_alive():
            raise RuntimeError("the kernel for the student's code ended while it started")
    raise RuntimeError(f"the kernel for the student's code did not start within {seconds:g} seconds")


class PlainKernel:
    """A kernel that can do whatever the user who grades can do."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="candidate-", ignore_cleanup_errors=True)
        work = Path(self._folder.name, "work")
        work.mkdir()
        for name, content in files.items():
            (work / name).write_bytes(content)
        self._context = bounded_context()
        self._manager = ThisPython(context=self._context)
        self._manager.connection_file = str(Path(self._folder.name, "connection.json"))
        if os.name == "posix":
            self._manager.transport, self._manager.ip = "ipc", str(Path(self._folder.name, "socket"))
        self._manager.start_kernel(cwd=str(work), env=candidate_environment())
        self.client = self._manager.client(context=self._context)
        self.client.start_channels(stdin=False, hb=False)
        wait_until_ready(self)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it."""
        self._manager.interrupt_kernel()

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._manager.is_alive()

    def close(self) -> None:
        """End it and remove its folder."""
        try:
            self.client.stop_channels()
            if self._manager.has_kernel:
                self._manager.shutdown_kernel(now=True)
        finally:
            self._context.destroy(linger=0)
            self._folder.cleanup()


class ThisPython(KernelManager):
    """Starts this Python's own kernel, whatever kernels happen to be installed beside it."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start the candidate."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(
            argv=[*command, "--HistoryManager.enabled=False"], display_name="candidate", language="python"
        )


def candidate_environment() -> dict[str, str]:
    """Environment of a plain kernel: one thread, no windows, and nothing about the course."""
    hidden = {SOLUTIONS_VARIABLE, COURSE_VARIABLE, GRADEBOOK_VARIABLE}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {**kept, **threads, "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1", "NBGRADER_EXECUTION": "autograde"}


class WarmKernel:
    """A kernel in the sandbox, copied from a process that has everything imported."""

    def __init__(self, source: Template, files: Mapping[str, bytes], allowance: Allowance) -> None:
        self._template = source
        name = uuid.uuid4().hex[:8]
        self._folder = source.kernels / name
        (self._folder / "files").mkdir(parents=True)
        for file, content in files.items():
            (self._folder / "files" / file).write_bytes(content)
        key = uuid.uuid4().hex
        self._context = bounded_context()
        try:
            source.start(name, key, allowance)
            self.client = BlockingKernelClient(context=self._context)
            connection: Any = {"transport": "ipc", "ip": str(self._folder / "s"), "key": key.encode()}
            connection |= {**PORTS, "hb_port": 5, "signature_scheme": "hmac-sha256"}
            self.client.load_connection_info(connection)
            self.client.start_channels(stdin=False, hb=False)
            wait_until_ready(self)
        except BaseException:
            self.close()
            raise

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it."""
        self._template.interrupt()

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._template.kernel_is_alive()

    def close(self) -> None:
        """End it and remove its folder."""
        try:
            if hasattr(self, "client"):
                self.client.stop_channels()
            self._template.end_kernel()
        finally:
            self._context.destroy(linger=0)
            shutil.rmtree(self._folder, ignore_errors=True)


def kernel_starter(sandbox: bool, allowance: Allowance, preload: tuple[str, ...], graphics: bool) -> StartKernel:
    """Return what starts a kernel for a student's code."""
    if not sandbox:
        return PlainKernel

    def start(files: Mapping[str, bytes]) -> Kernel:
        wanted = preload, graphics, allowance.memory_megabytes
        source = template(*wanted)
        try:
            return WarmKernel(source, files, allowance)
        except RuntimeError as error:
            # Whatever another kernel has done to the template, this one shall not suffer for it.
            LOG.warning("a kernel could not be started, so its template is made again: %s", error)
            source.close()
            return WarmKernel(template(*wanted), files, allowance)

    return start
