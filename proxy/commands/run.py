"""`schoolgate run`: the gateway, in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("run", help="run the gateway until Ctrl-C")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run. 0 after a clean stop, 1 when it cannot start."""
    from proxy.supervisor import Supervisor
    from proxy.troubles import TROUBLES, in_words
    from proxy.volumes import on_a_share

    if refused := on_a_share(settings.store, settings.data):
        print(f"schoolgate cannot start:\n{refused}", file=sys.stderr)
        return 1
    os.umask(0o077)  # everything below the data folder is the gateway's alone

    async def start() -> int:
        return await Supervisor(settings, args.settings_file).run()

    try:
        return asyncio.run(start())
    except TROUBLES as error:
        print(f"schoolgate cannot start:\n{in_words(error)}", file=sys.stderr)
        return 1
