"""`schoolgate worker`: one worker process; started by `schoolgate run`, not by people."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command, unlisted."""
    parser = commands.add_parser("worker")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--console-port", type=int, default=0)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--listener", type=int, action="append", default=[])
    parser.add_argument("--redirected", type=int, action="append", default=[])
    parser.add_argument("--transparent-port", type=int, action="append", default=[])
    parser.add_argument("--counts", type=int)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run. 0 after a clean stop, 1 when it cannot start."""
    os.umask(0o077)
    from proxy.troubles import TROUBLES, in_words
    from proxy.worker import WorkerPlace, run_worker

    try:
        ports = (args.port, args.metrics_port, args.control, args.console_port)
        doors = (tuple(args.listener), tuple(args.redirected), tuple(args.transparent_port))
        place = WorkerPlace(args.number, *ports, *doors, args.counts)
        return run_worker(settings, place)
    except TROUBLES as error:
        print(f"worker {args.number} cannot start: {in_words(error)}", file=sys.stderr)
        return 1
