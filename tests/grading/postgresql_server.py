"""A PostgreSQL server of the tests' own: a temporary data folder, a free port, one user with a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.debian_packages import POSTGRESQL

USER, PASSWORD = "teacher", "p@ss:word/1"
QUOTED = "p%40ss%3Aword%2F1"


def as_ordinary_user() -> list[str]:
    """PostgreSQL refuses to run as root: a prefix that lends a command the user of Debian's package, or nobody."""
    if os.geteuid() != 0:
        return []
    user = "postgres" if shutil.which("id") and _exists("postgres") else "nobody"
    return ["setpriv", f"--reuid={user}", "--clear-groups", "--"]


def _exists(user: str) -> bool:
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start a server; yield the address of its database ``course``, which is empty."""
    programs, prefix = Path(POSTGRESQL.path()).resolve().parent, as_ordinary_user()
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        data, password = Path(folder, "data"), Path(folder, "password")
        password.write_text(PASSWORD)
        if prefix:
            shutil.chown(folder, prefix[1].partition("=")[2])
            password.chmod(0o644)
        options = ["-D", str(data), "-U", USER, "--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8", "-N"]
        made = subprocess.run([*prefix, programs / "initdb", *options], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        port = free_port()
        settings = [
            f"-cport={port}",
            "-clisten_addresses=127.0.0.1",
            f"-cunix_socket_directories={folder}",
            "-cfsync=off",
        ]
        log = Path(folder, "log").open("w+")
        process = subprocess.Popen([*prefix, programs / "postgres", "-D", data, *settings], stdout=log, stderr=log)
        try:
            address = f"postgresql://{USER}:{QUOTED}@127.0.0.1:{port}"
            _create_database(f"{address}/postgres", process, log.name)
            yield f"{address}/course"
        finally:
            process.terminate()
            process.wait(30)
            log.close()


def _create_database(address: str, process: subprocess.Popen[bytes], log: str) -> None:
    import psycopg

    ends = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("CREATE DATABASE course")
            return
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < ends, Path(log).read_text()
            time.sleep(0.1)
