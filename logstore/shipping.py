"""What the shipper tells about itself, and the lock that keeps it alone.

`<data>/run/shipper.json` is replaced by rename about once a second; metrics and `log spool` read it. It holds numbers
and the store's error, never a user, a host or a URL.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logstore.disk import Level
from logstore.segments import take_lock

LOCK = "shipper.lock"
"""Name of the lock file within the spool folder."""


class ShipperBusy(Exception):
    """Another shipper ships this spool."""


@dataclass(frozen=True, slots=True)
class ShipReport:
    """What one look at the spool did."""

    rows: int
    """Rows handed to the store."""
    events: int
    """Events read for them."""
    more: bool
    """True when there may be more at once: a batch was full, or had waited."""
    ok: bool
    """False when the store or the quarantine failed, or a segment could not be opened."""
    error: str = ""
    """How it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipperStatus:
    """How shipping goes."""

    written_at: float
    """When this was written, POSIX seconds."""
    pid: int = dataclasses.field(default_factory=os.getpid)
    """The shipper's process."""
    lag_events: int = 0
    """Events on disk that are not in the store yet, records still open left out."""
    oldest_seconds: float = 0.0
    """Age of the oldest of them in seconds; 0 when there is none."""
    spool_bytes: int = 0
    """Bytes the spool fills, ballast left out."""
    level: Level = "ok"
    """How full that is: `ok`, `warn`, `alert`, `full`."""
    open_records: int = 0
    """Records whose end is awaited."""
    shipped: int = 0
    """Rows the store took in (new ones) since this shipper started."""
    folded: int = 0
    """Requests counted in the row of another just like them, since this shipper started."""
    failed: int = 0
    """Tries that failed since this shipper started."""
    rejected: int = 0
    """Rows the store will never take, since this shipper started; they are in the quarantine."""
    quarantined: int = 0
    """Things in the quarantine: rows, events, segments."""
    facts: int = 0
    """Facts read since this shipper started."""
    orphans: int = 0
    """Endings whose record was settled before, since this shipper started: repeats after a restart, late endings."""
    missing_events: int = 0
    """Events that are missing in the middle of a spool: torn off by a power cut or in a damaged segment."""
    last_success: float = 0.0
    """When the store last took something, POSIX seconds; 0 for never."""
    retention_last_run: float = 0.0
    """When the daily retention last succeeded, POSIX seconds; 0 when unknown."""
    error: str = ""
    """What fails at present; empty when all is well."""


def write_status(path: Path, status: ShipperStatus) -> None:
    """Replace the status file. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.write_text(json.dumps(dataclasses.asdict(status)) + "\n", encoding="utf-8")
    aside.replace(path)


def read_status(path: Path) -> ShipperStatus | None:
    """The status file; None when there is none that can be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in dataclasses.fields(ShipperStatus)}
        return ShipperStatus(**{name: value for name, value in told.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


@contextlib.contextmanager
def shipper_lock(folder: Path) -> Iterator[None]:
    """Be the only shipper of a spool folder. Raises `ShipperBusy`, or `OSError` when the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    path = folder / LOCK
    file = take_lock(path)
    if file is None:
        other = path.read_text(encoding="ascii", errors="replace").strip() or "unknown"
        raise ShipperBusy(f"another shipper (process {other}) ships {folder}; one is enough, and two would only wait")
    try:
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)
