"""Each role of the record's database can do its work and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from console import accounts, sessions
from console.roles import Grant, Role
from logstore.audit import entries, record_change, record_look
from logstore.db import StoreError, open_catalog, reading
from logstore.encoding import Fact
from logstore.exportbook import Export, hash_file, note_export
from logstore.filter import LogFilter
from logstore.holdcopy import copy_hold, held_rows
from logstore.holdrelease import approve, sign
from logstore.holds import find, holds, place
from logstore.place import Database
from logstore.postgres.roles import FUNCTIONS, TABLES, WORK, put_in_force, statements
from logstore.query import Archive
from logstore.retention import overdue, prune
from logstore.rolling import roller, rollup_cleaner
from logstore.stats import Figures
from logstore.store import open_store
from logstore.verify import verify
from proxy.retaining import cleaners
from proxy.settings import Settings
from registry import people, refusals, requests
from registry.change import By, to_us
from registry.overlay import build_overlay
from registry.requests import take_fact
from registry.schema import console_view
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.rig.postgres import Postgres

NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
OLD_US = AT - 200 * 86_400_000_000
ROLES = tuple(TABLES)
REFUSED = [
    Fact(kind, 0, {"at": NOW.isoformat(), "device": device, "host": "api.app.example", "staff": True, "sign": "closed"})
    for device in ("d1", "d2", "d3")
    for kind in ("tls-refused", "tls-accepts")
]
"""What three devices did with one host."""


@pytest.fixture
def guarded(database: Database, postgres: Postgres) -> Iterator[Callable[[str], Database]]:
    """A record with rows, a hold and a day that is due; gives its address for an account that is in one role only."""
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(30))
        store.append([(request(ids_from(OLD_US).next(), user="pupil-0417"), ended())])
    place(database, "CASE-1", "x", LogFilter(user="pupil-0417"), NOW + timedelta(days=9), who="cli:head", at=NOW)
    prefix = f"sg_{database.url.database}"
    put_in_force(database, prefix)
    put_in_force(database, prefix)  # again is no harm
    name = str(database.url.database)
    with postgres.connect(name) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {prefix}_{role}_1 LOGIN IN ROLE {prefix}_{role}")  # type: ignore[arg-type]
    yield lambda role: postgres.address(name, f"{prefix}_{role}_1")
    with postgres.connect(name) as connection:
        for role in ROLES:
            for account in (f"{prefix}_{role}_1", f"{prefix}_{role}"):
                connection.execute(f"DROP OWNED BY {account}")  # type: ignore[arg-type]
                connection.execute(f"DROP ROLE {account}")  # type: ignore[arg-type]


def test_the_writer_ships(guarded: Callable[[str], Database]) -> None:
    """Also what comes again, what is late, and what people asked for on a block page."""
    writer = guarded("writer")
    late = (request(ids_from(AT - 3 * 86_400_000_000).next(), user="somebody-new"), ended())
    with open_store(writer, clock=lambda: AT * 1000) as store:
        assert store.append(batch(40)) == 10
        assert store.append([late]) == 1
        assert store.append(batch(40)) == 0
        assert store.cursors() == {}
    with open_catalog(writer).begin() as catalog:
        asked = {"mark": "m", "url": "https://a.example/", "why": "w", "at": NOW.isoformat()}
        assert take_fact(catalog, asked)
        assert not take_fact(catalog, asked)
        assert refusals.file_all(catalog, [*REFUSED, *REFUSED], timedelta(days=14)) == 2 * len(REFUSED)


def test_the_reader_searches_and_leaves_a_line(guarded: Callable[[str], Database]) -> None:
    reader = guarded("reader")
    with Archive(reader) as archive:
        assert archive.count(LogFilter()).rows == 31
        assert len(archive.search(LogFilter(user="pupil-0417")).rows) > 0
        assert Figures(archive, LogFilter(since=NOW - timedelta(days=2))).totals().rows == 30
    with open_catalog(reader).begin() as catalog:
        record_look(catalog, who="cli:ict", subject="pupil-0417", asked="x", rows=1, at=NOW)


def test_the_auditor_checks_and_sees_nobody(guarded: Callable[[str], Database]) -> None:
    auditor = guarded("auditor")
    report = verify(auditor)
    assert report.ok, report.problems
    assert (report.rows, len(report.unread)) == (31, 2), "which rows there are, not what is in them"
    with reading(auditor) as catalog:
        assert entries(catalog, kind="hold")[0].what == "placed a hold"
    assert [one.case for one in holds(auditor)] == ["CASE-1"]
    assert overdue(auditor, NOW, LONDON) is not None


def test_retention_removes_and_keeps_what_is_held(guarded: Callable[[str], Database]) -> None:
    retention = guarded("retention")
    list(roller(retention).catch_up())
    with Archive(guarded("reader")) as archive:
        assert Figures(archive, LogFilter()).totals().basis.source == "roll-ups"
    report = prune(retention, NOW, LONDON, cleaners=(rollup_cleaner(retention),), clock_is_right=True)
    assert report.ok, report.stayed
    assert [(day.rows, day.held) for day in report.days] == [(1, 0)], "copied first thing"
    assert find(retention, "CASE-1").rows == 1
    assert len(list(held_rows(retention, find(retention, "CASE-1")))) == find(retention, "CASE-1").rows


def test_a_gateways_account_cleans_every_place(
    guarded: Callable[[str], Database], postgres: Postgres, database: Database, tmp_path: Path
) -> None:
    """Whatever `proxy.retaining` has cleaned each night, under the account that docs/postgresql.md gives a gateway."""
    old, file = NOW - timedelta(days=200), tmp_path / "x.jsonl"
    file.write_text("x")
    with open_catalog(database).begin() as catalog:
        account = accounts.add(catalog, "dana", "Dana", [Grant(0, Role.TECHNICIAN)], By("cli:head", old, "new"))
        sessions.begin(catalog, account, "10.0.0.1", old)
        search = {"account_id": account.id, "name": "x", "query": "user=x"}
        catalog.execute(console_view.insert().values(**search, made_us=to_us(old), used_us=to_us(old)))
        requests.file(catalog, "https://a.example/", By("cli:head", old, "x"), mark="m", wanted="allow", verdict={})
        requests.decide(catalog, 1, "no-change", By("cli:head", old, "x"), answer="no")
        about = {"path": str(file), "what": "subject", "subject": "x", "who": "cli:head", "why": "x"}
        about["sha256"] = hash_file(file)
        note_export(catalog, Export(**about, made_at=old, newest_at=old, rows=1))  # type: ignore[arg-type]
    for role in ("writer", "retention", "decider"):
        with postgres.connect(str(database.url.database)) as connection:
            prefix = f"sg_{database.url.database}"
            connection.execute(f"GRANT {prefix}_{role} TO {prefix}_writer_1")  # type: ignore[arg-type]
    gateway = guarded("writer")
    settings = Settings(data=tmp_path, record={"store": str(gateway)})  # type: ignore[arg-type]
    report = prune(gateway, NOW, LONDON, cleaners=cleaners(settings), clock_is_right=True)
    assert report.ok, report.elsewhere
    removed = {place.place: place.removed for place in report.elsewhere}
    due = ("review requests and ended overrides", "sessions of the console", "saved searches", "exports")
    assert [removed[place] for place in due] == [1, 1, 1, 1]
    with reading(database) as catalog:
        for table in ("console_session", "console_view"):
            assert catalog.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_the_decider_decides(guarded: Callable[[str], Database]) -> None:
    decider = guarded("decider")
    with open_catalog(guarded("writer")).begin() as catalog:
        refusals.file_all(catalog, REFUSED, timedelta(days=14))
    by = By("cli:head", NOW, "because")
    with open_catalog(decider).begin() as catalog:
        people.add(catalog, "teacher-1", people.Details(), by)
        requests.file(catalog, "https://a.example/", by, mark="m", wanted="allow", verdict={})
        requests.decide(catalog, 1, "no-change", by, answer="no")
        (one,) = refusals.suggestions(catalog, NOW, refusals.Learning())
        assert (one.devices, one.staff_devices) == (3, 3)
        refusals.dismiss(catalog, one.host, by)
        refusals.dismiss(catalog, one.host, by)
        record_change(catalog, who="cli:head", what="x", subject="y", at=NOW)
    with reading(decider) as catalog:
        assert b"teacher-1" in build_overlay(catalog)
    with open_catalog(guarded("retention")).begin() as catalog:
        assert refusals.forget(catalog, NOW + timedelta(days=1)) == 6
        assert refusals.forget_dismissed(catalog, NOW + timedelta(days=91)) == 1
    hold = place(decider, "CASE-2", "x", LogFilter(user="pupil-0417"), NOW + timedelta(days=9), who="cli:a", at=NOW)
    assert copy_hold(decider, hold, who="cli:a", at=NOW) > 0
    sign(decider, "CASE-2", who="cli:a", why="over", at=NOW)
    assert approve(decider, "CASE-2", who="cli:b", why="over", at=NOW).state == "released"


FORBIDDEN = {
    "SELECT path, title FROM log LIMIT 1": {"reader", "retention", "decider"},
    "SELECT key FROM dim_user": {"writer", "reader", "retention", "decider"},
    "SELECT who, subject FROM audit": {"auditor", "retention", "decider"},
    "UPDATE audit SET who = 'x'": set(),
    "DELETE FROM audit": set(),
    "TRUNCATE audit": set(),
    "UPDATE audit_number SET number = 0": set(),
    "DELETE FROM log": set(),
    "SELECT ids, hints FROM chain_batch": {"reader", "auditor", "retention", "decider"},
    "UPDATE chain_batch SET mark = mark": set(),
    "SELECT user_id FROM rollup_hour_person": {"reader", "retention", "decider"},
    "DELETE FROM rollup_hour_person": {"retention"},
    "UPDATE rollup_hour_person SET rows = 0": set(),
    "INSERT INTO rollup_scope (site) VALUES ('x')": {"retention"},
    "DELETE FROM chain_batch": set(),
    "TRUNCATE chain_batch": set(),
    "UPDATE log SET user_id = 1": set(),
    "DROP TABLE log_default": set(),
    "DELETE FROM dim_user WHERE id = -1": {"retention"},
    "DELETE FROM day_file WHERE file = ''": set(),
    "UPDATE log_cursor SET seq = 0 WHERE producer = ''": {"writer"},
    "DELETE FROM retention_run WHERE id = -1": set(),
    "SELECT detach_log_day('1999-01-01')": {"retention"},
    "SELECT drop_log_day('1999-01-01')": {"retention"},
    "SELECT drop_log_strays('1999-01-01')": {"retention"},
    "SELECT make_log_day('2030-01-01')": {"writer"},
    "SELECT content FROM holds.held_row": {"auditor", "retention", "decider"},
    "DELETE FROM holds.held_row WHERE hold_id = -1": {"retention", "decider"},
    "UPDATE holds.held_row SET content = '' WHERE hold_id = -1": {"retention", "decider"},
    "DELETE FROM holds.hold": set(),
    "SELECT password_hash FROM person": {"decider"},
    "UPDATE person SET disabled = false WHERE id = -1": {"decider"},
    "UPDATE registry_revision SET number = number": {"decider"},
    "SELECT why FROM review_request": {"retention", "decider"},
    "SELECT device FROM tls_refusal": {"writer", "retention", "decider"},
    "DELETE FROM tls_refusal WHERE host = ''": {"writer", "retention"},
    "DELETE FROM tls_dismissed WHERE host = ''": {"retention"},
    "SELECT address FROM console_session": {"console"},
    "UPDATE console_session SET seen_us = 0": {"console"},
    "DELETE FROM console_session WHERE made_us = 0": {"retention", "console"},
    "SELECT query FROM console_view": {"console"},
    "UPDATE console_view SET used_us = 0": {"console"},
    "DELETE FROM console_view WHERE used_us = 0": {"retention", "console"},
    "CREATE TABLE mine (a int)": set(),
    "CREATE ROLE another": set(),
    "COPY (SELECT 1) TO PROGRAM 'true'": set(),
}
"""What may be tried, and who may do it."""


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_do_more(guarded: Callable[[str], Database], postgres: Postgres, role: str) -> None:
    account, database = str(guarded(role).url.username), str(guarded(role).url.database)
    prune(guarded("retention"), NOW, LONDON, clock_is_right=True)  # so that there is a date before which days may go
    may: set[str] = set()
    with postgres.connect(database, account) as connection:
        for statement in FORBIDDEN:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement)  # type: ignore[arg-type]
                may.add(statement)
            except psycopg.errors.InsufficientPrivilege:
                pass
    assert may == {statement for statement, roles in FORBIDDEN.items() if role in roles}


@pytest.mark.parametrize("catalog", ["pg_inherits", "pg_class", "pg_index"])
def test_what_runs_as_the_owner_does_not_ask_the_callers_tables(
    guarded: Callable[[str], Database], postgres: Postgres, catalog: str
) -> None:
    """A temporary view in a system table's place would have its own function run as the record's owner."""
    writer = guarded("writer")
    with postgres.connect(str(writer.url.database), str(writer.url.username)) as connection:
        connection.execute("SELECT make_log_day('2030-01-01')")  # whose indexes making the 9th looks for
        connection.execute(
            f"CREATE FUNCTION pg_temp.caught() RETURNS SETOF pg_catalog.{catalog} LANGUAGE plpgsql AS "  # type: ignore[arg-type]
            "$$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$"
        )
        connection.execute(f"CREATE TEMP VIEW {catalog} AS SELECT * FROM pg_temp.caught()")  # type: ignore[arg-type]
        connection.execute(f"GRANT SELECT ON pg_temp.{catalog} TO PUBLIC")  # type: ignore[arg-type]
        with pytest.raises(psycopg.errors.RaiseException, match="ran as"):
            connection.execute(f"SELECT FROM {catalog}")  # type: ignore[arg-type]
        assert connection.execute("SELECT make_log_day('2030-01-09')").fetchone() == (True,)


def test_no_table_is_forgotten(database: Database) -> None:
    """One that comes with a later release is somebody's, or nobody can use it under an account of a role."""
    named = {table for tables in TABLES.values() for table in tables}
    with reading(database) as catalog:
        tables = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        there = {name for name in catalog.exec_driver_sql(tables).scalars() if not re.match(r"log_\d|alembic", name)}
    assert there - named == {"log_batch"}, "the chain of files"


def test_an_account_that_may_not_make_roles_is_told_what_to_do(guarded: Callable[[str], Database]) -> None:
    with pytest.raises(StoreError, match=r"may not make roles.*db roles --sql"):
        put_in_force(guarded("writer"), "other")


def test_every_role_is_explained() -> None:
    assert set(WORK) == set(TABLES)
    assert set(FUNCTIONS) <= set(TABLES)
    with pytest.raises(ValueError, match="would be like schoolgate"):
        list(statements("School; DROP"))
