"""`schoolgate overrides`: the one-click decisions in force, and ending one before its time."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register `overrides list|end`."""
    parser = commands.add_parser("overrides", help="one-click decisions in force")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="list|end")
    listing = tasks.add_parser("list", help="what was allowed and blocked, by whom, for whom, until when, and why")
    listing.add_argument("--all", action="store_true", help="those that are over, too")
    ending = tasks.add_parser("end", help="end one now")
    ending.add_argument("id", metavar="ID", help="its number: 12 or override-12")
    ending.add_argument("--reason", dest="why", default="", help="for the audit trail")
    for task in (listing, ending):
        task.add_argument("--json", action="store_true", help="answer in JSON")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.decisions import carry_out
    from proxy.overridechanges import change

    return carry_out("overrides", change, args, settings)
