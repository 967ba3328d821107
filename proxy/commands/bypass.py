"""`schoolgate bypass`: hosts that programs refuse to have read. What is suggested, accepting, dismissing."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register `bypass suggestions|accept|dismiss`."""
    parser = commands.add_parser(
        "bypass", help="programs that stop when they are read: what is suggested, accepting it"
    )
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="suggestions|accept|dismiss")
    listing = tasks.add_parser(
        "suggestions", help="hosts that several devices refuse to have read: how many, where, since when"
    )
    accepting = tasks.add_parser("accept", help="let one pass unread; what the policy closes stays closed")
    dismissing = tasks.add_parser("dismiss", help="do not suggest one again for a while; default 90 days")
    for one in (accepting, dismissing):
        one.add_argument("host", metavar="HOST")
        one.add_argument("--reason", dest="why", required=True, help="why; for staff and the audit trail")
    whom = accepting.add_mutually_exclusive_group()
    whom.add_argument("--group", metavar="GROUP", help="for this group; default everybody")
    whom.add_argument("--band", metavar="BAND", help="for this band")
    accepting.add_argument("--site", metavar="SITE", help="at this site")
    for one in (accepting, dismissing):
        time = one.add_mutually_exclusive_group()
        time.add_argument("--for", dest="length", metavar="TIME", help="for 40m, 1h30m, 2d")
        time.add_argument("--until", metavar="TIME", help="until 11:05, 'fri 15:15' or 2026-12-01T15:00")
    for one in (listing, accepting, dismissing):
        one.add_argument("--json", action="store_true", help="answer in JSON")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.bypassing import change_bypass
    from proxy.decisions import carry_out

    return carry_out("bypass", change_bypass, args, settings)
