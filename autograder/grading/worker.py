"""The process that examines: it gets jobs through a pipe and answers each; `worker_process.Worker` is its other end.

It has a limit on its memory, so that what a student's code sends back cannot take the computer's, and it ends when the
process that gave it work has ended, with the kernels it started.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection

import psutil

from autograder.errors import CourseError
from autograder.grading.examine import Examined, Job, examine

READY = "ready"
OUT_OF_MEMORY = 70
SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Failed:
    """Examining failed for a reason that is not the student's: what to say, and the traceback for the log."""

    problem: str
    details: str = ""


def serve() -> None:
    """Answer jobs until there are no more; the arguments are a pipe, a limit on memory and a folder for files."""
    pipe, megabytes, folder = sys.argv[1:]
    connection = Connection(int(pipe))
    os.set_inheritable(connection.fileno(), False)
    _keep_own_words()
    _limit_memory(int(megabytes))
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError, SystemExit):
        connection.send(READY)
        while True:
            connection.send(_answer(connection.recv()))
    # The end of a program, without taking apart all that was imported, which would take half a second.
    atexit._run_exitfuncs()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(job: Job) -> Examined | Failed:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return examine(job)
    except MemoryError:
        # What was left half done is not known; a new process begins clean.
        end_children(os.getpid())
        os._exit(OUT_OF_MEMORY)
    except CourseError as error:
        return Failed(str(error))
    except Exception as error:
        return Failed(f"{type(error).__name__}: {error}", traceback.format_exc())


def end_children(pid: int) -> None:
    """End, at once, all processes that were started by the process *pid* or by those it started."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()


def _keep_own_words() -> None:
    """Keep what this process says in the file it was given, and what kernels say outside of their protocol nowhere."""
    own, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr = open(own, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.dup2(nothing, 2)
    os.close(nothing)
    faulthandler.enable(own)


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most < 0 else min(wanted, most), most))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        # Where memory runs out, this process goes before the one that holds the gradebook.
        file.write("500")


def _end(*_: object) -> None:
    """Leave what is being done, so that kernels and their folders are cleared away; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def _end_with_parent(folder: str) -> None:
    """Wait until the process that gave work has ended (its end of the pipe closes), then end too."""
    while os.read(0, 1):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    end_children(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
