"""`schoolgate devices`: what addresses mean. List, put, remove, import from an inventory.

In come the settings and what was typed; out come results on standard output, talk on standard error. A change is in the
database, in the audit trail and in the overlay when the command ends. What is done is in `proxy.devicechanges`.
"""

from __future__ import annotations

import argparse
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register `devices list|put|remove|import`."""
    parser = commands.add_parser("devices", help="what addresses mean: sites, rooms, machines")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="list|put|remove|import")
    tasks.add_parser("list", help="every place: of the register, and of the settings file")
    put = tasks.add_parser("put", help="say what an address or network means, for the first time or anew")
    put.add_argument("network", help="10.4.2.14, or 10.4.2.0/24")
    put.add_argument("--site", required=True)
    put.add_argument("--device", help="name of the machine")
    put.add_argument("--band", help="band of whoever is here and has not signed in")
    put.add_argument("--groups", default="", metavar="A,B", help="groups, separated by commas")
    put.add_argument("--shared", action="store_true", help="several people use it without signing in")
    put.add_argument("--asset", default="", help="tag in the inventory")
    put.add_argument("--owner", default="", help="who answers for it")
    tasks.add_parser("remove", help="forget what an address or network meant").add_argument("network")
    importing = tasks.add_parser("import", help="put many places from a CSV file, all or none")
    importing.add_argument(
        "file", metavar="FILE.csv", help="columns: network site device groups band shared asset owner"
    )
    importing.add_argument("--dry-run", action="store_true", help="only say what would change")
    for name, task in tasks.choices.items():
        task.add_argument("--json", action="store_true", help="answer in JSON")
        if name != "list":
            task.add_argument("--why", default="", metavar="REASON", help="for the audit trail")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.decisions import carry_out
    from proxy.devicechanges import change_devices

    return carry_out("devices", change_devices, args, settings)
