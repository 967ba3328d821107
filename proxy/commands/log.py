"""`schoolgate log`: search the record, follow it, count it, look around a moment or at one row, see what waits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from proxy.settings import Settings

ROWS = 50
"""Rows of a page unless told otherwise."""
RANKINGS = ("category", "host", "domain", "user", "device", "rule", "reason", "action", "site", "band")

FACETS = (
    "site", "band", "group", "category", "list", "rule", "reason", "action", "tier",
    "user", "device", "address", "host", "domain",
)  # fmt: skip


def add(commands: Any) -> None:
    """Register `log` and its tasks."""
    parser = commands.add_parser("log", help="search, follow and count the record")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(
        dest="task",
        required=True,
        metavar="search|tail|stats|series|timeline|facets|show|subject|annual|case|case-verify|spool",
    )
    search = tasks.add_parser("search", help="rows, newest first")
    add_filters(search)
    _output(search)
    search.add_argument("--limit", type=_limit, default=ROWS, metavar="N", help="rows of a page (default: %(default)s)")
    place = search.add_mutually_exclusive_group()
    place.add_argument("--before", type=int, metavar="ID", help="the page before (older than) this record")
    place.add_argument("--after", type=int, metavar="ID", help="the page after (newer than) this record")
    place.add_argument("--all", action="store_true", help="every row, not a page; newest first")
    place.add_argument("--out", type=Path, metavar="FILE", help="write every row into a file, with a manifest")
    search.add_argument("--format", choices=("jsonl", "csv", "parquet"), help="of --out; otherwise as its name ends")
    search.add_argument("--hold", metavar="CASE", help="among the rows a hold keeps")
    tail = tasks.add_parser("tail", help="the latest rows, oldest first")
    add_filters(tail)
    _output(tail)
    tail.add_argument("-n", "--limit", type=_limit, default=10, metavar="N", help="rows to begin with")
    tail.add_argument("-f", "--follow", action="store_true", help="go on with new rows until Ctrl-C")
    stats = tasks.add_parser("stats", help="totals and rankings; the last 24 hours unless told otherwise")
    add_filters(stats)
    stats.add_argument("--top", choices=RANKINGS, action="append", help="rank by this (repeatable)")
    stats.add_argument("--limit", type=_limit, default=10, metavar="N", help="lines of a ranking")
    series = tasks.add_parser("series", help="requests over time; the last 24 hours unless told otherwise")
    add_filters(series)
    series.add_argument("--step", default="1h", metavar="LENGTH", help="15m, 1h, 1d (default: %(default)s)")
    for task in (stats, series):
        task.add_argument("--quick", action="store_true", help="sums that are some minutes old will do")
    timeline = tasks.add_parser("timeline", help="what a person and a device did around a moment, newest first")
    timeline.add_argument("at", metavar="TIME|ID", help="10:20, 2026-11-20T10:20, or a record id")
    for name, metavar in (("--user", "NAME"), ("--device", "NAME"), ("--address", "IP")):
        timeline.add_argument(name, metavar=metavar, help="whose requests; more than one of these are put together")
    for name in ("--before", "--after"):
        timeline.add_argument(name, type=_limit, default=25, metavar="N", help="so many on that side (default: 25)")
    _output(timeline)
    facets = tasks.add_parser("facets", help="the names there are to search by")
    facets.add_argument("kind", choices=FACETS, help="of what")
    facets.add_argument("begins", nargs="?", default="", metavar="TEXT", help="how they begin")
    facets.add_argument("--since", metavar="TIME", help="used since then")
    facets.add_argument("--limit", type=_limit, default=ROWS, metavar="N", help="so many (default: %(default)s)")
    show = tasks.add_parser("show", help="everything about one record")
    show.add_argument("id", type=int, metavar="ID", help="record id, as on a block page or in a search")
    subject = tasks.add_parser("subject", help="everything about one person into a file (subject access)")
    subject.add_argument("user", metavar="USER", help="account name")
    subject.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file that is not there yet")
    subject.add_argument("--format", choices=("jsonl", "csv"), help="otherwise as the file's name ends")
    subject.add_argument("--who", required=True, metavar="NAME", help="who asked for it")
    subject.add_argument("--why", required=True, metavar="TEXT", help="reason; it is written down")
    subject.add_argument("--json", action="store_true", help="answer in JSON")
    annual = tasks.add_parser("annual", help="numbers of a school year, without people, for the annual report")
    annual.add_argument("--year", metavar="2025/26", help="school year (default: this one)")
    annual.add_argument("--by", choices=("month", "site", "band", "category", "action"), action="append",
                        help="tell by this (repeatable; default: category)")  # fmt: skip
    form = annual.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="every number, in JSON")
    form.add_argument("--csv", action="store_true", help="every number, for spreadsheets")
    case = tasks.add_parser("case", help="the rows of a case into a file, with the proof that they are the record's")
    add_filters(case)
    case.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file that is not there yet (.jsonl)")
    case.add_argument("--case", metavar="REF", help="what the case is called")
    case.add_argument("--why", required=True, metavar="TEXT", help="reason; it is written down")
    case.add_argument("--fresh", action="store_true", help="first wait until what happened up to now is in the store")
    check = tasks.add_parser("case-verify", help="exit 1 when an exported case is not what was exported")
    check.add_argument("manifest", type=Path, metavar="FILE.manifest.json", help="its manifest, beside its files")
    check.add_argument("--sha256", metavar="HASH", help="of the manifest, as it was noted elsewhere")
    check.add_argument("--json", action="store_true", help="answer in JSON")
    spool = tasks.add_parser("spool", help="what is recorded and not in the store yet")
    for task in (stats, series, facets, show, spool):
        task.add_argument("--json", action="store_true", help="answer in JSON")
    for task in (search, tail, stats, series, timeline, facets, show):
        task.add_argument("--why", default="", metavar="TEXT", help="reason of the look, for the audit trail")
        task.add_argument(
            "--fresh", action="store_true", help="first wait until what happened up to now is in the store"
        )


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 rows found or all well, 1 none or not, 2 usage."""
    from proxy.logsearch import Refused, run_task

    try:
        return run_task(args, settings)
    except Refused as refused:
        print(f"log: {refused}", file=sys.stderr)
        return refused.status


def add_filters(task: argparse.ArgumentParser) -> None:
    """The arguments that say which rows are wanted."""
    wanted = task.add_argument_group("which rows")
    for name, metavar, words in (
        ("--user", "NAME", "account name"),
        ("--device", "NAME", "device name"),
        ("--address", "IP", "client address"),
        ("--site", "NAME", "site"),
        ("--band", "NAME", "age band"),
        ("--group", "NAME", "group"),
        ("--host", "NAME", "this host"),
        ("--domain", "NAME", "this domain and all below it"),
        ("--category", "NAME", "a category that fitted"),
        ("--list", "NAME", "list behind the verdict"),
        ("--rule", "NAME", "deciding rule"),
        ("--tier", "NAME", "tier of the rule"),
        ("--action", "NAME", "allow, block, warn, bypass"),
        ("--reason", "NAME", "verdict reason"),
        ("--text", "TEXT", "part of the URL"),
        ("--terms", "TEXT", "part of a search term"),
        ("--title", "TEXT", "part of a page title"),
        ("--since", "TIME", "1h, 10:20, yesterday, 2026-11-20, 2026-11-20T10:20"),
        ("--until", "TIME", "same; a day means its end"),
    ):
        wanted.add_argument(name, metavar=metavar, help=words)
    verdict = wanted.add_mutually_exclusive_group()
    verdict.add_argument("--blocked", dest="blocked", action="store_true", default=None, help="blocked ones only")
    verdict.add_argument("--allowed", dest="blocked", action="store_false", help="ones that were not blocked")
    wanted.add_argument("--page-only", action="store_true", help="pages people opened, without their parts")
    wanted.add_argument(
        "--not", dest="without", action="append", default=[], metavar="FIELD:VALUE",
        help="none of these, as the console's address says it: user:pupil-0417; may be said several times",
    )  # fmt: skip


def _output(task: argparse.ArgumentParser) -> None:
    how = task.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="JSON Lines, every field")
    how.add_argument("--csv", action="store_true", help="CSV for spreadsheets, every field")


def _limit(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError(f"{number}: a page has 1 to 10000 rows; --all gives every row")
    return number
