"""One run at a time writes to a course. The system itself lets go of the lock when a process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator
from datetime import datetime

from autograder.course import Course
from autograder.errors import CourseError

LOCK = "running.lock"


@contextlib.contextmanager
def only_run(course: Course, doing: str) -> Iterator[None]:
    """Hold the course for as long as this lasts, or say who holds it.

    Parameters
    ----------
    doing : str
        What this run does, for the message that another one gets.
    """
    course.data.mkdir(parents=True, exist_ok=True)
    path = course.data / LOCK
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CourseError(
                f"another run is at work on this course: {file.read().strip() or 'it has just begun'}. "
                "Wait until it has ended, or end it (Ctrl-C there), and run the same command again; "
                "nothing was changed."
            ) from None
        except OSError as error:
            raise CourseError(
                f"{path} cannot be locked ({error}), so two runs at once could not be told apart. "
                "Keep the course folder on a disk of this computer."
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M:%S}: {doing}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
