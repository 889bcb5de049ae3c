"""A PostgreSQL server of the test run's own: Debian's binaries, an ordinary user, loopback only, thrown away at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from itertools import count
from pathlib import Path

import pytest

MISSING = "PostgreSQL is not installed, and no test of the store is skipped for that. On Debian or Ubuntu run: apt-get install postgresql"
ORDINARY = "postgres"  # who runs the server when the tests run as root; Debian's package creates this user
QUICK = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "max_connections=200", "shared_buffers=128MB")


@contextmanager
def server(*, options: tuple[str, ...] = QUICK) -> Iterator[str]:
    """The URL of a running server without a database name, such as postgresql://chat:…@127.0.0.1:40123/."""
    found = sorted(glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        pytest.fail(MISSING)
    binaries, folder, port = Path(found[-1]), Path(tempfile.mkdtemp(prefix="chatapp-pg-")), free_port()
    account = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if os.getuid() == 0 else {}
    if account:
        shutil.chown(folder, ORDINARY, ORDINARY)
    password = folder / "password"
    password.write_text("chat")
    password.chmod(0o644)

    def call(*words: str) -> None:
        subprocess.run([str(binaries / words[0]), *words[1:]], check=True, capture_output=True, cwd=folder, timeout=120, **account)

    data = str(folder / "data")
    call("initdb", "-D", data, "-U", "chat", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
    settings = [f"listen_addresses=127.0.0.1,unix_socket_directories={folder},port={port}", *options]
    flags = " ".join(f"-c {pair}" for line in settings for pair in line.split(","))
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", flags, "start")
    try:
        yield f"postgresql://chat:chat@127.0.0.1:{port}/"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


NUMBERS = count(1)


@contextmanager
def database(url: str) -> Iterator[str]:
    """The URL of a new empty database on that server, dropped at the end."""
    import psycopg

    name = f"t{next(NUMBERS)}"
    with psycopg.connect(url + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield url + name
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
