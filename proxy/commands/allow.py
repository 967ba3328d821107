"""`schoolgate allow`: open a host, URL or category with one click, for some, for a while, with a reason."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    arguments(commands.add_parser("allow", help="open a host, URL or category, for whom and how long you say"), "allow")


def arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """What `allow` and `block` take alike."""
    parser.add_argument("what", metavar="WHAT", help="a host, a URL, or category:NAME")
    parser.add_argument("--site", metavar="SITE", help="only at this site; default every site")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--group", metavar="GROUP", help="only for this group: a class, a club")
    whom.add_argument("--band", metavar="BAND", help="only for this age band")
    whom.add_argument("--user", metavar="NAME", help="only for this account; default everybody")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--for", dest="length", metavar="TIME", help="for 40m, 1h30m, 2d; then it ends by itself")
    time.add_argument("--until", metavar="TIME", help="until 11:05, 'fri 15:15' or 2026-12-01T15:00")
    parser.add_argument("--reason", dest="why", required=True, help="why; for the audit trail, never on a page")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(handle=handle, action=action)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 made and in force, 1 refused (another rule decides all the same), 2 usage."""
    from proxy.decisions import carry_out
    from proxy.overridechanges import make

    return carry_out(args.action, make, args, settings)
