"""The coordinator's end of a worker process: started, given one submission at a time, ended."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.course import GRADEBOOK_VARIABLE
from autograder.grading.examine import Examined, Job
from autograder.grading.worker import OUT_OF_MEMORY, READY, SECONDS_TO_END, Failed, end_children

LOG = logging.getLogger("autograder")
MEGABYTES = 4_000
START_SECONDS = 180.0
# Beyond the notebook's own time: a kernel that is still being started, and the examiner's own work.
MARGIN_SECONDS = 180.0
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop()); from autograder.grading.worker import serve; serve()"
HIDDEN = (GRADEBOOK_VARIABLE,)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Lost:
    """The process that examined a submission ended or gave no answer."""

    reason: str


Outcome = Examined | Failed | Lost


class Worker:
    """A process of its own that examines one submission at a time.

    Parameters
    ----------
    megabytes : int
        Limit on its memory.
    margin : float
        Seconds it may take beyond the time for the whole notebook.
    """

    def __init__(self, megabytes: int = MEGABYTES, margin: float = MARGIN_SECONDS) -> None:
        self.ready = False
        self.job: Job | None = None
        self._margin, self.stop_at = margin, time.monotonic() + START_SECONDS
        self._folder = tempfile.mkdtemp(prefix="worker-")
        self._words = tempfile.TemporaryFile()
        self.connection, theirs = multiprocessing.Pipe()
        package = str(Path(__file__).parents[2])
        command = [sys.executable, "-c", PROGRAM, str(theirs.fileno()), str(megabytes), self._folder, package]
        # A session of its own: Ctrl-C and a signal to the process group reach the coordinator alone, which ends this.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._words,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env=environment(self._folder),
        )
        theirs.close()

    def give(self, job: Job) -> None:
        """Start work on a job; the worker is ready and has none."""
        self.job, self.stop_at = job, time.monotonic() + job.conditions.notebook_seconds + self._margin
        with contextlib.suppress(OSError):  # if it has ended, the pipe's other end says so
            self.connection.send(job)

    def receive(self) -> Outcome | None:
        """Return what has come, or None if it has only become ready; call it when something has, or time is up."""
        try:
            if not self.connection.poll():
                return self._lost(f"gave no answer within {self._allowed():.0f} seconds")
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._lost("")
        if not self.ready and message == READY:
            self.ready, self.stop_at = True, float("inf")
            return None
        self.job, self.stop_at = None, float("inf")
        return message

    def examine(self, job: Job) -> Outcome:
        """Carry out one job and wait for it."""
        while not self.ready:
            self.wait()
            self.receive()
        self.give(job)
        self.wait()
        outcome = self.receive()
        assert outcome is not None
        return outcome

    def wait(self) -> None:
        """Wait until something has come or time is up."""
        self.connection.poll(None if self.stop_at == float("inf") else max(0.0, self.stop_at - time.monotonic()))

    def _allowed(self) -> float:
        return (self.job.conditions.notebook_seconds if self.job else START_SECONDS) + self._margin

    def _lost(self, reason: str) -> Lost:
        if not reason:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            reason = why_it_ended(self.process.returncode)
        self._words.seek(0)
        said = self._words.read()[-4000:].decode(errors="replace").strip()
        who = f"{self.job.student}, {self.job.assignment}" if self.job else "no submission"
        LOG.error("the worker process %d (%s) %s\n%s", self.process.pid, who, reason, said)
        self.close()
        if not self.ready:
            raise RuntimeError(f"a worker process could not be started; it {reason}. It said:\n{said or 'nothing'}")
        return Lost(reason)

    def dismiss(self) -> None:
        """Tell it to end: that nobody listens any more is what it would notice if this process had ended."""
        self.connection.close()
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()

    def close(self) -> None:
        """End it and all that it started, and remove what it left."""
        self.dismiss()
        self.process.terminate()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            end_children(self.process.pid)
            self.process.kill()
            self.process.wait()
        self._words.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def environment(folder: str) -> Mapping[str, str]:
    """The environment of a worker: one thread, a folder for its files, and no password of the gradebook."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    return {**kept, **dict.fromkeys(THREADS, "1"), "TMPDIR": folder}


def why_it_ended(status: int | None) -> str:
    """Say what an exit status means."""
    if status == OUT_OF_MEMORY:
        return "ran out of memory"
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by the signal {signal.Signals(-status).name}"
    return f"ended with the exit status {status}"
