"""What `schoolgate db` does: arguments in, results on stdout, talk on stderr, lines in the audit trail."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from logstore.audit import entries, record_change
from logstore.backup import Copied, back_up, check, refuse, restore
from logstore.clockcheck import ClockDoubted
from logstore.copies import BEGAN, COPIED, KEPT
from logstore.db import catalog_path, open_catalog, reading, upgrade
from logstore.export import printable
from logstore.exportbook import exports, settle_export
from logstore.place import ClickHouse, Database, folder_of
from logstore.prunereport import PruneReport
from logstore.retention import overdue
from proxy.account import typed_by
from proxy.retaining import prune_all, tell
from proxy.settings import Settings

type Task = Callable[[argparse.Namespace, Settings], int]


def _upgrade(args: argparse.Namespace, settings: Settings) -> int:
    changed = upgrade(settings.store)
    lines = list(changed) or ["the store has the newest schema"]
    if isinstance(settings.store, ClickHouse):
        lines += [f"rows: {settings.store}", f"names, books, holds, audit trail, decisions: {settings.catalog}"]
    _say(args, {"ok": True, "changed": list(changed)}, "\n".join(lines))
    return 0


def _roles(args: argparse.Namespace, settings: Settings) -> int:
    catalog = settings.catalog
    if not isinstance(catalog, Database):
        print("db: roles are of a database; of a folder, its permissions say who may", file=sys.stderr)
        return 2
    from logstore.postgres import roles

    try:
        told = list(roles.statements(args.prefix))
    except ValueError as error:
        print(f"db: --prefix: {error}", file=sys.stderr)
        return 2
    if args.sql:
        print(";\n".join(told) + ";")
        return 0
    roles.put_in_force(catalog, args.prefix)
    names = {f"{args.prefix}_{role}": work for role, work in roles.WORK.items()}
    lines = [f"{name:<24} {work}" for name, work in names.items()]
    _say(args, {"ok": True, "roles": names}, "\n".join([*lines, f"then: GRANT {args.prefix}_reader TO account"]))
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> int:
    where, now = settings.store, datetime.now(UTC)
    problems = list(check(where) if isinstance(where, Path) else check_database(where, now))
    # A store whose catalog cannot be used has no retention to ask about.
    if not problems or not isinstance(where, Path) or catalog_path(where).is_file():
        try:
            behind = overdue(where, now, ZoneInfo(settings.record.timezone), settings.record.months)
            problems += [str(behind)] if behind else []
        except Exception as error:
            problems = problems or [str(error)]
    _say(args, {"ok": not problems, "problems": problems}, "\n".join(problems) or "the store is whole")
    return 1 if problems else 0


def check_database(where: Database | ClickHouse, now: datetime) -> tuple[str, ...]:
    """As `logstore.backup.check`, of a database; loaded only where there is one."""
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.check import check as check_there

        return check_there(where, now)
    from logstore.postgres.check import check as check_in

    return check_in(where, now)


def _prune(args: argparse.Namespace, settings: Settings) -> int:
    try:
        report = prune_all(
            settings,
            datetime.now(UTC),
            ZoneInfo(settings.record.timezone),
            dry_run=args.dry_run,
            who=typed_by(),
            why=args.why or "asked for on the command line",
            clock_is_right=args.clock_is_right,
        )
    except ClockDoubted as doubt:
        _say(args, {"ok": False, "problems": [str(doubt)]}, f"db: {doubt}")
        return 1
    if not report.dry_run:
        tell(settings, report)
    _say(args, report.as_json(), _told(report))
    return 0 if report.ok else 1


def _told(report: PruneReport) -> str:
    would = "would go" if report.dry_run else "went"
    names = sum(report.names.values())
    lines = [f"{day.file:<24} {day.rows if day.rows is not None else '?':>12} rows {would}" for day in report.days]
    lines += [f"{place.place}: {place.removed} {would}" for place in report.elsewhere]
    lines.append(
        f"{report.rows:,} rows in {len(report.days)} days and {names:,} names {would}: older than {report.months} "
        f"months, before {report.cutoff:%Y-%m-%d %H:%M} UTC"
    )
    lines += [f"stayed: {stayed.what}: {stayed.why}" for stayed in report.stayed]
    lines += [f"stayed: {stayed.what}: {stayed.why}" for place in report.elsewhere for stayed in place.stayed]
    return "\n".join(lines)


def _exports(args: argparse.Namespace, settings: Settings) -> int:
    if args.settle is not None:
        engine = open_catalog(settings.store)
        with engine.begin() as catalog:
            done = settle_export(catalog, args.settle, who=typed_by(), why=args.why, at=datetime.now(UTC))
        _say(args, {"ok": done}, f"export {args.settle} {'is settled' if done else 'is not in the book'}")
        return 0 if done else 1
    with reading(settings.store) as catalog:
        book = exports(catalog)
    if args.json:
        print(json.dumps([asdict(one) for one in book], default=str))
        return 0
    for one in book:
        newest = one.newest_at or one.made_at
        days = f"{one.oldest_at or newest:%Y-%m-%d} to {newest:%Y-%m-%d}"
        print(printable(f"{one.id:>4}  {one.what:<8} {one.subject:<20} {one.rows:>10,} rows of {days}  {one.path}"))
    print(f"db: {len(book)} exports; each goes when its oldest row is due, see docs/retention.md", file=sys.stderr)
    return 0


def _audit(args: argparse.Namespace, settings: Settings) -> int:
    with reading(settings.store) as catalog:
        found = entries(
            catalog, kind=args.kind, who=args.who, subject=args.subject, before=args.before, limit=max(1, args.limit)
        )
    zone = ZoneInfo(settings.record.timezone)
    for line in found:
        local = line.at.astimezone(zone)
        if args.json:
            print(json.dumps({**asdict(line), "at": local.isoformat()}))
            continue
        why = f"  ({line.why})" if line.why else ""
        text = f"{line.id:>6}  {local:%Y-%m-%d %H:%M:%S}  {line.who:<18} {line.what} {line.subject}{why}"
        print(printable(text))
        if line.before is not None or line.after is not None:
            print(printable(f"{'':8}{json.dumps(line.before)} → {json.dumps(line.after)}")[:400])
    return 0 if found else 1


def _backup(args: argparse.Namespace, settings: Settings) -> int:
    store = settings.store
    if isinstance(store, Database):
        from logstore.postgres import dumps

        dumps.refuse(args.folder)
    else:
        refuse(folder_of(store, "`db backup`"), args.folder)
    place = str(args.folder.resolve())
    _note(args, settings, BEGAN, place, None)  # first: what a kill leaves is looked for by this line
    now = datetime.now(UTC)
    if isinstance(store, Database):
        copied = dumps.back_up(store, args.folder, now)
    else:
        copied = back_up(folder_of(store, "`db backup`"), args.folder, now)
    _note(args, settings, COPIED, place, asdict(copied))
    _say(args, {"ok": True, **asdict(copied)}, _files(copied))
    print(f"db: the copy names people; the nightly retention removes it after {KEPT.days} days", file=sys.stderr)
    print("db: `schoolgate db drill` practises its restore", file=sys.stderr)
    return 0


def _restore(args: argparse.Namespace, settings: Settings) -> int:
    store = settings.store
    if isinstance(store, Database):
        from logstore.postgres import dumps

        copied = dumps.restore(args.folder, store)
    else:
        copied = restore(args.folder, folder_of(store, "`db restore`"))
    upgrade(store)
    _note(args, settings, "put the store back", str(args.folder.resolve()), asdict(copied))
    _say(args, {"ok": True, **asdict(copied)}, _files(copied))
    print("db: holds are those of the copy's day: place and release again what was since", file=sys.stderr)
    if isinstance(store, Database):
        print("db: `schoolgate db roles` gives the roles their rights again", file=sys.stderr)
    return 0


def _files(copied: Copied) -> str:
    return f"{copied.rows:,} rows in {copied.files} file{'s' * (copied.files != 1)}, {copied.bytes:,} bytes"


def _note(args: argparse.Namespace, settings: Settings, what: str, subject: str, after: object) -> None:
    engine = open_catalog(settings.store)
    with engine.begin() as catalog:
        at = datetime.now(UTC)
        record_change(
            catalog, who=typed_by(), what=what, subject=subject, after=after, why=args.why, at=at, kind="export"
        )


def _say(args: argparse.Namespace, facts: Mapping[str, object], text: str) -> None:
    print(json.dumps(facts) if args.json else text)


TASKS: Mapping[str, Task] = {
    "upgrade": _upgrade,
    "roles": _roles,
    "check": _check,
    "prune": _prune,
    "exports": _exports,
    "audit": _audit,
    "backup": _backup,
    "restore": _restore,
}
"""What each task does: 0 yes, 1 no, 2 usage."""
