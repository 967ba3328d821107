"""What `schoolgate log subject` does: everything about one person into a file, for that person.

The rule: a class login is several people, and one of them may not read the others'; it is refused. What the file does
not hold is said in the manifest, and on the screen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from logstore.export import csv_lines
from logstore.exportbook import ANSWERED
from logstore.exportfile import CannotWrite, ExportFile, Written
from logstore.gateways import identity_in
from proxy.aboutperson import AboutPerson
from proxy.account import typed_by
from proxy.exporting import Outgoing, Request
from proxy.settings import Settings

NOT_IN_IT = (
    "requests made without signing in, or under a class login: nobody knows whose they are",
    "who in particular looked or decided: staff is named by role",
    "names of others in what staff wrote",
    "addresses of pages as they were asked for may name others: read before handing it out",
    "copies of the store (backups), which go by the same date",
)
"""What the manifest says about what is missing."""


class NotGiven(Exception):
    """Nothing was exported. Says why."""


def export_subject(args: argparse.Namespace, settings: Settings) -> int:
    """Write the export `args` asks for: 0 done, 1 not. Raises `NotGiven`, `CannotWrite`, `StoreError`."""
    now, zone = datetime.now(UTC), ZoneInfo(settings.record.timezone)
    about = AboutPerson(settings, args.user, now, zone)
    registered = about.registered()
    if registered is not None and registered.person.shared:
        raise NotGiven(f"{args.user} is a class login: it would give each of them what the others did")
    request = Request(
        store=settings.store, gateway=identity_in(settings.data),
        what="subject", subject=registered.person.name if registered else args.user,
        asked=f"everything about {args.user}, asked for by {args.who}", who=typed_by(), why=args.why, at=now, zone=zone,
    )  # fmt: skip
    as_csv = (args.format or args.out.suffix.removeprefix(".")) == "csv"
    more = args.out.with_name(f"{args.out.name}.more.jsonl")
    with Outgoing(request, args.out, *([more] if as_csv else [])) as out:
        request.note("began a subject-access export", {"for": args.who})
        if as_csv:
            _write_csv(about, out[args.out], out[more])
        else:
            _write(about, out[args.out])
        facts = request.facts() | {"asked_for_by": args.who, "pieces": dict(about.counts), "not_in_it": NOT_IN_IT}
        facts["of_a_class_login"] = about.of_a_class
        facts["not_shipped"] = {"open": about.unshipped.open, "unreadable": about.unshipped.unreadable}
        *files, manifest = out.finish(facts, about.span or (now, now))
    request.note(
        "exported everything about a person",
        {"for": args.who, "pieces": dict(about.counts), "files": [one.sha256 for one in files]},
    )
    _tell(args, about, files, manifest)
    return 0


def _write(about: AboutPerson, file: ExportFile) -> None:
    for row, source in about.rows():
        file.write(json.dumps(about.request(row, source)) + "\n")
    for piece in about.others():
        file.write(json.dumps(piece) + "\n")
    _some(about)


def _write_csv(about: AboutPerson, table: ExportFile, more: ExportFile) -> None:
    """Requests as a table; the rest, which is no table, in a file beside it."""
    for number, line in enumerate(csv_lines((row for row, _ in about.rows()), about.zone)):
        table.write(line, count=number > 0)
    for piece in about.others():
        more.write(json.dumps(piece) + "\n")
    _some(about)


def _some(about: AboutPerson) -> None:
    """There is something, besides the line that says that this was asked."""
    if not sum(number for kind, number in about.counts.items() if kind != "audit trail"):
        raise NotGiven(f"nothing is held about {about.account}, but for the audit trail's lines about this question")


def _tell(args: argparse.Namespace, about: AboutPerson, files: Sequence[Written], manifest: Written) -> None:
    told: dict[str, Any] = {"ok": True, "pieces": dict(about.counts), "files": [one.as_json() for one in files]}
    if args.json:
        more = {"open": about.unshipped.open, "of_a_class_login": about.of_a_class}
        print(json.dumps({**told, "manifest": manifest.path.name, **more}))
    else:
        for kind, number in about.counts.items():
            print(f"{kind:<16} {number:>10,}")
        for one in (*files, manifest):
            print(f"{one.path}  SHA-256 {one.sha256}")
    if about.unshipped.open or about.unshipped.unreadable:
        late = f"{about.unshipped.open} requests have not ended, {about.unshipped.unreadable} cannot be read yet"
        print(f"log: not in it: {late}; ask again later", file=sys.stderr)
    if about.of_a_class:
        print(f"log: not in it: {about.of_a_class} requests of when this was a class login", file=sys.stderr)
    print("log: addresses of pages may name others: read it before handing it out", file=sys.stderr)
    print(f"log: retention removes the file {ANSWERED.days} days from now, or when its rows are due", file=sys.stderr)


__all__ = ["CannotWrite", "NotGiven", "export_subject"]
