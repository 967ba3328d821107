"""How far record ids have come, remembered across a worker's lives.

A worker that dies and starts again while the clock has been set back would give ids a second time, and the store would
take the new rows for repeats. So each worker notes its highest id once a second, and a new one starts above all notes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from logstore.ids import COUNTER_BITS, NODE_BITS, id_range, id_time_us

SUFFIX = ".floor"
"""Ending of a note's file name."""
MARGIN = 2_000 << (NODE_BITS + COUNTER_BITS)
"""Ids of two seconds: what a worker may have given since its last note."""
BELIEVED_US = 26 * 3600 * 1_000_000
"""How far ahead of the clock a note is believed: as if the clock had been set back by a day. A note from further ahead
comes from a clock that had run wild, and would hold every later id in that future."""


def save_floor(folder: Path, worker: str, last_id: int) -> None:
    """Note the highest id given. Raises `OSError`."""
    if last_id:
        aside = folder / f"{worker}{SUFFIX}.new"
        aside.write_text(str(last_id), encoding="ascii")
        aside.replace(folder / f"{worker}{SUFFIX}")


def claim_floor(folder: Path, worker: str, now_us: int) -> int:
    """The id above which a new life of `worker` has to start, noted at once if there is room to."""
    notes = (note for note in _notes(folder) if id_time_us(note) <= now_us + BELIEVED_US)
    floor = max((note + MARGIN for note in notes), default=0)
    with contextlib.suppress(OSError):  # the helper thread tries again every second, and tells
        save_floor(folder, worker, max(floor, id_range(now_us, now_us)[0]))
    return floor


def _notes(folder: Path) -> Iterator[int]:
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, ValueError):
            yield int(path.read_text(encoding="ascii"))
