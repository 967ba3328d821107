"""`schoolgate log stats|series|timeline|facets`: numbers, moments and names instead of pages of rows.

The rule is that of `proxy.logsearch`: a look is written into the audit trail before anything is shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from logstore.export import printable
from logstore.facets import facets
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.stats import Basis, Figures, Ranking
from logstore.timeline import around
from logstore.when import parse_when
from proxy import logtable
from proxy.logsearch import SEARCH_SECONDS, Refused, filter_from, look, print_rows, sentence
from proxy.settings import Settings
from registry.spelling import as_recorded

_STEP = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

type Task = Callable[[argparse.Namespace, Settings, tzinfo], int]


def _stats(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    now, wanted = _asked(args, zone)
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        figures = Figures(archive, wanted, exact=not args.quick)
        sums = figures.totals()
        look(args, settings, wanted, sums.rows, now)
        rankings: dict[str, Ranking] = {
            name: figures.top(name, args.limit) for name in args.top or ["category", "host", "rule"]
        }
    if args.json:
        totals = {name: value for name, value in asdict(sums).items() if name != "basis"}
        told = {"asked": sentence(wanted, now, zone), "totals": totals, "basis": _basis(sums.basis), "top": {}}
        told["top"] = {name: [asdict(place) for place in one.places] for name, one in rankings.items()}
        print(json.dumps(told))
    else:
        logtable.print_stats(sums, {name: one.places for name, one in rankings.items()})
        print(f"log: {sentence(wanted, now, zone)}, {logtable.basis_words(sums.basis, zone)}", file=sys.stderr)
    return 0 if sums.rows else 1


def _series(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    if (found := _STEP.fullmatch(args.step)) is None:
        raise Refused(f"--step: {args.step!r} is no length; it would be like 15m, 1h, 1d", 2)
    step = timedelta(**{_UNITS[found[2]]: int(found[1])})
    now, wanted = _asked(args, zone)
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        try:
            told = Figures(archive, wanted, exact=not args.quick).series(step)
        except ValueError as error:
            raise Refused(f"--step: {error}", 2) from error
    look(args, settings, wanted, sum(span.rows for span in told.spans), now)
    if args.json:
        spans = [{"start": span.start.isoformat(), "rows": span.rows, "blocked": span.blocked} for span in told.spans]
        print(json.dumps({"asked": sentence(wanted, now, zone), "basis": _basis(told.basis), "series": spans}))
    else:
        logtable.print_series(told, zone)
        print(f"log: {sentence(wanted, now, zone)}, {logtable.basis_words(told.basis, zone)}", file=sys.stderr)
    return 0 if told.spans else 1


def _timeline(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    now = datetime.now(UTC)
    whose = {"user": args.user, "device": args.device, "client_address": args.address}
    lanes = [LogFilter(**{name: as_recorded(name, value)}) for name, value in whose.items() if value is not None]
    if not lanes:
        raise Refused("a timeline is somebody's: give --user, --device or --address", 2)
    try:
        at = int(args.at) if args.at.isdecimal() else parse_when(args.at, now, zone)
    except ValueError as error:
        raise Refused(str(error), 2) from error
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        told = around(archive, lanes, at, before=args.before, after=args.after)
    moment = f"around {args.at}: "
    for lane in lanes:
        look(args, settings, lane, len(told.rows), now, of=moment)
    print_rows(args, told.rows, zone, now)
    asked = " and ".join(lane.sentence(now, zone) for lane in lanes)
    print(f"log: {asked}, {moment}{len(told.rows)} rows", file=sys.stderr)
    for word, place in (("earlier", told.older), ("later", told.newer)):
        if place is not None:
            print(f"log: there are {word} rows: give {place} as the moment", file=sys.stderr)
    return 0 if told.rows else 1


def _facets(args: argparse.Namespace, settings: Settings, zone: tzinfo) -> int:
    now = datetime.now(UTC)
    try:
        since = None if args.since is None else parse_when(args.since, now, zone).date()
    except ValueError as error:
        raise Refused(str(error), 2) from error
    with Archive(settings.store, seconds=SEARCH_SECONDS) as archive:
        found = facets(archive.catalog, args.kind, args.begins, args.limit, since=since)
    named = f"names of kind {args.kind} beginning with “{args.begins}” in " if args.begins else f"{args.kind}s of "
    look(args, settings, LogFilter(), len(found), now, of=named)
    if args.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            print(f"{printable(one.name):<48} {one.first_day}  {one.last_day}")
    return 0 if found else 1


TASKS: Mapping[str, Task] = {"stats": _stats, "series": _series, "timeline": _timeline, "facets": _facets}
"""What this module does, by the name of the task."""


def _asked(args: argparse.Namespace, zone: tzinfo) -> tuple[datetime, LogFilter]:
    """The moment and the filter; the last 24 hours unless told otherwise."""
    now = datetime.now(UTC)
    if args.since is None:
        args.since = "24h"
    return now, filter_from(args, now, zone)


def _basis(basis: Basis) -> dict[str, Any]:
    computed = None if basis.computed is None else basis.computed.isoformat()
    return {"source": basis.source, **dataclasses.asdict(basis), "computed": computed}
