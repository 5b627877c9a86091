"""Workers that share the jobs of a class: here, some processes on this computer."""

from __future__ import annotations

import contextlib
import os
import time
from abc import abstractmethod
from collections import deque
from multiprocessing.connection import wait
from types import TracebackType

from autograder.grading.examine import Job
from autograder.grading.worker_process import MARGIN_SECONDS, MEGABYTES, Lost, Outcome, Worker


class Workers(contextlib.AbstractContextManager["Workers"]):
    """Whatever carries out jobs elsewhere, some at a time."""

    @abstractmethod
    def room(self) -> bool:
        """Whether one more job may be given."""

    @abstractmethod
    def give(self, job: Job) -> None:
        """Take a job."""

    @abstractmethod
    def finished(self) -> list[tuple[Job, Outcome]]:
        """Wait until at least one of the jobs that were given has an outcome."""

    @abstractmethod
    def close(self) -> None:
        """End everything, whatever it is doing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalWorkers(Workers):
    """Some workers on this computer, started when there is work for them.

    Parameters
    ----------
    count : int
        At most so many at once.
    """

    def __init__(self, count: int, megabytes: int = MEGABYTES, margin: float = MARGIN_SECONDS) -> None:
        self._count, self._megabytes, self._margin = count, megabytes, margin
        self._workers: list[Worker] = []
        self._waiting: deque[Job] = deque()

    def room(self) -> bool:
        """Whether one more job may be given."""
        return len(self._waiting) + sum(worker.job is not None for worker in self._workers) < self._count

    def give(self, job: Job) -> None:
        """Take a job."""
        self._waiting.append(job)
        self._distribute()

    def finished(self) -> list[tuple[Job, Outcome]]:
        """Wait until at least one of the jobs that were given has an outcome."""
        while True:
            self._distribute()
            nearest = min(worker.stop_at for worker in self._workers)
            heard = wait(
                [worker.connection for worker in self._workers],
                None if nearest == float("inf") else max(0.0, nearest - time.monotonic()),
            )
            outcomes = []
            for worker in list(self._workers):
                job = worker.job
                if worker.connection not in heard and worker.stop_at > time.monotonic():
                    continue
                outcome = worker.receive()
                if isinstance(outcome, Lost):
                    self._workers.remove(worker)
                if outcome is not None and job is not None:
                    outcomes.append((job, outcome))
            if outcomes:
                return outcomes

    def _distribute(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.ready and worker.job is None:
                worker.give(self._waiting.popleft())
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._waiting) > starting and len(self._workers) < self._count:
            self._workers.append(Worker(self._megabytes, self._margin))
            starting += 1

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.close()
        self._workers.clear()
