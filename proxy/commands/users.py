"""`schoolgate users`: who may use the internet. Add, change, disable, suspend, remove, import, export.

In come the settings and what was typed; out come results on standard output, talk on standard error. A password is
never an argument, where every account of the machine could read it. What is done is in `proxy.userchanges`.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from proxy.settings import Settings

TASKS = "list|show|add|change|passwd|disable|enable|suspend|consent|remove|import|export"
STATUSES = ("active", "disabled", "suspended", "no-consent", "left")
"""Every status an account may have."""


def add(commands: Any) -> None:
    """Register `users …`."""
    parser = commands.add_parser("users", help="who may use the internet")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar=TASKS)
    listing = tasks.add_parser("list", help="everybody who is here")
    listing.add_argument("--band", help="only this band")
    listing.add_argument("--group", help="only this group")
    listing.add_argument("--status", choices=STATUSES, help="only these (left: those who are gone)")
    tasks.add_parser("show", help="one account; exit 1 when there is none").add_argument("name")
    for task, words in (("add", "give access to somebody new"), ("change", "change what is decided about an account")):
        _details_arguments(tasks.add_parser(task, help=words, allow_abbrev=False), adding=task == "add")
    password = tasks.add_parser("passwd", help="set a password, asked for twice", allow_abbrev=False)
    password.add_argument("name")
    password.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    for task, words in (
        ("disable", "withdraw access until it is given back"),
        ("enable", "give access back"),
        ("remove", "somebody left: never accepted again, the name stays taken"),
    ):
        tasks.add_parser(task, help=words).add_argument("name")
    suspension = tasks.add_parser("suspend", help="withdraw access for a time; it comes back by itself")
    suspension.add_argument("name")
    length = suspension.add_mutually_exclusive_group(required=True)
    length.add_argument("--days", type=int, metavar="N", help="for N days from now")
    length.add_argument(
        "--until", type=datetime.fromisoformat, metavar="TIME", help="until 2026-12-01T08:30, local time"
    )
    consent = tasks.add_parser("consent", help="a parent's consent came in (yes) or is missing (no)")
    consent.add_argument("name")
    consent.add_argument("given", choices=("yes", "no"))
    importing = tasks.add_parser("import", help="add and change accounts from a CSV file, all or none")
    importing.add_argument(
        "file", metavar="FILE.csv", help="columns: name title band groups site shared consent password"
    )
    importing.add_argument("--dry-run", action="store_true", help="only say what would change")
    tasks.add_parser("export", help="the register as CSV, leavers included, without passwords")
    for name, task_parser in tasks.choices.items():
        task_parser.add_argument("--json", action="store_true", help="answer in JSON")
        if name not in {"list", "show", "export"}:
            task_parser.add_argument("--why", default="", metavar="REASON", help="for the audit trail")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.decisions import carry_out
    from proxy.userchanges import change_users

    return carry_out("users", change_users, args, settings)


def _details_arguments(parser: argparse.ArgumentParser, *, adding: bool) -> None:
    parser.add_argument("name")
    parser.add_argument("--band", help="eyfs ks1 ks2 ks3 ks4 ks5 staff guest; none when unknown")
    parser.add_argument("--groups", metavar="A,B", help="groups, separated by commas")
    parser.add_argument("--site", help="home site; none for none")
    parser.add_argument("--title", help="name for people")
    parser.add_argument("--shared", action=argparse.BooleanOptionalAction, help="a class login")
    if adding:
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--no-password", action="store_true", help="cannot sign in until it gets one")
