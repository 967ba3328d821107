"""Rows to store in tests: a school day of invented people."""

from __future__ import annotations

from typing import Any

from logstore.ids import RecordIds, id_time_us
from logstore.record import Ending, EndingKind, LogRecord

AT = 1_795_255_500_000_000
"""Saturday 21 November 2026, 10:05 UTC, in microseconds since the Unix epoch."""


def ids_from(start_us: int, step_us: int = 0) -> RecordIds:
    """Ids given from `start_us` on, each `step_us` after the one before."""
    now = start_us - step_us

    def clock() -> int:
        nonlocal now
        now += step_us
        return now

    return RecordIds(1, clock)


def request(record_id: int, **fields: Any) -> LogRecord:
    """A request made when its id was given, with fields as told."""
    usual: dict[str, Any] = {
        "time_us": id_time_us(record_id),
        "worker": "gateway-1",
        "revision": "r1",
        "site": "oakwood",
        "user": "pupil-0417",
        "user_source": "basic",
        "verified": True,
        "band": "ks2",
        "groups": ("year-4",),
        "client_address": "10.4.2.17",
        "scheme": "https",
        "host": "www.example.org",
        "port": 443,
        "path": "/",
        "domain": "example.org",
    }
    return LogRecord(id=record_id, **usual | fields)


def ended(kind: EndingKind = EndingKind.RESPONSE, **fields: Any) -> Ending:
    """How it ended; by default well."""
    usual: dict[str, Any] = {"status": 200, "content_type": "text/html", "bytes_down": 5120, "duration_us": 42_000}
    return Ending(kind=kind, **usual | fields)


def batch(size: int) -> list[tuple[LogRecord, Ending]]:
    """The same `size` rows every time it is asked for; a longer batch begins with the shorter one."""
    ids = ids_from(AT, 7_000_000)
    return [
        (request(ids.next(), user=f"pupil-{n % 7:04}", host=f"www{n % 5}.example.org", path=f"/{n}"), ended())
        for n in range(size)
    ]
