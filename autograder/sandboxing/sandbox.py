"""The sandbox in which student code runs: what of this machine it sees, and what it may use.

bubblewrap gives the process from which kernels are copied (inside/kernel_template.py) a system of its own: the
programs and libraries of this one, this Python and rlkit, all read-only; no network; nothing of the course, of other
students or of anyone's home. Each kernel is then put into namespaces within that, so that it cannot see the others.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from autograder.errors import CourseError

INSTALL = "apt-get install bubblewrap"
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FILES = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "fonts", "localtime", "alternatives")
GRAPHICS_CARDS = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", *(f"nvidia{number}" for number in range(16)))
MEBIBYTE = 1 << 20
PROGRAM = Path(__file__).with_name("inside") / "kernel_template.py"


@dataclass(frozen=True)
class Allowance:
    """What one kernel may use.

    Attributes
    ----------
    memory_megabytes : int
        For all processes of the kernel together, and for each of them.
    disk_megabytes : int
        For each place that can be written: its folder, /tmp, /dev/shm. They are kept in memory.
    file_megabytes : int
        For one file.
    processes : int
        Processes and threads at a time.
    open_files : int
        Open files of one process.
    cpu_seconds : int
        Processor time of one process.
    """

    memory_megabytes: int = 3000
    disk_megabytes: int = 64
    file_megabytes: int = 32
    processes: int = 64
    open_files: int = 512
    cpu_seconds: int = 900

    def limits(self) -> dict[str, int]:
        """As names of ``RLIMIT_...``."""
        return {
            "DATA": self.memory_megabytes * MEBIBYTE,
            "FSIZE": self.file_megabytes * MEBIBYTE,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
            "CPU": self.cpu_seconds,
        }


def bubblewrap() -> str:
    """Return the program, or say how to install it."""
    if sys.platform != "linux":
        raise CourseError(
            f"student code is graded in a sandbox, which needs Linux; this is {sys.platform}. Grade in the course's "
            "container, or, at your own risk, with --no-sandbox (student code can then do whatever you can)."
        )
    found = shutil.which("bwrap")
    if found is None:
        raise CourseError(
            f"student code is graded in a sandbox, and bubblewrap (`bwrap`) was not found. Install it: `{INSTALL}`. "
            "Without it student code could read and write whatever you can; whoever wants that types --no-sandbox."
        )
    return found


def rlkit_folder() -> str:
    """Where rlkit is: among the packages, or in a clone of the course, which kernels otherwise do not see."""
    spec = find_spec("rlkit")
    if spec is None or spec.origin is None:
        raise CourseError("rlkit, which exercises use, cannot be imported here; run `make setup`")
    return str(Path(spec.origin).parent)


def readable_folders() -> list[str]:
    """Folders that a kernel sees beside the system's own: this Python, its packages, and rlkit."""
    places = [sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    places += [*site.getsitepackages(), rlkit_folder()]
    kept: list[str] = []
    for place in sorted({os.path.abspath(place) for place in places} | {os.path.realpath(place) for place in places}):
        inside = any(Path(place).is_relative_to(other) for other in ["/usr", *kept])
        if not inside and os.path.isdir(place):
            kept.append(place)
    return kept


def require_hidden(*places: Path) -> None:
    """Refuse to grade where a place that student code must not see lies inside one that it can read."""
    for place in map(os.path.realpath, places):
        for folder in ["/usr", *readable_folders()]:
            if Path(place).is_relative_to(folder):
                raise CourseError(
                    f"{place} lies inside {folder}, which student code can read in the sandbox. Keep the course and "
                    "its solutions elsewhere (--course FOLDER, --solutions FOLDER), or Python's environment elsewhere."
                )


def environment() -> dict[str, str]:
    """Everything that a kernel finds in its environment."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {
        **threads,
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": str(Path(rlkit_folder()).parent),
        "HOME": "/home/student",
        "USER": "student",
        "LOGNAME": "student",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": "/tmp",
        "IPYTHONDIR": "/tmp/ipython",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
        "NBGRADER_EXECUTION": "autograde",
    }


def command(kernels: Path, graphics: bool, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs the template in the sandbox.

    Parameters
    ----------
    kernels : Path
        The folder in which each kernel has one of its own with its sockets; seen as /run/kernels.
    graphics : bool
        Whether the graphics cards are seen.
    """
    made = [bubblewrap(), "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    made += ["--unshare-uts", "--hostname", "sandbox", "--unshare-cgroup-try", "--clearenv", "--cap-add", "ALL"]
    if os.geteuid() != 0:
        made.append("--unshare-user")
    made += ["--ro-bind", "/usr", "/usr", "--perms", "0755", "--dir", "/etc"]
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            made += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            made += ["--ro-bind", str(path), str(path)]
    for file in FILES:
        made += ["--ro-bind-try", f"/etc/{file}", f"/etc/{file}"]
    made += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    for card in GRAPHICS_CARDS if graphics else ():
        made += ["--dev-bind-try", f"/dev/{card}", f"/dev/{card}"]
    folders = readable_folders()
    for folder in dict.fromkeys(str(parent) for place in folders for parent in reversed(Path(place).parents)):
        made += ["--perms", "0755", "--dir", folder] if folder not in ("/", "/tmp", "/usr") else []
    for folder in folders:
        made += ["--ro-bind", folder, folder]
    for folder in ("/run", "/home", "/home/student"):
        made += ["--perms", "0755", "--dir", folder]
    made += ["--ro-bind", str(PROGRAM.parent), "/run/program", "--bind", str(kernels), "/run/kernels"]
    made += ["--remount-ro", "/"]
    for name, value in environment().items():
        made += ["--setenv", name, value]
    return [*made, "--chdir", "/", sys.executable, "-B", f"/run/program/{PROGRAM.name}", *arguments]
