"""What an update of a list changes: the entries of two versions in, how many came and went, and some of them, out.

Memory is bounded whatever the size: entries are spread over files by their hash, and each pair of files is compared on
its own. Order and doubles do not matter; an entry is told with the list it stands in.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from categories.model import Problem
from categories.parse import Entry, parse
from categories.sources import ListFile, ListSource, Names, list_files

SAMPLES = 20
"""Entries shown of those that came, and of those that went."""
_PARTS = 32


@dataclass(slots=True)
class Changes:
    """What changed between two versions of a source."""

    before: int = 0
    """Entries of the old version."""
    after: int = 0
    """Entries of the new one."""
    added: int = 0
    """Entries only the new one has."""
    removed: int = 0
    """Entries only the old one has."""
    added_sample: list[str] = field(default_factory=list)
    """Some of them, `list: entry`."""
    removed_sample: list[str] = field(default_factory=list)
    """Some of them."""

    def as_json(self) -> dict[str, Any]:
        """As the state of a list and JSON write it."""
        return {name: getattr(self, name) for name in self.__slots__}


def compare(old: ListSource | None, new: ListSource, names: Names, folder: Path) -> Changes:
    """Compare two versions of a source; None: there was none. Spills into `folder`. Raises `OSError`."""
    with TemporaryDirectory(prefix="comparing-", dir=folder) as aside:
        one = _Spread(Path(aside), "old", () if old is None else _entries(old, names))
        two = _Spread(Path(aside), "new", _entries(new, names))
        changes = Changes(one.count, two.count)
        for part in range(_PARTS):
            before, after = one.part(part), two.part(part)
            added, removed = after - before, before - after
            changes.added += len(added)
            changes.removed += len(removed)
            changes.added_sample += sorted(added)[: SAMPLES - len(changes.added_sample)]
            changes.removed_sample += sorted(removed)[: SAMPLES - len(changes.removed_sample)]
    return changes


def _entries(source: ListSource, names: Names) -> Iterable[str]:
    for file in list_files(source, names):
        if isinstance(file, ListFile):
            with file.path.open("rb", buffering=1 << 20) as stream:
                for item in parse(file.format, stream, file.name, top_levels=file.top_levels, only=file.only):
                    if isinstance(item, Entry):
                        yield f"{file.name}: {item.value}"
        elif isinstance(file, Problem) and not file.line:
            raise FileNotFoundError(f"list {file.list}: {file.text} {file.why}")


class _Spread:
    """Entries in files by their hash."""

    def __init__(self, folder: Path, name: str, entries: Iterable[str]) -> None:
        self.count = 0
        self._files = [folder / f"{name}-{part}" for part in range(_PARTS)]
        streams = [file.open("wb", buffering=1 << 18) for file in self._files]
        try:
            for entry in entries:
                data = entry.encode("utf-8", "surrogateescape")
                streams[zlib.crc32(data) % _PARTS].write(data.replace(b"\n", b" ") + b"\n")
                self.count += 1
        finally:
            for stream in streams:
                stream.close()

    def part(self, number: int) -> set[str]:
        """The entries of one file."""
        data = self._files[number].read_bytes()
        return set(data.decode("utf-8", "surrogateescape").split("\n")[:-1])
