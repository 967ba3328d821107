"""Records of several days, sealed, and whether the kernel has their pages."""

from __future__ import annotations

import ctypes
import mmap
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore.db import days_folder
from logstore.seal import seal
from logstore.store import Store

from .rows import AT, ended, ids_from, request

DAY_US = 86_400_000_000


def store_days(folder: Path, days: int, rows: int, offset_us: int = 0) -> None:
    """So many rows on each of so many days, by one of three people, each with a search term and a title."""
    with Store(folder) as store:
        for day in range(days):
            ids = ids_from(AT + day * DAY_US + offset_us, 60_000_000)
            who = f"pupil-{day % 3}"
            store.append([(request(ids.next(), user=who, terms=("owls",)), ended(title="Owls")) for _ in range(rows)])


def seal_days(folder: Path, days: int) -> list[Path]:
    """Seal the first so many days; their files, oldest first."""
    assert len(seal(folder, datetime.fromtimestamp((AT + days * DAY_US) / 1e6, UTC)).sealed) == days
    return sorted(days_folder(folder).glob("*.db"))[:days]


def twelve_days(folder: Path) -> Path:
    """Twelve days, sealed but for the last, with a late row in each of the first."""
    store_days(folder, 12, 30)
    seal_days(folder, 11)
    store_days(folder, 5, 1, offset_us=1_000)
    return folder


def put_out(path: Path) -> None:
    """Have the kernel forget a file's pages; a test is passed over where files lie in memory only."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    if any(in_memory(path)):
        pytest.skip("this file system keeps its files in memory")


def in_memory(path: Path) -> list[bool]:
    """Which pages of a file the kernel has; asking fetches none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
        there = (ctypes.c_ubyte * -(-len(pages) // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(pages)
        told = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(pages)), there
        )
        del first  # or the mapping could not be given back
    assert told == 0, os.strerror(ctypes.get_errno())
    return [bool(page & 1) for page in there]
