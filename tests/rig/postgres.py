"""A real PostgreSQL of the tests' own: made in a temporary folder, reached over a socket, gone at the end."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from logstore.place import Database
from tests.rig.ties import own_folder, tied
from tests.rig.tools import missing

PACKAGE = "postgresql"
SECONDS = 60.0
"""Longest wait for the server, on a loaded machine."""
_databases = itertools.count(1)


def programs() -> Path:
    """The folder of `initdb` and `postgres`: on the PATH, or the newest of Debian's."""
    found = shutil.which("initdb")
    if found is not None and Path(found).resolve().with_name("pg_isready").exists():
        return Path(found).resolve().parent
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb")  # noqa: PTH207
    if not versions:
        missing("PostgreSQL's initdb", PACKAGE)
    return Path(max(versions, key=lambda path: int(path.split("/")[4]))).parent


def account() -> dict[str, Any]:
    """As whom the server runs: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError("no account to run PostgreSQL as")


class Postgres:
    """One server."""

    def __init__(self, *arguments: str) -> None:
        """Makes its files; `arguments` go to the server as they are."""
        self.programs = programs()
        self.folder = own_folder("pg")
        self._account = account()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        # A collation that is not the order of bytes: nothing of the record may depend on it.
        made = self._run(
            "initdb", "--pgdata", str(self.data), "--username", "owner", "--auth", "trust", "--encoding", "UTF8",
            "--locale-provider", "icu", "--icu-locale", "en-GB", "--locale", "C.UTF-8", "--no-sync",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr.decode()
        rules = "local all locked scram-sha-256\nlocal all all trust\n"
        (self.data / "pg_hba.conf").write_text(rules, encoding="ascii")

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None, "PostgreSQL is not running"
        return self._process.pid

    def start(self) -> Postgres:
        """Start and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *tied("QUIT"), str(self.programs / "postgres"), "-D", str(self.data), "-k", str(self.folder), "-h", "",
                "-c", "max_connections=60", "-c", "shared_buffers=128MB", "-c", "fsync=off",
                "-c", "max_locks_per_transaction=256", *self._arguments,
            ],
            stdout=(self.folder / "log").open("ab"),
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            **self._account,
        )  # fmt: skip
        ready = self._run("pg_isready", "-h", str(self.folder), "-t", "1")
        end = time.monotonic() + SECONDS
        while ready.returncode != 0:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, "PostgreSQL does not answer"
            ready = self._run("pg_isready", "-h", str(self.folder), "-t", "1")
        return self

    def stop(self) -> None:
        """End it as its administrator would, throwing everybody out."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the server and every process of it, as a power cut would for them."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, SECONDS)
        self._process.wait(SECONDS)
        self._process = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, template: str = "template1") -> Database:
        """A new database, empty or a copy of another."""
        name = f"sg{next(_databases)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address(name)

    def drop(self, database: Database) -> None:
        """Remove a database, and throw out whoever uses it."""
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database.url.database} WITH (FORCE)")

    def address(self, name: str, user: str = "owner") -> Database:
        """How a database is named in the settings."""
        return Database(f"postgresql://{user}@/{name}?host={self.folder}")

    @contextmanager
    def connect(self, name: str, user: str = "owner") -> Iterator[psycopg.Connection[Any]]:
        """A connection of the test's own, each statement by itself."""
        with psycopg.connect(host=str(self.folder), dbname=name, user=user, autocommit=True) as connection:
            yield connection

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(self.programs / program), *arguments]
        return subprocess.run(command, capture_output=True, check=False, cwd=self.folder, **self._account)
