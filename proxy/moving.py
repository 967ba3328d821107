"""What `schoolgate db move` does: the record of the data folder's files, or of a database, into that of the settings.

Settings in; rows and decisions in the database, a line in its audit trail. The rules: rows go in by their numbers
through the usual writer, so that a move that was broken off is run again; decisions go in only where nothing was
decided yet; where they come from is only read. Holds stay where they are, and nothing moves before somebody said that
this is known; the trail notes where that of the other record ended.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from logstore.audit import head, record_change
from logstore.db import catalog_path, open_catalog, reading, upgrade
from logstore.export import printable
from logstore.filter import LogFilter
from logstore.gateways import Gateway, identity_in
from logstore.holds import holds
from logstore.place import Beside, ClickHouse, Database, fault_of_store, is_database
from logstore.query import Archive
from logstore.store import open_store
from proxy.account import typed_by
from proxy.leftbehind import MOVED
from proxy.settings import Settings
from registry.change import revision_number
from registry.schema import metadata, registry_revision

ROWS = 5_000
"""Rows of one batch."""
MANY = 20_000
"""The same into ClickHouse, which has to merge what each batch brings."""
STAY = frozenset({"registry_revision", "console_session", "console_link", "console_failure"})
"""Tables whose lines do not come along: the number that says something changed, and what lasts for hours."""
PATIENCE = 24 * 3600.0
"""Longest time the files are read, seconds."""


def move(args: argparse.Namespace, settings: Settings) -> int:
    """Move up; 0 when everything that is there is in the settings' record. Raises what keeps it from that."""
    store, catalog_at = settings.store, settings.catalog
    origin, why = _origin(args, settings)
    if origin is None or not isinstance(catalog_at, Database):
        why = why or f"record.store is {store}"
        print(f"db: {why}; a move is from the data folder's files, or --from a database, up", file=sys.stderr)
        return 2
    if isinstance(origin, Path):
        upgrade(origin)
    held = tuple(one.case for one in holds(origin))
    if held and not args.leave_holds:
        print(f"db: nothing was moved. {_of_holds(origin, held)}", file=sys.stderr)
        return 1
    upgrade(store)
    decided = _decisions(origin, catalog_at)
    begun_us = time.time_ns() // 1000
    size = MANY if isinstance(store, ClickHouse) else ROWS
    rows = new = refused = 0
    gateway = Gateway(settings.gateway.number, identity_in(settings.data), settings.gateway.name)
    with open_store(store, gateway=gateway) as into, Archive(origin, seconds=PATIENCE) as archive:
        for part in itertools.batched(archive.walk(LogFilter(), rising=True, limit=ROWS), size, strict=False):
            new += into.append([(row.record, row.ending) for row in part])
            rows += len(part)
            if sys.stderr.isatty():
                print(f"\rdb: {rows:,} rows read, {new:,} of them new", end="", file=sys.stderr)
        refused = into.refused
    with reading(origin) as catalog:
        number, mark = head(catalog)
    counts = {"rows": rows, "new": new, "refused": refused, "decisions": decided}
    facts = {**counts, "holds": held, "head": f"{number}:{mark}"}
    # For whoever looks later whether anything came to the old place behind the move's back (`proxy.leftbehind`).
    file = origin.password_file if isinstance(origin, Database) else None
    noted = {
        **facts,
        "begun_us": begun_us,
        "gateway": settings.gateway.number,
        "password_file": None if file is None else str(file.absolute()),
    }
    engine = open_catalog(store)
    try:
        with engine.begin() as catalog:
            record_change(
                catalog, who=typed_by(), what=MOVED, subject=str(origin), after=noted, why=args.why,
                at=datetime.now(UTC),
            )  # fmt: skip
    finally:
        engine.dispose()
    if args.json:
        print(json.dumps({"ok": True, **facts}))
        return 0
    told = "none: something was decided there already" if decided is None else f"{decided:,} lines"
    print(f"{rows:,} rows read, {new:,} of them new, {refused:,} too old to be kept; decisions: {told}")
    if held:
        stayed = (
            f"{len(held)} hold(s) stayed in {origin}: {', '.join(held)}. Keep it until two people have released them"
        )
        print(f"db: {printable(stayed)}", file=sys.stderr)
    return 0


def _of_holds(origin: Beside, held: tuple[str, ...]) -> str:
    """Why a move waits for holds, and the two ways on."""
    return printable(
        f"{len(held)} hold(s) are in force in {origin}, and do not come along: {', '.join(held)}. "
        "Have two people release each (`hold release`, then `hold approve`), with settings whose record is there; or "
        "say --leave-holds: then they stay in force there, with the rows they have and those to come of days that go, "
        "and that record has to be kept until they are released"
    )


def _origin(args: argparse.Namespace, settings: Settings) -> tuple[Beside | None, str]:
    """Where the rows come from; or why nowhere."""
    told: str | None = args.origin
    if told is None:
        files = settings.data / "store"
        return (files, "") if catalog_path(files).is_file() else (None, f"there is no record in {files}")
    if not is_database(told):
        return None, "--from is the address of a database, like postgresql://schoolgate@db.school.internal/schoolgate"
    if (fault := fault_of_store(told)) is not None:
        return None, f"--from {fault}"
    origin = Database(told, args.origin_password_file)
    if isinstance(settings.catalog, Database) and origin.spot == settings.catalog.spot:
        return None, "--from is record.store itself: rows in ClickHouse have a database of their own for names"
    return origin, ""


def _decisions(origin: Beside, store: Database) -> int | None:
    """Copy the registry's lines, numbers and all; how many, or None when the database has decisions of its own."""
    engine = open_catalog(store)
    try:
        with engine.begin() as into, reading(origin) as files:
            if revision_number(into):
                return None
            count = 0
            for table in metadata.sorted_tables:
                if table.name in STAY:
                    continue
                lines = [dict(row) for row in files.execute(select(table)).mappings()]
                if lines:
                    into.execute(table.insert(), lines)
                    count += len(lines)
                _count_on(into, table.name, "id" in table.c)
            # Whatever the files' number was: every gateway has to look again.
            number = max(1, revision_number(files) + 1)
            into.execute(registry_revision.update().values(number=number))
            return count
    finally:
        engine.dispose()


def _count_on(into: Connection, table: str, numbered: bool) -> None:
    """Have the database give numbers from behind those that came along."""
    if numbered:
        sequence = func.pg_get_serial_sequence(table, "id")
        newest = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"
        into.execute(select(func.setval(sequence, into.exec_driver_sql(newest).scalar_one(), False)))
