"""The life of a list on the command line: `schoolgate lists add|remove|update|diff|entry`.

In come the settings and what was typed; out come results on standard output, talk on standard error. What is decided
goes through the register (`proxy.listchanges`); updating is `proxy.listupdate`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from categories.model import ListStatus, Problem
from categories.parse import counted
from categories.snapshot import SnapshotReport
from proxy.listupdate import Outcome, Report, update
from proxy.quietly import quietly
from proxy.settings import Settings
from proxy.sourcestore import WHOLE, State, read_state, registered

TASKS = ("add", "remove", "update", "diff", "entry")
"""What this file adds to `schoolgate lists`."""
PROBLEMS_SHOWN = 20
"""Problems `update` shows for people; `--json` gives all that were kept."""


def add_tasks(tasks: Any) -> None:
    """Register them."""
    _add_source(tasks.add_parser("add", help="use a list from a URL or file, looked for as often as you say"))
    removing = tasks.add_parser("remove", help="use a list no longer")
    removing.add_argument("name", metavar="NAME")
    updating = tasks.add_parser("update", help="look for new versions, compile, check, and put them in force")
    updating.add_argument("name", metavar="NAME", nargs="?", help="only this list; default all")
    updating.add_argument("--anyway", action="store_true", help="although it shrank, grew or lost well-known entries")
    updating.add_argument("--due", action="store_true", help=argparse.SUPPRESS)
    updating.add_argument("--compile-only", action="store_true", help=argparse.SUPPRESS)
    updating.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    differing = tasks.add_parser("diff", help="what the last change of a list added and removed")
    differing.add_argument("name", metavar="NAME")
    entry = tasks.add_parser("entry", help="entries of your own: ks2-chosen, always-blocked; in force within a second")
    entry.set_defaults(why="")
    kinds = entry.add_subparsers(dest="kind", required=True, metavar="add|remove|list")
    adding = kinds.add_parser("add", help="say what a host or page is")
    taking = kinds.add_parser("remove", help="take an entry of your own out again")
    for one in (adding, taking):
        one.add_argument("category", metavar="CATEGORY", help="ks2-chosen, always-allowed, always-blocked, games …")
        one.add_argument("what", metavar="HOST_OR_URL")
    time = adding.add_mutually_exclusive_group()
    time.add_argument("--for", dest="length", metavar="TIME", help="for 40m, 1h30m, 2d; then it ends by itself")
    time.add_argument("--until", metavar="TIME", help="until 11:05, 'fri 15:15' or 2026-12-01T15:00")
    listing = kinds.add_parser("list", help="every entry of your own")
    for one in (adding, taking, removing):
        one.add_argument("--reason", dest="why", default="", help="for the audit trail")
    for one in (removing, updating, differing, adding, taking, listing):
        one.add_argument("--json", action="store_true", help="answer in JSON")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="how it is called in evidence")
    parser.add_argument("location", metavar="PATH_OR_URL")
    parser.add_argument("--format", default="domains", metavar="F", help="ut1 domains hosts urls adblock csv …")
    parser.add_argument("--category", metavar="C", help="what its entries are; a tree or csv names its own")
    parser.add_argument(
        "--url-match", default="exact", choices=("exact", "parents"), help="whether URLs fit hosts below theirs, too"
    )
    parser.add_argument(
        "--limit", type=int, default=60, metavar="N", help="weighted phrases: the score a text may reach"
    )
    parser.add_argument(
        "--apply-to", default="search", metavar="USES", help="phrases: search, url, page, with commas between"
    )
    parser.add_argument("--max-bytes", type=int, metavar="N", help="largest download that is taken")
    parser.add_argument("--every", metavar="TIME", help="how often to look: 24h; default only `lists update`")
    sums = parser.add_mutually_exclusive_group()
    sums.add_argument("--sha256", metavar="SUM", help="checksum the download must have")
    sums.add_argument("--checksum-url", metavar="URL", help="where the publisher tells the checksum")
    parser.add_argument("--key", metavar="KEY", help="public key (minisign) that must have signed it, or its file")
    parser.add_argument("--signature-url", metavar="URL", help="where its signature is; default beside it, .minisig")
    parser.add_argument("--licence", default="", metavar="TEXT", help="under which licence you use it")
    parser.add_argument("--reason", dest="why", required=True, help="why it is used; for the audit trail")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def life_task(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from identity.overlay import OverlayError
    from policy.rules import PolicyErrors
    from proxy.decisions import carry_out, failed
    from proxy.listchanges import change_lists

    if args.task in {"add", "remove", "entry"}:
        return carry_out("lists", change_lists, args, settings)
    try:
        return _update(args, settings) if args.task == "update" else _diff(args, settings)
    except (OverlayError, PolicyErrors, OSError) as error:
        return failed("lists", [str(error)], as_json=args.json)


def _update(args: argparse.Namespace, settings: Settings) -> int:
    at = datetime.now(UTC)
    known = registered(settings)
    if args.name is not None and args.name not in {one.name for one in known}:
        return _unknown(args.name, settings)
    wanted = [one for one in known if args.name in {None, one.name}]
    if args.due:
        wanted = [one for one in known if read_state(settings, one.name).due(one.every, at)]
    report = quietly(
        lambda: update(
            settings,
            () if args.compile_only else wanted,
            at,
            anyway=args.anyway,
            again=args.name is None and not args.due and not args.compile_only,
        ),
        aside=True,
    )
    if args.first and args.name is not None and not report.ok and not read_state(settings, args.name).version:
        from proxy.listchanges import take_back

        take_back(settings, args.name, "schoolgate", at)
        why = report.problem or "; ".join(one.what for one in report.outcomes)
        report.problem = f"{why}; {args.name} was not added"
    taken = None if args.compile_only else put_in_force(settings, report)
    return tell(report, taken, as_json=args.json)


def put_in_force(settings: Settings, report: Report) -> dict[str, Any] | None:
    """Write the trail of what was updated, and have a running gateway swap; its answer, None where there is none."""
    from proxy.control import NotRunning, order
    from proxy.listchanges import note_updates

    note_updates(settings, report)
    if not report.revision:
        return None
    try:
        taken = order(settings.data, {"do": "lists"})
    except NotRunning:
        return None
    if "failed" in taken:
        report.problem = f"the new lists are compiled, but not in force on every worker: {taken['failed']}"
    return taken


def tell(report: Report, taken: dict[str, Any] | None, *, as_json: bool) -> int:
    """What an update did; 0 when everything went well."""
    failed = [one for one in report.outcomes if one.state == "failed"]
    problem = report.problem or "; ".join(f"list {one.name}: {one.what}" for one in failed)
    if as_json:
        compiled = {} if report.compiled is None else report_facts(report.compiled)
        outcomes = [_outcome_facts(one) for one in report.outcomes]
        said = {"ok": report.ok, "problem": problem, "outcomes": outcomes, "in_force": taken}
        print(json.dumps({**compiled, "revision": report.revision, **said}))
        return 0 if report.ok else 1
    for one in report.outcomes:
        print(_outcome_line(one))
    if report.compiled is not None and report.revision:
        _tell_compiled(report.compiled)
    if report.problem:
        print(f"lists: {report.problem}; the lists in force stay as they are", file=sys.stderr)
    if taken is not None and "workers" in taken:
        print(f"lists: in force on {taken['workers']} workers", file=sys.stderr)
    return 0 if report.ok else 1


def _tell_compiled(report: SnapshotReport) -> None:
    for problem in report.problems[:PROBLEMS_SHOWN]:
        print(_sentence(problem))
    if len(report.problems) > PROBLEMS_SHOWN:
        print(f"… and {len(report.problems) - PROBLEMS_SHOWN} more; --json gives all")
    wrong = sum(status.problems for status in report.lists)
    print(
        f"{counted(len(report.lists), 'list')}, {counted(report.entries, 'entry', 'entries')}, "
        f"{counted(wrong, 'line')} told as problems, "
        f"revision {report.revision}, {report.seconds:.1f} s"
    )


def report_facts(report: SnapshotReport) -> dict[str, Any]:
    """What a compilation did, in JSON."""
    return {
        "path": str(report.path),
        "seconds": round(report.seconds, 3),
        "entries": report.entries,
        "lists": [list_facts(status) for status in report.lists],
        "problems": [asdict(problem) for problem in report.problems],
    }


def list_facts(status: ListStatus) -> dict[str, Any]:
    """A list's status in JSON."""
    return asdict(status) | {"updated_at": datetime.fromtimestamp(status.updated_at, UTC).isoformat()}


def _sentence(problem: Problem) -> str:
    return f"{problem.list}:{problem.line}: {problem.text!r} {problem.why}"


def _outcome_facts(one: Outcome) -> dict[str, Any]:
    changes = None if one.changes is None else one.changes.as_json()
    return {"name": one.name, "state": one.state, "what": one.what, "changes": changes}


def _outcome_line(one: Outcome) -> str:
    words = one.what
    if one.changes is not None:
        now = counted(one.changes.after, "entry", "entries")
        words = f"{now}, {one.changes.added:,} added, {one.changes.removed:,} removed"
    return f"{one.name}: {one.state}{': ' if words else ''}{words}"


def _diff(args: argparse.Namespace, settings: Settings) -> int:
    if args.name not in {one.name for one in registered(settings)}:
        return _unknown(args.name, settings)
    state = read_state(settings, args.name)
    if args.json:
        print(json.dumps({"name": args.name, "changed": _time(state.changed), **state.changes}))
        return 0
    if not state.changes:
        print(f"lists: {args.name} was never updated", file=sys.stderr)
        return 1
    told = state.changes
    before = counted(told["before"], "entry", "entries")
    print(f"{args.name}, changed {_time(state.changed)}: {before} before, {told['after']:,} now")
    for sign, word in (("+", "added"), ("-", "removed")):
        print(f"{sign} {told[word]:,} {word}")
        for entry in told[f"{word}_sample"]:
            print(f"  {sign} {entry}")
    return 0


def _unknown(name: str, settings: Settings) -> int:
    names = ", ".join(one.name for one in registered(settings)) or "none"
    print(f"lists: no list {name!r} was added by command; there are: {names}", file=sys.stderr)
    return 1


def source_facts(settings: Settings) -> list[dict[str, Any]]:
    """Every source that was added by command, and how updating it goes; then the lists as a whole. For JSON."""
    found = []
    for one in registered(settings):
        every = None if one.every is None else one.every.total_seconds()
        told = {
            "name": one.name,
            "location": one.location,
            "format": one.format,
            "licence": one.licence,
            "key": one.key,
            "category": one.category,
            "sha256": one.sha256,
            "checksum_url": one.checksum_url,
        }
        found.append({**told, "every": every, **_state_facts(read_state(settings, one.name))})
    whole = read_state(settings, WHOLE)
    return [*found, {"name": "all", **_state_facts(whole)}] if whole.last_try else found


def _state_facts(state: State) -> dict[str, Any]:
    return {
        "entries": state.changes.get("after", 0),
        "last_try": _time(state.last_try),
        "last_success": _time(state.last_success),
        "changed": _time(state.changed),
        "problem": state.problem,
        "failures": state.failures,
    }


def source_lines(settings: Settings) -> Iterator[str]:
    """The same for people, a line each, with what the gateway does about it now."""
    from proxy.control import NotRunning, order

    for one in source_facts(settings):
        said = f"{one['problem']} (tried {one['last_try']})" if one["problem"] else "well"
        yield f"{one['name']:<24} {one.get('location', 'every list'):<48} last success {one['last_success']}: {said}"
    try:
        life = order(settings.data, {"do": "status"}, 5.0).get("lists") or {}
    except NotRunning:
        return
    if life.get("stale"):
        yield "the gateway works with the lists compiled last; the new ones are compiled in the background"
    elif life.get("running"):
        yield f"the gateway is {life['running']} lists in the background"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else "never"
