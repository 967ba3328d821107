"""`schoolgate requests`: pages people asked to have looked at again. List, show, decide, file."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register `requests list|show|decide|add`."""
    parser = commands.add_parser("requests", help="pages people asked to have reviewed")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="list|show|decide|add")
    listing = tasks.add_parser("list", help="those that wait: who, what, the verdict then and now, and why")
    listing.add_argument("--all", action="store_true", help="those that are decided, too")
    showing = tasks.add_parser("show", help="one of them, with what would happen now")
    deciding = tasks.add_parser("decide", help="decide one; whoever asked is told on the page")
    for one in (showing, deciding):
        one.add_argument("id", metavar="ID", type=int)
    _decision(deciding)
    adding = tasks.add_parser("add", help="file one for yourself: a page that should be open, or closed")
    adding.add_argument("url", metavar="URL")
    adding.add_argument("--wanted", choices=("allow", "block"), default="allow", help="what you want; default allow")
    adding.add_argument("--reason", dest="why", required=True, help="why")
    for one in (listing, showing, deciding, adding):
        one.add_argument("--json", action="store_true", help="answer in JSON")


def _decision(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--allow", action="store_true", help="open it, by an override")
    what.add_argument("--block", action="store_true", help="close it, by an override")
    what.add_argument("--entry", metavar="CATEGORY", help="add its host to this category, as an entry of your own")
    what.add_argument("--no-change", action="store_true", help="leave it as it is")
    parser.add_argument("--whole-host", action="store_true", help="the whole host, not only this page")
    parser.add_argument("--everybody", action="store_true", help="for everybody; default the band and site that asked")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--group", metavar="GROUP", help="for this group")
    whom.add_argument("--band", metavar="BAND", help="for this band")
    whom.add_argument("--user", metavar="NAME", help="for this account")
    parser.add_argument("--site", metavar="SITE", help="at this site")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--for", dest="length", metavar="TIME", help="for 40m, 1h30m, 2d")
    time.add_argument("--until", metavar="TIME", help="until 11:05, 'fri 15:15' or 2026-12-01T15:00")
    parser.add_argument("--reason", dest="why", required=True, help="why; for staff and the audit trail")
    parser.add_argument("--answer", default="", metavar="TEXT", help="what whoever asked reads, besides the decision")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.decisions import carry_out
    from proxy.requestchanges import change_requests

    return carry_out("requests", change_requests, args, settings)
