"""A time limit for code that runs in this process: a student's own notebook, and wrong answers run on purpose."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from autograder.subject import Late

RING_AGAIN = 1.0  # seconds


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise `Late` after so many seconds. Where no alarm can ring (another thread, Windows), do nothing.

    It rings again every second until it is heard, since what is raised while Python tidies an object up is lost. An
    alarm that was set before goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise Late(f"no answer within {seconds:.3g} seconds")

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    due, again = signal.setitimer(signal.ITIMER_REAL, seconds, RING_AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if due:
            signal.setitimer(signal.ITIMER_REAL, max(due - (time.monotonic() - start), 1e-3), again)
