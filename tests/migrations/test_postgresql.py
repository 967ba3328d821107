"""In PostgreSQL the migrations make what the models say, and live with partitions.

Shows: `logstore.postgres.db`, `migrations.catalog.env`, `migrations.day.env`.
"""

from __future__ import annotations

import importlib
import re
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
from logstore.place import Database
from logstore.postgres.chains import chain_metadata
from logstore.postgres.db import revision_of
from logstore.postgres.holds import open_holds
from logstore.postgres.rollups import rollup_metadata
from logstore.query import Archive
from logstore.store import open_store
from tests.logstore.rows import batch
from tests.rig.postgres import Postgres

ELSEWHERE = re.compile(r"log_\d{8}|log_default|audit_number|alembic_version.*")
"""Tables that no model says: partitions, the audit trail's counter, Alembic's own."""
TRIGRAMS = {"log_terms", "log_title"}


def said(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether a model could say it."""
    return not (kind == "table" and ELSEWHERE.fullmatch(name or ""))


def compared(_object: object, name: str | None, kind: str, *_: object) -> bool:
    """Whether both engines say it in the same words."""
    return not (kind == "index" and name in TRIGRAMS)


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
