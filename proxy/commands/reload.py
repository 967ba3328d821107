"""`schoolgate reload`: build lists and policy aside, check them, swap them in on every worker.

`--restart` puts a fresh process in every worker's place instead, one after the other, with no connection dropped.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("reload", help="take the edited policy and lists, if they are good")
    parser.add_argument(
        "--restart", action="store_true", help="replace every worker process, one after the other; nothing is dropped"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 when every worker has the new engine, 1 when the old one stays or no gateway runs."""
    from proxy.control import NotRunning, order

    try:
        answer = order(settings.data, {"do": "restart" if args.restart else "reload"})
    except NotRunning as error:
        print(error, file=sys.stderr)
        return 1
    if args.restart:
        return _tell_restart(answer, as_json=args.json)
    if args.json:
        print(json.dumps(answer))
    elif "failed" in answer:
        print(f"refused; revision {answer.get('revision')} stays at work:\n{answer['failed']}", file=sys.stderr)
    else:
        print(f"revision {answer['reloaded']} is in force on {answer['workers']} workers")
        for trouble in answer.get("replaced", ()):
            print(trouble, file=sys.stderr)
        if later := answer.get("restart_needed"):
            print(f"changed too, but only a restart puts it in force: {', '.join(later)}", file=sys.stderr)
    return 1 if "failed" in answer else 0


def _tell_restart(answer: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(answer))
    elif "failed" in answer:
        print(f"stopped: {answer['failed']}", file=sys.stderr)
    else:
        print(f"now at work: {', '.join(answer['restarted'])}")
        if leaving := answer["leaving"]:
            print(f"ending with their last connection: {', '.join(leaving)}", file=sys.stderr)
    return 1 if "failed" in answer else 0
