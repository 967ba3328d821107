"""A record in PostgreSQL is copied while lessons go on, put back, practised, and its copies go by date.

Shows: `logstore.postgres.dumps`, `logstore.postgres.drill`.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from logstore.audit import entries
from logstore.backup import made_of
from logstore.copies import copy_cleaner
from logstore.db import StoreError, reading
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.postgres import dumps
from logstore.postgres.drill import MARK, aside_of, drill, drill_cleaner
from logstore.query import Archive
from logstore.rolling import roller
from logstore.store import open_store
from logstore.verify import verify
from proxy.cli import main
from tests.logstore.rows import AT, batch
from tests.rig.postgres import Postgres

NOW = datetime.fromtimestamp(AT / 1e6, UTC)


@pytest.fixture
def copy(database: Database, tmp_path: Path) -> Path:
    """A copy made while rows come in."""
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(40))
        list(roller(database).catch_up())
        stop = threading.Event()

        def go_on() -> None:
            for end in range(40, 4000, 5):
                if stop.is_set():
                    return
                store.append(batch(end + 5)[end:])

        writing = threading.Thread(target=go_on)
        writing.start()
        try:
            copied = dumps.back_up(database, tmp_path / "copy", NOW)
        finally:
            stop.set()
            writing.join()
    assert copied.rows >= 40
    return tmp_path / "copy"


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[Database]:
    """A database without anything."""
    made = postgres.database()
    yield made
    postgres.drop(made)


def databases(postgres: Postgres) -> set[str]:
    """The names of all databases of the server."""
    with postgres.connect("postgres") as connection:
        return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_a_copy_says_exactly_what_is_in_it(copy: Path, empty: Database) -> None:
    """Rows and head are those of the moment that was copied, although rows came in meanwhile."""
    made = made_of(copy)
    assert made is not None
    assert made.whole
    assert {path.name: path.stat().st_mode & 0o077 for path in copy.iterdir()} == {"backup.json": 0, "record.dump": 0}
    assert dumps.restore(copy, empty).rows == made.rows
    number, _, mark = made.head.partition(":")
    report = verify(empty, kept=(int(number), mark) if int(number) else None, sums=True)
    assert (report.problems, report.rows) == ([], made.rows)
    with Archive(empty) as archive:
        assert archive.count(LogFilter()).rows == made.rows


def test_nothing_is_written_over(copy: Path, database: Database, empty: Database, tmp_path: Path) -> None:
    """Neither a record, nor a folder with something in it, nor from a copy that is not whole."""
    with pytest.raises(StoreError, match="never writes over rows"):
        dumps.restore(copy, database)
    with pytest.raises(StoreError, match="is not empty"):
        dumps.back_up(database, copy, NOW)
    assert made_of(copy) is not None
    (tmp_path / "half").mkdir()
    shutil.copy(copy / "record.dump", tmp_path / "half")
    with pytest.raises(StoreError, match="no whole copy"):
        dumps.restore(tmp_path / "half", empty)
    assert dumps.tables_in(empty) == 0


def test_what_pg_dump_says_is_said_and_nothing_stays(database: Database, tmp_path: Path, postgres: Postgres) -> None:
    """An account that may not read everything makes no copy."""
    with postgres.connect(str(database.url.database)) as connection:
        connection.execute("DROP ROLE IF EXISTS dump_nobody")
        connection.execute("CREATE ROLE dump_nobody LOGIN")
        connection.execute("GRANT SELECT ON audit, day_file TO dump_nobody")
    try:
        with pytest.raises(StoreError, match=r"pg_dump failed: .*permission denied"):
            dumps.back_up(postgres.address(str(database.url.database), "dump_nobody"), tmp_path / "copy", NOW)
        assert not (tmp_path / "copy").exists()
    finally:
        with postgres.connect(str(database.url.database)) as connection:
            connection.execute("DROP OWNED BY dump_nobody")
            connection.execute("DROP ROLE dump_nobody")


def test_without_postgresqls_programs_it_says_where_they_come_from(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumps, "_DEBIAN", tmp_path)
    with pytest.raises(StoreError, match=r"pg_dump: is not installed on this machine.*postgresql-client"):
        dumps.back_up(database, tmp_path / "copy", NOW)
    assert not (tmp_path / "copy").exists()


def test_a_drill_finds_a_whole_copy_whole_and_leaves_nothing(
    copy: Path, database: Database, postgres: Postgres
) -> None:
    before = databases(postgres)
    done = drill(copy, database)
    made = made_of(copy)
    assert made is not None
    assert (done.problems, done.rows) == ((), made.rows)
    assert databases(postgres) == before


def test_a_drill_finds_a_copy_that_was_changed(copy: Path, database: Database, postgres: Postgres) -> None:
    """Cut off, or of other rows than it says."""
    told = json.loads((copy / "backup.json").read_text())
    (copy / "backup.json").write_text(json.dumps(told | {"rows": told["rows"] + 1}))
    assert [problem for problem in drill(copy, database).problems if "were copied" in problem]
    whole = (copy / "record.dump").read_bytes()
    (copy / "record.dump").write_bytes(whole[: len(whole) // 2])
    before = databases(postgres)
    assert [problem for problem in drill(copy, database).problems if "pg_restore failed" in problem]
    assert databases(postgres) == before


def test_what_a_killed_drill_left_goes_and_nothing_else(copy: Path, database: Database, postgres: Postgres) -> None:
    """By the next drill or the next night; a database of somebody else's stays."""
    name = aside_of(database).url.database
    clean = drill_cleaner(database)
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
        assert clean(NOW, False).removed == 0
        assert not drill(copy, database).ok
        assert name in databases(postgres), "somebody else's"
        connection.execute(f"COMMENT ON DATABASE {name} IS '{MARK}'")
        assert clean(NOW, True).removed == 1
        assert name in databases(postgres), "only looked at"
        assert clean(NOW, False).removed == 1
        assert name not in databases(postgres)
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"COMMENT ON DATABASE {name} IS '{MARK}'")
    assert drill(copy, database).ok
    assert name not in databases(postgres)


def test_the_commands_do_it_and_leave_their_lines(
    copy: Path, database: Database, empty: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copy, practise, put back, and after 35 days the copy goes."""

    def typed(store: Database, *words: str) -> int:
        file = tmp_path / "schoolgate.yaml"
        told = {"data": str(tmp_path / "data"), "record": {"store": store.address}}
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        return main(["--settings", str(file), *words])

    (tmp_path / "data").mkdir()
    place = tmp_path / "nightly"
    assert typed(database, "db", "backup", str(place), "--why", "nightly") == 0
    assert typed(database, "db", "drill") == 0
    assert "came back whole" in capsys.readouterr().out
    assert typed(database, "db", "drill", "--aside", str(tmp_path / "aside")) == 2
    assert typed(empty, "db", "restore", str(place), "--why", "a new server") == 0
    assert typed(empty, "db", "restore", str(place)) == 1
    assert typed(database, "db", "seal") == 1
    with reading(database) as catalog:
        said = [line.what for line in entries(catalog, kind="export")]
    assert said == ["practised a restore", "began to practise a restore", "copied the store", "began to copy the store"]
    with reading(empty) as catalog:
        assert entries(catalog, kind="export")[0].what == "put the store back"
    later = datetime.now(UTC) + timedelta(days=36)
    assert copy_cleaner(database, lambda: later)(later, False).removed == 1
    assert not place.exists()
    assert verify(empty).ok
