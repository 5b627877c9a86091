"""A time limit for code that runs in this process: a student's own notebook, and wrong answers run on purpose."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from autograder.subject import Late


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise `Late` after so many seconds. Where no alarm can ring (another thread, Windows), do nothing."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise Late(f"no answer within {seconds:.3g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
