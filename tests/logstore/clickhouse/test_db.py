"""ClickHouse is opened safely, its table is made by its migrations, and nobody needs it who does not use it.

Shows: `logstore.clickhouse.tables`, `migrations.clickhouse.env`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from logstore.clickhouse import db
from logstore.clickhouse.db import open_engine, reading, revision_of, upgrade
from logstore.clickhouse.tables import COLUMNS, log, time_us
from logstore.db import StoreError, head, migrate_with
from logstore.ids import id_time_us
from logstore.place import ClickHouse
from tests.logstore.rows import AT, ids_from
from tests.rig import clickhouse


@pytest.fixture
def where(tmp_path: Path) -> ClickHouse:
    """An empty database."""
    return clickhouse.fresh(tmp_path)


def test_the_first_upgrade_makes_the_table_and_the_second_changes_nothing(where: ClickHouse) -> None:
    assert upgrade(where)
    assert not upgrade(where)
    engine = open_engine(where)
    assert revision_of(engine) == head("clickhouse")
    migrate_with(engine, "clickhouse", "base", down=True)
    assert revision_of(engine) is None
    assert upgrade(where)


def test_the_table_is_what_the_code_says(where: ClickHouse) -> None:
    """A column here and not there would be lost rows, or questions that fail."""
    upgrade(where)
    with open_engine(where).connect() as connection:
        made = (
            connection.execute(
                sa.text(
                    "SELECT name FROM system.columns WHERE table = 'log' AND default_kind = '' "
                    "AND database = currentDatabase() ORDER BY position"
                )
            )
            .scalars()
            .all()
        )
        assert tuple(made) == COLUMNS
        kept = connection.execute(
            sa.text("SELECT partition_key, sorting_key FROM system.tables WHERE name = 'log' AND database = "
                    "currentDatabase()")
        ).one()  # fmt: skip
        assert kept.sorting_key == "site, user_id, id"
        assert "toDate" in kept.partition_key


def test_the_time_of_a_row_is_exact_in_sql_too(where: ClickHouse) -> None:
    upgrade(where)
    record_id = ids_from(AT + 123_456).next()
    exact = AT + 123_456 - 77_000
    with open_engine(where).connect() as connection:
        connection.execute(sa.text(f"INSERT INTO log (id, offset_us) VALUES ({record_id}, "
                                   f"{exact - id_time_us(record_id)})"))  # fmt: skip
        assert connection.execute(sa.select(time_us(log))).scalar() == exact
        assert connection.execute(sa.text("SELECT toUnixTimestamp64Micro(at) FROM log")).scalar() == exact


def test_a_reader_cannot_write(where: ClickHouse) -> None:
    upgrade(where)
    with reading(where) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(log)).scalar() == 0
        for statement in (
            "INSERT INTO log (id) VALUES (1)",
            "TRUNCATE TABLE log",
            "ALTER TABLE log DROP PARTITION ID '1'",
        ):
            with pytest.raises(sa.exc.DatabaseError, match=r"readonly|READONLY|ACCESS_DENIED|read-only"):
                connection.execute(sa.text(statement))


def test_a_record_that_is_not_there_is_said_with_what_to_do(where: ClickHouse) -> None:
    with (
        pytest.raises(StoreError, match=r"there is no record yet.*schoolgate db upgrade"),
        reading(where) as connection,
    ):
        connection.execute(sa.select(log.c.id))
    missing = ClickHouse(where.address.replace("/t", "/nosuch", 1), where.catalog)
    with pytest.raises(StoreError, match=r"there is no such database.*CREATE DATABASE"):
        upgrade(missing)


def test_a_question_that_takes_too_long_is_stopped(where: ClickHouse) -> None:
    slow = sa.text("SELECT sleepEachRow(0.2) FROM numbers(40) SETTINGS max_block_size = 1")
    with reading(where, seconds=1) as connection, pytest.raises(sa.exc.DatabaseError) as stopped:
        connection.execute(slow).all()
    assert stopped.value.orig is not None
    assert getattr(stopped.value.orig, "code", None) == db.TOO_LONG


def test_without_the_driver_everything_else_works_and_the_error_says_what_to_install(tmp_path: Path) -> None:
    """In a process of its own in which neither driver can be imported."""
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"clickhouse_connect", "chdb"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
from logstore.clickhouse.db import open_engine
from logstore.place import ClickHouse
from logstore.db import StoreError
from logstore.query import search
from logstore.store import Store
from logstore.filter import LogFilter
folder = Path({str(tmp_path)!r})
Store(folder).close()
assert search(folder, LogFilter()).rows == ()
try:
    open_engine(ClickHouse("clickhouse://host/schoolgate", folder))
except StoreError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    assert "pip install 'schoolgate[clickhouse]'" in said.stdout


def test_the_driver_does_not_change_what_alembic_writes_for_other_databases() -> None:
    """Early versions of it did: `https://github.com/ClickHouse/clickhouse-connect/releases/tag/v1.4.1`."""
    script = """
import sys
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
if sys.argv[1] == "with":
    import clickhouse_connect.cc_sqlalchemy.alembic
from logstore.schema import catalog_metadata, day_metadata
for metadata in (catalog_metadata, day_metadata):
    with create_engine("sqlite://").connect() as connection:
        made = produce_migrations(MigrationContext.configure(connection), metadata)
        print(sorted(made.imports), render_python_code(made.upgrade_ops))
        metadata.create_all(connection)
        again = produce_migrations(MigrationContext.configure(connection), metadata)
        print(render_python_code(again.upgrade_ops))
"""
    without, with_it = (
        subprocess.run([sys.executable, "-c", script, which], capture_output=True, text=True, check=True, timeout=100)
        for which in ("without", "with")
    )
    assert "create_table('dim_user'" in without.stdout
    assert with_it.stdout == without.stdout
