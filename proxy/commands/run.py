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

    if refused := on_a_share(settings.store, settings.data) or _one_process(settings):
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


def _one_process(settings: Settings) -> str:
    """Why rows whose engine runs inside each process cannot be those of a gateway; empty when they do not."""
    from logstore.place import ClickHouse

    if not isinstance(settings.store, ClickHouse) or not settings.store.in_process:
        return ""
    return (
        f"record.rows is {settings.record.rows}: one process at a time can open that, and a gateway has several. It is "
        "for tests and trials (`schoolgate shipper --once`, `schoolgate log`); a gateway needs a ClickHouse server, "
        "like clickhouse://schoolgate@ch.trust.internal:8443/schoolgate?secure=true"
    )
