"""Compiled lists as they lie on disk, and how they are opened.

In comes the folder of snapshots; out comes the index in force, its files checked and mapped. A snapshot is a folder
`<mark>/` of five or six files, and a pointer `current` names the one in force:

    manifest.json   format, revision, lists, size and SHA-256 of the others   (<mark> is its own SHA-256)
    keys.trie       every host, URL and network (marisa trie)
    rows.bin        three columns: which lists have a key, on which line
    phrases.json    words and phrases that count by themselves
    weighted.json   phrases that count together: weights, combinations, exceptions
    pages.hs        what is looked for in pages, compiled by Hyperscan for this machine; absent without it, or without
                    a list that asks for pages

The room's rule here: a snapshot is complete and checked, or it is not opened. Readers of a replaced one keep it: their
pages stay mapped. One predecessor is kept on disk. See docs/decisions/0002.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from categories.domains import DomainTable, map_trie
from categories.index import CompiledIndex
from categories.model import ListStatus, Problem
from categories.needles import loads
from categories.phrases import PhraseEntry
from categories.postings import Postings
from categories.words import Heed, Words

FORMAT = "schoolgate-lists/2"
"""First thing in a manifest. A snapshot of another format is refused and built anew."""
CURRENT = "current"
"""Name of the pointer file."""
REBUILD = "run `schoolgate lists update` to compile the lists again"
"""What helps against every broken snapshot."""
_CHANGED = "is damaged: its content is not what was written (SHA-256 differs)"
MANIFEST, TRIE, ROWS, PHRASES = "manifest.json", "keys.trie", "rows.bin", "phrases.json"
WEIGHTED = "weighted.json"
PAGES = "pages.hs"


class SnapshotError(Exception):
    """Lists that cannot be compiled or opened: what, where and what to do."""

    def __init__(self, what: str, where: Path, what_to_do: str = REBUILD) -> None:
        super().__init__(f"{where}: {what}; {what_to_do}")
        self.what = what
        self.where = where
        self.what_to_do = what_to_do


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What a build did."""

    revision: str
    """Checksum (short) of the compiled content."""
    path: Path
    """The snapshot's folder."""
    lists: tuple[ListStatus, ...]
    """Every list in force."""
    problems: tuple[Problem, ...]
    """Lines not taken or changed in meaning; at most `categories.snapshot.PROBLEMS_KEPT` of each list."""
    seconds: float
    """How long it took."""
    entries: int
    """Entries in force."""


def open_snapshot(folder: Path, verified: str = "") -> CompiledIndex:
    """Open the snapshot in force. Checks every byte once (SHA-256) before anything is answered.

    `verified` is the mark of a snapshot of which somebody on this machine checked every byte already
    (`verify_snapshot`): should it be the one in force, only manifest, sizes and what is read whole
    are looked at again. Raises `SnapshotError` when there is none, or when it is damaged.
    """
    return _of_current(folder, lambda path, mark: _open(path, mark, whole=mark != verified))


def verify_snapshot(folder: Path) -> str:
    """Check every byte of the snapshot in force, for all who open it after; its mark. Raises `SnapshotError`."""

    def verify(path: Path, mark: str) -> str:
        _verify(path, _manifest(path, mark), whole=True)
        return mark

    return _of_current(folder, verify)


def _of_current[Found](folder: Path, look: Callable[[Path, str], Found]) -> Found:
    """What `look` finds in the snapshot in force, which may be superseded meanwhile."""
    mark, before = current_mark(folder), ""
    while mark != before:
        try:
            return look(folder / mark, mark)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                raise SnapshotError(f"cannot be opened: {error}", folder / mark) from error
            mark, before = current_mark(folder), mark  # superseded twice while we were opening it?
    raise SnapshotError("a file of the snapshot is missing", folder / mark)


def current_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in force, without opening the index: to see whether it is stale. Raises `SnapshotError`."""
    mark = current_mark(folder)
    try:
        return _manifest(folder / mark, mark)
    except FileNotFoundError:
        raise SnapshotError("a file of the snapshot is missing", folder / mark) from None


def mark_of(manifest: bytes) -> str:
    """Name of a snapshot's folder: the checksum of its manifest, which holds the checksums of the rest."""
    return hashlib.sha256(manifest).hexdigest()[:24]


def digest_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def status_as_json(status: ListStatus) -> dict[str, Any]:
    """A list's status as it stands in a manifest."""
    return asdict(status)


def current_mark(folder: Path) -> str:
    """Name of the snapshot in force. Raises `SnapshotError` when there is none."""
    pointer = folder / CURRENT
    try:
        mark = pointer.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise SnapshotError("no lists are compiled yet", folder) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(f"cannot be read: {error}", pointer) from error
    if not mark.isalnum():
        raise SnapshotError(f"names no snapshot but {mark[:40]!r}", pointer)
    return mark


def _manifest(path: Path, mark: str) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error}", file) from error
    if mark_of(raw) != mark:
        raise SnapshotError("is damaged: its checksum is not its folder's name", file)
    manifest: dict[str, Any] = json.loads(raw)
    if manifest.get("format") != FORMAT:
        raise SnapshotError(f"has format {manifest.get('format')!r}, this version reads {FORMAT!r}", file)
    return manifest


def _verify(path: Path, manifest: dict[str, Any], *, whole: bool) -> None:
    if manifest["byteorder"] != sys.byteorder:
        raise SnapshotError(f"was built on a {manifest['byteorder']}-endian machine", path)
    for name, told in manifest["files"].items():
        _check(path / name, told["size"], told["sha256"] if whole else None)


def _open(path: Path, mark: str, *, whole: bool) -> CompiledIndex:
    manifest = _manifest(path, mark)
    _verify(path, manifest, whole=whole)
    lists = tuple(ListStatus(**status) for status in manifest["lists"])
    domains = DomainTable(
        map_trie(path / TRIE),
        _postings(path / ROWS, manifest["keys"], manifest["rows"]),
        tuple(manifest["walks_up"]),
        manifest["longest"],
    )
    words = Words(
        lists,
        heeds(manifest["heed"]),
        [PhraseEntry(*row) for row in json.loads(_read(path / PHRASES, manifest))],
        json.loads(_read(path / WEIGHTED, manifest)),
        _read(path / PAGES, manifest) if PAGES in manifest["files"] else None,
    )
    return CompiledIndex(manifest["revision"], lists, domains, words, manifest["fingerprint"])


def heeds(rows: Sequence[tuple[int, Sequence[str]]]) -> list[Heed]:
    """What each list wants of its phrases, as it stands in a manifest."""
    return [Heed(limit, tuple(apply_to)) for limit, apply_to in rows]


def usable_here(path: Path, manifest: dict[str, Any]) -> bool:
    """Whether what Hyperscan compiled into a snapshot is for this processor; true where there is none. Cheap."""
    return PAGES not in manifest["files"] or loads((path / PAGES).read_bytes())


def _check(file: Path, size: int, sha256: str | None) -> None:
    try:
        actual = file.stat().st_size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error}", file) from error
    if actual != size:
        raise SnapshotError(f"is damaged: {actual:,} bytes long, {size:,} were written", file)
    if sha256 is not None and digest_of(file) != sha256:
        raise SnapshotError(_CHANGED, file)


def _read(file: Path, manifest: dict[str, Any]) -> bytes:
    """All of a file that is read whole anyway, and is what the manifest says, whoever verified it before."""
    raw = file.read_bytes()
    if hashlib.sha256(raw).hexdigest() != manifest["files"][file.name]["sha256"]:
        raise SnapshotError(_CHANGED, file)
    return raw


def _postings(file: Path, keys: int, rows: int) -> Postings:
    """Map the columns. Native byte order: a snapshot is built on the machine that reads it."""
    with file.open("rb") as stream:
        view = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    ends = list(_ends(4 * (keys + 1), 4 * rows, 2 * rows))
    if ends[-1] != len(view):
        raise SnapshotError("is damaged: its columns do not add up", file)
    starts, lines, lists = view[: ends[0]], view[ends[0] : ends[1]], view[ends[1] :]
    return Postings(starts.cast("I"), lists.cast("H"), lines.cast("I"))


def _ends(*sizes: int) -> Iterator[int]:
    total = 0
    for size in sizes:
        total += size
        yield total


def write_synced(file: Path, data: bytes) -> None:
    """Write a file so that a rename that follows cannot overtake its content."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
