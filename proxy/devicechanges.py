"""What `schoolgate devices` does: settings and what was typed in, an exit status out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from identity.directory import Place
from proxy.assembly import places
from proxy.decisions import failed, put_in_force
from proxy.settings import Settings
from registry import devices
from registry.change import By
from registry.devices import PlacePlan, Position


def change_devices(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """Run the task named in `args`; 0 yes, 1 no. Raises what `proxy.decisions.carry_out` tells."""
    match args.task:
        case "list":
            return _list(args, settings, engine)
        case "import":
            return _import(args, settings, engine, by)
        case "remove":
            with engine.begin() as connection:
                devices.remove(connection, args.network, by)
            put_in_force(settings, engine)
            print(json.dumps({"ok": True, "removed": args.network}) if args.json else f"removed {args.network}")
            return 0
    groups = frozenset(word.strip().casefold() for word in args.groups.split(",") if word.strip())
    place = Place(args.network, args.site, args.device, groups, args.band, args.shared)
    with engine.begin() as connection:
        position = devices.put(connection, Position(place, args.asset, args.owner), by)
    put_in_force(settings, engine)
    print(json.dumps({"ok": True, **devices.facts(position)}) if args.json else _line(position, "register"))
    return 0


def _list(args: argparse.Namespace, settings: Settings, engine: Engine) -> int:
    with engine.connect() as connection:
        known = [(position, "register") for position in devices.places(connection)]
    known += [(Position(place), "settings") for place in places(settings.identity.places)]
    if args.json:
        print(json.dumps([{**devices.facts(position), "from": origin} for position, origin in known]))
        return 0
    for position, origin in known:
        print(_line(position, origin))
    print(f"devices: {len(known)} places", file=sys.stderr)
    return 0


def _import(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    with engine.connect() as connection:
        plan = devices.plan_import(connection, data, file="standard input" if args.file == "-" else args.file)
    done = not plan.problems and not args.dry_run
    if done:
        with engine.begin() as connection:
            devices.apply_import(connection, plan, by)
        put_in_force(settings, engine)
    return _imported(plan, done=done, as_json=args.json)


def _imported(plan: PlacePlan, *, done: bool, as_json: bool) -> int:
    problems = [str(problem) for problem in plan.problems]

    def told(rows: Sequence[Position]) -> list[dict[str, object]]:
        return [devices.facts(row) for row in rows]

    if as_json:
        answer = {"ok": not problems, "done": done, "added": told(plan.added), "changed": told(plan.changed)}
        print(json.dumps({**answer, "same": plan.same, "problems": problems}))
        return 1 if problems else 0
    if problems:
        return failed("devices", [*problems, "nothing was changed"], as_json=False)
    for sign, rows in (("+", plan.added), ("~", plan.changed)):
        for row in rows:
            print(f"{sign} {_line(row, 'register')}")
    verb = "" if done else "would be "
    counts = f"{len(plan.added)} {verb}added, {len(plan.changed)} {verb}changed, {plan.same} are so already"
    print(f"devices: {counts}", file=sys.stderr)
    return 0


def _line(position: Position, origin: str) -> str:
    place = position.place
    words = [place.device or "-", place.band or "-", "shared" if place.shared else "", ",".join(sorted(place.groups))]
    return f"{place.network:<20} {place.site:<16} {' '.join(filter(None, words)):<40} {position.asset} [{origin}]"
