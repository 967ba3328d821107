"""A packed day is smaller, and answers every question as the day it was made of does."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert

from logstore import packing
from logstore.db import days_folder, is_sealed, open_writer
from logstore.filter import LogFilter
from logstore.packing import pack
from logstore.query import Archive
from logstore.schema import log
from logstore.seal import seal
from logstore.stats import Figures
from logstore.store import Store
from logstore.verify import verify

from .rows import AT, ended, ids_from, request

ROWS = 600
FILE = "2026-11-21.db"
CLOSED = datetime(2026, 11, 22, 4, tzinfo=UTC)
NOON = datetime.fromtimestamp(AT / 1e6, UTC) + timedelta(minutes=30)
ASKED = (
    *(LogFilter(client_address=f"10.4.0.{n}") for n in range(8)),
    *(LogFilter(client_address=f"10.4.0.{n}", blocked=True) for n in (0, 2)),
    LogFilter(client_address="10.4.0.0", user="pupil-0000"),
    LogFilter(client_address="10.4.0.5", category="education"),
    LogFilter(client_address="10.4.0.1", since=NOON),
    LogFilter(without=(("client_address", "10.4.0.1"),)),
    *(LogFilter(category=name) for name in ("education", "games", "weapons", "evening")),
    LogFilter(category="education", since=NOON),
    LogFilter(category="weapons", until=NOON),
    LogFilter(category="games", host="www1.example.org"),
    LogFilter(action="allow"),
    LogFilter(rule="weapons", title="castle"),
    LogFilter(device="room-2"),
    LogFilter(terms="castles"),
    LogFilter(),
)


def rows() -> Iterator[tuple[object, object]]:
    """A morning: most devices keep their address, one moves, one has no name, two share one; lessons all day, games
    at times, weapons twice, and a category only in the last half hour."""
    ids = ids_from(AT, 6_000_000)
    for n in range(ROWS):
        seat = n % 8
        device = {5: None, 6: "room-6" if n % 16 < 8 else "room-7"}.get(seat, f"room-{seat}")
        address = f"10.4.0.{3 if seat == 4 and n > 300 else seat}"
        category = "education" if n % 2 else "weapons" if n in (98, 400) else "evening" if n > 500 else "games"
        blocked = category == "weapons"
        record = request(
            ids.next(), user=f"pupil-{seat:04}", device=device, client_address=address, host=f"www{n % 5}.example.org",
            path=f"/{n}", category=category, categories=(category,), rule=category, reason="rule", blocked=blocked,
            action="block" if blocked else "allow", terms=("castles in wales",) if n % 50 == 0 else (),
        )  # fmt: skip
        yield record, ended(title=f"A castle {n}" if n % 7 == 0 else None)


@pytest.fixture(params=[1_000, 50], ids=["one stretch", "many stretches"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A day that is not sealed yet; a verdict must be often enough in each so many rows."""
    monkeypatch.setattr(packing, "STRETCH", request.param)
    with Store(tmp_path) as store:
        store.append(list(rows()))  # type: ignore[arg-type]
    return tmp_path


def answers(folder: Path) -> list[object]:
    """What the record says to each question: every row in pages of 45, either way, how many, and numbers."""
    told: list[object] = []
    for wanted in ASKED:
        with Archive(folder) as archive:
            told.append([(row.id, row.record, row.ending) for row in archive.walk(wanted, limit=45)])
            told.append([row.id for row in archive.walk(wanted, rising=True, limit=45)])
            told.append(archive.count(wanted))
            figures = Figures(archive, wanted, rollups=False)
            told.append((figures.totals(), figures.top("host").places, figures.series(timedelta(minutes=10)).spans))
    return told


def day(folder: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"file:{days_folder(folder) / FILE}?mode=ro", uri=True))


def test_every_question_has_the_answer_it_had(folder: Path) -> None:
    before = answers(folder)
    assert all(before[::4]), "a question nobody has an answer to shows nothing"
    assert seal(folder, CLOSED).ok
    assert answers(folder) == before
    assert verify(folder, deep=True).ok


def test_the_indexes_lack_what_is_found_without_them(folder: Path) -> None:
    seal(folder, CLOSED)
    with day(folder) as file:
        seats = file.execute("SELECT count(*) FROM log_seat").fetchone()[0]
        by = {
            name: file.execute(f"SELECT count(*) FROM log INDEXED BY log_{name} WHERE {condition}").fetchone()[0]
            for name, condition in (("address_id", packing.BY_ADDRESS), ("verdict_id", packing.BY_VERDICT))
        }
        met = file.execute("SELECT count(*) FROM log_met").fetchone()[0]
    assert seats == 3  # rooms 0, 1, 2; room 4 moved to that of 3, 5 has no name, 6 and 7 share one
    assert by["address_id"] == ROWS * 5 // 8
    rare = {1_000: 2, 50: 300}[packing.STRETCH]
    assert (met, by["verdict_id"]) == ({1_000: 3, 50: 1}[packing.STRETCH], rare)


def plans(folder: Path, wanted: LogFilter) -> list[str]:
    """How SQLite goes through the rows for a page."""
    statements: list[tuple[str, object]] = []
    with Archive(folder) as archive:

        def noted(_c: object, _cursor: object, statement: str, given: object, *_: object) -> None:
            statements.append((statement, given))

        event.listen(archive.catalog, "before_cursor_execute", noted)
        list(archive.walk(wanted))
        event.remove(archive.catalog, "before_cursor_execute", noted)
    found = next((statement, given) for statement, given in statements if "day.log" in statement)
    with contextlib.closing(sqlite3.connect(folder / "catalog.db")) as catalog:
        catalog.execute("ATTACH DATABASE ? AS day", (str(days_folder(folder) / FILE),))
        steps = catalog.execute(f"EXPLAIN QUERY PLAN {found[0]}", found[1]).fetchall()  # type: ignore[arg-type]
    return [step[3] for step in steps]


@pytest.mark.parametrize(
    ("address", "index"),
    [("10.4.0.0", "log_device_id"), ("10.4.0.5", "log_address_id"), ("10.4.0.3", "log_address_id")],
)
def test_an_address_is_found_through_an_index_in_the_order_of_time(folder: Path, address: str, index: str) -> None:
    """That of its device where both were one all day, its own where they were not."""
    seal(folder, CLOSED)
    steps = plans(folder, LogFilter(client_address=address))
    assert any(f"USING INDEX {index} (" in step for step in steps)
    assert sum("B-TREE" in step for step in steps) <= 1  # the page itself, once it is there


def test_a_day_of_before_is_searched_as_it_is(folder: Path) -> None:
    """Days that an older release sealed lack nothing and stay byte for byte as they are."""
    before, path = answers(folder), days_folder(folder) / FILE
    copy = path.with_suffix(".copy")
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("VACUUM INTO ?", (str(copy),))
    for beside in (f"{FILE}-wal", f"{FILE}-shm"):
        path.with_name(beside).unlink(missing_ok=True)
    copy.replace(path)
    path.chmod(0o400)
    assert is_sealed(path)
    assert answers(folder) == before
    assert verify(folder, deep=True).ok


def test_rows_of_nobody_and_without_a_verdict_are_kept(tmp_path: Path) -> None:
    """An older row may lack anything that may be NULL."""
    with Store(tmp_path) as store:
        store.append(list(itertools.islice(rows(), 3)))  # type: ignore[arg-type]
    path, copy = days_folder(tmp_path) / FILE, tmp_path / "copy.db"
    engine = open_writer(path)
    bare = {"offset_us": 0, "blocked": False, "bytes_up": 0, "bytes_down": 0, "duration_us": 0}
    with engine.begin() as connection:
        connection.execute(insert(log), [{"id": n, **bare} for n in (1, 2)])
    engine.dispose()
    pack(path, copy)
    with contextlib.closing(sqlite3.connect(copy)) as packed, contextlib.closing(sqlite3.connect(path)) as file:
        columns = ", ".join(column.name for column in log.columns)
        every = f"SELECT {columns} FROM log ORDER BY id"
        assert packed.execute(every).fetchall() == file.execute(every).fetchall()
        assert packed.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_row_takes_less_room_than_one_that_is_only_vacuumed(tmp_path: Path) -> None:
    """Where devices keep their address and few verdicts make the day, 25 bytes a row go; none of a question's."""
    ids = ids_from(AT, 1_000_000)
    with Store(tmp_path) as store:
        store.append([
            (request(ids.next(), device=f"room-{n % 50}", client_address=f"10.4.1.{n % 50}", path=f"/{n}"), ended())
            for n in range(20_000)
        ])  # fmt: skip
    path, packed, vacuumed = days_folder(tmp_path) / FILE, tmp_path / "packed.db", tmp_path / "vacuumed.db"
    pack(path, packed)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA page_size={packing.PAGE_SIZE}")
        file.execute("VACUUM INTO ?", (str(vacuumed),))
    assert packed.stat().st_size < vacuumed.stat().st_size - 20_000 * 25
