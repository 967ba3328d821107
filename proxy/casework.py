"""What `schoolgate log case` and `log case-verify` do: the rows of a case with the proof of them, and its check.

Arguments in; `FILE`, `FILE.evidence.jsonl` and `FILE.manifest.json` out, noted like every export. The rule: before rows
leave, the days they are of are checked, and the manifest says what was found; checking needs the three files and
nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy.exc

from logstore.audit import entries
from logstore.casefile import check, evidence
from logstore.db import StoreError, catalog_path, reading
from logstore.evidence import note_ends
from logstore.export import printable
from logstore.exportbook import hash_file
from logstore.exportfile import CannotWrite, check_manifest
from logstore.gateways import identity_in
from logstore.place import ClickHouse
from logstore.query import Archive
from logstore.store import day_of
from logstore.verify import verify
from proxy.account import typed_by
from proxy.exporting import Outgoing, Request, write_rows
from proxy.logsearch import SEARCH_SECONDS, Refused, filter_from
from proxy.settings import Settings

EXPORTED = "exported a case"
"""How the audit trail calls it."""
ROWS = 100_000
"""Most rows of one case."""


def export_case(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    """Write a case; 0 when it has rows and their days are whole, else 1. Raises `Refused`."""
    now, store = datetime.now(UTC), settings.store
    if isinstance(store, ClickHouse):
        raise Refused(
            "rows in ClickHouse are under no hash chain, so no case of them can be proved; `log search --out FILE` "
            "writes them with a manifest, and `hold` keeps them with a hash each"
        )
    wanted = filter_from(args, now, zone)
    request = Request(
        store=store, gateway=identity_in(settings.data),
        what="case", subject=args.case or wanted.user or "record", asked=wanted.sentence(timezone=zone),
        who=typed_by(), why=args.why, at=now, zone=zone,
    )  # fmt: skip
    try:
        proofs = args.out.with_name(f"{args.out.name}.evidence.jsonl")
        with Outgoing(request, args.out, proofs) as out:
            request.note("began an export", {"asked": request.asked, "format": "case"})
            number, mark = note_ends(store, who=request.who, why=f"case {request.subject}", at=now)
            with Archive(store, seconds=SEARCH_SECONDS) as archive:
                rows = list(itertools.islice(archive.walk(wanted, limit=1_000), ROWS + 1))
            if len(rows) > ROWS:
                raise Refused(f"a case has at most {ROWS:,} rows; narrow it, or use `log search --out`")
            days = sorted({day_of(row.id) for row in rows})
            problems = [str(problem) for day in days for problem in verify(store, day=day, now=now).problems]
            write_rows(out[args.out], rows, "jsonl", zone)
            for line in evidence(store, [row.id for row in rows]):
                out[proofs].write(json.dumps(line) + "\n")
            facts = request.facts() | {"rows": len(rows), "days": days, "head": f"{number}:{mark}"}
            written, _, manifest = out.finish(facts | {"problems": problems}, out[args.out].span)
        request.note(EXPORTED, manifest.as_json() | {"asked": request.asked, "rows": len(rows), "problems": problems})
    except (CannotWrite, StoreError, OSError) as error:
        raise Refused(str(error)) from error
    for problem in problems:
        print(printable(f"log: the record is not whole: {problem}"), file=sys.stderr)
    print(f"{written.lines:,} rows in {written.path}; SHA-256 of {manifest.path.name}: {manifest.sha256}")
    return 0 if written.lines and not problems else 1


def verify_case(args: argparse.Namespace, settings: Settings) -> int:
    """Check a case by its manifest; 0 when it is what was exported. Raises `Refused`."""
    try:
        told = json.loads(args.manifest.read_text(encoding="utf-8"))
        problems = [*check_manifest(args.manifest)]
        rows, proof = (args.manifest.with_name(one["file"]) for one in told["files"][:2])
        if not problems:
            problems += check(_lines(proof), _lines(rows), ZoneInfo(told["timezone"]))
            problems += [f"when it was exported: {said}" for said in told["problems"]]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Refused(f"{args.manifest} cannot be checked: {type(error).__name__}: {error}") from error
    sha256 = hash_file(args.manifest)
    if args.sha256 is not None and args.sha256.lower() != sha256:
        problems.append(f"the manifest's SHA-256 is {sha256}, not the one that was given")
    line = _line_of(settings, sha256)
    if args.json:
        print(json.dumps({"ok": not problems, "problems": problems, "sha256": sha256, "audit_line": line}))
        return 1 if problems else 0
    for problem in problems:
        print(printable(problem))
    if not problems:
        print(
            f"{told['rows']:,} rows, each proved; exported by {printable(told['exported_by'])} at {told['exported_at']}"
        )
    known = f"line {line} of this gateway's audit trail knows it" if line else "no audit trail here knows it"
    print(f"log: SHA-256 of the manifest {sha256}: {known}", file=sys.stderr)
    return 1 if problems else 0


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _line_of(settings: Settings, sha256: str) -> int | None:
    """The line of the audit trail that knows a manifest; None when none does, or it cannot be asked: a check of the
    files needs no gateway."""
    store = settings.store
    if isinstance(store, Path) and not catalog_path(store).is_file():
        return None
    try:
        with reading(store) as catalog:
            before: int | None = None
            while found := entries(catalog, kind="export", before=before):
                for line in found:
                    if line.what == EXPORTED and line.after.get("sha256") == sha256:
                        return line.id
                before = found[-1].id
    except (StoreError, sqlalchemy.exc.OperationalError) as error:
        print(f"log: {store} cannot be asked: {getattr(error, 'orig', None) or error}", file=sys.stderr)
    return None
