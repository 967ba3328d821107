"""The books of rows that lie in ClickHouse: names, days, places in spools, in whichever catalog there is.

In come facts of a batch, before its rows are sent and after; out go ids, and what is known of rows that may have been
sent before. The rule: a producer's greatest id is written down before its rows are sent, so that after any crash it is
known which rows can be there already, and which cannot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, select, text

from logstore.db import StoreError, open_catalog, upgrade, write_lock
from logstore.dimensions import Dimension, learn
from logstore.folding import Position
from logstore.gateways import Gateway, claim
from logstore.marks import Hour, mark_hours
from logstore.place import ClickHouse, Database
from logstore.schema import day_file, log_cursor, log_sent, retention_run

PREFIX = "clickhouse-"
"""How the books call a day partition: `clickhouse-20261121`."""
_SENT = text(
    "INSERT INTO log_sent (producer, max_id, changed_us) VALUES (:producer, :max_id, :now) "
    "ON CONFLICT (producer) DO UPDATE SET changed_us = excluded.changed_us, "
    "max_id = CASE WHEN log_sent.max_id > excluded.max_id THEN log_sent.max_id ELSE excluded.max_id END"
)
_CURSOR = text(
    "INSERT INTO log_cursor (producer, seq, changed_us) VALUES (:producer, :seq, :now) "
    "ON CONFLICT (producer) DO UPDATE SET changed_us = excluded.changed_us, "
    "seq = CASE WHEN log_cursor.seq > excluded.seq THEN log_cursor.seq ELSE excluded.seq END"
)
_OPEN = text(
    "INSERT INTO day_file (file, day, part, state, changed_us) VALUES (:file, :day, 0, 'open', :now) "
    "ON CONFLICT (file) DO UPDATE SET state = 'open'"
)
_REFUSED = text(
    "INSERT INTO day_file (file, day, part, state, refused, changed_us) "
    "VALUES (:file, :day, 0, 'dropped', :refused, :now) "
    "ON CONFLICT (file) DO UPDATE SET refused = day_file.refused + excluded.refused"
)
_ADDED = text(
    "UPDATE day_file SET changed_us = :now, "
    "min_id = CASE WHEN min_id < :min_id THEN min_id ELSE :min_id END, "
    "max_id = CASE WHEN max_id > :max_id THEN max_id ELSE :max_id END, "
    "early_us = CASE WHEN early_us > :early_us THEN early_us ELSE :early_us END, "
    "late_us = CASE WHEN late_us > :late_us THEN late_us ELSE :late_us END WHERE file = :file"
)

_COUNTED = text("UPDATE day_file SET rows = :rows WHERE file = :file")


@dataclass(frozen=True, slots=True)
class Added:
    """What a batch added to a day."""

    day: str
    """The day."""
    min_id: int
    """Smallest id of the batch."""
    max_id: int
    """Greatest id of the batch."""
    early_us: int
    """How far a row's time lies before that in its id, at most."""
    late_us: int
    """How far behind it, at most."""


class Books:
    """A catalog, open for writing. For one thread."""

    def __init__(self, where: ClickHouse) -> None:
        """Opens the catalog, made or brought to the newest schema first. Raises `StoreError` when it is not ours."""
        upgrade(where.catalog)
        self._where = where
        self._engine = _engine(where)
        self._connection = self._engine.connect()
        foreign = select(day_file.c.file).where(day_file.c.state != "dropped", ~day_file.c.file.startswith(PREFIX))
        with self._connection.begin():
            other = self._connection.execute(foreign.limit(1)).scalar()
        if other is not None:
            self.close()
            what = f"this catalog belongs to rows that are not in ClickHouse ({other})"
            raise StoreError(what, where.catalog, "Give these rows a catalog of their own, or move the old rows first.")

    def close(self) -> None:
        """Let go of the catalog."""
        self._connection.close()
        self._engine.dispose()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """While a batch is stored, no retention announces what goes: no row of such a day is on its way then."""
        if isinstance(self._where.catalog, Path):
            with write_lock(self._where.catalog):
                yield
            return
        from logstore.postgres.locks import ROWS

        with self.changing() as catalog:
            catalog.exec_driver_sql(f"SELECT pg_advisory_lock_shared({ROWS})")
        try:
            yield
        finally:
            # A connection that broke has let go of it already.
            if not self._connection.invalidated:
                with contextlib.suppress(sqlalchemy.exc.DBAPIError), self.changing() as catalog:
                    catalog.exec_driver_sql(f"SELECT pg_advisory_unlock_shared({ROWS})")

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction on the catalog."""
        with self._connection.begin():
            yield self._connection

    def claim(self, gateway: Gateway, now: int) -> None:
        """Say that a gateway is at work. Raises `GatewayClash` when another one has its number. Never within a turn:
        who changes the catalog is let in before who stores rows.
        """
        with self.changing() as catalog:
            if catalog.dialect.name == "postgresql":
                from logstore.postgres.locks import CATALOG

                catalog.exec_driver_sql(f"SELECT pg_advisory_xact_lock({CATALOG})")
            claim(catalog, gateway, now)

    def cursors(self) -> dict[str, int]:
        """How far each producer's spool has been stored."""
        with self.changing() as catalog:
            found = catalog.execute(select(log_cursor.c.producer, log_cursor.c.seq))
            return {row.producer: row.seq for row in found}

    def sent(self) -> dict[str, int]:
        """For each producer the greatest id of a row that was ever about to be sent."""
        with self.changing() as catalog:
            found = catalog.execute(select(log_sent.c.producer, log_sent.c.max_id))
            return {row.producer: row.max_id for row in found}


@contextlib.contextmanager
def no_batch(where: ClickHouse) -> Iterator[None]:
    """Keep every writer from storing a batch; waits for those that are on their way."""
    if isinstance(where.catalog, Path):
        with write_lock(where.catalog):
            yield
        return
    from logstore.postgres.db import reading
    from logstore.postgres.locks import ROWS

    with reading(where.catalog) as catalog:
        catalog.exec_driver_sql(f"SELECT pg_advisory_lock({ROWS})")
        yield  # the lock goes with the connection


def _engine(where: ClickHouse) -> Engine:
    """An engine for the writer; in a database without the catalog's lock, so that writers work side by side."""
    if isinstance(where.catalog, Database):
        from logstore.postgres.db import open_engine

        return open_engine(where.catalog, role="schoolgate shipper")
    return open_catalog(where.catalog)


def learned(catalog: Connection, day: str, dimension: Dimension, texts: Mapping[Any, str]) -> Mapping[Any, int]:
    """The ids of the keys of `texts`: made when they are new, and marked as used on `day`."""
    if catalog.dialect.name == "postgresql":
        from logstore.postgres.names import learn as learn_there

        return learn_there(catalog, dimension, texts, day)
    return learn(catalog, dimension, texts, day)


def kept_from(catalog: Connection) -> str:
    """The first day whose rows are still taken; empty for any."""
    latest = select(retention_run.c.kept_from).order_by(retention_run.c.id.desc()).limit(1)
    return catalog.execute(latest).scalar() or ""


def note_sending(catalog: Connection, days: Sequence[str], cursor: Position | None, max_id: int, now: int) -> None:
    """Rows of these days are about to be sent, none of them with an id above `max_id`. `now` is in microseconds."""
    for day in days:
        catalog.execute(_OPEN, {"file": partition(day), "day": day, "now": now})
    if cursor is not None and days:
        catalog.execute(_SENT, {"producer": cursor.producer, "max_id": max_id, "now": now})


def note_stored(
    catalog: Connection,
    added: Sequence[Added],
    refused: Mapping[str, int],
    hours: Set[Hour],
    cursor: Position | None,
    now: int,
    count: Callable[[str], int],
) -> None:
    """Rows are stored, or refused because of their day; and the place they came from. `now` is in microseconds.

    `count` says how many rows a day has. It is asked while nobody else changes the day's line: whoever comes last has
    counted last, whatever others had on their way, or left uncounted when they died.
    """
    for one in added:
        facts = {name: getattr(one, name) for name in ("min_id", "max_id", "early_us", "late_us")}
        catalog.execute(_ADDED, {"file": partition(one.day), "now": now, **facts})
        catalog.execute(_COUNTED, {"file": partition(one.day), "rows": count(one.day)})
    for day, rows in refused.items():
        catalog.execute(_REFUSED, {"file": partition(day), "day": day, "refused": rows, "now": now})
    mark_hours(catalog, hours)
    if cursor is not None:
        catalog.execute(_CURSOR, {"producer": cursor.producer, "seq": cursor.seq, "now": now})


def partition(day: str) -> str:
    """What the books call a day: `clickhouse-20261121`."""
    return PREFIX + day.replace("-", "")
