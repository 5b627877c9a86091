"""How the process for a student's code is started: the seam for a sandbox or a warm start."""

from __future__ import annotations

import os
import sys
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from autograder.course import COURSE_VARIABLE, SOLUTIONS_VARIABLE


class CandidateManager(KernelManager):
    """Starts this Python's own kernel, whatever kernels happen to be installed beside it.

    Parameters
    ----------
    provisioner : str
        Name of a kernel provisioner (entry point group ``jupyter_client.kernel_provisioners``) that starts the
        process: the place for a sandbox or a warm start. Empty for an ordinary process of the same user.
    """

    def __init__(self, provisioner: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self._provisioner_name = provisioner

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start the candidate."""
        command = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--HistoryManager.enabled=False",
        ]
        metadata = (
            {"kernel_provisioner": {"provisioner_name": self._provisioner_name}} if self._provisioner_name else {}
        )
        return KernelSpec(argv=command, display_name="candidate", language="python", metadata=metadata)


def candidate_environment() -> dict[str, str]:
    """Environment of the candidate: one thread, no windows, and nothing about the course."""
    hidden = {SOLUTIONS_VARIABLE, COURSE_VARIABLE}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {**kept, **threads, "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1", "NBGRADER_EXECUTION": "autograde"}


def candidate_manager(sandbox: bool) -> CandidateManager:
    """Return what starts a candidate's kernel, in a sandbox or as an ordinary process of the same user."""
    return CandidateManager()
