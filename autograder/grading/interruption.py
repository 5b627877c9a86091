"""Ctrl-C between two submissions, never in the middle of writing one.

Python raises KeyboardInterrupt wherever it happens to be. In the middle of a transaction that costs a submission, and
where a database library clears up behind itself (in a weak reference's callback) it is swallowed and the run goes on.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType


class Interruption:
    """Remembers Ctrl-C for as long as it is entered; in a thread other than the main one it does nothing."""

    def __init__(self) -> None:
        self._asked = self._waiting = False

    def __enter__(self) -> Interruption:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if it was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark what may be broken off at once."""
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self._waiting = False
