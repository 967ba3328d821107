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

from sqlalchemy import Engine

from categories.names import NameProblem, canonical_url
from categories.taxonomy import load_taxonomy
from policy.model import Verdict
from policy.reserved import reserved_categories
from proxy import assembly, inforce
from proxy.decided import Parts, open_decided, put_together
from proxy.decisions import Usage, put_in_force
from proxy.oneclick import check_entry
from proxy.overridechanges import in_force_words, try_out, until_of, wait_for_workers, wanted_override
from proxy.settings import Settings
from registry import requests as register
from registry import settling
from registry.change import By
from registry.requests import ReviewRequest
from registry.settling import EntryWanted, Settlement, asked_again, subject_of


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
    again = asked_again(one)
    at = datetime.now(UTC)
    return None if again is None else put_together(parts, open_decided(settings), at).decide(*again, at)


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
    override = entry = None
    if args.allow or args.block:
        override = wanted_override(_override_words(args, one), parts, by.at)
    elif args.entry:
        until = until_of(args, parts.policy, by.at, args.site)
        entry = EntryWanted(args.entry, subject_of(one, whole_host=args.whole_host), until)
    decided = settle(settings, engine, parts, one.id, Settlement(state, args.answer, override, entry), by)
    workers = wait_for_workers(settings)
    if args.json:
        print(json.dumps({"ok": True, **register.facts(decided), "workers": workers}))
    else:
        came = f" by {decided.made}" if decided.made else ""
        print(f"request {decided.id}: {decided.state}{came}; {decided.asker} is told: {decided.answer}")
        print(in_force_words(workers), file=sys.stderr)
    return 0


def settle(settings: Settings, engine: Engine, parts: Parts, number: int, wanted: Settlement, by: By) -> ReviewRequest:
    """Try it, make it, decide the request and write the overlay. Raises `RegistryError`, and then nothing was done."""
    if wanted.override is not None:
        try_out(wanted.override, parts, settings, by)
    if wanted.entry is not None:
        check_entry(parts, wanted.entry.text)
    categories = assembly.known_categories(load_taxonomy(), parts.index)
    reserved = reserved_categories(parts.policy)
    with engine.begin() as connection:
        decided = settling.settle(connection, number, wanted, by, categories=categories, reserved=reserved)
    put_in_force(settings, engine)
    return decided


def _override_words(args: argparse.Namespace, one: ReviewRequest) -> argparse.Namespace:
    """What `allow` or `block` would have been told: for the band and site that asked, unless somebody is named."""
    words = {**vars(args), "what": subject_of(one, whole_host=args.whole_host)}
    words["action"] = "block" if args.block else "allow"
    if not (args.everybody or args.group or args.band or args.user):
        words |= {"band": one.band, "site": args.site or one.site}
    return argparse.Namespace(**words)


def _parts(settings: Settings) -> Parts:
    return inforce.parts_with(settings, assembly.open_index(settings))
