"""`schoolgate statutory`: how the lists of illegal content stand, and the tools of who issues them.

In come settings, files and what was typed; out come results on standard output, talk on standard error. No entry is
ever read back: there is no command that shows one, and none that takes a list out of force.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from categories.names import Url
from categories.statutory import StatutoryIndex
from categories.statutory_bundle import LARGEST, Bundle, BundleProblem, Header, Issue, open_bundle, read_public_key
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request, Tier
from proxy.privatefile import NotPrivate, write_private
from proxy.settings import Settings
from proxy.statutory import look, standing_for
from proxy.statutory_issue import IssueProblem, issue_bundle, load_key, make_key, read_entries
from proxy.statutory_state import Held, Standing


def add(commands: Any) -> None:
    """Register `statutory status|verify|keygen|make-test|sign`."""
    parser = commands.add_parser("statutory", help="the lists of illegal content nobody gets past")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="status|verify|keygen|make-test|sign")
    status = tasks.add_parser("status", help="what is in force; exit 1 when not compliant")
    verify = tasks.add_parser("verify", help="verify everything anew, or one bundle; exit 1 when something is wrong")
    verify.add_argument("file", nargs="?", type=Path, metavar="BUNDLE", help="a bundle to verify, before it is put in")
    verify.add_argument("--public-key", metavar="KEY", help="verify it with this key; default those in force")
    keygen = tasks.add_parser("keygen", help="make an issuer's key pair; prints the public key for settings")
    keygen.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the private key goes (mode 0600)"
    )
    test = tasks.add_parser("make-test", help="make a test bundle of dummy entries; it never makes anybody compliant")
    test.add_argument("entries", type=Path, metavar="ENTRIES", help="text file, one host or URL a line")
    test.add_argument("--i-am-the-issuer", action="store_true", help="take other hosts than .test and .example too")
    sign = tasks.add_parser("sign", help="issue a bundle of the entries on standard input; no plain text is written")
    for task in (test, sign):
        _add_issue(task)
    for task in (status, verify, keygen, test, sign):
        task.add_argument("--json", action="store_true", help="answer in JSON")


def _add_issue(task: argparse.ArgumentParser) -> None:
    task.add_argument("--key", type=Path, required=True, metavar="FILE", help="private key, as keygen writes it")
    task.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the bundle goes (mode 0600)")
    task.add_argument("--list", required=True, metavar="NAME", help="name of the list: 'IWF URL list'")
    task.add_argument("--category", required=True, metavar="CATEGORY", help="child-abuse, terrorism, …")
    task.add_argument("--sequence", type=int, metavar="N", help="number of this issue; default the second of the clock")
    task.add_argument("--hours", type=int, default=72, metavar="N", help="hours until it expires (default: 72)")
    task.add_argument("--successor", metavar="KEY", help="public key that will sign later issues")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    tasks = {"status": _status, "verify": _verify, "keygen": _keygen, "make-test": _issue, "sign": _issue}
    try:
        return tasks[args.task](args, settings)
    except (BundleProblem, IssueProblem, NotPrivate, OSError) as error:
        words = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
    except Exception as error:
        from proxy.troubles import TROUBLES, in_words

        if not isinstance(error, TROUBLES):
            raise
        words = in_words(error)
    if args.json:
        print(json.dumps({"ok": False, "problems": words.splitlines()}))
    print("\n".join(f"statutory: {line}" for line in words.splitlines()), file=sys.stderr)
    return 1


def _status(args: argparse.Namespace, settings: Settings) -> int:
    at = datetime.now(UTC)
    return _tell(standing_for(settings, at, strict=False), at, as_json=args.json)


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    if args.file is not None:
        return _verify_file(args, settings)
    from proxy.assembly import open_engine

    at = datetime.now(UTC)
    standing = standing_for(settings, at)
    state, bundles = look(settings.statutory, standing.state, standing.bundles, at)
    offered = Standing(state, bundles)
    asked = _ask_canaries(open_engine(settings), at)
    print(f"statutory: {asked} questions for test entries were all answered with a block", file=sys.stderr)
    return _tell(offered, at, as_json=args.json)


def _ask_canaries(engine: Engine, at: datetime) -> int:
    """Ask for every list's test entry as everybody. Raises `BundleProblem` when one is not blocked as LOCKED."""
    if not isinstance(engine.index, StatutoryIndex):
        return 0
    asked = 0
    for host, category in engine.index.canaries:
        for site in (None, *engine.policy.sites):
            for band in Band:
                verdict = engine.decide(
                    Request(Url("https", host, 443)), Client(site=site, band=band, band_known=True), at
                )
                if not verdict.blocked or verdict.tier is not Tier.LOCKED:
                    raise BundleProblem(
                        f"the test entry of {category} is not blocked for {band} at {site or 'no site'}"
                    )
                asked += 1
    return asked


def _verify_file(args: argparse.Namespace, settings: Settings) -> int:
    if args.public_key:
        try:
            keys = [read_public_key(args.public_key)]
        except ValueError as error:
            print(f"statutory: --public-key {error}", file=sys.stderr)
            return 2
    else:
        state = standing_for(settings, datetime.now(UTC), strict=False).state
        told = {*(held.public_key for held in state.sources), *(held.successor for held in state.sources)}
        told |= {source.public_key for source in settings.statutory.sources}
        keys = [read_public_key(key) for key in sorted(filter(None, told))]
    with args.file.open("rb") as stream:
        bundle = open_bundle(stream.read(LARGEST + 1), *keys)
    _tell_bundle(bundle, as_json=args.json)
    return 0


def _keygen(args: argparse.Namespace, settings: Settings) -> int:
    public = make_key(args.out)
    shown = args.out.with_name(args.out.name + ".pub")
    write_private(shown, f"{public}\n".encode(), mode=0o644)
    print(json.dumps({"ok": True, "private_key": str(args.out), "public_key": public}) if args.json else public)
    print(f"statutory: {args.out} signs lists; keep it off every gateway", file=sys.stderr)
    return 0


def _issue(args: argparse.Namespace, settings: Settings) -> int:
    created = datetime.now(UTC).replace(microsecond=0)
    test = args.task == "make-test"
    if args.successor is not None:
        try:
            read_public_key(args.successor)
        except ValueError as error:
            print(f"statutory: --successor {error}", file=sys.stderr)
            return 2
    issue = Issue(
        args.list,
        args.category,
        int(time.time()) if args.sequence is None else args.sequence,
        created,
        created + timedelta(hours=max(args.hours, 1)),
        "test" if test else "issue",
        args.successor,
    )
    private = load_key(args.key)
    if test:
        with args.entries.open(encoding="utf-8", errors="surrogateescape") as file:
            entries = read_entries(file, reserved_only=not args.i_am_the_issuer)
    else:
        lines = (line.decode("utf-8", "surrogateescape") for line in sys.stdin.buffer)
        entries = read_entries(lines, reserved_only=False)
    raw = issue_bundle(entries, issue, private, args.out)
    _tell_bundle(open_bundle(raw, private.public_key().public_bytes_raw()), as_json=args.json)
    return 0


def _tell_bundle(bundle: Bundle, *, as_json: bool) -> None:
    facts = _bundle_facts(bundle.header, bundle.digest)
    if as_json:
        print(json.dumps({"ok": True} | facts))
        return
    for name, value in facts.items():
        print(f"{name:<10} {value}")


def _bundle_facts(header: Header, digest: str) -> dict[str, Any]:
    return {
        "list": header.list,
        "category": header.category,
        "purpose": header.purpose,
        "sequence": header.sequence,
        "entries": header.entries,
        "created": header.created.isoformat(),
        "expires": header.expires.isoformat(),
        "key": header.key_id,
        "canary": header.canary,
        "sha256": digest,
    }


def _tell(standing: Standing, at: datetime, *, as_json: bool) -> int:
    problems = standing.problems(at)
    closed = standing.closes_at is not None and at >= standing.closes_at
    if as_json:
        facts = {"ok": not problems, "compliant": not problems, "problems": list(problems), "closed": closed}
        facts["when_missing"] = standing.state.when_missing
        facts["checked_at"] = standing.state.checked_at.isoformat()
        print(json.dumps(facts | {"sources": [_source_facts(standing, held, at) for held in standing.state.sources]}))
        return 1 if problems else 0
    for held in standing.state.sources:
        bundle, troubles = standing.bundles.get(held.name), standing.troubles(held, at)
        number = f"number {bundle.header.sequence}, {bundle.header.entries:,} entries" if bundle else "not in force"
        issued = f", issued {bundle.header.created:%Y-%m-%d %H:%M} UTC" if bundle else ""
        print(
            f"{held.name:<12} {held.category or '?':<16} {number}{issued}{'' if held.required else ' (not required)'}"
        )
        for trouble in troubles:
            print(f"             BAD  {trouble}")
    print("compliant" if not problems else "NOT COMPLIANT")
    for problem in problems:
        print(f"statutory: {problem}", file=sys.stderr)
    if closed:
        print("statutory: everything is closed (statutory.when_missing: stop)", file=sys.stderr)
    return 1 if problems else 0


def _source_facts(standing: Standing, held: Held, at: datetime) -> dict[str, Any]:
    bundle = standing.bundles.get(held.name)
    return {
        "name": held.name,
        "required": held.required,
        "configured": held.configured,
        "path": held.path,
        "problems": list(standing.troubles(held, at)),
        "in_force": None if bundle is None else _bundle_facts(bundle.header, bundle.digest),
    }
