"""A real ClickHouse inside the test process: one engine, one folder, a database for each test.

chdb runs the server's engine as a library. One process can have one folder open, and one folder one process; so each
pytest process makes a folder of its own, and a test that kills a writer gives it another.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from logstore.place import ClickHouse
from tests.rig.ties import own_folder

_databases = itertools.count(1)


def address(folder: Path, database: str) -> str:
    """The address of a database whose engine runs in the process that opens it."""
    return f"clickhouse:///{database}?interface=chdb&path={folder}"


def make_database(folder: Path, database: str) -> None:
    """Make an empty database."""
    engine = create_engine(f"clickhousedb://?interface=chdb&path={folder}")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {database}"))
    engine.dispose()


def make_database_apart(folder: Path, database: str) -> None:
    """The same in a process of its own: this one may have another folder open, and would keep this one."""
    make = f"make_database(Path({str(folder)!r}), {database!r})"
    script = f"from pathlib import Path; from {__name__} import make_database; {make}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def fresh(catalog: Path) -> ClickHouse:
    """An empty database, and where its catalog will be."""
    name = f"t{next(_databases)}"
    _engine().execute(text(f"CREATE DATABASE {name}"))
    return ClickHouse(address(_folder(), name), catalog)


@functools.cache
def _folder() -> Path:
    folder = own_folder("ch")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _engine() -> Connection:
    """Held open, because starting the engine takes a second."""
    connection = create_engine(f"clickhousedb://?interface=chdb&path={_folder()}").connect()
    atexit.register(connection.close)
    return connection
