"""The grading side of the process from which sandboxed kernels are copied; each worker has one, for a whole class."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from autograder.sandboxing.memory_limit import memory_limit
from autograder.sandboxing.sandbox import Allowance, command, readable_folders

PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4}
START_SECONDS = 120.0
COPY_SECONDS = 20.0
END_SECONDS = 10.0
LONGEST_SOCKET_PATH = 80
# Users that own nothing: high above those that systems give away, and one for each process that grades.
FIRST_OUTER_USER = 2_000_000_000


class Template:
    """A process in the sandbox that has imported everything, and its kernel.

    Parameters
    ----------
    preload : tuple of str
        Modules that are imported before kernels are copied; those that do not exist are passed over.
    graphics : bool
        Whether kernels see the graphics cards.
    memory_megabytes : int
        For the template and its kernel together.
    """

    def __init__(self, preload: tuple[str, ...], graphics: bool, memory_megabytes: int) -> None:
        place = tempfile.gettempdir()
        self._folder = tempfile.mkdtemp(prefix="kernels-", dir=place if len(place) < LONGEST_SOCKET_PATH else "/tmp")
        self.kernels = Path(self._folder)
        self.kernels.chmod(0o755)
        self._memory = memory_limit(memory_megabytes)
        self._alive = False
        self._control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log = (self.kernels.parent / f"{self.kernels.name}.log").open("w+b")
        with there:
            self._process = subprocess.Popen(
                command(self.kernels, graphics, [str(there.fileno()), *preload]),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[there.fileno()],
                preexec_fn=self._memory.enter,
                start_new_session=True,
            )
        atexit.register(self.close)
        answer = self._receive(START_SECONDS)
        if "ready" not in answer:
            problem = self._problem()
            self.close()
            raise RuntimeError(f"the sandbox for student code did not start: {problem}")
        self.threads = answer["threads"]

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def start(self, name: str, key: str, allowance: Allowance) -> None:
        """Copy the process; the copy listens in the folder *name*."""
        if self._alive:
            self.end_kernel()
        request = {
            "start": name,
            "key": key,
            "ports": PORTS,
            "limits": allowance.limits(),
            "disk_megabytes": allowance.disk_megabytes,
            "kept": [folder for folder in readable_folders() if Path(folder).is_relative_to("/tmp")],
            "outer_user": FIRST_OUTER_USER + os.getpid(),
        }
        self._send(request)
        answer = self._receive(COPY_SECONDS)
        if "started" not in answer:
            problem = answer.get("failed") or self._problem()
            self.close()  # whatever is wrong with it is not the next student's
            raise RuntimeError(f"no kernel could be started in the sandbox: {problem}")
        self._alive = True

    def interrupt(self) -> None:
        """Send the kernel what Ctrl-C sends."""
        if self._alive:
            self._send({"signal": int(signal.SIGINT)})

    def kernel_is_alive(self) -> bool:
        """Whether the kernel runs; also looks at its memory, where the system does not."""
        self._memory.watch(self._process.pid)
        if self._alive and select.select([self._control], [], [], 0)[0]:
            self._alive = "ended" not in self._receive(0) and self.runs
        return self._alive and self.runs

    def end_kernel(self) -> None:
        """End the kernel and everything that it started."""
        if not self._alive:
            return
        self._send({"signal": int(signal.SIGKILL)})
        ends = time.monotonic() + END_SECONDS
        while self._alive and self.runs and time.monotonic() < ends:
            self._alive = "ended" not in self._receive(ends - time.monotonic())
        if self._alive:
            self._alive = False
            self.close()  # it cannot be trusted to make another

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def _receive(self, seconds: float) -> dict[str, Any]:
        """The next answer, or an empty one if there is none in time or the process has ended."""
        with contextlib.suppress(OSError, ValueError):
            if select.select([self._control], [], [], max(0.0, seconds))[0]:
                said = self._control.recv(1 << 16)
                if not said:  # it has ended; its parent would be seen for another moment
                    self._process.kill()
                    self._process.wait()
                return json.loads(said or b"{}")
        return {}

    def _problem(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-2000:] or "it said nothing"

    def close(self) -> None:
        """End the process with its kernel and remove its folder."""
        atexit.unregister(self.close)
        self._alive = False
        self._control.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._log.close()
        Path(self._log.name).unlink(missing_ok=True)
        self._memory.close()
        shutil.rmtree(self._folder, ignore_errors=True)


_KEPT: dict[tuple[tuple[str, ...], bool, int], Template] = {}


def template(preload: tuple[str, ...], graphics: bool, memory_megabytes: int) -> Template:
    """Return this process's template, made on first use, and again if it has ended or another kind is wanted."""
    wanted = (preload, graphics, memory_megabytes)
    if wanted not in _KEPT or not _KEPT[wanted].runs:
        for old in _KEPT.values():
            old.close()
        _KEPT.clear()
        made = Template(*wanted)
        if made.threads > 1:
            # Something that it imported runs in a thread of its own, which a copy would not have: copy it bare.
            made.close()
            made = Template((), *wanted[1:])
        _KEPT[wanted] = made
    return _KEPT[wanted]
