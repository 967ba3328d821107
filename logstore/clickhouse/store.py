"""Rows into ClickHouse: the writer of a record that is larger than one database server.

In come batches of rows with the place in the spool they come from. Order: names and what is about to
be sent (catalog), rows (ClickHouse, one block a day), place (catalog). The rule: any crash in between is healed by
sending the batch again, in whatever company its rows come, because those that can be there already are looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any, Self

from logstore.clickhouse.books import Added, Books, kept_from, learned, note_sending, note_stored
from logstore.clickhouse.db import open_engine, upgrade
from logstore.clickhouse.partitions import rows_of
from logstore.clickhouse.sending import already_there, away, send, settle
from logstore.clickhouse.sent import Sent
from logstore.clickhouse.tables import COLUMNS
from logstore.encoding import decode_write, encode_write
from logstore.folding import COLUMNS as ROW
from logstore.folding import BadRow, Days, Position, by_day, fold
from logstore.gateways import RENEW_US, Gateway
from logstore.marks import Hour, hours_of
from logstore.place import ClickHouse
from logstore.rowcheck import fault
from logstore.told import WHO
from logstore.unread import Row, opened_of, pair_of

NOBODY = "nobody"
"""Producer of rows that come without a place: of such rows it is never known that they are new."""
_LAST = (1 << 63) - 1
_ID, _OFFSET = COLUMNS.index("id"), COLUMNS.index("offset_us")
_SITE = WHO.index("site")

type Columns = list[list[Any]]


class ClickHouseStore:
    """Writes rows. Each gateway's shipper has one; they work side by side."""

    def __init__(
        self, where: ClickHouse, clock: Callable[[], int] = time.time_ns, gateway: Gateway | None = None
    ) -> None:
        """Opens the record, made or brought to the newest schema first. `clock` gives nanoseconds; `gateway` is who
        ships: raises `GatewayClash` when another one has its number.
        """
        upgrade(where)
        self._books = Books(where)
        self._clock = clock
        self._gateway = gateway
        self._claimed_us = 0
        self._engine = open_engine(where)
        self._rows = self._engine.connect()
        self._days = Days()
        self._sent = Sent(self._books.sent())
        self._settled: set[str] = set()
        self.refused = 0
        """Rows not taken since this was opened, because they are older than what may be kept."""
        try:
            self._claim()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of both."""
        self._books.close()
        self._rows.close()
        self._engine.dispose()

    def cursors(self) -> dict[str, int]:
        """How far each producer's spool has been stored."""
        return self._books.cursors()

    def append(self, batch: Sequence[Row], cursor: Position | None = None) -> int:
        """Store `batch`, then the place it came from; says how many rows were new.

        Rows that are there already are left alone. Rows of days that retention has removed are counted, not stored.
        Raises `BadRow` for the first row that can never be stored, `ClickHouseAway` when it is the server's fault.
        """
        try:
            return self._taken(batch, cursor)
        except BadRow:
            raise
        except ValueError:
            # A catalog in PostgreSQL holds no NUL and no half a letter: such text is spelt out, as the spool does.
            pairs = list(map(pair_of, batch))
            cleaned = [decode_write(encode_write(*pair)) for pair in pairs]
            if cleaned == pairs:
                raise
            return self._taken(cleaned, cursor)

    def _taken(self, batch: Sequence[Row], cursor: Position | None) -> int:
        producer = NOBODY if cursor is None else cursor.producer
        try:
            self._claim()
            with self._books.turn():
                return self._append(batch, cursor, producer)
        except BaseException as error:
            # What a transaction taught is void when it was rolled back; an id kept here would name somebody else.
            self._days.forget()
            # How far the try came is not known: the next one looks before it sends.
            self._settled.discard(producer)
            self._sent.forget(producer)
            self._sent.doubt(producer, map(_id_of, batch))
            if isinstance(error, Exception) and not isinstance(error, OSError):
                for record, ending in map(pair_of, batch):
                    if why := fault(record, ending):
                        raise BadRow(getattr(record, "id", None), why) from error
            raise

    def _append(self, batch: Sequence[Row], cursor: Position | None, producer: str) -> int:
        refused: dict[str, int] = {}
        hours: set[Hour] = set()
        ready: list[tuple[str, Columns]] = []
        with self._books.changing() as catalog:
            keep = kept_from(catalog)
            for day, pairs in by_day(batch):
                if day < keep:
                    refused[day] = len(pairs)
                    continue
                values = zip(*fold(pairs, self._days.known(day), partial(learned, catalog, day)), strict=True)
                sites = [opened_of(record).who.told[_SITE] for record, _ in pairs]
                ready.append((day, _columns(sites, values)))
                hours |= hours_of(day, pairs)
            last = max((max(columns[_ID]) for _, columns in ready), default=0)
            note_sending(catalog, [day for day, _ in ready], cursor, last, self._now())
        with away():
            added = [self._send(day, columns, producer) for day, columns in ready]
        if added or refused or cursor is not None:
            with self._books.changing() as catalog:
                days = [one for one, _ in added]
                note_stored(catalog, days, refused, hours, cursor, self._now(), self._count)
        self.refused += sum(refused.values())
        return sum(new for _, new in added)

    def _send(self, day: str, columns: Columns, producer: str) -> tuple[Added, int]:
        """The rows of one day that are not there yet."""
        ids = columns[_ID]
        there = self._sent.there(producer, ids)
        doubtful = ids if producer == NOBODY else self._sent.doubtful(producer, ids)
        if doubtful:
            if producer not in self._settled:
                settle(self._rows, producer)
                self._settled.add(producer)
            there |= already_there(self._rows, doubtful, columns[0])
        fresh = _without(columns, there)
        if fresh[_ID]:
            send(self._rows, producer, fresh)
        if producer != NOBODY:
            self._sent.add(producer, ids)
        new = len(fresh[_ID])
        offsets = columns[_OFFSET]
        return Added(day, min(ids), max(ids), max(0, -min(offsets)), max(0, *offsets, 0)), new

    def _count(self, day: str) -> int:
        with away():
            return rows_of(self._rows, date.fromisoformat(day))

    def _claim(self) -> None:
        """Say now and then that this gateway is at work."""
        now = self._now()
        if self._gateway is not None and not 0 <= now - self._claimed_us < RENEW_US:
            self._books.claim(self._gateway, now)
            self._claimed_us = now

    def _now(self) -> int:
        return self._clock() // 1000


def _columns(sites: Sequence[str | None], rows: Any) -> Columns:
    found = dict(zip(ROW, map(list, rows), strict=True))
    found["site"] = [site or "" for site in sites]
    found["blocked"] = list(map(bool, found["blocked"]))
    return [found[name] for name in COLUMNS]


def _without(columns: Columns, there: set[int]) -> Columns:
    """The rows that are not there, each once."""
    if not there and len(set(columns[_ID])) == len(columns[_ID]):
        return columns
    seen = set(there)
    wanted = []
    for place, record_id in enumerate(columns[_ID]):
        if record_id not in seen:
            seen.add(record_id)
            wanted.append(place)
    return [[column[place] for place in wanted] for column in columns]


def _id_of(pair: Any) -> int:
    """A row's id, for a batch that may hold anything."""
    record_id = getattr(pair[0], "id", -1)
    return record_id if isinstance(record_id, int) and record_id <= _LAST else -1
