"""Workers on a Dask cluster: they get bytes and return bytes; only the coordinator has the course and the gradebook.

A thread of a Dask worker gives the job to a process of its own (`worker_process.Worker`): time limits by alarm need a
main thread, and a submission that takes all memory must not take the Dask worker. All computers need the same
packages, which is checked, because a score must not depend on where it was found.
"""

from __future__ import annotations

import hashlib
import platform
import threading
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.errors import CourseError
from autograder.grading.examine import Job
from autograder.grading.worker import Failed
from autograder.grading.worker_process import Lost, Outcome, Worker
from autograder.grading.workers import Workers
from autograder.sandboxing.sandbox import bubblewrap

if TYPE_CHECKING:
    from distributed import Client, Future

INSTALL = "pip install 'mastering-rl[scale]'"
CONNECT_SECONDS = 10
PATIENCE = 60.0
SAME_VERSIONS = ("numpy", "torch", "gymnasium", "nbformat")

_of_this_thread = threading.local()


def packages() -> dict[str, str]:
    """Name everything installed here that a score may depend on."""
    found = {"python": platform.python_version()}
    for name in SAME_VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    here = Path(__file__).parents[2]
    for name in ("autograder", "rlkit"):
        content = hashlib.sha256()
        for path in sorted((here / name).rglob("*.py")):
            content.update(f"{path.relative_to(here)}\n".encode() + path.read_bytes())
        found[name] = content.hexdigest()[:12]
    return found


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say what another computer has otherwise; empty if nothing."""
    wrong = [name for name in expected if found.get(name) != expected[name]]
    return ", ".join(f"{name} {found.get(name, 'missing')} (here {expected[name]})" for name in wrong)


def run_job(job: Job, expected: Mapping[str, str]) -> Outcome:
    """Carry out a job on the computer of a Dask worker."""
    worker: Worker | None = getattr(_of_this_thread, "worker", None)
    if worker and _of_this_thread.packages != expected:
        worker.close()
        worker = None
    if worker is None:
        different = differences(expected, packages())
        if different:
            return Failed(f"{platform.node()} has other packages: {different}")
        worker, _of_this_thread.packages = Worker(), expected
    _of_this_thread.worker = None
    outcome = worker.examine(job)
    if not isinstance(outcome, Lost):
        _of_this_thread.worker = worker
    return outcome


class DaskWorkers(Workers):
    """The workers of a Dask cluster.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.5:8786``.
    sandbox : bool
        Whether the workers need bubblewrap.
    """

    def __init__(self, address: str, sandbox: bool = True) -> None:
        self._client = connect(address)
        self._address, self._expected = address, packages()
        self._given: dict[Future, Job] = {}
        try:
            self._compare(sandbox)
        except BaseException:
            self._client.close()
            raise

    def _compare(self, sandbox: bool) -> None:
        """Refuse a cluster that would grade otherwise, or not at all."""
        if not self._client.nthreads():
            raise CourseError(
                f"the Dask scheduler at {self._address} has no workers. Start one: dask worker {self._address}"
            )
        try:
            found = self._client.run(packages)
        except (ModuleNotFoundError, AttributeError) as error:
            raise CourseError(
                f"a worker of {self._address} cannot load the autograder ({error}). Install the same version there "
                f"as here, in the Python that runs `dask worker`: {INSTALL}"
            ) from None
        for name, packages_there in found.items():
            different = differences(self._expected, packages_there)
            if different:
                raise CourseError(
                    f"the worker {name} has other packages than this computer: {different}. Scores would depend on "
                    "where they are found; install the same on both."
                )
        if sandbox:
            try:
                self._client.run(bubblewrap)
            except CourseError as error:
                raise CourseError(f"on a worker of {self._address}: {error}") from None

    def room(self) -> bool:
        """Whether one more job may be given: one for each thread of the cluster, and one in reserve."""
        return len(self._given) <= sum(self._client.nthreads().values())

    def give(self, job: Job) -> None:
        """Take a job."""
        future = self._client.submit(run_job, job, self._expected, pure=False)
        self._given[future] = job

    def finished(self) -> list[tuple[Job, Outcome]]:
        """Wait until at least one of the jobs that were given has an outcome."""
        from distributed import wait

        without_workers: float | None = None
        while True:
            try:
                with self._client.as_current():
                    done = wait(list(self._given), timeout=2, return_when="FIRST_COMPLETED").done
                return [(self._given.pop(future), outcome_of(future)) for future in done]
            except TimeoutError:
                pass
            if self._client.status != "running":
                raise CourseError(
                    f"the Dask scheduler at {self._address} is gone. What was finished is kept; go on later."
                )
            if self._client.nthreads():
                without_workers = None
            elif without_workers is None:
                without_workers = time.monotonic()
            elif time.monotonic() > without_workers + PATIENCE:
                raise CourseError(
                    f"the Dask scheduler at {self._address} has had no workers for {PATIENCE:.0f} seconds. "
                    f"Start one (dask worker {self._address}) and run the same command again; it goes on."
                )

    def close(self) -> None:
        """Take back what was given and leave the cluster."""
        for future in self._given:
            future.cancel()
        self._given.clear()
        self._client.close()


def outcome_of(future: Future) -> Outcome:
    """What became of a job."""
    from distributed import KilledWorker

    error: Any = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        return Lost("was on a computer that the cluster lost, more than once")
    return Failed(f"{type(error).__name__}: {error}")


def connect(address: str) -> Client:
    """Return a connection to a scheduler, or say what is missing."""
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise CourseError(f"--scheduler needs the Python package {error.name}: {INSTALL}") from None
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CourseError(
            f"no Dask scheduler answers at {address!r} ({error}). Expected an address such as "
            "tcp://10.0.0.5:8786, which `dask scheduler` prints when it starts."
        ) from None
