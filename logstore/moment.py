"""The store as it was at one moment, while rows go on coming in: what a copy is made from.

In comes the store's folder; out go its databases as they were when the moment was taken, whatever is written after. The
rule: they are taken hold of under the folder's lock, between two batches, so that a place in the spool, the end of a
chain and the rows both speak of belong together; the lock is let go before anything is read, so that nobody waits.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from logstore.db import catalog_path, days_folder, is_sealed, write_lock
from logstore.holds import holds_path
from logstore.schema import day_file

_HERE = "state IN ('open', 'sealed')"


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of a store."""

    databases: Mapping[Path, sqlite3.Connection]
    """What may still change, by its path below the store's folder: each reads as it was."""
    sealed: tuple[Path, ...]
    """Day files that never change, by their path below the folder."""
    rows: int
    """Rows in the days, as the catalog counts."""


@contextlib.contextmanager
def moment_of(folder: Path, *, in_use: bool) -> Iterator[Moment]:
    """The store in `folder`, which has a catalog. `in_use`: somebody may be writing; a copy is at rest."""
    with contextlib.ExitStack() as held:
        with write_lock(folder) if in_use else contextlib.nullcontext():
            catalog = _as_it_is(catalog_path(folder), held)
            files = [days_folder(folder) / file for file in _present(catalog)]
            paths = [path for path in (*files, holds_path(folder)) if path.is_file() and not is_sealed(path)]
            databases = {path.relative_to(folder): _as_it_is(path, held) for path in paths}
            sealed = tuple(path.relative_to(folder) for path in files if is_sealed(path))
        rows = catalog.execute(f"SELECT ifnull(sum(rows), 0) FROM {day_file.name} WHERE {_HERE}").fetchone()[0]
        yield Moment({catalog_path(folder).relative_to(folder): catalog, **databases}, sealed, int(rows))


def _present(catalog: sqlite3.Connection) -> list[str]:
    found = catalog.execute(f"SELECT file FROM {day_file.name} WHERE {_HERE} ORDER BY file")
    return [str(file) for (file,) in found]


def _as_it_is(path: Path, held: contextlib.ExitStack) -> sqlite3.Connection:
    """A connection that reads a database as it is now: a transaction begins with its first look."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = held.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)))
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return connection
