"""Rows in: the one writer of the record.

In come batches of rows with the place in the spool they come from; they go into the day file of their
id, and the place into the catalog after. The rule: any crash in between is healed by sending the batch again, because
a row is known by its id and stored once. Order on disk: names (catalog), rows (day file), place (catalog).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.sqlite import insert

from logstore.allocation import no_collections
from logstore.batches import End, adopt, store_batch
from logstore.chain import Name
from logstore.db import create_day, days_folder, open_catalog, open_writer, reading_file, upgrade, write_lock
from logstore.dimensions import Dimension, learn, stored
from logstore.folding import COLUMNS, BadRow, Days, Position, Reach, by_day, day_of, fold
from logstore.gateways import RENEW_US, Gateway, claim, other_record
from logstore.inserting import insert_rows
from logstore.marks import Hour, mark_hours
from logstore.place import ClickHouse, Database, Where
from logstore.rowcheck import fault
from logstore.schema import day_file, log, log_cursor, retention_run
from logstore.unread import Row, pair_of
from logstore.vouching import Names, note_waiting, spelt, waiting_of

if TYPE_CHECKING:
    from logstore.clickhouse.store import ClickHouseStore
    from logstore.postgres.store import PostgresStore

__all__ = ["BadRow", "Position", "day_of"]

OPEN_DAYS = 3
"""Day files held open at a time."""
_UNLESS_THERE = "ON CONFLICT DO NOTHING"
_ROW_ERRORS = (ValueError, TypeError, AttributeError, OverflowError, sqlalchemy.exc.DBAPIError)
"""What a row that cannot be stored may raise."""


@dataclasses.dataclass(slots=True)
class _Day:
    """A day file that is open for writing."""

    file: str
    engine: Engine
    connection: Connection
    elsewhere: tuple[str, ...]
    """Files of the same day that are closed: a row that is in one of them is not stored again."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Tally:
    """What a batch added to one day file."""

    file: str
    new: int
    reach: Reach
    end: End
    waiting: Names | None
    """Names of it that still wait for a batch; None when what is noted of them is right."""


def open_store(
    where: Where, clock: Callable[[], int] = time.time_ns, gateway: Gateway | None = None
) -> Store | PostgresStore | ClickHouseStore:
    """A writer of the record, wherever it is, made or brought to the newest schema first. See `Store`."""
    if isinstance(where, Database):
        from logstore.postgres.store import PostgresStore

        return PostgresStore(where, clock, gateway)
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.store import ClickHouseStore

        return ClickHouseStore(where, clock, gateway)
    return Store(where, clock, gateway)


class Store:
    """Writes rows. One is enough for a folder; several take turns."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns, gateway: Gateway | None = None) -> None:
        """Opens the store in `folder`, made or brought to the newest schema first. `clock` gives nanoseconds.

        `gateway` says who ships. Raises `GatewayClash` when another one ships under its number; so does `append`.
        """
        upgrade(folder)
        self._folder = folder
        self._clock = clock
        self._engine = open_catalog(folder)
        self._catalog = self._engine.connect()
        self._days = Days()
        self._files: dict[str, _Day] = {}
        self._counted: set[str] = set()
        self._gateway = gateway
        self._claimed_us = 0
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
        """Let go of every file."""
        for day in list(self._files):
            self._shut(day)
        self._catalog.close()
        self._engine.dispose()

    def cursors(self) -> dict[str, int]:
        """How far each producer's spool has been stored."""
        with self._catalog.begin():
            found = self._catalog.execute(select(log_cursor.c.producer, log_cursor.c.seq))
            return {row.producer: row.seq for row in found}

    def append(self, batch: Sequence[Row], cursor: Position | None = None) -> int:
        """Store `batch`, then the place it came from; says how many rows were new.

        Rows that are there already are left alone. Rows of days that retention has removed are counted, not stored.
        Raises `BadRow` for the first row that can never be stored; then nothing was stored that a second try would
        double.
        """
        try:
            with no_collections(), write_lock(self._folder):
                self._claim()
                return self._append(batch, cursor)
        except BaseException as error:
            # What a transaction taught is void when it was rolled back; an id kept here would name somebody else.
            self._days.forget()
            self._counted.clear()
            if isinstance(error, _ROW_ERRORS) and not isinstance(error, BadRow):
                for record, ending in map(pair_of, batch):
                    if why := fault(record, ending):
                        raise BadRow(getattr(record, "id", None), why) from error
            raise

    def _claim(self) -> None:
        """Say now and then that this gateway is at work."""
        now = self._clock() // 1000
        if self._gateway is not None and not 0 <= now - self._claimed_us < RENEW_US:
            with self._catalog.begin():
                claim(self._catalog, self._gateway, now)
            self._claimed_us = now

    def _append(self, batch: Sequence[Row], cursor: Position | None) -> int:
        kept_from = self._kept_from()
        self._leave(kept_from)
        tallies: list[_Tally] = []
        refused: dict[str, int] = {}
        hours: set[Hour] = set()
        for day, rows in by_day(batch):
            if day < kept_from:
                refused[day] = len(rows)
            else:
                tally, reach = self._append_day(day, rows)
                tallies.append(tally)
                hours |= {(day, hour) for hour in reach.hours}
        if tallies or refused or cursor is not None:
            self._note(tallies, refused, hours, cursor)
        self.refused += sum(refused.values())
        return sum(tally.new for tally in tallies)

    def _append_day(self, day: str, rows: Sequence[Row]) -> tuple[_Tally, Reach]:
        """What a day was given, and where all of it lies, new or not."""
        with self._catalog.begin():
            target = self._target(day)
            values, names = self._folded(day, rows)
            waiting = self._announced(target.file, names)
        reach = added = Reach(values)
        if target.elsewhere:
            values = self._not_elsewhere(target, values)
            added = Reach(values)
        with target.connection.begin():
            new, end = store_batch(target.connection, target.file, values, names, self._clock() // 1000, _insert)
            if new != len(values) and (other := other_record(target.connection, values)) is not None:
                raise BadRow(other, "another record has this id: two gateways or workers gave the same ids")
        return _Tally(target.file, new, added, end, waiting), reach

    def _announced(self, file: str, names: Sequence[Name]) -> Names | None:
        """Note that `names` wait for their batch; gives what else waits, and so will when that batch is there."""
        if not names or (waiting := waiting_of(self._catalog, file)) is None:
            return None
        told = frozenset(name[:2] for name in names)
        note_waiting(self._catalog, file, waiting | told)
        return waiting - told

    def _folded(self, day: str, rows: Sequence[Row]) -> tuple[list[tuple[Any, ...]], list[Name]]:
        """The rows as they stand in `log`, and the names among theirs that are new that day."""
        names: list[Name] = []

        def learn_here(dimension: Dimension, new: Mapping[Any, str]) -> dict[Any, int]:
            return learn(self._catalog, dimension, new, day, names)

        return fold(rows, self._days.known(day), learn_here), names

    def _target(self, day: str) -> _Day:
        """The file that takes rows of `day`: the open one, or a new part when the others are closed."""
        parts = self._catalog.execute(
            select(day_file.c.file, day_file.c.part, day_file.c.state).where(day_file.c.day == day)
        ).all()
        file = next((file for file, _, state in parts if state == "open"), None)
        if file is None:
            part = max((part for _, part, _ in parts), default=-1) + 1
            file = f"{day}.late{part}.db" if part else f"{day}.db"
            self._catalog.execute(day_file.insert().values(file=file, day=day, part=part, state="open"))
        found = self._files.get(day)
        if found is None or found.file != file:
            self._shut(day)
            elsewhere = tuple(name for name, _, state in parts if name != file and state == "sealed")
            found = self._open(day, file, elsewhere)
        return found

    def _open(self, day: str, file: str, elsewhere: tuple[str, ...]) -> _Day:
        path = days_folder(self._folder) / file
        if not path.exists():
            create_day(path)
        while len(self._files) >= OPEN_DAYS:
            self._shut(next(iter(self._files)))
        engine = open_writer(path)
        self._files[day] = _Day(file, engine, engine.connect(), elsewhere)
        with self._files[day].connection.begin():
            adopt(self._files[day].connection, self._catalog, file, self._clock() // 1000)
        return self._files[day]

    def _not_elsewhere(self, target: _Day, values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        wanted = json.dumps([value[0] for value in values])
        there: set[int] = set()
        for file in target.elsewhere:
            with reading_file(days_folder(self._folder) / file) as connection:
                found = connection.exec_driver_sql(
                    "SELECT id FROM log WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
                )
                there.update(found.scalars())
        return [value for value in values if value[0] not in there]

    def _note(
        self, tallies: Sequence[_Tally], refused: dict[str, int], hours: set[Hour], cursor: Position | None
    ) -> None:
        now = self._clock() // 1000
        with self._catalog.begin():
            for tally in tallies:
                self._count(tally, now)
            for day, rows in refused.items():
                self._catalog.execute(
                    insert(day_file)
                    .values(file=f"{day}.db", day=day, part=0, state="dropped", refused=rows, changed_us=now)
                    .on_conflict_do_update(index_elements=["file"], set_={"refused": day_file.c.refused + rows})
                )
            mark_hours(self._catalog, hours)
            if cursor is not None:
                place = insert(log_cursor).values(producer=cursor.producer, seq=cursor.seq, changed_us=now)
                self._catalog.execute(
                    place.on_conflict_do_update(
                        index_elements=["producer"],
                        set_={"seq": func.max(log_cursor.c.seq, place.excluded.seq), "changed_us": now},
                    )
                )

    def _count(self, tally: _Tally, now: int) -> None:
        rows: Any = day_file.c.rows + tally.new
        reach = tally.reach
        bounds: dict[str, Any] = {} if tally.waiting is None else {"unvouched": spelt(tally.waiting)}
        if reach.first is not None and reach.last is not None:  # else every row lies in a part that is closed
            bounds["min_id"] = func.min(func.ifnull(day_file.c.min_id, reach.first), reach.first)
            bounds["max_id"] = func.max(func.ifnull(day_file.c.max_id, reach.last), reach.last)
        if tally.file not in self._counted:
            # A crash between a batch's rows and its place leaves them uncounted: count once, then add.
            rows = self._rows_in(tally.file)
            self._counted.add(tally.file)
        self._catalog.execute(
            day_file.update()
            .where(day_file.c.file == tally.file)
            .values(
                rows=rows,
                early_us=func.max(day_file.c.early_us, reach.early_us),
                late_us=func.max(day_file.c.late_us, reach.late_us),
                batches=tally.end.number,
                mark=tally.end.mark.hex(),
                changed_us=now,
                **bounds,
            )
        )

    def _rows_in(self, file: str) -> int:
        with reading_file(days_folder(self._folder) / file) as connection:
            return int(connection.execute(select(func.count()).select_from(log)).scalar_one())

    def _kept_from(self) -> str:
        with self._catalog.begin():
            latest = select(retention_run.c.kept_from).order_by(retention_run.c.id.desc()).limit(1)
            return self._catalog.execute(latest).scalar() or ""

    def _leave(self, kept_from: str) -> None:
        for day in [day for day in self._files if day < kept_from]:
            self._shut(day)

    def _shut(self, day: str) -> None:
        if (target := self._files.pop(day, None)) is not None:
            with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                target.connection.close()
            target.engine.dispose()


def _insert(connection: Connection, values: Sequence[tuple[Any, ...]]) -> int:
    driver: Any = connection.connection.driver_connection
    before = driver.total_changes
    try:
        insert_rows(connection, "log", COLUMNS, values, _UNLESS_THERE)
    except UnicodeEncodeError:  # the rows before it are in already, and counted
        insert_rows(connection, "log", COLUMNS, [tuple(map(stored, row)) for row in values], _UNLESS_THERE)
    return int(driver.total_changes - before)
