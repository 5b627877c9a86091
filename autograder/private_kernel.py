"""Kernels that talk through sockets in a folder of their own, so that any number can start at once.

Over TCP a manager picks free ports and lets go of them again before its kernel binds them; two kernels that start
together can then want the same port, and one dies.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from traitlets.config import Config


@contextmanager
def private_sockets() -> Iterator[Config]:
    """Yield the settings of a kernel manager (or of nbclient, which makes one); remove its sockets afterwards.

    Where the system has no sockets in folders (Windows), the settings are empty and the kernel uses TCP.
    """
    if os.name != "posix":
        yield Config()
        return
    with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as folder:
        yield Config(KernelManager={"transport": "ipc", "ip": str(Path(folder, "socket"))})
