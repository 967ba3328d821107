"""Records to spool, and what became of them in the store."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from logstore.ids import RecordIds, id_time_us
from logstore.reading import SpoolCursor, SpoolEvent, SpoolReader
from logstore.record import Ending, EndingKind, LogRecord
from logstore.shipper import Shipper
from logstore.spool import SpoolFull, SpoolWriter
from logstore.store import Store
from logstore.unread import Row

DELIVERED = Ending(kind=EndingKind.RESPONSE, status=200, content_type="text/html", bytes_down=4096, duration_us=90_000)


def make_record(ids: RecordIds, worker: str = "w0", path: str = "/maths/year-4") -> LogRecord:
    """What a Year 4 pupil's page looks like at the decision."""
    record_id = ids.next()
    return LogRecord(
        id=record_id, time_us=id_time_us(record_id), worker=worker, revision="r1", site="oakwood", user="pupil-0417",
        user_source="basic", verified=True, band="ks2", groups=("year-4",), device="lab2-14",
        client_address="10.4.2.14", scheme="https", host="www.example.org", port=443, path=path, query="q=castles",
        domain="example.org", page=True, category="education", categories=("education",), list="starter/education",
        entry="example.org", rule="ks2-chosen", tier="site", reason="rule", terms=("castles",),
    )  # fmt: skip


def events_of(folder: Path) -> list[SpoolEvent]:
    """Everything that lies in a spool, in order."""
    reader = SpoolReader(folder)
    return [event for producer in reader.producers() for event in reader.read(producer, 10**6)]


def fill(writer: SpoolWriter, ids: RecordIds, count: int, path: str = "/maths") -> list[int]:
    """`count` exchanges from open to close; their ids."""
    done = []
    for _ in range(count):
        record = make_record(ids, path=path)
        writer.open(record)
        writer.close(record.id, DELIVERED)
        done.append(record.id)
    return done


def fill_until_full(writer: SpoolWriter, ids: RecordIds, path: str, most: int = 100_000) -> list[int]:
    """Exchanges written at once until `SpoolFull`; the ids of those recorded."""
    done = []
    for _ in range(most):
        record = make_record(ids, path=path)
        try:
            writer.write(record, DELIVERED)
        except SpoolFull:
            return done
        done.append(record.id)
    raise AssertionError(f"{most} records and the spool is not full")


def stored(folder: Path) -> dict[int, str]:
    """Every row of a store: id and how it ended. A row that is there twice fails."""
    found: list[tuple[int, str]] = []
    for day in sorted((folder / "days").glob("*.db")):
        connection = sqlite3.connect(f"file:{day}?mode=ro", uri=True)
        connection.execute("ATTACH ? AS catalog", (str(folder / "catalog.db"),))
        found += connection.execute(
            "SELECT log.id, dim_verdict.ending FROM log JOIN catalog.dim_verdict ON dim_verdict.id = log.verdict_id"
        )
        connection.close()
    assert len(found) == len(dict(found)), "a record is stored twice"
    return dict(found)


class FaultyStore:
    """A real store behind a door that can fail."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.fault: Callable[[Sequence[Row]], Exception | None] = lambda rows: None
        self.calls: list[int] = []

    def append(self, batch: Sequence[Row], cursor: SpoolCursor | None) -> int:
        self.calls.append(len(batch))
        if (error := self.fault(batch)) is not None:
            raise error
        return self.store.append(batch, cursor)

    def cursors(self) -> dict[str, int]:
        return self.store.cursors()

    def close(self) -> None:
        """Kept open: the test still wants it."""


class BusyStore(FaultyStore):
    """One whose server does the work: the shipper does something else meanwhile, before it hears how it went."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.portions = 0
        self.readied: list[int] = []
        self._work: Callable[[], bool] = lambda: False

    def meanwhile(self, work: Callable[[], bool]) -> None:
        self._work = work

    def ahead(self, batch: list[Row]) -> bool:
        self.readied.append(len(batch))
        return False

    def append(self, batch: Sequence[Row], cursor: SpoolCursor | None) -> int:
        more = True
        while more:
            self.portions += 1
            more = self._work()
        return super().append(batch, cursor)


@dataclasses.dataclass
class School:
    """A spool, a worker, a store and a shipper."""

    spool: Path
    store_folder: Path
    writer: SpoolWriter
    ids: RecordIds
    store: FaultyStore
    status: Path

    def shipper(self, **more: object) -> Shipper:
        return Shipper(self.spool, lambda: self.store, status=self.status, **more)  # type: ignore[arg-type]

    def rows(self) -> dict[int, str]:
        return stored(self.store_folder)
