"""Rows into PostgreSQL: the writer of a record that several gateways share.

In come batches of rows with the place in the spool they come from. Names, rows, the proof of them and
the place go in within one transaction, the rows by binary COPY. The rule: a row is known by its id, which no partition
holds twice, so a batch that comes again, or again in other company, stores what is not there yet and nothing else.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Self

import psycopg
import sqlalchemy.exc
from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from logstore import fastrows
from logstore.allocation import Spent, no_collections
from logstore.chain import Hashing, Name
from logstore.cleaning import clean_record, clean_values
from logstore.db import upgrade
from logstore.encoding import ENDING_FIELDS, RECORD_FIELDS
from logstore.folding import COLUMNS, BadRow, Days, Folding, Learn, Position, Reach, by_day, day_of, fold
from logstore.gateways import RENEW_US, Gateway, claim, other_record
from logstore.marks import Hour, mark_hours
from logstore.place import Database
from logstore.postgres import chains, locks
from logstore.postgres.days import AHEAD
from logstore.postgres.db import open_engine
from logstore.postgres.names import learn
from logstore.postgres.waiting import Work, Working, with_working_connections
from logstore.record import Ending, LogRecord
from logstore.rowcheck import fault
from logstore.schema import day_file, log, log_cursor, retention_run
from logstore.unread import Pair, Row, pair_of

PORTION = 500
"""Rows folded ahead at a time: two milliseconds."""
TRIES = 3
"""How often a batch is tried whose rows turn out to be there: another writer may be about to store them."""
_TYPES = {"BIGINT": "int8", "INTEGER": "int4", "SMALLINT": "int2", "BOOLEAN": "bool", "TEXT": "text"}
COPY = f"COPY log ({', '.join(f'"{name}"' for name in COLUMNS)}) FROM STDIN (FORMAT BINARY)"
"""How rows go in."""
COPY_TYPES = [_TYPES[str(column.type).partition(" ")[0]] for column in log.columns]
"""Types of the columns, in their order."""
TOGETHER = 200
"""Rows made bytes at a time: some fifty thousand bytes, for which the server has a while to do."""
WIDTHS = bytes({"int8": 8, "int4": 4, "int2": 2, "bool": 1, "text": 0}[name] for name in COPY_TYPES)
"""How wide each column is, as `logstore.rowbytes` asks for it."""
COPY_HEAD, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""What binary COPY begins and ends with: a signature, no flags and no extension; a row of -1 columns."""
_id = itemgetter(0)
_STATUS = COLUMNS.index("status")
_SMALL, _INT = (1 << 15) - 1, (1 << 31) - 1
_ROW_ERRORS = (
    ValueError, TypeError, AttributeError, OverflowError, sqlalchemy.exc.DataError, sqlalchemy.exc.ProgrammingError,
    sqlalchemy.exc.IntegrityError,
)  # fmt: skip
"""What a row that cannot be stored may raise."""


class PostgresStore:
    """Writes rows. Each gateway's shipper has one; they work side by side."""

    def __init__(
        self, database: Database, clock: Callable[[], int] = time.time_ns, gateway: Gateway | None = None
    ) -> None:
        """Opens the record, made or brought to the newest schema first. `clock` gives nanoseconds.

        `gateway` says who ships. Raises `GatewayClash` when another one ships under its number; so does `append`.
        """
        upgrade(database)
        self._clock = clock
        self._engine = with_working_connections(open_engine(database, role="schoolgate shipper"))
        self._connection = self._engine.connect()
        self._days = Days()
        self._made: set[str] = set()
        self._gateway = gateway
        self._number = chains.NOBODY if gateway is None else gateway.number
        self._claimed_us = 0
        self._work: Work | None = None
        self._next: Folding | None = None
        self._writer = fastrows.writer()
        self._numbering = False
        self._spent = Spent()
        self.refused = 0
        """Rows not taken since this was opened, because they are older than what may be kept."""
        try:
            self._claim()
            self._make_days(())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
        self._engine.dispose()

    def cursors(self) -> dict[str, int]:
        """How far each producer's spool has been stored."""
        with self._connection.begin():
            found = self._connection.execute(select(log_cursor.c.producer, log_cursor.c.seq))
            return {row.producer: row.seq for row in found}

    def meanwhile(self, work: Work) -> None:
        """Do `work`, portion after portion, whenever `append` waits for the server; see `logstore.sending`."""
        self._work = lambda: self._spent.go_on() or work()

    def ahead(self, batch: list[Row]) -> bool:
        """Fold a portion of a batch that is about to come, which may still grow at its end; False when none is left.

        For the work `meanwhile` was given: it does not use the connection and never raises.
        """
        if self._numbering or not batch:
            return False
        try:
            known = self._days.known(day_of(batch[0][0].id))
        except (ValueError, TypeError):  # told when the batch is stored
            return False
        if self._next is None or self._next.batch is not batch or self._next.known is not known:
            self._next = Folding(batch, known, self._writer)
        return self._next.go_on(PORTION)

    def append(self, batch: Sequence[Row], cursor: Position | None = None) -> int:
        """Store `batch` and the place it came from, both or neither; says how many rows were new.

        Rows that are there already are left alone. Rows of days that retention has removed are counted, not stored.
        Text that no database of this kind holds (NULs, lone surrogates) is spelt out, as the spool does. Raises
        `BadRow` for the first row that can never be stored.
        """
        self._claim()
        try:
            with no_collections():
                return self._stored(batch, cursor)
        except BadRow:
            raise
        except _ROW_ERRORS as error:
            pairs = list(map(pair_of, batch))
            for record, ending in pairs:
                if why := fault(record, ending) or _too_large(record, ending):
                    raise BadRow(getattr(record, "id", None), why) from error
            cleaned = [_cleaned(*pair) for pair in pairs]
            if cleaned == pairs:
                raise
            return self._stored(cleaned, cursor)

    def _stored(self, batch: Sequence[Row], cursor: Position | None) -> int:
        days = list(by_day(batch))
        self._make_days(day for day, _ in days)
        for tries in range(TRIES):
            try:
                return self._in_one_transaction(days, cursor, again=tries > 0)
            except sqlalchemy.exc.IntegrityError:
                if tries == TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _in_one_transaction(
        self, days: Sequence[tuple[str, Sequence[Row]]], cursor: Position | None, *, again: bool
    ) -> int:
        """All of a batch; `again` when some of its rows are there already."""
        new = refused = 0
        notes: list[dict[str, Any]] = []
        hours: set[Hour] = set()
        try:
            with self._working(), self._connection.begin():
                # Retention announces what goes under the same lock: no row of such a day is on its way meanwhile.
                self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({locks.ROWS})")
                chains.take_turn(self._connection, self._number)
                kept_from = self._kept_from()
                for day, rows in days:
                    if day < kept_from:
                        refused += len(rows)
                        notes.append({"day": day, "state": "dropped", "refused": len(rows)})
                    else:
                        note, reach = self._copy_day(day, rows, again=again)
                        notes.append(note)
                        new += note["rows"]
                        hours |= {(day, hour) for hour in reach.hours}
                self._note(notes, hours, cursor)
        except BaseException as error:
            # What a transaction taught is void when it was rolled back; an id kept here would name somebody else.
            self._days.forget()
            self._made.clear()
            if isinstance(error, psycopg.Error):
                self._raise_known(error)
            raise
        self.refused += refused
        return new

    @contextlib.contextmanager
    def _working(self, first: Work | None = None) -> Iterator[None]:
        """Within, waiting for the server is time for other work; for `first` before it."""
        raw: Any = self._connection.connection.driver_connection
        connection: Working = raw
        before, work = connection.work, self._work
        connection.work = (lambda: first() or (work is not None and work())) if first is not None else work
        try:
            yield
        finally:
            connection.work = before

    def _copy_day(self, day: str, rows: Sequence[Row], *, again: bool) -> tuple[dict[str, Any], Reach]:
        """Store what is new of a day; what to write down of it, and where all of it lies, new or not."""
        names: list[Name] = []
        values, written = self._folded(
            day, rows, lambda one, new: learn(self._connection, one, new, day, names), again=again
        )
        reach = new = Reach(values)
        if again:
            if (other := other_record(self._connection, values)) is not None:
                raise BadRow(other, "another record has this id: two gateways or workers gave the same ids")
            values = self._absent(values)
            new = Reach(values)
        values.sort(key=_id)
        hashed = Hashing(values, names, packed=written)
        if values:
            with self._working(hashed.go_on):
                self._copy(values, written=written)
        now = self._clock() // 1000
        batches = chains.add_batch(self._connection, partition(day), self._number, values, names, now, hashed)
        note = {
            "day": day,
            "state": "open",
            "rows": len(values),
            "batches": batches,
            "min_id": new.first,
            "max_id": new.last,
            "early_us": new.early_us,
            "late_us": new.late_us,
        }
        self._spent.add(values)
        return note, reach

    def _folded(
        self, day: str, rows: Sequence[Row], learning: Learn, *, again: bool
    ) -> tuple[list[tuple[Any, ...]], bool]:
        """The rows as they stand in `log`, or True and as `logstore.written` gives them, unless some are there already.

        Those that were folded ahead are not folded again.
        """
        folding, self._next = self._next, None
        known = self._days.known(day)
        self._numbering = True  # what is learned must hold still while the server says its numbers
        try:
            if self._writer is not None and not again:
                with contextlib.suppress(TypeError, ValueError, OverflowError):  # it is said in full below
                    if folding is not None and folding.batch is rows and folding.known is known:
                        return folding.whole(learning), True
                    return fold(rows, known, learning, self._writer), True
            elif self._writer is None and folding is not None and folding.batch is rows and folding.known is known:
                return folding.whole(learning), False
            return fold(rows, known, learning), False
        finally:
            self._numbering = False

    def _copy(self, values: Sequence[tuple[Any, ...]], *, written: bool) -> None:
        # The driver would cut a larger one short without a word.
        if not written and any(
            status is not None and not -_SMALL <= status <= _SMALL for status in {row[_STATUS] for row in values}
        ):
            raise ValueError("a status does not fit 16 bits")
        raw: Any = self._connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(COPY) as copy:
            if written or fastrows.copied is not None:
                copy.write(COPY_HEAD)
                for begin in range(0, len(values), TOGETHER):
                    part = values[begin : begin + TOGETHER]
                    if written:
                        copy.write(b"".join([row[3] for row in part]))
                    elif fastrows.copied is not None:
                        copy.write(fastrows.copied(part, WIDTHS))
                copy.write(COPY_END)
                return
            copy.set_types(COPY_TYPES)
            write = copy.write_row
            for value in values:
                write(value)

    def _absent(self, values: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows that are not there, each once."""
        first = {value[0]: value for value in reversed(values)}
        there = self._connection.exec_driver_sql("SELECT id FROM log WHERE id = ANY(%s)", (list(first),)).scalars()
        for record_id in there.all():
            del first[record_id]
        return [value for value in values if first.get(value[0]) is value]

    def _note(self, notes: Sequence[dict[str, Any]], hours: set[Hour], cursor: Position | None) -> None:
        """The books, last of all: other writers wait for these rows."""
        now = self._clock() // 1000
        have = day_file.c
        for note in notes:
            add = insert(day_file).values(file=partition(note["day"]), part=0, changed_us=now, **note)
            come = add.excluded
            changed: dict[str, Any] = {"refused": have.refused + come.refused, "changed_us": now}
            if note["state"] == "open":
                changed = {
                    "state": "open",
                    "rows": have.rows + come.rows,
                    # Stays NULL where rows are older than the chains, until the nightly run has taken them in.
                    "batches": case((have.rows == 0, come.batches), else_=have.batches + come.batches),
                    "min_id": func.least(have.min_id, come.min_id),
                    "max_id": func.greatest(have.max_id, come.max_id),
                    "early_us": func.greatest(have.early_us, come.early_us),
                    "late_us": func.greatest(have.late_us, come.late_us),
                    "changed_us": now,
                }
            self._connection.execute(add.on_conflict_do_update(index_elements=["file"], set_=changed))
        mark_hours(self._connection, hours)
        if cursor is not None:
            place = insert(log_cursor).values(producer=cursor.producer, seq=cursor.seq, changed_us=now)
            further = {"seq": func.greatest(log_cursor.c.seq, place.excluded.seq), "changed_us": now}
            self._connection.execute(place.on_conflict_do_update(index_elements=["producer"], set_=further))

    def _claim(self) -> None:
        """Say now and then that this gateway is at work."""
        now = self._clock() // 1000
        if self._gateway is not None and not 0 <= now - self._claimed_us < RENEW_US:
            with self._connection.begin():
                self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.CATALOG})")
                claim(self._connection, self._gateway, now)
            self._claimed_us = now

    def _make_days(self, days: Iterable[str]) -> None:
        """Partitions for `days` and the week to come, in a transaction of their own: making one locks the default."""
        today = datetime.fromtimestamp(self._clock() / 1e9, UTC).date()
        wanted = {*days, *(str(today + timedelta(days=ahead)) for ahead in range(AHEAD + 1))} - self._made
        if not wanted:
            return
        with self._connection.begin():
            kept_from = self._kept_from()
            for day in sorted(day for day in wanted if day >= kept_from):
                self._connection.exec_driver_sql("SELECT make_log_day(%s::date)", (day,))
        self._made |= wanted

    def _kept_from(self) -> str:
        latest = select(retention_run.c.kept_from).order_by(retention_run.c.id.desc()).limit(1)
        return self._connection.execute(latest).scalar() or ""

    def _raise_known(self, error: psycopg.Error) -> None:
        """The driver's own errors, which COPY raises past SQLAlchemy, as SQLAlchemy's."""
        if not self._connection.invalidated:
            raw: Any = self._connection.connection.driver_connection
            if raw.closed:
                self._connection.invalidate()
        for kind in ("OperationalError", "IntegrityError", "DataError", "ProgrammingError"):
            if isinstance(error, getattr(psycopg, kind)):
                raise getattr(sqlalchemy.exc, kind)("COPY log", None, error) from error


def partition(day: str) -> str:
    """The name of a day's partition: `log_20261121`."""
    return f"log_{day.replace('-', '')}"


def _too_large(record: LogRecord, ending: Ending) -> str | None:
    if ending.status is not None and not -_SMALL <= ending.status <= _SMALL:
        return "status does not fit 16 bits"
    return None if -_INT <= record.port <= _INT else "port does not fit 32 bits"


def _cleaned(record: LogRecord, ending: Ending) -> Pair:
    values = tuple(getattr(record, name) for name in RECORD_FIELDS)
    last = tuple(getattr(ending, name) for name in ENDING_FIELDS)
    clean = dict(zip(ENDING_FIELDS, clean_values(Ending, ENDING_FIELDS, last), strict=True))
    return (
        LogRecord(**dict(zip(RECORD_FIELDS, clean_record(RECORD_FIELDS, values), strict=True))),
        Ending(**clean | {"kind": ending.kind}),
    )
