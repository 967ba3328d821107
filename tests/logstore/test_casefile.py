"""The proof of a few rows is made while their day's chain is gone through, not after all of it is in memory."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import tracemalloc
from datetime import UTC
from pathlib import Path

from logstore.batches import batches_in
from logstore.casefile import check, evidence
from logstore.chain import Batch, genesis, mark_of
from logstore.db import days_folder, reading, reading_file
from logstore.export import as_json
from logstore.filter import LogFilter
from logstore.place import Database, Where
from logstore.postgres import chains
from logstore.query import Archive
from logstore.store import open_store
from tests.rig.postgres import Postgres

from .rows import AT, batch

BATCHES, LARGE = 140, 200_000
FILE, PARTITION = "2026-11-21.db", "log_20261121"


def lines_of(where: Where, ids: list[int]) -> tuple[list[dict[str, object]], int]:
    """The proof of some rows, and the most memory that making it took."""
    tracemalloc.start()
    try:
        lines = list(evidence(where, ids))
        return lines, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def shown(where: Where) -> None:
    """Rows of two batches in the middle of the chain are proved, in a fraction of the memory of all batches."""
    with Archive(where) as archive:
        wanted = [row for row in archive.walk(LogFilter(), rising=True) if row.record.path in ("/20", "/41")]
    lines, peak = lines_of(where, [row.id for row in wanted])
    assert [line["kind"] for line in lines] == ["batch", "row", "batch", "row", "chain"]
    assert (lines[-1]["from"], lines[-1]["end"][0]) == (21, BATCHES)  # type: ignore[index]
    assert len(lines[-1]["contents"]) == BATCHES - 20  # type: ignore[arg-type]
    rows = [json.loads(json.dumps(as_json(row, UTC))) for row in wanted]
    assert list(check(lines, rows, UTC)) == []
    assert list(check(lines, [rows[0] | {"path": "/other"}], UTC)) == [
        f"record {rows[0]['id']}: is not what was stored: path"
    ]
    assert peak < BATCHES * LARGE / 2


def fill(where: Where) -> None:
    with open_store(where, clock=lambda: AT * 1000) as store:
        for end in range(BATCHES):
            store.append(batch(end + 1)[end:])


def heavier(name: str, batches: list[Batch]) -> list[tuple[bytes, bytes, int]]:
    """Hints so large that batches cannot be overlooked, and the marks that the chain then has, by number."""
    mark, made = genesis(name), []
    for one in batches:
        mark = mark_of(mark, dataclasses.replace(one, hints=bytes(LARGE)))
        made.append((bytes(LARGE), mark, one.number))
    return made


def test_of_a_day_in_files(tmp_path: Path) -> None:
    fill(tmp_path)
    path = days_folder(tmp_path) / FILE
    with reading_file(path) as day:
        made = heavier(FILE, list(batches_in(day)))
    with sqlite3.connect(path) as connection:
        connection.executemany("UPDATE log_batch SET hints = ?, mark = ? WHERE number = ?", made)
    connection.close()
    shown(tmp_path)


def test_of_a_day_in_a_database(database: Database, postgres: Postgres) -> None:
    fill(database)
    with reading(database) as catalog:
        ((name, batches),) = chains.batches_of(catalog, PARTITION).items()
    with postgres.connect(str(database.url.database)) as connection:
        made = heavier(name, batches)
        connection.cursor().executemany("UPDATE chain_batch SET hints = %s, mark = %s WHERE number = %s", made)
    shown(database)
