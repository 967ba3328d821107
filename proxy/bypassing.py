"""What `schoolgate bypass` does: settings and what was typed in, an exit status out; and what the console asks of it.

Accepting a suggestion makes an override that passes the host unread: tried first, refused with what is in the way,
audited, in force on every worker within a second. The rule: only what is suggested is accepted, and what must be read
is not shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from policy.model import Action
from proxy import assembly, inforce
from proxy.decided import Parts
from proxy.decisions import put_in_force
from proxy.overridechanges import in_force_words, try_out, until_of, wait_for_workers, wanted_override
from proxy.settings import Settings
from registry import overrides, refusals
from registry.caution import SHORT, Caution, caution, with_evidence
from registry.change import By, RegistryError, RegistryProblem
from registry.refusals import Learning, Suggestion


def learning(settings: Settings) -> Learning:
    """When a host is suggested, as the settings say."""
    told = settings.bypass
    return Learning(devices=told.suggest_devices, days=told.suggest_days, hosts=told.suggest_hosts)


def suggested(
    connection: Connection, settings: Settings, parts: Parts, at: datetime, site: str | None = None
) -> list[tuple[Suggestion, Caution]]:
    """What is suggested, each with what to think of; without what must be read."""
    found, lists = refusals.suggestions(connection, at, learning(settings), site), parts.standing.over(parts.index)
    thought = [(one, with_evidence(caution(one.host, lists, parts.policy.kinds), one)) for one in found]
    return [(one, about) for one, about in thought if not about.never]


def change_bypass(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """Run the task named in `args`; 0 yes, 1 no. Raises `Usage` and what `proxy.decisions.carry_out` tells."""
    parts = inforce.parts_with(settings, assembly.open_index(settings))
    with engine.connect() as connection:
        found = suggested(connection, settings, parts, by.at)
    if args.task == "suggestions":
        return _list(found, as_json=args.json)
    host = args.host.strip().lower().rstrip(".")
    thought = {one.host: about for one, about in found}
    if host not in thought:
        known = ", ".join(one.host for one, _ in found[:5]) or "none"
        raise RegistryError(RegistryProblem(host[:200], "is not suggested", f"suggested are: {known}"))
    if args.task == "dismiss":
        return _dismiss(args, settings, engine, by, host, parts)
    words = {**vars(args), "what": f"host:{host}", "action": Action.BYPASS.value, "user": None}
    wanted = wanted_override(argparse.Namespace(**words), parts, by.at)
    if wanted.until is None and thought[host].short:
        wanted = replace(wanted, until=by.at + SHORT)
    try_out(wanted, parts, settings, by)
    with engine.begin() as connection:
        decision = overrides.add(connection, wanted, by)
    put_in_force(settings, engine)
    workers = wait_for_workers(settings)
    if args.json:
        print(json.dumps({"ok": True, **overrides.facts(decision), "workers": workers}))
    else:
        until = "" if wanted.until is None else f" until {wanted.until:%Y-%m-%d %H:%M} UTC"
        print(f"{decision.override.name}: {host} passes unread where it is allowed{until}; `overrides end` ends it")
        print(in_force_words(workers), file=sys.stderr)
    return 0


def _dismiss(args: argparse.Namespace, settings: Settings, engine: Engine, by: By, host: str, parts: Parts) -> int:
    until = until_of(args, parts.policy, by.at)
    with engine.begin() as connection:
        ends = refusals.dismiss(connection, host, by, until)
    if args.json:
        print(json.dumps({"ok": True, "host": host, "until": ends.isoformat(timespec="seconds")}))
    else:
        print(f"{host} is not suggested again before {ends:%Y-%m-%d}")
    return 0


def _list(found: list[tuple[Suggestion, Caution]], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([{**refusals.facts(one), "caution": about.words} for one, about in found]))
        return 0
    for one, about in found:
        staff = f", {one.staff_devices} of staff" if one.staff_devices else ""
        where = f" at {', '.join(one.sites)}" if one.sites else ""
        seen = f"on {one.days} days, last {one.last_at:%Y-%m-%d %H:%M} UTC"
        print(f"{one.host}: {one.devices} devices{staff}{where}, {seen}")
        print(f"  how: {', '.join(one.signs)}; gone after {one.expires_at:%Y-%m-%d} unless it is seen again")
        for words in filter(None, (about.words, f"passed already by {', '.join(one.passed)}" if one.passed else "")):
            print(f"  {words}")
    print(f"bypass: {len(found)} suggested", file=sys.stderr)
    return 0
