"""How questions come to the server: each is planned for the name and the span of days it asks for.

Shows: `logstore.postgres.db`, `logstore.query`.
"""

from __future__ import annotations

from logstore.filter import LogFilter
from logstore.place import Database
from logstore.postgres.db import reading
from logstore.query import Archive
from logstore.store import open_store
from tests.logstore.rows import batch

OFTEN = 12
"""More than the driver asks a statement before it prepares it, and the server before it plans it for any name."""
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


def test_a_question_asked_often_is_planned_for_what_it_asks_each_time(database: Database) -> None:
    """A page far back asks one statement for span after span: a plan for any span would read whole days."""
    with open_store(database) as store:
        store.append(batch(40))
    with Archive(database) as archive:
        (row,) = archive.search(LogFilter(), 1).rows
        for _ in range(OFTEN):
            assert archive.search(LogFilter(user=row.record.user), 1).rows
            assert archive.count(LogFilter(user=row.record.user)).rows
        assert archive.catalog.exec_driver_sql(PREPARED).scalar_one() == 0


def test_whoever_only_reads_prepares_nothing(database: Database) -> None:
    """The same for everything that reads the record outside an archive."""
    with open_store(database):
        pass
    with reading(database) as catalog:
        for _ in range(OFTEN):
            catalog.exec_driver_sql("SELECT count(*) FROM log WHERE id > %s", (0,))
        assert catalog.exec_driver_sql(PREPARED).scalar_one() == 0
