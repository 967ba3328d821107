"""Keeps the overlay as new as the registry: asked a few times a second by the control process.

The store's folder and the settings' places come in; the overlay file is written when anything changed. The catalog is
opened read-only and only for a look; a worker never opens it: this is the one road down (design §2).
"""

from __future__ import annotations

import logging
import sqlite3
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from identity.directory import Place
from identity.overlay import FILE_NAME, Overlay
from registry.change import revision_number
from registry.overlay import write_overlay

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long a look waits for a database that is locked."""


class OverlayWriter:
    """Writes the overlay when the registry's revision, or the settings' places, moved on, or the file is gone."""

    def __init__(self, store: Path, folder: Path, places: Sequence[Place] = ()) -> None:
        """`store` is the store's folder, with the catalog in it; `folder` is the overlay's."""
        self.places: Sequence[Place] = tuple(places)
        """The settings' places. A reload replaces them whole."""
        self.trouble = ""
        """What went wrong last; empty when all is well. Told to the application's log once."""
        self._folder = folder
        self._written: tuple[int, Sequence[Place]] | None = None
        catalog = urllib.parse.quote(str((store / "catalog.db").absolute()))
        self._engine = create_engine(
            "sqlite+pysqlite://",
            # Opened anew for each look, so that a catalog restored by rename is seen.
            creator=lambda: sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, timeout=BUSY_SECONDS),
            poolclass=NullPool,
        )

    def write_if_changed(self) -> Overlay | None:
        """Look, and write when there is something new; what was written. A database that is away changes nothing."""
        places = self.places
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                now = (revision_number(connection), places)
                if now == self._written and (self._folder / FILE_NAME).exists():
                    return None
                overlay = write_overlay(connection, self._folder, places)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._tell(f"what people decided does not reach the workers: {type(error).__name__}: {error}")
            return None
        self._written = (overlay.number, places)
        self._tell("")
        return overlay

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            logger.error("%s", trouble)
        self.trouble = trouble
