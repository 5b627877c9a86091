"""Small programs of several files, really executed, in a worker process that stays: a fresh one costs 70 ms a run."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple

RUNNER = Path(__file__).with_name("restricted_runner.py")
LARGEST_PROGRAM = 20_000


class Outcome(NamedTuple):
    """What came of a run: ``out`` with the printed lines, ``fail`` with the test's name, ``missing`` with the module's,
    ``error`` with the exception's, ``refused`` with the syntax that is not allowed, or ``timeout``.
    """

    kind: str
    lines: tuple[str, ...]


class ProgramWorker:
    """A process that runs one program after the other; it starts again by itself when it has died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def run(self, files: dict[str, str], entry: str = "main", tests: bool = False) -> Outcome:
        """Run a program from its sources; with ``tests`` call every function ``test_...`` of the entry."""
        request = json.dumps({"files": files, "entry": entry, "tests": tests})
        if len(request) > LARGEST_PROGRAM:
            return Outcome("refused", ("size",))
        for _ in range(2):
            writing, reading = self._pipes()
            try:
                writing.write(request + "\n")
                writing.flush()
                answer = json.loads(reading.readline())
            except (BrokenPipeError, json.JSONDecodeError):
                self.close()
                continue
            return Outcome(answer["kind"], tuple(answer["lines"]))
        return Outcome("error", ("the worker died twice",))

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        """Return the ends of a living process's pipes."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(RUNNER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={},
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            pipes = self._pipes() if self.process.poll() is None else ()
            self.process.kill()
            self.process.wait()
            for pipe in pipes:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self.process = None


WORKER = ProgramWorker()


@functools.lru_cache(maxsize=50_000)
def _run(files: tuple[tuple[str, str], ...], entry: str, tests: bool) -> Outcome:
    return WORKER.run(dict(files), entry, tests)


def run_program(files: dict[str, str], entry: str = "main", tests: bool = False) -> Outcome:
    """Run a program; nothing in it is random, so the same sources are run once and remembered."""
    return _run(tuple(sorted(files.items())), entry, tests)
