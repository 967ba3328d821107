"""Wrong passwords as all workers of a gateway know them: a key in, what each worker wrote under it out.

Every worker writes into a region of its own in memory they all see, and reads everybody's: no lock, so a worker that
hangs or is killed keeps nobody waiting, and what it counted stays. The memory holds no name and no address, only keyed
digests. Bounded: of the entries that meet in one place, the one least recently touched is forgotten first.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple

_ENTRY = struct.Struct("=16sIIqq")
_EMPTY = bytes(16)
WAYS = 8
"""Entries of one place."""
PLACES = 2048
"""Places of one worker: 16,384 entries."""


def region(places: int = PLACES) -> int:
    """Bytes a worker writes into."""
    return places * WAYS * _ENTRY.size


class Entry(NamedTuple):
    """What one worker knows of a key. Times are microseconds since 1970."""

    wrong: int
    """Wrong passwords in a row."""
    welcome: bool
    """Somebody signed in under this key before."""
    touched: int
    """When the last of them came."""
    cleared: int
    """When a right one came last: older wrong ones no longer count. 0: never."""


class AttemptBook:
    """The entries of all workers. Without memory that is shared, one worker writes for itself."""

    def __init__(
        self, memory: memoryview | None = None, worker: int = 0, secret: bytes = b"", places: int = PLACES
    ) -> None:
        """`memory` is a region for each worker, zeros at the start; `worker` says which is ours."""
        self._region = region(places)
        self._memory = memoryview(bytearray(self._region) if memory is None else memory).cast("B")
        self._ours = (worker if memory is not None else 0) * self._region
        self._secret = secret[:64]
        self._places = places

    def read(self, name: str, address: str) -> list[Entry]:
        """What the workers know of this account here, of each that knows something."""
        key, place = self._find(name, address)
        found = []
        for start in range(place, len(self._memory), self._region):
            if (at := self._way(start, key)) is not None:
                _, wrong, welcome, touched, cleared = _ENTRY.unpack_from(self._memory, at)
                found.append(Entry(wrong, bool(welcome), touched, cleared))
        return found

    def write(self, name: str, address: str, entry: Entry) -> None:
        """Write down what this worker knows, in place of what it knew."""
        key, place = self._find(name, address)
        start = self._ours + place
        at = self._way(start, key)
        if at is None:
            at = min(range(start, start + WAYS * _ENTRY.size, _ENTRY.size), key=self._touched)
            self._memory[at : at + len(_EMPTY)] = _EMPTY  # whoever reads now finds nothing rather than another's count
        told = _ENTRY.pack(key, min(entry.wrong, 2**32 - 1), entry.welcome, entry.touched, entry.cleared)
        self._memory[at + len(key) : at + _ENTRY.size] = told[len(key) :]
        self._memory[at : at + len(key)] = key

    def _find(self, name: str, address: str) -> tuple[bytes, int]:
        """Key and place, the place as an offset in every region."""
        named = name.encode("utf-8", "surrogatepass")
        told = len(named).to_bytes(4) + named + address.encode()
        key = blake2b(told, key=self._secret, digest_size=len(_EMPTY)).digest()
        return key, int.from_bytes(key[:4]) % self._places * WAYS * _ENTRY.size

    def _way(self, start: int, key: bytes) -> int | None:
        """Where in a place the key stands."""
        for at in range(start, start + WAYS * _ENTRY.size, _ENTRY.size):
            if self._memory[at : at + len(key)] == key:
                return at
        return None

    def _touched(self, at: int) -> int:
        key, _, _, touched, _ = _ENTRY.unpack_from(self._memory, at)
        return -1 if key == _EMPTY else int(touched)
