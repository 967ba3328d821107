"""What lies in the spool, for people: `schoolgate log spool` and the doctor.

In comes a spool folder, out goes a description; nothing is changed, and no store is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from logstore.disk import DiskUse, measure
from logstore.merge import event_time_us
from logstore.quarantine import Quarantine
from logstore.reading import Producer, SpoolCursor, SpoolReader
from logstore.segments import COMPANIONS


@dataclass(frozen=True, slots=True)
class ProducerView:
    """One life of one worker in the spool."""

    name: str
    """`<worker>-<pid>-<start>`."""
    alive: bool
    """Whether it still writes."""
    segments: int
    """Its segment files."""
    bytes: int
    """Bytes of them."""
    events: int
    """Events after the cursor; without one, all that are there."""
    oldest_us: int | None
    """When the first of these was, microseconds since the Unix epoch; None when there is none or it does not tell."""


@dataclass(frozen=True, slots=True)
class SpoolView:
    """A spool folder."""

    folder: Path
    """The folder."""
    producers: tuple[ProducerView, ...]
    """Everybody who has segments there, by name."""
    disk: DiskUse
    """What it fills and what is free."""
    quarantined: int
    """Things set aside: rows, events, segments."""

    @property
    def events(self) -> int:
        """Events of all producers."""
        return sum(producer.events for producer in self.producers)


def describe_spool(folder: Path, cursors: Mapping[str, int] | None = None) -> SpoolView:
    """What lies in a spool folder; a missing one is empty. `cursors` (`Store.cursors`) leaves out what is stored."""
    reader = SpoolReader(folder)
    found = []
    for producer in reader.producers():
        reader.seek(SpoolCursor(producer.name, (cursors or {}).get(producer.name, 0)))
        found.append(_view(reader, producer))
    disk = DiskUse(0, 0, 0)
    with contextlib.suppress(FileNotFoundError):
        disk = measure(folder)
    return SpoolView(folder, tuple(found), disk, Quarantine(folder).count())


def _view(reader: SpoolReader, producer: Producer) -> ProducerView:
    first = reader.first_unread(producer)
    paths = [segment.path(reader.folder) for segment in producer.segments]
    size = 0
    for name in (f"{path}{companion}" for path in paths for companion in ("", *COMPANIONS)):
        with contextlib.suppress(FileNotFoundError):
            size += os.stat(name).st_size  # noqa: PTH116
    return ProducerView(
        producer.name,
        producer.alive,
        len(paths),
        size,
        0 if first is None else reader.newest(producer) - first.seq + 1,
        None if first is None else event_time_us(first),
    )
