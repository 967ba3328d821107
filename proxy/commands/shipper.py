"""`schoolgate shipper`: moves records from the spool into the store; started by `schoolgate run` or by systemd.

Also runs the daily retention and the nightly sealing and checking, and keeps the roll-ups up. It opens no port: what it
has to tell stands in files of `<data>/run`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command, unlisted."""
    parser = commands.add_parser("shipper")
    parser.add_argument("--once", action="store_true", help="ship what lies in the spool, then end")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Ship until told to stop. 0 after a clean stop, 1 when it cannot start or, with `--once`, when the store fails."""
    from logstore.shipping import ShipperBusy, shipper_lock
    from proxy.volumes import on_a_share

    try:
        zone = ZoneInfo(settings.record.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        wrong = settings.record.timezone
        print(f"record.timezone: there is no zone {wrong!r}; it would be like Europe/London", file=sys.stderr)
        return 1
    if refused := on_a_share(settings.store, settings.data):
        print(refused, file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with shipper_lock(settings.data / "spool"):
            return _ship(args, settings, zone, stop)
    except ShipperBusy as busy:
        print(busy, file=sys.stderr)
    except OSError as error:
        print(f"the shipper cannot use {settings.data / 'spool'}: {error}", file=sys.stderr)
    return 1


def _ship(args: argparse.Namespace, settings: Settings, zone: ZoneInfo, stop: threading.Event) -> int:
    from logstore.disk import SpoolLimits
    from logstore.gateways import Gateway, identity_in
    from logstore.place import ClickHouse
    from logstore.rollupjob import TOLD, RollupJob
    from logstore.shipper import LAST_SECONDS, Shipper
    from logstore.store import open_store
    from proxy.evidencejob import EvidenceJob
    from proxy.factdesk import fact_taker
    from proxy.partitionjob import PartitionJob
    from proxy.retaining import daily_retention

    gateway = Gateway(settings.gateway.number, identity_in(settings.data), settings.gateway.name)
    shipper = Shipper(
        settings.data / "spool",
        lambda: open_store(settings.store, gateway=gateway),
        status=settings.data / "run" / "shipper.json",
        limits=SpoolLimits(max_bytes=settings.spool.max_bytes),
        facts=fact_taker(settings.catalog, timedelta(days=settings.bypass.suggest_days)),
        job=None if args.once else daily_retention(settings, zone),
    )
    if not args.once:
        jobs: list[RollupJob | PartitionJob | EvidenceJob] = [EvidenceJob(settings, zone, stop)]
        # ClickHouse adds up its rows when it is asked.
        if not isinstance(settings.store, ClickHouse):
            jobs.append(RollupJob(settings.store, settings.data / "run" / TOLD, stop))
        if not isinstance(settings.store, Path):
            jobs.append(PartitionJob(settings, stop))
        for job in jobs:
            job.start()
        shipper.run(stop)
        for job in jobs:
            job.join(LAST_SECONDS)
        return 0
    ok = shipper.drain()
    if not ok:
        print(f"not everything is shipped: {shipper.status().error}", file=sys.stderr)
    shipper.close()
    return 0 if ok else 1
