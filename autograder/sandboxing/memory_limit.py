"""A limit on the memory of a group of processes: by the system where it can be asked for, else by watching.

Linux limits a control group. Version 1 and 2 are both in use, and who may make a group differs: root nearly always, an
ordinary user only where the system delegates. Where none can be made, `Watched` adds up what the processes hold.
A group also has the time of one processor at most, so that one student's processes do not slow down another's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
PATIENCE = 0.1
PERIOD = 100_000  # microseconds, in which a group gets as many of processor time


class MemoryLimit(Protocol):
    """A limit on everything that a process and those it starts hold."""

    def enter(self) -> None:
        """Put the calling process under the limit; called in the new process, before its program starts."""

    def watch(self, pid: int) -> None:
        """Look, where looking is needed, and end what holds too much."""

    def close(self) -> None:
        """Give the group back."""


class Group:
    """A control group of this process's own.

    Raises
    ------
    OSError
        If none can be made.
    """

    def __init__(self, megabytes: int, root: Path = ROOT) -> None:
        name, limit = f"autograder-{os.getpid()}-{uuid.uuid4().hex[:12]}", str(megabytes << 20)
        old = root / "memory"
        self.folder = (old if (old / "memory.limit_in_bytes").exists() else root) / name
        self.folders = [self.folder]
        self.folder.mkdir()
        try:
            if self.folder.parent == old:
                (self.folder / "memory.limit_in_bytes").write_text(limit)
            else:
                (self.folder / "memory.max").write_text(limit)
            with contextlib.suppress(OSError):
                self._no_swap(limit)
        except OSError:
            self.close()
            raise
        with contextlib.suppress(OSError):  # where time is not shared out by groups, only memory is
            self._one_processor(root)

    def _one_processor(self, root: Path) -> None:
        if self.folder.parent == root:
            (self.folder / "cpu.max").write_text(f"{PERIOD} {PERIOD}")
            return
        folder = root / "cpu" / self.folder.name  # version 1 counts time elsewhere
        folder.mkdir()
        self.folders.append(folder)
        (folder / "cpu.cfs_quota_us").write_text(str(PERIOD))

    def _no_swap(self, limit: str) -> None:
        old = self.folder / "memory.memsw.limit_in_bytes"
        old.write_text(limit) if old.exists() else (self.folder / "memory.swap.max").write_text("0")

    def enter(self) -> None:
        """Move the calling process into the group."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        for folder in self.folders[1:]:
            with contextlib.suppress(OSError):
                (folder / "cgroup.procs").write_text(str(os.getpid()))

    def watch(self, pid: int) -> None:
        """Do nothing: the system watches."""

    def close(self) -> None:
        """Remove the group; its processes end a moment after they were told to."""
        for folder in self.folders:
            self._remove(folder)

    def _remove(self, folder: Path) -> None:
        for _ in range(50):
            try:
                folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.02)
            else:
                return


class Watched:
    """The same by adding up resident memory, for systems where no group can be made: coarser, and a little late."""

    def __init__(self, megabytes: int) -> None:
        self.limit, self._looked = megabytes << 20, 0.0

    def enter(self) -> None:
        """Do nothing."""

    def watch(self, pid: int) -> None:
        """End the youngest descendants of *pid*, its kernel, if all of them hold more than the limit."""
        if time.monotonic() < self._looked + PATIENCE:
            return
        self._looked = time.monotonic()
        family = descendants(pid)
        if sum(map(resident, family)) > self.limit:
            for one in family[3:]:  # bubblewrap, its first process and the template stay
                with contextlib.suppress(OSError):
                    os.kill(one, signal.SIGKILL)

    def close(self) -> None:
        """Do nothing."""


def remove_groups_left_behind(root: Path = ROOT) -> None:
    """Remove the empty groups of runs that were killed; a group is named after the process that made it."""
    for folder in [*root.glob("autograder-*-*"), *root.glob("*/autograder-*-*")]:
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def memory_limit(megabytes: int) -> MemoryLimit:
    """Return the best limit that this system grants."""
    remove_groups_left_behind()
    try:
        return Group(megabytes)
    except OSError:
        return Watched(megabytes)


def descendants(pid: int) -> list[int]:
    """The process and all that it started, parents before children."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found.extend(map(int, children.read_text().split()))
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process holds by itself (what it shares with others counts once, with its owner)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in fields) * 1024
    return 0
