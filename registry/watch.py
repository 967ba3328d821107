"""Keeps the overlay as new as the registry: asked a few times a second by the control process.

Where the record is and the settings' places come in; the overlay file is written when anything changed. The catalog is
only read, and a worker never opens it: this is the one road down (design §2). In a database the revision's row is
asked for over one connection that is kept, so that every gateway hears of a decision within its next look.
"""

from __future__ import annotations

import logging
import sqlite3
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from identity.directory import Place
from identity.overlay import FILE_NAME, Overlay
from logstore.errorwords import without_rows
from logstore.place import Beside, Database, StoreError
from registry.change import revision_number
from registry.overlay import write_overlay

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long a look waits for a database that is locked or slow."""


class OverlayWriter:
    """Writes the overlay when the registry's revision, or the settings' places, moved on, or the file is gone."""

    def __init__(self, store: Beside, folder: Path, places: Sequence[Place] = ()) -> None:
        """`store` is where the record is, with the catalog in it; `folder` is the overlay's."""
        self.places: Sequence[Place] = tuple(places)
        """The settings' places. A reload replaces them whole."""
        self.trouble = ""
        """What went wrong last; empty when all is well. Told to the application's log once."""
        self._folder = folder
        self._written: tuple[int, Sequence[Place]] | None = None
        self._store = store
        self._engine: Engine | None = None
        self._kept: Connection | None = None

    def write_if_changed(self) -> Overlay | None:
        """Look, and write when there is something new; what was written. A database that is away changes nothing."""
        places = self.places
        try:
            with self._looking() as connection:
                now = (revision_number(connection), places)
                if now == self._written and (self._folder / FILE_NAME).exists():
                    return None
                overlay = write_overlay(connection, self._folder, places)
        except (SQLAlchemyError, StoreError, sqlite3.Error, OSError) as error:
            self._tell(f"what people decided does not reach the workers: {without_rows(error)}")
            return None
        self._written = (overlay.number, places)
        self._tell("")
        return overlay

    def close(self) -> None:
        """Let go of the database."""
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(SQLAlchemyError):
                kept.close()

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        if self._engine is None:
            self._engine = _open(self._store)
        if isinstance(self._store, Path):
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield connection
            return
        if self._kept is None:
            self._kept = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield self._kept
        except BaseException:
            self.close()  # whatever it was, the next look begins anew
            raise

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            logger.error("%s", trouble)
        self.trouble = trouble


def _open(store: Beside) -> Engine:
    if isinstance(store, Database):
        from logstore.postgres.db import open_engine

        return open_engine(store, read_only=True, seconds=BUSY_SECONDS, role="schoolgate control")
    catalog = urllib.parse.quote(str((store / "catalog.db").absolute()))
    return create_engine(
        "sqlite+pysqlite://",
        # Opened anew for each look, so that a catalog restored by rename is seen.
        creator=lambda: sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=BUSY_SECONDS),
        poolclass=NullPool,
        hide_parameters=True,
    )
