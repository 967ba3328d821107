"""`schoolgate lists import`: read another filter's configuration or a list, and propose what it would be here.

In come a source, its format and a new folder; out come the numbers and the reasons on standard output, the whole
report in the folder. Nothing is put in force.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from categories.parse import counted
from proxy.listimport import FORMATS, ImportProblem, ImportReport, import_tree, reasons, report_facts
from proxy.settings import Settings

TOLD_SHOWN = 20
"""Single lines shown for people; the report file and `--json` give all."""


def add_import(tasks: Any) -> None:
    """Register `lists import`."""
    task = tasks.add_parser("import", help="read e2guardian, squidGuard or a list; propose settings and a policy")
    task.add_argument("source", type=Path, metavar="SOURCE", help="folder or file to read")
    task.add_argument("--format", required=True, choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    task.add_argument("--into", required=True, type=Path, metavar="FOLDER", help="new folder for what is proposed")
    task.add_argument("--lists", type=Path, metavar="FOLDER", help="squidGuard: where its dbhome lies now")
    task.add_argument("--json", action="store_true", help="answer in JSON")


def import_task(args: argparse.Namespace, settings: Settings) -> int:
    """Run the import; 0 done, 1 cannot be done."""
    try:
        report = import_tree(args.source, args.format, args.into, lists=args.lists)
    except ImportProblem as problem:
        if args.json:
            print(json.dumps({"ok": False, "problem": str(problem)}))
        print(f"lists import: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"ok": True} | report_facts(report)))
    else:
        _show(report)
    return 0


def _show(report: ImportReport) -> None:
    for item in report.problems[:TOLD_SHOWN]:
        print(f"{item.list}:{item.line}: {item.text!r} {item.why}")
    if len(report.problems) > TOLD_SHOWN:
        print(f"… and {len(report.problems) - TOLD_SHOWN} more in {report.into / 'report.json'}")
        print("by reason:")
        for why, lines in reasons(report)[:TOLD_SHOWN]:
            print(f"{lines:>10,}  {why}")
    print(
        f"{counted(report.lists, 'list')}, {counted(report.rules, 'rule')}, {counted(report.phrases, 'phrase')}, "
        f"{counted(report.searches, 'search', 'searches')}: "
        f"{counted(report.lines_taken, 'line')} taken, {report.lines_left_out:,} told as left out"
    )
    print(f"read {report.into / 'settings.yaml'} and policy.yaml beside it; nothing is in force yet", file=sys.stderr)
