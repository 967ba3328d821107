"""`schoolgate doctor`: everything that could be wrong, looked at and said."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="look at everything that could be wrong")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 when nothing is wrong, 1 when something is."""
    from proxy.doctor import examine

    findings = examine(settings)
    if args.json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.mark} {finding.what}: {finding.found}")
            if finding.advice:
                print(f"    {finding.advice}")
    bad = [finding for finding in findings if finding.level == "bad"]
    if bad:
        print(f"{len(bad)} of {len(findings)} need attention", file=sys.stderr)
    return 1 if bad else 0
