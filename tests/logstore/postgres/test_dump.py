"""A dump made while rows come in is the record at one moment, and a restore of it is proved by a head kept before."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore.db import upgrade
from logstore.evidence import note_ends
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.postgres.check import check
from logstore.query import Archive
from logstore.rolling import roller
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.rows import AT, batch
from tests.rig.postgres import Postgres

NOW = datetime.fromtimestamp(AT / 1e6, UTC)


def run(postgres: Postgres, program: str, *arguments: str) -> None:
    """A program of PostgreSQL's, as the record's owner."""
    whom = ["--host", str(postgres.folder), "--username", "owner"]
    done = subprocess.run(
        [str(postgres.programs / program), *whom, *arguments], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def restored(database: Database, postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Database, tuple[int, str]]]:
    """What came back from a dump, and the head that was kept before it was made."""
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(40))
        list(roller(database).catch_up())
        head = note_ends(database, who="ict", at=NOW)
        stop = threading.Event()

        def go_on() -> None:
            for end in range(40, 4000, 5):
                if stop.is_set():
                    return
                store.append(batch(end + 5)[end:])

        writing = threading.Thread(target=go_on)
        writing.start()
        try:
            run(
                postgres,
                "pg_dump",
                "--format=custom",
                "--file",
                str(tmp_path / "record.dump"),
                str(database.url.database),
            )
        finally:
            stop.set()
            writing.join()
    practice = postgres.database()
    name = str(practice.url.database)
    restore = ["--no-owner", "--no-acl", "--exit-on-error", "--dbname", name]
    run(postgres, "pg_restore", *restore, str(tmp_path / "record.dump"))
    yield practice, head
    postgres.drop(practice)


def test_what_came_back_is_whole_and_goes_on(restored: tuple[Database, tuple[int, str]]) -> None:
    practice, head = restored
    assert upgrade(practice) == ()
    report = verify(practice, kept=head, sums=True)
    assert report.problems == []
    assert report.rows >= 40
    assert check(practice, NOW) == ()
    with Archive(practice) as archive:
        assert archive.count(LogFilter()).rows == report.rows
    with open_store(practice, clock=lambda: AT * 1000) as store:
        assert store.append(batch(4000)) == 4000 - report.rows, "what the spool still has is stored once"
    assert verify(practice, kept=head).ok


def test_a_dump_that_was_changed_shows(restored: tuple[Database, tuple[int, str]], postgres: Postgres) -> None:
    practice, head = restored
    with postgres.connect(str(practice.url.database)) as connection:
        connection.execute("UPDATE log SET path = '/x' WHERE id = (SELECT min(id) FROM log)")
    assert [problem.what for problem in verify(practice, kept=head).problems] == ["the row was changed"]
