"""`schoolgate console`: the web console, in a process of its own; started by `schoolgate run`, or by hand.

It needs no running gateway: it reads the store and the files in force, and says so when nobody is there. On a data
folder without an account it prints a link that works once, to make the first one; there is no default password.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("console", help="the web console, until Ctrl-C")
    parser.add_argument("--port", type=int, metavar="PORT", help="instead of console.port")
    parser.add_argument("--under-run", action="store_true", help=argparse.SUPPRESS)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--link", action="store_true", help="only print a fresh link for the first account")
    what.add_argument("--reset", metavar="NAME", help="only print a link with which this account chooses a password")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop. 0 after a clean stop, 1 when it cannot start or there is no such account."""
    from logstore.place import StoreError
    from proxy.troubles import TROUBLES, in_words

    try:
        if args.link or args.reset:
            return _print_link(args.reset, settings)
        from proxy.consoleserver import serve

        return serve(settings, args.port, under_run=args.under_run)
    except (*TROUBLES, StoreError) as error:
        print(f"the console cannot start: {in_words(error)}", file=sys.stderr)
        return 1


def _print_link(name: str | None, settings: Settings) -> int:
    from proxy.consoleserver import fresh_link

    link = fresh_link(settings, name)
    if link is None:
        there = f"there is no account {name!r}" if name else "there is an account already: sign in, or use --reset NAME"
        print(f"console: {there}", file=sys.stderr)
        return 1
    print(link)
    print("console: it works once", file=sys.stderr)
    return 0
