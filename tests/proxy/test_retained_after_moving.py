"""After the date a name is in no place of a record that moved, neither where it was nor where it is now.

Shows: `proxy.moving`, `proxy.retaining`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from logstore.db import reading
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.query import Archive
from proxy.cli import main
from proxy.settings import load_settings
from tests.proxy.test_retaining import CANARY, NOW, Gateway, traces

DAY = datetime(2026, 5, 19, 10, 0, tzinfo=UTC)


def tables_with(where: Database, word: str) -> list[str]:
    """Tables of every schema in which the word stands, in text or in what is stored as bytes."""
    found = []
    with reading(where) as catalog:
        tables = catalog.execute(
            text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        )
        for table in sorted(tables.scalars()):
            rows = catalog.execute(
                text(f"SELECT 1 FROM {table} t WHERE t::text ILIKE :word OR t::text LIKE :hex LIMIT 1"),
                {"word": f"%{word}%", "hex": f"%{word.encode().hex()}%"},
            )
            found += [table] if rows.first() else []
    return found


@pytest.fixture
def moved(tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> Iterator[Gateway]:
    """A gateway in whose files one pupil left a trace in every place, and whose record is in a database now."""
    gateway = Gateway(tmp_path / "data", DAY)
    file = tmp_path / "schoolgate.yaml"
    file.write_text(yaml.safe_dump({"data": str(tmp_path / "data"), "record": {"store": database.address}}))
    assert main(["--settings", str(file), "db", "move", "--why", "a trust now", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 2
    gateway.settings = load_settings(file)
    yield gateway


def test_before_the_date_the_name_is_in_both(moved: Gateway) -> None:
    """So that the next test does not pass because nothing was there."""
    moved.retain(NOW - timedelta(days=2))
    assert {Path(place).parts[0] for place in traces(moved.settings.data)} == {"store", "spool", "overlay", "exports"}
    there = tables_with(moved.settings.store, CANARY)
    assert {name.rpartition(".")[2] for name in there} >= {"dim_user", "dim_host", "review_request"}


def test_after_the_date_it_is_in_neither(moved: Gateway) -> None:
    """What was decided came along into the database, and goes there by the same date; what stays, stays."""
    moved.retain(NOW - timedelta(days=2))
    moved.retain(NOW)
    assert traces(moved.settings.data) == []
    assert tables_with(moved.settings.store, CANARY) == []
    assert tables_with(moved.settings.store, "somebody-else")
    with Archive(moved.settings.data / "store") as files, Archive(moved.settings.store) as there:
        assert [row.record.user for row in there.walk(LogFilter())] == ["somebody-else"]
        assert list(files.walk(LogFilter())) == list(there.walk(LogFilter()))
