"""What `schoolgate db seal|verify|head|drill` do: is the record what was written, and how is that shown to others.

Arguments in, results on stdout, talk on stderr. Looking changes nothing; sealing and noting a head leave lines in the
audit trail.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from logstore.audit import record_change
from logstore.copies import copies
from logstore.db import open_catalog, reading
from logstore.drill import BEGAN, drill
from logstore.evidence import note_ends
from logstore.export import printable
from logstore.place import ClickHouse, Database, folder_of
from logstore.seal import Sealed, seal
from logstore.verify import verify
from proxy.account import typed_by
from proxy.settings import Settings

type Task = Callable[[argparse.Namespace, Settings], int]

SEALED = "No day is sealed there: each has its chains, and every night says where they stand."
"""Why a record in a database has nothing to seal."""


def add_verify(tasks: Any) -> argparse.ArgumentParser:
    """Register `db verify`."""
    task: argparse.ArgumentParser = tasks.add_parser(
        "verify", help="exit 1 when a row, a day or a line of the audit trail was changed, is missing or was added"
    )
    task.add_argument("--day", metavar="DAY", help="only this UTC day, like 2026-11-20")
    task.add_argument("--deep", action="store_true", help="read the rows of sealed days too, not only their hash")
    return task


def add_proofs(tasks: Any) -> list[argparse.ArgumentParser]:
    """Register `db seal`, `db head` and `db drill`."""
    sealing = tasks.add_parser("seal", help="seal the days that are over; a job does it every night")
    head = tasks.add_parser("head", help="one line that pins the whole record: keep it on paper or another machine")
    drilling = tasks.add_parser("drill", help="practise a restore: put a copy back aside, check and search it")
    drilling.add_argument("folder", type=Path, nargs="?", metavar="SRC", help="which copy (default: the newest one)")
    drilling.add_argument("--aside", type=Path, metavar="PLACE", help="where to put it meanwhile; needs room for it")
    for task in (sealing, head, drilling):
        task.add_argument("--why", default="", metavar="TEXT", help="reason, for the audit trail")
    return [sealing, head, drilling]


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    kept = None
    if args.head is not None:
        number, _, mark = args.head.partition(":")
        if not number.isdigit() or len(mark) != 64:
            print("db: --head is like 12:5f…, a number and 64 hexadecimal digits", file=sys.stderr)
            return 2
        kept = (int(number), mark)
    now, months = datetime.now(UTC), settings.record.months
    report = verify(settings.store, kept=kept, deep=args.deep, day=args.day, now=now, months=months, sums=True)
    if args.day is not None and not report.files and report.ok:
        print(f"db: there is no day file of {args.day}; a day is like 2026-11-20", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(report.as_json()))
        return 0 if report.ok else 1
    for problem in report.problems:
        print(printable(str(problem)))
    seen = f"{report.rows:,} rows in {len(report.files)} day files, {report.lines:,} lines of the audit trail"
    if report.unread and isinstance(settings.store, ClickHouse):
        words = "rows in ClickHouse are under no hash chain: it was checked how many there are, not what is in them"
        print(f"db: {words}", file=sys.stderr)
    elif report.unread:
        print(
            "db: this account may not read rows: it was checked which there are, not what is in them", file=sys.stderr
        )
    if report.ok:
        print(f"{seen}: whole; keep elsewhere: {report.head}")
        return 0
    print(f"db: {seen}: {len(report.problems)} problems; docs/evidence.md says what to do", file=sys.stderr)
    return 1


def _seal(args: argparse.Namespace, settings: Settings) -> int:
    run = seal(
        folder_of(settings.store, "sealing", SEALED), datetime.now(UTC), who=typed_by(), why=args.why or "asked for"
    )
    if args.json:
        told = {"ok": run.ok, "sealed": [one.as_json() for one in run.sealed], "stayed": run.stayed}
        print(json.dumps(told))
        return 0 if run.ok else 1
    for one in run.sealed:
        print(_told(one))
    for file, why in run.stayed.items():
        print(printable(f"{file} stays open: {why}"))
    if not run.sealed and not run.stayed:
        print("no day waits to be sealed")
    return 0 if run.ok else 1


def _told(one: Sealed) -> str:
    lines = [f"{one.file}  {one.rows:,} rows, {one.bytes:,} bytes ({one.was:,} before), SHA-256 {one.sha256}"]
    return "\n".join([*lines, *(printable(f"  {said}") for said in one.problems)])


def _head(args: argparse.Namespace, settings: Settings) -> int:
    number, mark = note_ends(settings.store, who=typed_by(), why=args.why, at=datetime.now(UTC))
    print(json.dumps({"head": f"{number}:{mark}"}) if args.json else f"{number}:{mark}")
    return 0


def _drill(args: argparse.Namespace, settings: Settings) -> int:
    store, copy = settings.store, args.folder
    if not isinstance(store, Database):
        store = folder_of(store, "`db drill`")
    elif args.aside is not None:
        print("db: --aside is of files; in PostgreSQL the copy comes back into a database of its own", file=sys.stderr)
        return 2
    if copy is None:
        with reading(store) as catalog:
            copy = next(copies(catalog), None)
    if copy is None:
        print("db: there is no copy to practise with; `schoolgate db backup DEST` makes one", file=sys.stderr)
        return 1
    copy = copy.resolve()
    if isinstance(store, Database):
        from logstore.postgres import drill as in_database

        _note(args, store, BEGAN, copy, {"aside": str(in_database.aside_of(store))})
        done = in_database.drill(copy, store)
    else:
        aside = (args.aside or settings.data / "drill").resolve()
        _note(args, store, BEGAN, copy, {"aside": str(aside)})
        done = drill(copy, aside)
    _note(args, store, "practised a restore", copy, done.as_json())
    if args.json:
        print(json.dumps(done.as_json()))
        return 0 if done.ok else 1
    for problem in done.problems:
        print(printable(problem))
    if done.ok:
        made = f", made {done.made}" if done.made else ""
        print(f"{done.rows:,} rows came back whole in {done.seconds:.0f} s from {printable(done.copy)}{made}")
    return 0 if done.ok else 1


def _note(args: argparse.Namespace, store: Path | Database, what: str, copy: Path, after: Mapping[str, Any]) -> None:
    engine = open_catalog(store)
    with engine.begin() as catalog:
        record_change(
            catalog, who=typed_by(), what=what, subject=str(copy), after=after, why=args.why, at=datetime.now(UTC),
            kind="export",
        )  # fmt: skip


TASKS: Mapping[str, Task] = {"verify": _verify, "seal": _seal, "head": _head, "drill": _drill}
"""What each task does: 0 yes, 1 no, 2 usage."""
