"""`schoolgate bench`: try how a gateway holds up on this machine. Touches nothing of the gateway that is in use."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("bench", help="try how a gateway holds up on this machine")
    kinds = parser.add_subparsers(dest="kind", required=True)
    soak = kinds.add_parser("soak", help="load with faults for minutes or hours: growth, lost records, errors")
    soak.add_argument("--minutes", type=float, default=3.0, help="how long; 480 for a night (3)")
    soak.add_argument("--clients", type=int, default=12, help="clients that ask without a pause (12)")
    soak.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    soak.add_argument("--json", action="store_true", help="answer in JSON")
    soak.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 when no record was lost or doubled and nothing failed without a reason, else 1."""
    from proxy.soak import Soak

    print(f"a gateway of its own, {args.minutes:g} minutes, {args.clients} clients", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="schoolgate-soak-") as folder:
        soak = Soak(Path(folder), seconds=args.minutes * 60, clients=args.clients, workers=args.workers)
        try:
            found = asyncio.run(soak.run())
        except (RuntimeError, TimeoutError) as error:
            print(f"{error}\n{(Path(folder) / 'gateway.log').read_text()[-2000:]}", file=sys.stderr)
            return 1
    told = {
        "good": found.good,
        "seconds": round(found.seconds, 1),
        "answered": len(found.answered),
        "lost": found.lost,
        "doubled": found.doubled,
        "failed": dict(found.failed_steady),
        "failed_while_workers_were_killed": dict(found.failed_violent),
        "faults": dict(found.faults),
        "megabytes_at_the_end": round(found.memory[-1][1], 1) if found.memory else None,
        "megabytes_an_hour": round(found.slope, 1),
    }
    if args.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name.replace('_', ' '):34} {value}")
    return 0 if found.good else 1
