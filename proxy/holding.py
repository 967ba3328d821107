"""What `schoolgate hold` does: arguments in, results on stdout, talk on stderr, a line in the audit trail for each.

The rule: looks are written down like changes, before anything is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy.exc

from logstore.db import StoreError, reading, upgrade
from logstore.errorwords import in_words
from logstore.export import printable
from logstore.exportfile import CannotWrite
from logstore.gateways import identity_in
from logstore.holdcopy import copy_hold, held_contents, held_rows
from logstore.holdproof import settle, unlike
from logstore.holdrelease import WITHIN, approve, sign
from logstore.holds import Hold, HoldRefused, find, find_active, holds, note_hold, place, set_review
from logstore.query import SearchTooWide
from proxy.account import typed_by
from proxy.exporting import Outgoing, Request, format_of, write_rows
from proxy.logsearch import Refused, filter_from
from proxy.settings import Settings
from registry.samepeople import same_person

TOLD = "holds.json"
"""File of the run folder that tells the metrics about holds: numbers only."""
_LENGTH = re.compile(r"(\d{1,4})([dw])")
_DAYS = {"d": 1, "w": 7}


def run_task(args: argparse.Namespace, settings: Settings) -> int:
    """Do what `args` say: 0 yes, 1 no, 2 usage."""
    zone = ZoneInfo(settings.record.timezone)
    try:
        upgrade(settings.catalog)
        for problem in settle(settings.store, who=typed_by(), at=datetime.now(UTC)):
            print(f"hold: {problem}", file=sys.stderr)
        status = TASKS[args.task](args, settings, zone, datetime.now(UTC))
        tell_holds(settings)
        return status
    except Refused as refused:
        return _refused(args, str(refused), refused.status)
    except sqlalchemy.exc.DatabaseError as error:
        return _refused(args, f"the record cannot be read: {in_words(error)}")
    except (HoldRefused, StoreError, CannotWrite, SearchTooWide, OSError) as error:
        return _refused(args, str(error))


def tell_holds(settings: Settings) -> None:
    """Say for the metrics how many holds there are and when each has to be looked at; nobody's name."""
    kept = holds(settings.store)
    told = {
        "holds": len(kept),
        "incomplete": sum(one.copied_at is None or one.error is not None for one in kept),
        "review": sorted(one.review_at.timestamp() for one in kept),
    }
    path = settings.data / "run" / TOLD
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.write_text(json.dumps(told) + "\n", encoding="utf-8")
    aside.replace(path)


def as_dict(kept: Hold, zone: tzinfo, now: datetime) -> dict[str, Any]:
    """A hold in JSON."""

    def said(moment: datetime | None) -> str | None:
        return None if moment is None else moment.astimezone(zone).isoformat(timespec="seconds")

    return {
        "case": kept.case,
        "state": kept.state,
        "reason": kept.reason,
        "rows_of": kept.wanted.sentence(timezone=zone) if kept.state == "active" else "",
        "rows": kept.rows,
        "placed_by": kept.placed_by,
        "placed_at": said(kept.placed_at),
        "review_at": said(kept.review_at),
        "review_due": kept.review_due(now),
        "copied_at": said(kept.copied_at),
        "problem": kept.error,
        "signed_by": kept.signed_by,
        "signed_at": said(kept.signed_at),
        "released_by": kept.released_by,
        "released_at": said(kept.released_at),
    }


def _place(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    review = _review(args.review, zone, now)
    wanted = filter_from(args, now, zone)
    kept = place(settings.store, args.case, args.why, wanted, review, who=typed_by(), at=now)
    return _copied(args, settings, kept, zone, now)


def _copy(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    return _copied(args, settings, find_active(settings.store, args.case), zone, now)


def _copied(args: argparse.Namespace, settings: Settings, kept: Hold, zone: tzinfo, now: datetime) -> int:
    new = copy_hold(settings.store, kept, who=typed_by(), at=now)
    kept = find(settings.store, kept.case)
    _say(args, as_dict(kept, zone, now), f"{kept.case}: {new:,} rows copied, {kept.rows:,} in all")
    if not kept.rows:
        print("hold: there is no such row yet; the hold is in force for those to come", file=sys.stderr)
    return 0


def _list(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    found = holds(settings.store, released=args.all)
    note_hold(settings.store, who=typed_by(), what="looked at holds", case="holds", after=None, why=args.why, at=now)
    if args.json:
        print(json.dumps([as_dict(one, zone, now) for one in found]))
        return 0
    for one in found:
        print(printable(_line(one, zone, now)))
    print(f"hold: {sum(one.state == 'active' for one in found)} in force", file=sys.stderr)
    return 0


def _line(one: Hold, zone: tzinfo, now: datetime) -> str:
    if one.released_at is not None:
        return f"{one.case:<20} {one.rows:>9,} rows  released {one.released_at.astimezone(zone):%Y-%m-%d}"
    due = "REVIEW DUE" if one.review_due(now) else "review by"
    trouble = "  NOT COPIED WHOLE" if one.copied_at is None or one.error else ""
    signed = f"  release signed by {one.signed_by}" if one.signed_by else ""
    local = one.review_at.astimezone(zone)
    return f"{one.case:<20} {one.rows:>9,} rows  {due} {local:%Y-%m-%d}{trouble}{signed}  {one.reason}"


def _show(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    kept = find(settings.store, args.case)
    note_hold(settings.store, who=typed_by(), what="looked at a hold", case=kept.case, after=None, why=args.why, at=now)
    told = as_dict(kept, zone, now)
    if args.json:
        print(json.dumps(told))
        return 0
    for name, value in told.items():
        if value not in (None, ""):
            print(printable(f"{name.replace('_', ' '):<16} {value}"))
    print(f"hold: its rows: schoolgate log search --hold {kept.case}", file=sys.stderr)
    return 0


def _set_review(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    kept = set_review(settings.store, args.case, _review(args.until, zone, now), who=typed_by(), why=args.why, at=now)
    _say(args, as_dict(kept, zone, now), f"{kept.case}: to be reviewed by {kept.review_at.astimezone(zone):%Y-%m-%d}")
    return 0


def _release(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    kept = sign(settings.store, args.case, who=typed_by(), why=args.why, at=now)
    until = (now + WITHIN).astimezone(zone)
    text = f"{kept.case}: signed; until {until:%Y-%m-%d} somebody else types: schoolgate hold approve {kept.case}"
    _say(args, as_dict(kept, zone, now), text)
    return 0


def _approve(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    found = find_active(settings.store, args.case)
    with reading(settings.store) as connection:  # two accounts of the register may be one person's
        alone = found.signed_by is not None and same_person(connection, found.signed_by, typed_by())
    if alone:
        raise HoldRefused(f"{found.signed_by} signed first; a release needs two different people")
    kept = approve(settings.store, args.case, who=typed_by(), why=args.why, at=now)
    _say(args, as_dict(kept, zone, now), f"{kept.case}: released; {kept.rows:,} copied rows are gone")
    return 0


def _check(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    del zone
    kept = find_active(settings.store, args.case)
    note_hold(settings.store, who=typed_by(), what="checked a hold", case=kept.case, after=None, why=args.why, at=now)
    wrong = list(unlike(settings.store, kept.case))
    altered = [str(record) for _, record in wrong if record is not None]
    lots = [what for what, record in wrong if record is None]
    facts = {"ok": not wrong, "rows": kept.rows, "altered": altered, "problems": lots}
    lines = [f"{kept.rows:,} rows, {len(altered)} not what was copied", *altered, *lots]
    _say(args, facts, "\n".join(lines))
    return 1 if wrong else 0


def _export(args: argparse.Namespace, settings: Settings, zone: tzinfo, now: datetime) -> int:
    kept = find_active(settings.store, args.case)
    form = _format(args)
    request = Request(
        store=settings.store, gateway=identity_in(settings.data),
        what="hold", subject=kept.case, asked=kept.wanted.sentence(timezone=zone), who=typed_by(),
        why=args.why, at=now, zone=zone,
    )  # fmt: skip
    facts = request.facts() | {"case": kept.case, "reason": kept.reason, "placed_by": kept.placed_by}
    facts["row_hash"] = 'SHA-256 of the row\'s text, as it stands behind "row"' if form == "jsonl" else None
    with Outgoing(request, args.out) as out:
        request.note("began an export", {"format": form})
        file = out[args.out]
        if form == "jsonl":
            for _, content, mark in held_contents(settings.store, kept, rising=True):
                file.write(f'{{"sha256":"{mark}","row":{content}}}\n')
            for rising in (True, False):
                next(map(file.see, held_rows(settings.store, kept, rising=rising)), None)
        else:
            write_rows(file, held_rows(settings.store, kept, rising=True), form, zone)
        written, manifest = out.finish(facts, file.span)
    request.note("exported a hold", written.as_json() | {"file": form})
    _say(args, {"ok": True, **written.as_json(), "manifest": manifest.path.name},
         f"{written.lines:,} rows in {written.path}, SHA-256 {written.sha256}")  # fmt: skip
    print("hold: the file goes with the retention that follows the release", file=sys.stderr)
    return 0


def _format(args: argparse.Namespace) -> str:
    try:
        return format_of(args.out, args.format)
    except ValueError as error:
        raise Refused(str(error), 2) from error


def _review(text: str, zone: tzinfo, now: datetime) -> datetime:
    """`2027-02-01`, `90d` or `12w`. Raises `Refused`."""
    if found := _LENGTH.fullmatch(text.strip().lower()):
        return now + timedelta(days=int(found[1]) * _DAYS[found[2]])
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), zone).astimezone(UTC)
    except ValueError as error:
        raise Refused(f"{text!r} is no review date; it would be like 2027-02-01, 90d or 12w", 2) from error


def _refused(args: argparse.Namespace, why: str, status: int = 1) -> int:
    if getattr(args, "json", False):
        print(json.dumps({"ok": False, "problems": [why]}))
    print(f"hold: {why}", file=sys.stderr)
    return status


def _say(args: argparse.Namespace, facts: Mapping[str, object], text: str) -> None:
    print(json.dumps({"ok": True, **facts}) if args.json else printable_lines(text))


def printable_lines(text: str) -> str:
    """Printable line by line."""
    return "\n".join(printable(line) for line in text.split("\n"))


TASKS: Mapping[str, Callable[[argparse.Namespace, Settings, tzinfo, datetime], int]] = {
    "place": _place,
    "list": _list,
    "show": _show,
    "copy": _copy,
    "review": _set_review,
    "release": _release,
    "approve": _approve,
    "check": _check,
    "export": _export,
}
"""What each task does."""
