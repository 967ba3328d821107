"""`schoolgate lists`: what lists are in force, compile them, find an entry, classify URLs.

In come the settings and what was typed; out come results on standard output, talk on standard error. Nothing here
decides anything: a list only classifies.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from categories.index import CompiledIndex
from categories.layered import LayeredIndex, OwnEntry
from categories.model import Index, Match
from categories.names import NameProblem, canonical_host, canonical_url
from categories.parse import counted
from categories.snapshot import SnapshotError, open_snapshot, snapshot_is_current
from identity.overlay import OverlayError
from proxy.assembly import list_sources, lists_folder, open_index
from proxy.decided import open_decided
from proxy.importtask import add_import, import_task
from proxy.listtasks import TASKS, add_tasks, life_task, list_facts, source_facts, source_lines
from proxy.settings import Settings

SHOWN = 200
"""Entries `search` shows for people; `--json` shows all."""


def add(commands: Any) -> None:
    """Register `lists status|search|classify|import`, and the life of a list (`proxy.listtasks`)."""
    parser = commands.add_parser("lists", help="the lists that say what a host, URL or word is")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(
        dest="task", required=True, metavar=f"status|search|classify|import|{'|'.join(TASKS)}"
    )
    status = tasks.add_parser("status", help="every list in force; exit 1 when they cannot be used or are stale")
    search = tasks.add_parser("search", help="which entries fit a host or URL; exit 1 when none does")
    search.add_argument("what", metavar="HOST_OR_URL", help="what to look for")
    search.add_argument("--partial", action="store_true", help="any entry with this text in it (looks at every entry)")
    classify = tasks.add_parser("classify", help="categories of URLs")
    classify.add_argument(
        "urls", nargs="+", metavar="URL", help="URLs, or - to read one a line and answer in JSON lines"
    )
    add_import(tasks)
    add_tasks(tasks)
    for task in (status, search, classify):
        task.add_argument("--json", action="store_true", help="answer in JSON")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no."""
    tasks = {"status": _status, "search": _search, "classify": _classify, "import": import_task}
    try:
        return tasks.get(args.task, life_task)(args, settings)
    except SnapshotError as error:
        if args.json:
            print(json.dumps({"ok": False, "problem": error.what, "where": str(error.where), "do": error.what_to_do}))
        print(f"lists: {error}", file=sys.stderr)
        return 1
    except OverlayError as error:
        if args.json:
            print(json.dumps({"ok": False, "problem": str(error)}))
        print(f"lists: the entries of your own cannot be read: {error}", file=sys.stderr)
        return 1


def _own(settings: Settings) -> tuple[OwnEntry, ...]:
    """The school's own entries that hold now: what `explain` and the workers know besides the compiled lists."""
    return open_decided(settings).at(datetime.now(UTC)).entries


def classified(index: Index, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
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
    index = LayeredIndex(open_index(settings), _own(settings))
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
    index, own = open_index(settings), _own(settings)
    if args.partial:
        text = args.what.lower()
        found: Iterator[Match] = chain((one.match() for one in own if text in one.value), index.search(args.what))
    else:
        try:
            found = fitting(index, args.what, own)
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


def fitting(index: CompiledIndex, what: str, own: Sequence[OwnEntry] = ()) -> Iterator[Match]:
    """Entries that fit, then those below the host that need more of the URL to fit. Raises `NameProblem`."""
    url = canonical_url(what)
    fitting = LayeredIndex(index, own).match(url)
    if url.path != "/" or url.query:
        return iter(fitting)
    host = canonical_host(url.host)
    further = [one.match() for one in own if f".{one.value.partition('/')[0]}".endswith(f".{host}")]
    below = (match for match in chain(further, index.below(host)) if match not in fitting)
    return iter([*fitting, *below])


def _status(args: argparse.Namespace, settings: Settings) -> int:
    folder = lists_folder(settings)
    index = open_snapshot(folder)
    current = snapshot_is_current(folder, list_sources(settings))
    lists = LayeredIndex(index, _own(settings)).lists
    if args.json:
        facts = {"ok": current, "revision": index.revision, "current": current, "folder": str(folder)}
        listed = {"lists": [list_facts(status) for status in lists], "sources": source_facts(settings)}
        print(json.dumps(facts | listed))
    else:
        print(f"{'list':<32} {'category':<24} {'entries':>10} {'not taken':>10}  newest")
        for status in lists:
            day = f"{datetime.fromtimestamp(status.updated_at, UTC):%Y-%m-%d}" if status.updated_at else "-"
            print(f"{status.name:<32} {status.category:<24} {status.entries:>10,} {status.problems:>10,}  {day}")
        total = sum(status.entries for status in lists)
        print(f"{counted(len(lists), 'list')}, {counted(total, 'entry', 'entries')}, revision {index.revision}")
        for line in source_lines(settings):
            print(line)
    if not current:
        print("lists: a list changed since they were compiled; run `schoolgate lists update`", file=sys.stderr)
    return 0 if current else 1


def _evidence(match: Match) -> dict[str, Any]:
    return {
        "category": match.category,
        "list": match.list,
        "entry": match.entry,
        "line": match.line,
        "kind": match.kind.value,
    }
