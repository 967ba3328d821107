"""`schoolgate lists`: what lists are in force, compile them, find an entry, classify URLs.

In come the settings and what was typed; out come results on standard output, talk on standard error. Nothing here
decides anything: a list only classifies.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from categories.index import CompiledIndex
from categories.model import ListStatus, Match, Problem
from categories.names import NameProblem, canonical_host, canonical_url
from categories.snapshot import SnapshotError, SnapshotReport, open_snapshot, snapshot_is_current
from proxy.assembly import compile_lists, list_sources, lists_folder, open_index
from proxy.importtask import add_import, import_task
from proxy.settings import Settings

SHOWN = 200
"""Entries `search` shows for people; `--json` shows all."""
PROBLEMS_SHOWN = 20
"""Problems `update` shows for people; `--json` gives all that were kept."""


def add(commands: Any) -> None:
    """Register `lists status|update|search|classify|import`."""
    parser = commands.add_parser("lists", help="the lists that say what a host, URL or word is")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="status|update|search|classify|import")
    status = tasks.add_parser("status", help="every list in force; exit 1 when they cannot be used or are stale")
    update = tasks.add_parser("update", help="compile all lists now and tell every line that was not taken")
    search = tasks.add_parser("search", help="which entries fit a host or URL; exit 1 when none does")
    search.add_argument("what", metavar="HOST_OR_URL", help="what to look for")
    search.add_argument("--partial", action="store_true", help="any entry with this text in it (looks at every entry)")
    classify = tasks.add_parser("classify", help="categories of URLs")
    classify.add_argument(
        "urls", nargs="+", metavar="URL", help="URLs, or - to read one a line and answer in JSON lines"
    )
    add_import(tasks)
    for task in (status, update, search, classify):
        task.add_argument("--json", action="store_true", help="answer in JSON")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no."""
    tasks = {"status": _status, "update": _update, "search": _search, "classify": _classify, "import": import_task}
    try:
        return tasks[args.task](args, settings)
    except SnapshotError as error:
        if args.json:
            print(json.dumps({"ok": False, "problem": error.what, "where": str(error.where), "do": error.what_to_do}))
        print(f"lists: {error}", file=sys.stderr)
        return 1


def classified(index: CompiledIndex, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One answer a line: URL, host, categories (most specific first), matches; or URL and error. Never stops early."""
    for line in lines:
        text = line.rstrip("\r\n")
        try:
            url = canonical_url(text)
        except NameProblem as problem:
            yield {"url": text, "error": str(problem)}
            continue
        matches = index.match(url)
        yield {
            "url": text,
            "host": url.host,
            "categories": list(dict.fromkeys(match.category for match in matches)),
            "matches": [_evidence(match) for match in matches],
        }


def _classify(args: argparse.Namespace, settings: Settings) -> int:
    index = open_index(settings)
    from_input = args.urls == ["-"]
    lines = _input_lines() if from_input else iter(args.urls)
    wrong = 0
    for answer in classified(index, lines):
        wrong += "error" in answer
        if from_input or args.json:
            sys.stdout.write(json.dumps(answer) + "\n")
        else:
            print(f"{answer['url']}: {answer.get('error') or ', '.join(answer['categories']) or 'in no list'}")
            for match in answer.get("matches", ()):
                print(f"    {match['category']}: {match['entry']} ({match['list']} line {match['line']})")
    sys.stdout.flush()
    return 0 if from_input or not wrong else 1


def _input_lines() -> Iterator[str]:
    """Standard input as it is: octets that are no UTF-8 are kept, not refused."""
    for raw in sys.stdin.buffer:
        yield raw.decode("utf-8", "surrogateescape")


def _search(args: argparse.Namespace, settings: Settings) -> int:
    index = open_index(settings)
    if args.partial:
        found = index.search(args.what)
    else:
        try:
            found = _fitting(index, args.what)
        except NameProblem as problem:
            print(f"lists: {args.what}: {problem}", file=sys.stderr)
            return 2
    if args.json:
        entries = [_evidence(match) for match in found]
        print(json.dumps({"what": args.what, "partial": args.partial, "entries": entries}))
        return 0 if entries else 1
    shown = list(islice(found, SHOWN))
    for match in shown:
        print(f"{match.category:<24} {match.entry:<48} {match.list} line {match.line}")
    if next(found, None) is not None:
        print(f"lists: only the first {SHOWN} are shown; --json gives all", file=sys.stderr)
    if not shown:
        print(f"lists: {args.what} is in no list", file=sys.stderr)
    return 0 if shown else 1


def _fitting(index: CompiledIndex, what: str) -> Iterator[Match]:
    """Entries that fit, then those below the host that need more of the URL to fit."""
    url = canonical_url(what)
    fitting = index.match(url)
    below = (match for match in index.below(canonical_host(url.host)) if match not in fitting)
    return iter([*fitting, *below]) if url.path == "/" and not url.query else iter(fitting)


def _status(args: argparse.Namespace, settings: Settings) -> int:
    folder = lists_folder(settings)
    index = open_snapshot(folder)
    current = snapshot_is_current(folder, list_sources(settings))
    if args.json:
        facts = {"ok": current, "revision": index.revision, "current": current, "folder": str(folder)}
        print(json.dumps(facts | {"lists": [_list_facts(status) for status in index.lists]}))
    else:
        print(f"{'list':<32} {'category':<24} {'entries':>10} {'not taken':>10}  newest")
        for status in index.lists:
            day = f"{datetime.fromtimestamp(status.updated_at, UTC):%Y-%m-%d}"
            print(f"{status.name:<32} {status.category:<24} {status.entries:>10,} {status.problems:>10,}  {day}")
        total = sum(status.entries for status in index.lists)
        print(f"{len(index.lists)} lists, {total:,} entries, revision {index.revision}")
    if not current:
        print("lists: a list changed since they were compiled; run `schoolgate lists update`", file=sys.stderr)
    return 0 if current else 1


def _update(args: argparse.Namespace, settings: Settings) -> int:
    report = compile_lists(settings, force=True)
    if report is None:
        raise RuntimeError("a forced compilation gives a report")
    if args.json:
        print(json.dumps(_report_facts(report)))
        return 0
    for problem in report.problems[:PROBLEMS_SHOWN]:
        print(_sentence(problem))
    if len(report.problems) > PROBLEMS_SHOWN:
        print(f"… and {len(report.problems) - PROBLEMS_SHOWN} more; --json gives all")
    wrong = sum(status.problems for status in report.lists)
    print(
        f"{len(report.lists)} lists, {report.entries:,} entries, {wrong:,} lines told as problems, "
        f"revision {report.revision}, {report.seconds:.1f} s"
    )
    return 0


def _sentence(problem: Problem) -> str:
    return f"{problem.list}:{problem.line}: {problem.text!r} {problem.why}"


def _report_facts(report: SnapshotReport) -> dict[str, Any]:
    return {
        "ok": True,
        "revision": report.revision,
        "path": str(report.path),
        "seconds": round(report.seconds, 3),
        "entries": report.entries,
        "lists": [_list_facts(status) for status in report.lists],
        "problems": [asdict(problem) for problem in report.problems],
    }


def _list_facts(status: ListStatus) -> dict[str, Any]:
    return asdict(status) | {"updated_at": datetime.fromtimestamp(status.updated_at, UTC).isoformat()}


def _evidence(match: Match) -> dict[str, Any]:
    return {
        "category": match.category,
        "list": match.list,
        "entry": match.entry,
        "line": match.line,
        "kind": match.kind.value,
    }
