"""What is recorded and not in the store yet: said, shown, or waited for.

In come the settings; out go lines. The shipper's own report counts while it is young; otherwise the spool folder is
read.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

from logstore.db import StoreError, reading
from logstore.disk import DiskUse, Level, SpoolLimits, measure
from logstore.reading import SpoolCursor, SpoolReader
from logstore.schema import log_cursor
from logstore.shipping import ShipperStatus, read_status
from proxy.settings import Settings

YOUNG = 10.0
"""Seconds after which the shipper's report counts as old: it is written every second."""
PATIENCE = 15.0
"""Longest wait for the shipper, seconds."""
LEVELS: dict[Level, str] = {
    "ok": "enough",
    "warn": "less than a third of its room is left",
    "alert": "nearly full",
    "full": "FULL, what happens now says spool.when_full",
}
"""How full the spool is, in words."""
BEHIND = 5.0
"""Age of the oldest event, in seconds, that is worth a word."""


def wait_until_shipped(settings: Settings, patience: float = PATIENCE) -> bool:
    """Wait until everything that happened before now is in the store; says so and goes on when that takes too long."""
    start = time.time()
    while time.time() < start + patience:
        status = _young(settings)
        if status is None and time.time() > start + YOUNG:
            break
        if status is not None and status.written_at > start and status.lag_events == 0 and not status.error:
            return True
        if status is None and not _waiting(settings):
            return True
        time.sleep(0.1)
    say_behind(settings, even=0.0)
    return False


def say_behind(settings: Settings, *, even: float = BEHIND) -> None:
    """Say on stderr when rows are missing because they are still in the spool."""
    status = _young(settings)
    if status is None:
        if events := _waiting(settings):
            print(
                f"log: the shipper is not running; {events:,} events wait in the spool: schoolgate shipper --once",
                file=sys.stderr,
            )
    elif status.error:
        print(f"log: the shipper has trouble: {status.error}", file=sys.stderr)
    elif status.lag_events and status.oldest_seconds >= even:
        waits = f"the oldest waits {status.oldest_seconds:.0f} s"
        print(f"log: {status.lag_events:,} events are not in the store yet; {waits}", file=sys.stderr)


def show_spool(settings: Settings, *, as_json: bool) -> int:
    """Producers and their waiting events; 0 when shipping goes well, else 1."""
    folder = settings.data / "spool"
    status = _young(settings)
    producers = _producers(settings)
    limits = SpoolLimits(max_bytes=settings.spool.max_bytes)
    use = measure(folder, probe=True) if folder.is_dir() else DiskUse(0, limits.max_bytes, 0)
    level = limits.level(use)
    ok = (status is not None and not status.error) or not any(item["waiting"] for item in producers)
    ok = ok and level in ("ok", "warn")
    if as_json:
        disk = {"bytes": use.used, "left": limits.left(use), "level": level, "ballast": use.ballast}
        told = {"ok": ok, **disk, "shipper": asdict(status) if status else None}
        print(json.dumps({**told, "producers": producers}))
        return 0 if ok else 1
    for item in producers:
        alive = "alive" if item["alive"] else "ended"
        print(f"{item['producer']:<44} {alive:<6} {item['segments']:>4} segments {item['waiting']:>10,} events waiting")
    print(
        f"spool: {use.used:,} bytes in {folder}, room for {limits.left(use):,} more: {LEVELS[level]}", file=sys.stderr
    )
    if status is not None:
        print("\n".join(_of_shipper(status)), file=sys.stderr)
    say_behind(settings, even=0.0)
    return 0 if ok else 1


def _of_shipper(status: ShipperStatus) -> list[str]:
    """What the shipper says of itself; of what should never be, only what is."""
    told = [
        f"shipper: {status.lag_events:,} events on their way, the oldest {status.oldest_seconds:.0f} s old; "
        f"{status.shipped:,} rows stored since it started, {status.open_records:,} exchanges still open"
    ]
    if status.quarantined:
        told.append(f"shipper: {status.quarantined:,} things in the quarantine, {status.rejected:,} of them new rows")
    if status.missing_events:
        told.append(f"shipper: {status.missing_events:,} events are missing: torn off by a power cut, or a broken disk")
    return told


def _producers(settings: Settings) -> list[dict[str, str | int | bool]]:
    folder = settings.data / "spool"
    if not folder.is_dir():
        return []
    cursors = _cursors(settings)
    reader = SpoolReader(folder)
    told: list[dict[str, str | int | bool]] = []
    for producer in reader.producers():
        reader.seek(SpoolCursor(producer.name, cursors.get(producer.name, 0)))
        waiting = max(0, reader.newest(producer) - cursors.get(producer.name, 0))
        told.append(
            {
                "producer": producer.name,
                "alive": producer.alive,
                "segments": len(producer.segments),
                "waiting": waiting,
            }
        )
    return told


def _waiting(settings: Settings) -> int:
    return sum(int(item["waiting"]) for item in _producers(settings))


def _cursors(settings: Settings) -> dict[str, int]:
    try:
        with reading(settings.store) as catalog:
            return {row.producer: row.seq for row in catalog.execute(log_cursor.select())}
    except StoreError:  # no store yet: nothing of the spool is in it
        return {}


def _young(settings: Settings) -> ShipperStatus | None:
    status = read_status(settings.data / "run" / "shipper.json")
    return status if status is not None and time.time() - status.written_at < YOUNG else None
