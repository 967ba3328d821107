"""In PostgreSQL the migrations make what the models say, and live with partitions.

Shows: `logstore.postgres.db`, `migrations.catalog.env`, `migrations.day.env`.
"""

from __future__ import annotations

import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from logstore import schema
from logstore.db import head, migrate_with, open_catalog, upgrade
from logstore.filter import LogFilter
from logstore.holds import reading_holds
from logstore.holdschema import holds_metadata
from logstore.place import Database, StoreError
from logstore.postgres import db
from logstore.postgres.chains import chain_metadata
from logstore.postgres.days import make_ahead
from logstore.postgres.db import VERSION_TABLES, revision_of
from logstore.postgres.holds import open_holds
from logstore.postgres.rollups import rollup_metadata
from logstore.query import Archive
from logstore.store import open_store
from tests.logstore.rows import batch
from tests.rig.postgres import Postgres

ELSEWHERE = re.compile(r"log_\d{8}|log_default|audit_number|alembic_version.*")
"""Tables that no model says: partitions, the audit trail's counter, Alembic's own."""
TRIGRAMS = {"log_terms", "log_title"}
OF_FILES = {"log_user_id", "log_device_id", "log_address_id"}
"""Indexes that only day files have; here `log_who` is in place of them."""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def said(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether a model could say it."""
    return not (kind == "table" and ELSEWHERE.fullmatch(name or ""))


def compared(_object: object, name: str | None, kind: str, *_: object) -> bool:
    """Whether both engines say it in the same words."""
    return not (kind == "index" and name in TRIGRAMS | OF_FILES | {"log_who"})


def days_in(database: Database) -> list[str]:
    """The partitions there are, that of rows without a day too."""
    with open_catalog(database).connect() as connection:
        found = connection.execute(
            sa.text("SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'log'::regclass")
        )
        return [str(name) for name in found.scalars()]


def test_models_are_migrations(database: Database) -> None:
    with open_store(database) as store:
        store.append(batch(3))
    models = [schema.catalog_metadata, schema.day_metadata, chain_metadata, rollup_metadata]
    models.append(importlib.import_module("registry.schema").metadata)
    with open_catalog(database).connect() as connection:
        options = {"compare_type": True, "include_name": said, "include_object": compared}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), models) == []
        found = connection.execute(sa.text("SELECT indexname, indexdef FROM pg_indexes")).all()
        indexes = {str(name): str(made) for name, made in found}
    for name in TRIGRAMS:
        assert "USING gin" in indexes[name]
        assert "gin_trgm_ops" in indexes[name]
    who = "USING gin (user_id, device_id, address_id) WITH (gin_pending_list_limit='4096')"
    assert sum(who in made for made in indexes.values()) == 1 + len(days_in(database))  # of the table, and of each day
    assert not OF_FILES & {*indexes}


def test_holds_have_a_schema_of_their_own(database: Database, postgres: Postgres) -> None:
    """And down and up again it is the same."""
    engine = open_holds(database)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), holds_metadata) == []
    migrate_with(engine, "holds", "base", down=True)
    assert revision_of(database, "holds") is None
    with reading_holds(database) as nothing:
        assert nothing is None
    assert upgrade(database) == ("holds",)
    with postgres.connect(str(database.url.database)) as connection:
        where = "SELECT relname FROM pg_class WHERE relnamespace = 'holds'::regnamespace AND relkind = 'r'"
        assert {name for (name,) in connection.execute(where)} == {"alembic_version", "hold", "held_row"}


def test_down_to_nothing_and_up_again(database: Database, postgres: Postgres) -> None:
    engine = open_catalog(database)
    for tree in ("day", "catalog"):
        migrate_with(engine, tree, "base", down=True)  # type: ignore[arg-type]
        assert revision_of(database, tree) is None  # type: ignore[arg-type]
    with postgres.connect(str(database.url.database)) as connection:
        left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        assert {name for (name,) in connection.execute(left)} == {"alembic_version", "alembic_version_log"}
    assert upgrade(database) == ("catalog", "day")
    assert upgrade(database) == ()


def test_rows_stored_under_the_first_revision_are_there_under_the_newest(database: Database) -> None:
    with open_store(database) as store:
        store.append(batch(40))
    migrate_with(open_catalog(database), "catalog", "catalog_0001", down=True)
    assert upgrade(database) == ("catalog",)
    assert revision_of(database, "catalog") == head("catalog")
    with Archive(database) as archive:
        assert [(row.record, row.ending) for row in archive.walk(LogFilter(), rising=True)] == batch(40)
    with open_store(database) as store:
        assert store.append(batch(50)) == 10


def test_names_are_compared_by_their_bytes_without_writing_them_again(database: Database, postgres: Postgres) -> None:
    """Up from the revision before, with names there: their files stay, their ids stay, and the days have room."""
    files = "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relname ~ '^dim_[a-z]+$' ORDER BY relname"
    ids = "SELECT array_agg((id, key) ORDER BY id) FROM dim_host"
    said = (
        "SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relname ~ '^dim_[a-z]+$' "
        "AND attname = 'key' AND attcollation = '\"C\"'::regcollation AND reloptions = '{fillfactor=70}'"
    )
    with open_store(database) as store:
        store.append(batch(40))
    migrate_with(open_catalog(database), "catalog", "catalog_0017", down=True)
    with postgres.connect(str(database.url.database)) as connection:
        before = connection.execute(files).fetchall(), connection.execute(ids).fetchone()
        assert len(before[0]) == 10
        assert connection.execute(said).fetchone() == (0,)
        assert upgrade(database) == ("catalog",)
        assert (connection.execute(files).fetchall(), connection.execute(ids).fetchone()) == before
        assert connection.execute(said).fetchone() == (10,)
        with open_store(database) as store:
            assert store.append(batch(50)) == 10
        doubled = "SELECT count(*) - count(DISTINCT convert_to(key, 'UTF8')) FROM dim_host"
        assert connection.execute(doubled).fetchone() == (0,)


def test_days_there_are_get_the_index_of_who_asked(database: Database, postgres: Postgres) -> None:
    """Up with rows in it: each day is served by it, and the old ones are gone; of those built before, a whole one is
    taken as it is, a broken one made anew."""
    with open_store(database) as store:
        store.append(batch(40))
    with Archive(database) as archive:
        rows = [*archive.walk(LogFilter(), rising=True)]
    migrate_with(open_catalog(database), "day", "day_0005", down=True)
    (day,) = (name for name in days_in(database) if name == f"log_{rows[0].at:%Y%m%d}")
    with postgres.connect(str(database.url.database)) as connection:
        before = {name: made for name, made in connection.execute(INDEXES).fetchall() if name.startswith("log_")}
        assert {*before} >= OF_FILES
        assert not [name for name in before if name.endswith("_who")]
        made = f"CREATE INDEX CONCURRENTLY {day}_who ON {day} USING gin (user_id, device_id, address_id)"
        connection.execute(made)
        connection.execute(made.replace(day, "log_default"))
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log_default_who'::regclass")
        file = connection.execute(f"SELECT pg_relation_filenode('{day}_who')").fetchone()
        assert upgrade(database) == ("day",)
        assert connection.execute(f"SELECT pg_relation_filenode('{day}_who')").fetchone() == file
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'log_who'::regclass"
        assert connection.execute(valid).fetchone() == (True,)
        after = {name: made for name, made in connection.execute(INDEXES).fetchall() if name.startswith("log_")}
        assert {f"{name}_who" for name in days_in(database)} < {*after}
        assert not [made for made in after.values() if made.endswith(("btree (device_id)", "btree (address_id)"))]
    person = rows[0].record
    with Archive(database) as archive:
        assert [*archive.walk(LogFilter(), rising=True)] == rows
        for wanted in ({"user": person.user}, {"device": person.device}, {"client_address": person.client_address}):
            found = [*archive.walk(LogFilter(**wanted), rising=True)]
            assert found == [row for row in rows if all(getattr(row.record, k) == v for k, v in wanted.items())] != []


def test_what_a_day_has_pending_is_filed_when_it_is_over(database: Database, postgres: Postgres) -> None:
    """Making the day of a week ahead files what yesterday's rows left to every question of that day to read."""
    pending = (
        "SELECT sum(pending_tuples) FROM pg_index JOIN pg_class ON oid = indexrelid, pgstatginindex(indexrelid) "
        "WHERE relname LIKE '%_address_id_%' AND indrelid = 'log_20300101'::regclass"
    )
    assert upgrade(database) == ()
    with postgres.connect(str(database.url.database)) as connection:
        connection.execute("CREATE EXTENSION pgstattuple")
        connection.execute("SELECT make_log_day('2030-01-01')")
        connection.execute(
            "INSERT INTO log (id, offset_us, user_id, blocked, bytes_up, bytes_down, duration_us) "
            "SELECT log_day_start('2030-01-01') + n, 0, n, false, 0, 0, 0 FROM generate_series(1, 9) AS n"
        )
        assert connection.execute(pending).fetchone() == (9,)
        connection.execute("SELECT make_log_day('2030-01-08')")  # of today's week ahead: today is not over
        assert connection.execute(pending).fetchone() == (9,)
        connection.execute("SELECT make_log_day('2030-01-09')")
        assert connection.execute(pending).fetchone() == (0,)


def test_a_day_is_made_though_an_index_of_the_days_before_is_locked(database: Database, postgres: Postgres) -> None:
    """While that index is waited for, rows without a day are not kept from anybody: the new day is attached behind."""
    name = str(database.url.database)
    waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
    holds = "SELECT FROM pg_locks WHERE pid = %s AND mode = 'AccessExclusiveLock'"
    with postgres.connect(name) as repair, postgres.connect(name) as maker, postgres.connect(name) as watcher:
        maker.execute("SELECT make_log_day('2030-01-01')")
        maker.execute("SET lock_timeout = '50s'")
        with repair.transaction(), ThreadPoolExecutor() as threads:
            repair.execute("REINDEX TABLE log_20300101")
            made = threads.submit(maker.execute, "SELECT make_log_day('2030-01-09')")
            while watcher.execute(waits, (maker.info.backend_pid,)).fetchone() is None:
                assert not made.done(), "it waited for nothing"
            assert watcher.execute(holds, (maker.info.backend_pid,)).fetchone() is None
            assert made.result(30).fetchone() == (True,)
        with maker.transaction():
            assert maker.execute("SELECT make_log_day('2030-01-10')").fetchone() == (True,)
            assert maker.execute("SHOW lock_timeout").fetchone() == ("50s",), "as the caller had it"
    assert "log_20300109" in days_in(database)


def test_the_update_takes_its_lock_before_it_builds(database: Database, postgres: Postgres) -> None:
    """Somebody reading a day for long: it gives up with nothing built, and holds no lock that another one waits for."""
    assert upgrade(database) == ()
    migrate_with(open_catalog(database), "day", "day_0005", down=True)
    hurried = sa.create_engine(database.url, connect_args={"options": "-c lock_timeout=200"})
    with postgres.connect(str(database.url.database)) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM log_default")
        with pytest.raises(sa.exc.OperationalError) as failed:
            migrate_with(hurried, "day")
    hurried.dispose()
    assert failed.value.statement == "LOCK TABLE log IN ACCESS EXCLUSIVE MODE"
    assert revision_of(database, "day") == "day_0005"
    assert upgrade(database) == ("day",)


def test_an_update_that_does_not_get_the_record_changes_nothing_and_is_run_again(
    database: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is behind, too: half updated, it would fit neither the gateway at work nor the next one."""
    with open_store(database) as store:
        store.append(batch(40))
    engine = open_catalog(database)
    migrate_with(engine, "day", "day_0005", down=True)
    migrate_with(engine, "catalog", "catalog_0018", down=True)
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.3)
    with postgres.connect(str(database.url.database)) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM log")
        with pytest.raises(StoreError, match=r"was not updated.*run `schoolgate db upgrade` again"):
            upgrade(database)
    assert [revision_of(database, tree) for tree in ("catalog", "day")] == ["catalog_0018", "day_0005"]
    assert upgrade(database) == ("catalog", "day")
    with open_store(database) as store:
        assert store.append(batch(50)) == 10


def test_an_update_that_lacks_the_holds_alone_says_so(
    database: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beside them is done by then."""
    assert upgrade(database) == ()
    migrate_with(open_catalog(database), "catalog", "catalog_0018", down=True)
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.3)
    with postgres.connect(str(database.url.database)) as other:
        other.execute("DROP SCHEMA holds CASCADE")
        with other.transaction(force_rollback=True):
            other.execute("CREATE SCHEMA holds")  # whoever wants that name waits for the end of this
            with pytest.raises(StoreError, match="was updated but for the holds: somebody else is at work in it"):
                upgrade(database)
    assert revision_of(database, "catalog") == head("catalog")
    assert upgrade(database) == ("holds",)


def test_a_day_that_cannot_be_made_yet_unmakes_none_of_those_before_it(
    database: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert upgrade(database) == ()
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.3)
    with postgres.connect(str(database.url.database)) as other, other.transaction(force_rollback=True):
        other.execute("CREATE TABLE log_20300104 (id bigint)")  # whoever wants that name waits for the end of this
        with pytest.raises(sa.exc.OperationalError):
            make_ahead(database, today)
    made = [f"log_2030010{day}" for day in range(1, 9)]
    assert [name for name in days_in(database) if name in made] == made[:3]
    make_ahead(database, today)
    assert [name for name in days_in(database) if name in made] == made


def test_the_owners_functions_look_into_temporary_tables_last(database: Database, postgres: Postgres) -> None:
    """Every one of them, a later release's too."""
    owners = "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    assert upgrade(database) == ()
    with postgres.connect(str(database.url.database)) as connection:
        found = dict(connection.execute(owners).fetchall())
    assert {*found} >= {"audit_count", "make_log_day", "detach_log_day", "drop_log_day", "drop_log_strays"}
    assert {name for name, (path,) in found.items() if not path.endswith("public, pg_temp")} == set()


def test_an_extension_that_may_not_be_made_is_named(postgres: Postgres) -> None:
    """The account that upgrades has the tables but may make nothing in the database: it is told who must, and what."""
    database = postgres.database()
    name = str(database.url.database)
    with postgres.connect(name) as connection:
        connection.execute("DROP ROLE IF EXISTS nobodys_owner")
        connection.execute("CREATE ROLE nobodys_owner LOGIN")
        connection.execute("CREATE EXTENSION pg_trgm")
        connection.execute("GRANT ALL ON SCHEMA public TO nobodys_owner")
        connection.execute("CREATE SCHEMA holds AUTHORIZATION nobodys_owner")
    try:
        with pytest.raises(StoreError, match=r"no extension btree_gin.*CREATE EXTENSION btree_gin"):
            upgrade(postgres.address(name, "nobodys_owner"))
        assert [revision_of(database, tree) for tree in VERSION_TABLES] == [None] * 3, "all of it or nothing"
    finally:
        postgres.drop(database)
        with postgres.connect("postgres") as connection:
            connection.execute("DROP ROLE nobodys_owner")


def test_an_extension_that_somebody_is_making_is_not_said_to_be_missing(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits too long for it is told that, not to ask a superuser."""
    database = postgres.database()
    monkeypatch.setattr("logstore.postgres.db.BUSY_SECONDS", 0.2)
    try:
        with postgres.connect(str(database.url.database)) as other, other.transaction():
            other.execute("CREATE EXTENSION pg_trgm")
            with pytest.raises(StoreError, match="was not updated: somebody else is at work in it"):
                upgrade(database)
    finally:
        postgres.drop(database)


def test_a_migration_reaches_every_day(database: Database, postgres: Postgres) -> None:
    """What a later revision does to `log` it does to the days there are, and to those made afterwards."""
    with open_store(database) as store:
        store.append(batch(3))
        with postgres.connect(str(database.url.database)) as connection:
            connection.execute("ALTER TABLE log ADD COLUMN later text")
            connection.execute("CREATE INDEX log_later ON log (later)")
        store.append(batch(6))
    with postgres.connect(str(database.url.database)) as connection:
        having = "SELECT count(*) FROM pg_attribute WHERE attname = 'later' AND attrelid::regclass::text ~ 'log_2'"
        assert connection.execute(having).fetchone() >= (9,)


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_audit_trail_is_append_only(database: Database, postgres: Postgres, statement: str) -> None:
    from datetime import UTC, datetime

    from logstore.audit import record_change, verify

    with open_catalog(database).begin() as catalog:
        for number in range(3):
            at = datetime(2026, 11, 21, tzinfo=UTC)
            assert record_change(catalog, who="ict", what="x", subject="y", at=at) == number + 1
    with postgres.connect(str(database.url.database)) as connection:
        with pytest.raises(Exception, match="append-only"):
            connection.execute(statement)
        # Behind the triggers' back, as its owner may: the chain and the counter still show it.
        connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM audit WHERE id = 3")
    with open_catalog(database).connect() as catalog:
        assert verify(catalog) == 3
