"""`schoolgate hold`: rows of an incident that may not die, placed by one person, released by two."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from proxy.settings import Settings

TASKS = "place|list|show|copy|review|release|approve|check|export"


def add(commands: Any) -> None:
    """Register `hold …`."""
    from proxy.commands.log import add_filters

    parser = commands.add_parser("hold", help="keep rows of an incident beyond retention")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar=TASKS)
    placing = tasks.add_parser("place", help="keep these rows: copied now, and before a day is dropped")
    placing.add_argument("case", metavar="CASE", help="case reference, like CASE-2026-014")
    placing.add_argument(
        "--review", default="90d", metavar="DATE", help="look again by 2027-02-01, 90d, 12w (default: %(default)s)"
    )
    add_filters(placing)
    listing = tasks.add_parser("list", help="holds in force")
    listing.add_argument("--all", action="store_true", help="released ones too")
    for task, words in (
        ("show", "one hold; its rows: `schoolgate log search --hold CASE`"),
        ("copy", "copy rows that came since, now"),
        ("release", "first signature under a release"),
        ("approve", "second signature, by somebody else: the copied rows go"),
        ("check", "exit 1 when a held row is not what was copied"),
    ):
        tasks.add_parser(task, help=words).add_argument("case", metavar="CASE")
    review = tasks.add_parser("review", help="it is still needed: look again later")
    review.add_argument("case", metavar="CASE")
    review.add_argument("--until", required=True, metavar="DATE", help="2027-02-01, 90d, 12w")
    export = tasks.add_parser("export", help="write its rows into a file, with hashes and a manifest")
    export.add_argument("case", metavar="CASE")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file that is not there yet")
    export.add_argument("--format", choices=("jsonl", "csv", "parquet"), help="otherwise as the file's name ends")
    for name, task_parser in tasks.choices.items():
        task_parser.add_argument("--json", action="store_true", help="answer in JSON")
        needed = name in {"place", "review", "release", "approve", "export"}
        task_parser.add_argument(
            "--why", default="", required=needed, metavar="TEXT", help="reason, for the audit trail"
        )


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from proxy.holding import run_task

    return run_task(args, settings)
