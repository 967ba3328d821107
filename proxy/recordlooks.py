"""The looks of `schoolgate doctor` at the record: settings in, findings out. Changes nothing.

A record that cannot be reached is said to be so; nothing is shown green that was not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from proxy.finding import Finding
from proxy.settings import Settings

MOST_UNREAD = 0.15
"""Part of all requests that pass unread beyond which people are told: a page read is many requests, a tunnel is one."""
EVERY = 100
"""More than there are actions."""
FEW_ROWS = 1000
"""Requests of a week below which parts mean nothing."""
UNREAD_SECONDS = 5.0
"""Longest time this look may take."""
OLDEST = 15
"""Oldest PostgreSQL the record is tried on."""


def _database(settings: Settings) -> Iterator[Finding]:
    """Where the record is a database: is it there, new enough, reached over TLS, and as it should be."""
    from sqlalchemy.exc import SQLAlchemyError

    from logstore.errorwords import without_rows
    from logstore.place import Database, StoreError

    store = settings.catalog
    if not isinstance(store, Database):
        return
    from logstore.postgres.check import check
    from logstore.postgres.db import reading

    try:
        with reading(store) as catalog:
            version = int(catalog.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
            way = "SELECT ssl, inet_server_addr() IS NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            encrypted, on_socket = catalog.exec_driver_sql(way).one()
        # Of a record in two places the rows are looked at where they are.
        problems = check(store, datetime.now(UTC)) if settings.store == store else ()
    except (SQLAlchemyError, StoreError) as error:
        told = without_rows(error).partition("\n")[0]
        advice = "lessons go on; records wait in the spool, and decisions made meanwhile do not arrive"
        yield Finding("database", "bad", f"{store}: {told}", advice)
        return
    if version < OLDEST:
        yield Finding("database", "bad", f"PostgreSQL {version}", f"the record needs {OLDEST} or newer")
    else:
        yield Finding("database", "good", f"{store}, PostgreSQL {version}")
    if encrypted:
        yield Finding("encryption in transit", "good", "yes: the connection to the database uses TLS")
    elif on_socket:
        yield Finding("encryption in transit", "good", "not needed: the database is on this machine")
    else:
        advice = "add ?sslmode=verify-full to record.store"
        yield Finding("encryption in transit", "bad", "no: rows go to the database in the clear", advice)
    for problem in problems:
        yield Finding("database", "bad", problem, "docs/postgresql.md")


def _rows(settings: Settings) -> Iterator[Finding]:
    """Where the rows are in ClickHouse: is it there, reached over TLS, and as the catalog says."""
    from sqlalchemy.exc import SQLAlchemyError

    from logstore.errorwords import without_rows
    from logstore.place import ClickHouse, StoreError

    store = settings.store
    if not isinstance(store, ClickHouse):
        return
    from logstore.clickhouse.check import check
    from logstore.clickhouse.db import open_engine, told, version_of

    try:
        with told(store):
            version = version_of(open_engine(store, read_only=True))
        problems = check(store, datetime.now(UTC))
    except (SQLAlchemyError, StoreError) as error:
        said = without_rows(error).partition("\n")[0]
        advice = "lessons and decisions go on; rows wait in the spool, and none can be searched"
        yield Finding("rows", "bad", f"{store}: {said}", advice)
        return
    if store.in_process:
        advice = "for tests and trials: one process at a time can open it, so not under `schoolgate run`"
        yield Finding("rows", "bad", f"{store}: ClickHouse {version} runs inside each process", advice)
    else:
        yield Finding("rows", "good", f"{store}, ClickHouse {version}; names and books in {store.catalog}")
        if store.encrypted:
            yield Finding("encryption of rows in transit", "good", "yes: the connection to ClickHouse uses TLS")
        else:
            advice = "add ?secure=true to record.rows"
            yield Finding("encryption of rows in transit", "bad", "no: rows go to ClickHouse in the clear", advice)
    for problem in problems:
        yield Finding("rows", "bad", problem, "docs/clickhouse.md")


def _retention(settings: Settings) -> Iterator[Finding]:
    from logstore.clockcheck import clock_doubt
    from logstore.db import catalog_path, head, reading, revision_of
    from logstore.place import Database, catalog_of
    from logstore.retention import overdue
    from proxy.retaining import records

    now = datetime.now(UTC)
    for store in records(settings):
        which = "retention" if store == settings.store else f"retention in {store}"
        catalog_at = catalog_of(store)
        if isinstance(catalog_at, Database):
            from logstore.postgres.db import revision_of as revision_in

            revision = revision_in(catalog_at, "catalog")
        else:
            revision = revision_of(catalog_path(catalog_at)) if catalog_path(catalog_at).is_file() else None
        if revision != head("catalog"):
            continue
        with reading(store) as catalog:
            doubt = clock_doubt(catalog, now)
        if doubt is not None:
            yield Finding(which, "bad", doubt, "set the clock, or say that it is right")
            continue
        behind = overdue(store, now, ZoneInfo(settings.record.timezone), settings.record.months)
        told = f"{settings.record.months} months" if behind is None else str(behind)
        level, advice = ("good", "") if behind is None else ("bad", "`schoolgate db prune`")
        yield Finding(which, "good" if level == "good" else "bad", told, advice)


def _left_behind(settings: Settings) -> Iterator[Finding]:
    """Where the record was before it moved here."""
    from sqlalchemy.exc import SQLAlchemyError

    from logstore.place import StoreError
    from proxy.leftbehind import left_behind

    try:
        for one in left_behind(settings, datetime.now(UTC)):
            what = f"left behind in {one.where}"
            yield Finding(what, "bad" if one.wrong else "note", one.found, one.advice)
    except (SQLAlchemyError, StoreError):  # the record itself does not answer: told by the look at it
        return


def _holds(settings: Settings) -> Iterator[Finding]:
    from logstore.holds import holds

    now = datetime.now(UTC)
    kept = holds(settings.store)
    for one in kept:
        if one.error is not None or one.copied_at is None:
            what = f"hold {one.case}"
            yield Finding(what, "bad", f"not all rows copied: {one.error or 'broken off'}", "`schoolgate hold copy`")
        if one.review_due(now):
            what = f"hold {one.case}"
            yield Finding(what, "bad", f"its review was due on {one.review_at:%Y-%m-%d}", "`schoolgate hold review`")
    if kept and not any(one.error or one.copied_at is None or one.review_due(now) for one in kept):
        yield Finding("holds", "good", f"{len(kept)} in force, copied and reviewed")


def _passed_unread(settings: Settings) -> Iterator[Finding]:
    """What part of last week's traffic nobody could read: a rule that passes too much shows here."""
    from logstore.filter import LogFilter
    from logstore.query import Archive, SearchTooWide
    from logstore.stats import Figures

    if isinstance(settings.store, Path) and not (settings.store / "catalog.db").is_file():
        return
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)  # a whole one, told from roll-ups
    week = LogFilter(since=hour - timedelta(days=7))
    try:
        with Archive(settings.store, seconds=UNREAD_SECONDS) as archive:
            actions = Figures(archive, week, exact=False).top("action", EVERY).places
    except SearchTooWide:
        return
    if (rows := sum(one.rows for one in actions)) < FEW_ROWS:
        return
    unread = [one for one in actions if one.name == "bypass"]
    part = sum(one.rows for one in unread) / rows
    bytes_part = sum(one.bytes for one in unread) / max(1, sum(one.bytes for one in actions))
    told = f"{part:.1%} of requests and {bytes_part:.1%} of bytes in the last seven days"
    high = part > MOST_UNREAD
    advice = "`schoolgate log stats --action bypass --since 168h --top rule` says which rules pass it" if high else ""
    yield Finding("passed unread", "note" if high else "good", told, advice)


RECORD_LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _database,
    _rows,
    _retention,
    _left_behind,
    _holds,
    _passed_unread,
)
"""Every look at the record."""
