"""What the migrations make is what the models say, from the first revision to the newest and back.

Shows: `migrations.catalog.env`, `migrations.day.env`, `migrations.holds.env`.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from logstore import holdschema, schema
from logstore.db import Tree, catalog_path, days_folder, head, migrate, open_writer, revision_of, upgrade
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.store import Store
from tests.logstore.rows import batch

REPOSITORY = Path(__file__).resolve().parents[2]


def models(tree: Tree) -> list[sa.MetaData]:
    """Every MetaData of a tree."""
    if tree == "day":
        return [schema.day_metadata]
    if tree == "holds":
        return [holdschema.holds_metadata]
    return [schema.catalog_metadata, importlib.import_module("registry.schema").metadata]


def migrated(folder: Path, tree: Tree) -> Path:
    path = folder / f"{tree}.db"
    path.touch()
    migrate(path, tree)
    return path


def made_by(path: Path) -> dict[str, str]:
    """Every table and index of a file, as SQLite was told, without differences that mean nothing."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT type || ' ' || name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
            "AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
        ).fetchall()
    return {name: re.sub(r'["\s]+', "", sql).replace("CONSTRAINT", "") for name, sql in found}


@pytest.mark.parametrize("tree", ["catalog", "day", "holds"])
class TestModelsAreMigrations:
    """A model changed without a migration, or the other way round, fails here."""

    def test_as_alembic_compares(self, tmp_path: Path, tree: Tree) -> None:
        with open_writer(migrated(tmp_path, tree)).connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, models(tree)) == []

    def test_to_the_letter(self, tmp_path: Path, tree: Tree) -> None:
        """Also what Alembic does not compare: conditions of indexes, AUTOINCREMENT, NOT NULL of keys."""
        direct = tmp_path / "direct.db"
        direct.touch()
        engine = open_writer(direct)
        for metadata in models(tree):
            metadata.create_all(engine)
        assert made_by(migrated(tmp_path, tree)) == made_by(direct)

    def test_down_and_up_again(self, tmp_path: Path, tree: Tree) -> None:
        path = migrated(tmp_path, tree)
        before = made_by(path)
        migrate(path, tree, "base", down=True)
        assert made_by(path) == {}
        migrate(path, tree)
        assert made_by(path) == before

    def test_one_step_at_a_time(self, tmp_path: Path, tree: Tree) -> None:
        path = tmp_path / "step.db"
        path.touch()
        scripts = ScriptDirectory(str(REPOSITORY / "migrations" / tree))
        revisions = [script.revision for script in scripts.walk_revisions()][::-1]
        assert len(scripts.get_heads()) == 1
        for revision in revisions:
            migrate(path, tree, revision)
            assert revision_of(path) == revision
        assert revision_of(path) == head(tree)

    def test_a_step_that_fails_leaves_the_file_as_it_was(self, tmp_path: Path, tree: Tree) -> None:
        path = tmp_path / "half.db"
        made = {"catalog": "audit", "day": "t", "holds": "held_row"}[tree]
        blocker = f"CREATE TABLE {made} (x)"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(blocker)
            if tree == "day":
                connection.execute("CREATE INDEX log_title ON t (x)")
            connection.commit()
        before = made_by(path)
        with pytest.raises(sa.exc.OperationalError, match="already exists"):
            migrate(path, tree)
        assert made_by(path) == before
        assert revision_of(path) is None


def test_rows_stored_under_the_first_revision_are_there_under_the_newest(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(batch(40))
    day = next(days_folder(tmp_path).glob("*.db"))
    migrate(catalog_path(tmp_path), "catalog", "catalog_0001", down=True)
    if revision_of(day) != "day_0001":
        migrate(day, "day", "day_0001", down=True)
    changed = upgrade(tmp_path)
    assert ("catalog.db" in changed) == (head("catalog") != "catalog_0001")
    with Archive(tmp_path) as archive:
        assert [(row.record, row.ending) for row in archive.walk(LogFilter(), rising=True)] == batch(40)
    with Store(tmp_path) as store:
        assert store.append(batch(50)) == 10


def test_an_older_day_file_that_lacks_a_column_and_an_index_is_still_read(tmp_path: Path) -> None:
    """Sealed days are never changed: what they lack reads as nothing."""
    with Store(tmp_path) as store:
        store.append(batch(30))
    day = next(days_folder(tmp_path).glob("*.db"))
    with contextlib.closing(sqlite3.connect(day)) as connection:
        for index in ("log_title", "log_blocked", "log_blocked_user", "log_verdict_id", "log_host_id"):
            connection.execute(f"DROP INDEX {index}")
        connection.execute("ALTER TABLE log DROP COLUMN title")
        connection.execute("ALTER TABLE log DROP COLUMN note")
        connection.commit()
    with Archive(tmp_path) as archive:
        assert len(archive.search(LogFilter()).rows) == 30
        assert {row.ending.title for row in archive.search(LogFilter()).rows} == {None}
        assert archive.search(LogFilter(title="anything")).rows == ()
        assert archive.search(LogFilter(blocked=True)).rows == ()
        assert len(archive.search(LogFilter(host="www1.example.org", blocked=False)).rows) == 6
        assert archive.count(LogFilter(action="allow")).rows == 30


def test_upgrade_leaves_sealed_days_alone(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(batch(3))
    day = next(days_folder(tmp_path).glob("*.db"))
    with contextlib.closing(sqlite3.connect(catalog_path(tmp_path))) as connection:
        connection.execute("UPDATE day_file SET state = 'sealed'")
        connection.commit()
    with contextlib.closing(sqlite3.connect(day)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'day_0000'")
        connection.commit()
    assert upgrade(tmp_path) == ()


def test_the_installed_package_brings_its_migrations() -> None:
    """Every folder of revisions is a package, and every package is shipped."""
    told = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for folder in {script.parent for script in (REPOSITORY / "migrations").rglob("*.py")}:
        assert f'"{".".join(folder.relative_to(REPOSITORY).parts)}"' in told
