"""What `schoolgate requests` does: settings and what was typed in, an exit status out.

Deciding to open or close makes an override or an own entry as `allow`, `block` and `lists entry` do: tried first,
refused with the rule in the way, in force on every worker within a second. Then the request is decided and told.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from categories.names import NameProblem, canonical_url
from categories.taxonomy import load_taxonomy
from policy.client import STRICTEST_BAND, Band, Client
from policy.model import Request, Verdict
from policy.reserved import reserved_categories
from proxy import assembly, inforce
from proxy.decided import Parts, open_decided, put_together
from proxy.decisions import Usage, put_in_force
from proxy.overridechanges import in_force_words, try_out, until_of, wait_for_workers, wanted_override
from proxy.settings import Settings
from registry import entries, overrides
from registry import requests as register
from registry.change import By
from registry.requests import ReviewRequest

_ANSWERS = {
    "allowed": "it is open now.",
    "blocked": "it stays closed.",
    "no-change": "it stays as it is.",
}


def change_requests(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """Run the task named in `args`; 0 yes, 1 no. Raises `Usage` and what `proxy.decisions.carry_out` tells."""
    if args.task == "decide":
        return _decide(args, settings, engine, by)
    if args.task == "add":
        return _add(args, settings, engine, by)
    with engine.connect() as connection:
        if args.task == "show":
            return _show(register.get(connection, args.id), settings, as_json=args.json)
        return _list(register.requests(connection, None if args.all else register.WAITING), as_json=args.json)


def _list(found: list[ReviewRequest], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([register.facts(one) for one in found]))
        return 0
    for one in found:
        then = one.verdict.get("rule") or "unknown rule"
        state = "" if one.state == register.WAITING else f" [{one.state} by {one.decided_by}]"
        asked = f"{one.asked_at:%Y-%m-%d %H:%M} UTC"
        print(f"{one.id:>5} {asked} {one.asker}: {one.url} ({then}) wants {one.wanted}: {one.why}{state}")
    waiting = sum(one.state == register.WAITING for one in found)
    print(f"requests: {waiting} waiting", file=sys.stderr)
    return 0


def _show(one: ReviewRequest, settings: Settings, *, as_json: bool) -> int:
    now = _verdict_now(_parts(settings), settings, one)
    if as_json:
        said = None if now is None else {"action": now.action.value, "rule": now.rule, "because": now.because}
        print(json.dumps({"ok": True, **register.facts(one), "now": said}))
        return 0
    for key, value in register.facts(one).items():
        words = value
        if isinstance(value, dict):
            words = ", ".join(f"{name} {word}" for name, word in value.items() if word)
        print(f"{key.replace('_', ' '):<12} {'-' if words in (None, '') else words}")
    if now is not None:
        print(f"{'now':<12} {now.action.value} by rule {now.rule!r}: {now.because}")
    return 0


def _verdict_now(parts: Parts, settings: Settings, one: ReviewRequest) -> Verdict | None:
    """What would happen to whoever asked if they asked again; None for an address that cannot be read."""
    try:
        url = canonical_url(one.url)
    except NameProblem:
        return None
    band = Band(one.band) if one.band in set(Band) else None
    client = Client(one.site, one.device, one.address, one.user, frozenset(), band or STRICTEST_BAND, band is not None)
    at = datetime.now(UTC)
    return put_together(parts, open_decided(settings), at).decide(Request(url), client, at)


def _add(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    try:
        url = str(canonical_url(args.url))
    except NameProblem as problem:
        raise Usage(f"{args.url[:200]!r}: {problem}") from problem
    asked = ReviewRequest(0, url, by.who, "", None, None, None, True, args.wanted, by.why, {}, by.at)
    now = _verdict_now(_parts(settings), settings, asked)
    verdict = {} if now is None else {"action": now.action.value, "rule": now.rule, "category": now.category}
    with engine.begin() as connection:
        number = register.file(connection, url, by, mark=secrets.token_hex(16), wanted=args.wanted, verdict=verdict)
    print(json.dumps({"ok": True, "id": number}) if args.json else f"request {number} is filed")
    return 0


def _decide(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    with engine.connect() as connection:
        one = register.check(connection, args.id, by)
    parts = _parts(settings)
    state = "no-change" if args.no_change else "blocked" if args.block else "allowed"
    answer = " ".join(filter(None, (_ANSWERS[state], args.answer.strip())))
    wanted = None
    if args.allow or args.block:
        wanted = wanted_override(_override_words(args, one), parts, by.at)
        try_out(wanted, parts, settings, by)
    until = until_of(args, parts.policy, by.at, args.site) if args.entry else None
    with engine.begin() as connection:  # what is made and the decision stand or fall together
        made = None
        if wanted is not None:
            made = overrides.add(connection, wanted, by).override.name
        elif args.entry:
            made = _make_entry(connection, args, one, parts, by, until)
        decided = register.decide(connection, args.id, state, by, answer=answer, made=made)
    put_in_force(settings, engine)
    workers = wait_for_workers(settings)
    if args.json:
        print(json.dumps({"ok": True, **register.facts(decided), "workers": workers}))
    else:
        came = f" by {made}" if made else ""
        print(f"request {decided.id}: {decided.state}{came}; {decided.asker} is told: {decided.answer}")
        print(in_force_words(workers), file=sys.stderr)
    return 0


def _make_entry(
    connection: Connection, args: argparse.Namespace, one: ReviewRequest, parts: Parts, by: By, until: datetime | None
) -> str:
    categories = assembly.known_categories(load_taxonomy(), parts.index)
    what = canonical_url(one.url).host if args.whole_host else one.url
    reserved = reserved_categories(parts.policy)
    made = entries.add(connection, args.entry, what, by, categories=categories, reserved=reserved, until=until)
    return f"entry {made.entry.id} in {args.entry}"


def _override_words(args: argparse.Namespace, one: ReviewRequest) -> argparse.Namespace:
    """What `allow` or `block` would have been told: for the band and site that asked, unless somebody is named."""
    words = {**vars(args), "what": canonical_url(one.url).host if args.whole_host else one.url}
    words["action"] = "block" if args.block else "allow"
    if not (args.everybody or args.group or args.band or args.user):
        words |= {"band": one.band, "site": args.site or one.site}
    return argparse.Namespace(**words)


def _parts(settings: Settings) -> Parts:
    return inforce.parts_with(settings, assembly.open_index(settings))
