"""What `schoolgate log` does: arguments in, rows on stdout, talk on stderr, a line in the audit trail.

The rule: a look is written down before anything is shown (design §5.10); where it cannot be written down, nothing is
shown.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy.exc

from logstore.audit import record_look
from logstore.db import StoreError, open_catalog
from logstore.errorwords import in_words
from logstore.export import as_json, csv_lines, json_lines, printable
from logstore.filter import LogFilter
from logstore.gateways import identity_in
from logstore.query import Archive, SearchTooWide, Tail
from logstore.rows import Row
from logstore.when import parse_when
from proxy import logtable
from proxy.account import typed_by
from proxy.settings import Settings
from proxy.spoolview import say_behind, show_spool, wait_until_shipped
from registry.spelling import as_recorded

FOLLOW_SECONDS = 1.0
"""Pause between two looks for new rows."""
COUNT_SECONDS = 2.0
"""How long a page's rows may be counted after they were shown."""
SEARCH_SECONDS = 120.0
"""Longest time one search may take; a person waits and can press Ctrl-C."""


_SAME = tuple(
    "user device site band group host domain category list rule tier action reason text terms title blocked".split()  # noqa: SIM905
)
"""Arguments that are called like the filter's fields."""


class Refused(Exception):
    """It was not done. Says why; carries the exit status."""

    def __init__(self, why: str, status: int = 1) -> None:
        super().__init__(why)
        self.status = status


def run_task(args: argparse.Namespace, settings: Settings) -> int:
    """Do what `args` say. Raises `Refused`."""
    if args.task == "spool":
        return show_spool(settings, as_json=args.json)
    if args.task == "subject":
        return _subject(args, settings)
    if args.task == "annual":
        return _annual(args, settings)
    if args.task == "case-verify":
        from proxy.casework import verify_case

        return verify_case(args, settings)
    from proxy import lognumbers

    zone = _zone(settings)
    if args.fresh:
        wait_until_shipped(settings)
    else:
        say_behind(settings)
    try:
        if args.task == "case":
            from proxy.casework import export_case

            return export_case(args, settings, zone)
        return {"search": _search, "tail": _tail, "show": _show, **lognumbers.TASKS}[args.task](args, settings, zone)
    except StoreError as error:
        raise Refused(str(error)) from error
    except SearchTooWide as error:
        raise Refused(str(error)) from error
    except sqlalchemy.exc.DatabaseError as error:
        raise Refused(f"the store in {settings.data / 'store'} cannot be read: {in_words(error)}") from error


def filter_from(args: argparse.Namespace, now: datetime, zone: tzinfo) -> LogFilter:
    """The filter the arguments describe. Raises `Refused` when a time cannot be read."""
    try:
        return LogFilter(
            **{name: as_recorded(name, getattr(args, name)) for name in _SAME},
            client_address=as_recorded("client_address", args.address),
            page=args.page_only,
            without=tuple(map(_left_out, args.without)),
            since=None if args.since is None else parse_when(args.since, now, zone),
            until=None if args.until is None else parse_when(args.until, now, zone, end=True),
        )
    except ValueError as error:
        raise Refused(str(error), 2) from error


def _left_out(said: str) -> tuple[str, str]:
    """What `--not` leaves out: the field as a filter calls it, and the value. Raises `ValueError`."""
    field, colon, value = said.partition(":")
    if not (colon and value.strip()):
        raise ValueError(f"--not {said[:80]!r} names no field and value; say --not user:pupil-0417")
    name = {"address": "client_address"}.get(field.strip(), field.strip())
    return name, as_recorded(name, value.strip()) or ""


def _search(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    now = datetime.now(UTC)
    wanted = filter_from(args, now, zone)
    if args.hold is not None:
        return _search_hold(args, settings, wanted, zone, now)
    if args.text and args.out is None and args.before is None and args.after is None:
        from proxy.logtext import search_text

        return search_text(args, settings, wanted, zone, now)
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        if args.out is not None:
            return _export(args, settings, wanted, archive.walk(wanted), zone, now)
        if args.all:
            look(args, settings, wanted, None, now)
            return print_rows(args, _counted(archive.walk(wanted)), zone, now)
        page = archive.search(wanted, args.limit, before=args.before, after=args.after)
    look(args, settings, wanted, len(page.rows), now)
    print_rows(args, page.rows, zone, now)
    shown = f"{len(page.rows)} rows"
    if page.next is not None or page.previous is not None:
        shown = f"{len(page.rows)} rows of {_in_all(settings, wanted)}"
    print(f"log: {sentence(wanted, now, zone)}: {shown}", file=sys.stderr)
    for word, flag, place in (("older", "--before", page.next), ("newer", "--after", page.previous)):
        if place is not None:
            print(f"log: {word} rows: add {flag} {place}", file=sys.stderr)
    return 0 if page.rows else 1


def _in_all(settings: Settings, wanted: LogFilter) -> str:
    """How many there are: `312`, `about 10,000`; `many` when that cannot be told in a moment."""
    from logstore.counting import how_many

    try:
        with Archive(settings.store, seconds=COUNT_SECONDS) as archive:
            return str(how_many(archive, wanted))
    except SearchTooWide:
        return "many"


def _search_hold(args: argparse.Namespace, settings: Settings, wanted: LogFilter, zone: tzinfo, now: datetime) -> int:
    from logstore.holdcopy import held_rows
    from logstore.holds import HoldRefused, find_active

    store = settings.store
    try:
        kept = find_active(store, args.hold)
    except HoldRefused as refused:
        raise Refused(str(refused)) from refused
    limits = {name: getattr(args, name) for name in ("before", "after") if getattr(args, name) is not None}
    rows = held_rows(store, kept, wanted, **limits, rising=args.after is not None)
    if args.out is not None:
        return _export(args, settings, wanted, rows, zone, now)
    look(args, settings, wanted, None, now, of=f"hold {kept.case}: ")
    if not args.all:
        page = list(itertools.islice(rows, args.limit))
        rows = iter(page[::-1] if args.after is not None else page)
        if len(page) == args.limit:
            print(f"log: older rows: add --before {min(row.id for row in page)}", file=sys.stderr)
    return print_rows(args, _counted(rows), zone, now)


def _annual(args: argparse.Namespace, settings: Settings) -> int:
    from proxy.annualreport import report

    try:
        return report(args, settings)
    except ValueError as error:
        raise Refused(str(error), 2) from error
    except StoreError as error:
        raise Refused(str(error)) from error


def _subject(args: argparse.Namespace, settings: Settings) -> int:
    from proxy.subjectaccess import CannotWrite, NotGiven, export_subject

    try:
        return export_subject(args, settings)
    except (NotGiven, CannotWrite, StoreError, SearchTooWide, OSError) as error:
        raise Refused(str(error)) from error
    except sqlalchemy.exc.DatabaseError as error:
        raise Refused(f"the store in {settings.data / 'store'} cannot be read: {in_words(error)}") from error


def _export(
    args: argparse.Namespace, settings: Settings, wanted: LogFilter, rows: Iterator[Row], zone: tzinfo, now: datetime
) -> int:
    from logstore.exportfile import CannotWrite
    from proxy.exporting import Request, export_rows, format_of

    try:
        form = format_of(args.out, args.format)
    except ValueError as error:
        raise Refused(str(error), 2) from error
    request = Request(
        store=settings.store, gateway=identity_in(settings.data),
        what="hold" if args.hold else "search",
        subject=args.hold or wanted.user or "record", asked=wanted.sentence(timezone=zone), who=typed_by(),
        why=args.why, at=now, zone=zone,
    )  # fmt: skip
    try:
        written, manifest = export_rows(request, args.out, rows, form)
    except (CannotWrite, StoreError, OSError) as error:
        raise Refused(str(error)) from error
    print(f"log: {written.lines:,} rows in {written.path}, SHA-256 {written.sha256}", file=sys.stderr)
    print(f"log: and {manifest.path.name}; retention removes both when their oldest row is due", file=sys.stderr)
    return 0 if written.lines else 1


def _tail(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    now = datetime.now(UTC)
    wanted = filter_from(args, now, zone)
    store = settings.store
    # Before the search, so that what is stored in between is shown by one of them.
    tail = Tail(store, wanted, now) if args.follow else None
    with Archive(store, seconds=SEARCH_SECONDS) as archive:
        rows = tuple(reversed(archive.search(wanted, args.limit).rows))
    look(args, settings, wanted, None if args.follow else len(rows), now)
    print_rows(args, rows, zone, now)
    print(f"log: {sentence(wanted, now, zone)}", file=sys.stderr)
    if tail is None:
        return 0 if rows else 1
    tail.skip(rows)
    while True:
        sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        now = datetime.now(UTC)
        print_rows(args, tail.poll(now), zone, now, header=False)


def _show(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        row = archive.show(args.id)
    if row is None:
        print(f"log: there is no record {args.id} in the store", file=sys.stderr)
        return 1
    now = datetime.now(UTC)
    look(args, settings, LogFilter(id=row.id, user=row.record.user), 1, now)
    if args.json:
        print(json.dumps(as_json(row, zone)))
    else:
        logtable.print_row(row, zone)
    return 0


def look(
    args: argparse.Namespace, settings: Settings, wanted: LogFilter, rows: int | None, now: datetime, of: str = ""
) -> None:
    """Write the look into the audit trail. Raises `Refused` when that cannot be done."""
    try:
        engine = open_catalog(settings.store)
        with engine.begin() as catalog:
            record_look(
                catalog,
                who=typed_by(),
                subject=wanted.user or "record",
                asked=of + wanted.sentence(),
                rows=rows,
                why=args.why,
                at=now,
            )
    except (StoreError, OSError, sqlalchemy.exc.DatabaseError) as error:
        why = f"nothing is shown, because the look cannot be written into the audit trail: {in_words(error)}"
        raise Refused(why) from error


def print_rows(
    args: argparse.Namespace, rows: Iterable[Row], zone: tzinfo, now: datetime, *, header: bool = True
) -> int:
    """Print rows as asked; 0 when there were any, else 1."""
    lines = (
        json_lines(rows, zone)
        if args.json
        else csv_lines(rows, zone, header=header)
        if args.csv
        else logtable.lines(rows, zone, now)
    )
    number = 0
    for line in lines:
        sys.stdout.write(line)
        number += 1
    return 0 if number > (1 if args.csv and header else 0) else 1


def _counted(rows: Iterator[Row]) -> Iterator[Row]:
    number = 0
    for row in rows:
        yield row
        number += 1
    print(f"log: {number} rows", file=sys.stderr)


def sentence(wanted: LogFilter, now: datetime, zone: tzinfo) -> str:
    """What was asked, in words."""
    return printable(f"{wanted.sentence(now, zone)} ({zone})")


def _zone(settings: Settings) -> tzinfo:
    try:
        return ZoneInfo(settings.record.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        wrong = settings.record.timezone
        raise Refused(f"record.timezone: there is no zone {wrong!r}; it would be like Europe/London", 2) from error
