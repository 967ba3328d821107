"""What `schoolgate allow|block|overrides` does: settings and what was typed in, an exit status out.

First the decision is tried on an engine of its own; one that would decide for nobody is refused with the rule in the
way. Then it is written, audited and put into the overlay; then every running worker is asked whether it has it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from categories.names import NameProblem
from categories.taxonomy import load_taxonomy
from identity.overlay import read_overlay
from policy.client import Band
from policy.model import Action
from policy.overrides import NAME, Override, scope, sentence, target
from policy.problems import did_you_mean
from policy.rows import Policy
from proxy import assembly, inforce
from proxy.control import NotRunning, order
from proxy.decided import Parts, open_decided, overlay_file
from proxy.decisions import Usage, put_in_force
from proxy.oneclick import Outlook, outlook
from proxy.settings import Settings
from registry import overrides
from registry.change import By, RegistryError, RegistryProblem
from registry.moments import read_length
from registry.overrides import Decision

SECONDS = 3.0
"""How long the command waits for the workers to say that they have the decision."""
NOBODY_YET = 1 << 62
"""Number of an override that is only tried: higher than every real one, so that it is the newest."""


def make(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """`allow` and `block`: 0 made, 1 refused."""
    parts = inforce.parts_with(settings, assembly.open_index(settings))
    at = by.at
    wanted = wanted_override(args, parts, at)
    try_out(wanted, parts, settings, by)
    with engine.begin() as connection:
        decision = overrides.add(connection, wanted, by)
    put_in_force(settings, engine)
    workers = wait_for_workers(settings)
    directory = assembly.open_directory(settings)
    seen = outlook(parts, open_decided(settings), decision.override, directory, datetime.now(UTC))
    return _tell_made(decision, seen, workers, parts.policy, as_json=args.json)


def try_out(wanted: Override, parts: Parts, settings: Settings, by: By) -> None:
    """Raise `RegistryError` when it would decide for nobody, or cannot be decided at all; nothing is made."""
    directory = assembly.open_directory(settings)
    if wanted.user is not None and directory.person(wanted.user) is None:
        advice = did_you_mean(wanted.user, list(directory.people))
        raise RegistryError(RegistryProblem(wanted.user, "there is no such account", advice))
    overrides.check(wanted, by)
    trial = outlook(parts, open_decided(settings), wanted, directory, by.at)
    if trial.refusals:
        raise RegistryError(*(RegistryProblem(wanted.what, reason) for reason in trial.refusals))


def change(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """`overrides list` and `overrides end`: 0 yes, 1 no."""
    if args.task == "list":
        return _list(args, engine, by)
    number = args.id.removeprefix(NAME)
    if not number.isdigit():
        raise Usage(f"{args.id!r} is no number of an override; `schoolgate overrides list` shows them")
    with engine.begin() as connection:
        decision = overrides.end(connection, int(number), by)
    put_in_force(settings, engine)
    workers = wait_for_workers(settings)
    if args.json:
        print(json.dumps({"ok": True, **overrides.facts(decision), "workers": workers}))
    else:
        print(f"ended {decision.override.name}: {_line(decision)}")
        print(in_force_words(workers), file=sys.stderr)
    return 0


def wait_for_workers(settings: Settings) -> dict[str, Any] | None:
    """Ask the gateway until every worker has the overlay as it is now; None when none runs."""
    wanted = read_overlay(overlay_file(settings)).number
    began = time.monotonic()
    while True:
        try:
            said = order(settings.data, {"do": "status"}, SECONDS)
        except NotRunning:
            return None
        workers = said.get("workers", [])
        have = sum(_number(worker.get("overlay", "")) >= wanted for worker in workers)
        waited = time.monotonic() - began
        if have == len(workers) or waited > SECONDS:
            return {"have": have, "of": len(workers), "seconds": round(waited, 3)}
        time.sleep(0.02)


def in_force_words(workers: dict[str, Any] | None) -> str:
    """Where it is in force."""
    if workers is None:
        return "no gateway runs here; it holds from the next start"
    if workers["have"] == workers["of"]:
        return f"in force on all {workers['of']} workers, after {workers['seconds']:.1f} s"
    return f"in force on {workers['have']} of {workers['of']} workers; see `schoolgate doctor`"


def length(text: str) -> timedelta:
    """`40m`, `1h30m`, `2d`. Raises `Usage`."""
    try:
        return read_length(text)
    except ValueError as error:
        raise Usage(f"--for {error}") from error


def until_of(args: argparse.Namespace, policy: Policy, at: datetime, site: str | None = None) -> datetime | None:
    """When it ends, from `--for` or `--until`; None when neither is given. Raises `Usage`."""
    from proxy.commands.explain import Misasked, read_moment

    if args.length is not None:
        return at + length(args.length)
    if args.until is None:
        return None
    try:
        return read_moment(args.until, at.astimezone(policy.timetable_of(site).zone)).astimezone(UTC)
    except Misasked as problem:
        raise Usage(f"--until {problem}") from problem


def wanted_override(args: argparse.Namespace, parts: Parts, at: datetime) -> Override:
    """The override that was typed, checked against the names there are. Raises `Usage`."""
    policy = parts.policy
    known = (("site", args.site, policy.sites), ("group", args.group, policy.groups), ("band", args.band, list(Band)))
    for kind, word, names in known:
        if word is not None and word not in names:
            raise Usage(f"there is no {kind} {word!r} ({did_you_mean(word, [str(name) for name in names])})")
    categories = assembly.known_categories(load_taxonomy(), parts.index)
    try:
        what = target(args.what, categories)
    except NameProblem as problem:
        raise Usage(f"{args.what[:200]!r}: {problem}") from problem
    return Override(
        NOBODY_YET,
        Action(args.action),
        what,
        args.site,
        args.group,
        None if args.band is None else Band(args.band),
        None if args.user is None else args.user.casefold(),
        until_of(args, policy, at, args.site),
    )


def _tell_made(
    decision: Decision, seen: Outlook, workers: dict[str, Any] | None, policy: Policy, *, as_json: bool
) -> int:
    if as_json:
        print(json.dumps(_made_json(decision, seen, workers)))
        return 0
    override = decision.override
    print(f"{override.name}: {override.action.value} {_what(override.what)} for {scope(override, policy)}")
    print(f"  {sentence(override, policy)}")
    if seen.example is not None:
        print(seen.example.as_text())
    for reason, whom in _by_reason(seen).items():
        print(f"no effect for {', '.join(whom)}: {reason}", file=sys.stderr)
    if override.until is None:
        print("it has no end; `schoolgate overrides end` ends it", file=sys.stderr)
    print(in_force_words(workers), file=sys.stderr)
    return 0


def _made_json(decision: Decision, seen: Outlook, workers: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "ok": True,
        **overrides.facts(decision),
        "verdict": None if seen.example is None else seen.example.as_json(),
        "decides_for": [effect.person.words for effect in seen.decides],
        "no_effect_for": [{"for": words, "why": why} for why, words in _by_reason(seen).items()],
        "workers": workers,
    }


def _by_reason(seen: Outlook) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for effect in seen.elsewhere:
        found.setdefault(seen.why_not(effect.after), []).append(effect.person.words)
    return found


def _list(args: argparse.Namespace, engine: Engine, by: By) -> int:
    with engine.connect() as connection:
        found = [one for one in overrides.decisions(connection, ended=args.all) if args.all or one.holds(by.at)]
    if args.json:
        print(json.dumps([{**overrides.facts(one), "holds": one.holds(by.at)} for one in found]))
        return 0
    for one in found:
        print(f"{one.override.name:<14} {'' if one.holds(by.at) else 'over: '}{_line(one)}")
    print(f"overrides: {sum(one.holds(by.at) for one in found)} in force", file=sys.stderr)
    return 0


def _line(one: Decision) -> str:
    override = one.override
    band = None if override.band is None else override.band.value
    whom: Iterable[str] = filter(None, (override.group, band, override.user))
    place = f" at {override.site}" if override.site else ""
    until = f"until {override.until:%Y-%m-%d %H:%M} UTC" if override.until else "until it is ended"
    words = f"{override.action.value} {_what(override.what)} for {next(iter(whom), 'everybody')}{place} {until}"
    return f"{words} ({one.made_by}: {one.why})"


def _what(what: str) -> str:
    return what if what.startswith("category:") else what.partition(":")[2]


def _number(revision: str) -> int:
    head = revision.partition("-")[0]
    return int(head) if head.isdigit() else -1
