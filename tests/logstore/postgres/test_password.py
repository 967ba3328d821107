"""The database's password stands in a file of its own, read for each connection, and only if nobody else may read it.

Shows: `logstore.place`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy.exc

from logstore.db import StoreError, reading
from logstore.place import Database
from logstore.sending import is_away
from tests.rig.postgres import Postgres


@pytest.fixture
def locked(database: Database, postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    """A database, for an account that needs a password."""
    name = str(database.url.database)
    file = tmp_path / "password"
    file.write_text("a long one\nwhat comes after is no password\n", encoding="utf-8")
    file.chmod(0o600)
    with postgres.connect(name) as connection:
        connection.execute("CREATE ROLE locked LOGIN PASSWORD 'a long one'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO locked")
    yield Database(postgres.address(name, "locked").address, file)
    with postgres.connect(name) as connection:
        connection.execute("DROP OWNED BY locked")
        connection.execute("DROP ROLE locked")


def looked(database: Database) -> object:
    """What a reader sees first."""
    with reading(database) as catalog:
        return catalog.exec_driver_sql("SELECT current_user").scalar()


def test_it_is_read_for_each_connection(locked: Database, postgres: Postgres) -> None:
    """So that a changed one needs no restart; until the file has it, the database is away and rows wait."""
    assert looked(locked) == "locked"
    with postgres.connect(str(locked.url.database)) as connection:
        connection.execute("ALTER ROLE locked PASSWORD 'another one'")
    with pytest.raises(sqlalchemy.exc.OperationalError) as refused:
        looked(locked)
    assert is_away(refused.value)
    assert "another one" not in str(refused.value)
    assert "a long one" not in str(refused.value)
    assert locked.password_file is not None
    locked.password_file.write_text("another one\n", encoding="utf-8")
    assert looked(locked) == "locked"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_may_read_or_change_is_refused(locked: Database, mode: int) -> None:
    assert locked.password_file is not None
    locked.password_file.chmod(mode)
    with pytest.raises(StoreError, match=r"others may read the password .*chmod 0600"):
        looked(locked)


def test_a_file_that_is_not_there_says_so(locked: Database) -> None:
    assert locked.password_file is not None
    locked.password_file.unlink()
    with pytest.raises(StoreError, match="the password cannot be read"):
        looked(locked)


def test_no_address_shows_it(locked: Database) -> None:
    assert "a long one" not in repr(locked) + str(locked) + str(locked.url)
