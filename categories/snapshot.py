"""Compile lists into a snapshot, and open the one in force: the door of this room's files.

In come sources and the taxonomy's names; out comes a `SnapshotReport`, and the new snapshot is in force. Everything
is built in a folder aside and renamed; a build that fails leaves what was in force untouched. One build at a time (a
lock file). Memory is bounded by the keys, not by the lists: lines stream from the lists to a file of keys, six bytes
a row stay in memory, and the trie takes the keys from the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from categories.domains import BELOW, MOST_LISTS, KeyFile, build_trie, domain_key, url_keys
from categories.model import EntryKind, ListStatus, Problem
from categories.needles import precompiled
from categories.networks import bits_of
from categories.parse import Entry, parse, problem
from categories.phrases import PhraseEntry
from categories.sources import ListFile, ListSource, Names, list_files, source_fingerprint
from categories.stored import (
    CURRENT,
    FORMAT,
    MANIFEST,
    PAGES,
    PHRASES,
    ROWS,
    TRIE,
    WEIGHTED,
    SnapshotError,
    SnapshotReport,
    current_manifest,
    current_mark,
    digest_of,
    heeds,
    mark_of,
    open_snapshot,
    status_as_json,
    usable_here,
    verify_snapshot,
    write_synced,
)
from categories.weighted import as_row
from categories.words import Words

__all__ = [
    "SnapshotError",
    "SnapshotReport",
    "adopt_snapshot",
    "build_snapshot",
    "current_manifest",
    "open_snapshot",
    "snapshot_is_current",
    "verify_snapshot",
]

PROBLEMS_KEPT = 1000
"""Problems kept of each list; all are counted."""
KEPT = 2
"""Snapshots kept on disk: the one in force and its predecessor."""
_ASIDE = "building-"
_CORRECT = "correct that and try again; the lists in force stay as they are"


def build_snapshot(sources: Sequence[ListSource], folder: Path, taxonomy: Names) -> SnapshotReport:
    """Compile `sources` into `folder` and put the result in force.

    Lines that cannot be taken are problems in the report. A source that cannot be read at all fails the whole build
    with `SnapshotError`, as does a full disk: half a set of lists never replaces a whole one.
    """
    try:
        return _build(sources, folder, taxonomy)
    except OSError as error:
        raise SnapshotError(f"lists cannot be compiled: {error}", folder, _CORRECT) from error


def _build(sources: Sequence[ListSource], folder: Path, taxonomy: Names) -> SnapshotReport:
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), tempfile.TemporaryDirectory(prefix=_ASIDE, dir=folder) as aside:
        fingerprint = source_fingerprint(sources)
        compiled = _Compiled(Path(aside) / "new")
        files = _files(sources, taxonomy, compiled, folder)
        with tempfile.TemporaryFile(dir=aside) as spill:
            keys = KeyFile(spill)
            for file in files:
                compiled.take(file, keys)
            manifest = compiled.write(keys, fingerprint)
        raw = json.dumps(manifest, indent=1).encode()
        write_synced(compiled.path / MANIFEST, raw)
        path = folder / mark_of(raw)
        compiled.path.rename(path)
        _put_in_force(folder, path.name)
    _forget_old(folder, path.name)
    return SnapshotReport(
        manifest["revision"],
        path,
        tuple(compiled.statuses()),
        tuple(compiled.problems),
        time.perf_counter() - started,
        sum(compiled.entries),
    )


def adopt_snapshot(aside: Path, folder: Path) -> Path:
    """Put the snapshot that was built in the folder `aside` in force in `folder`, by rename; where it is now.

    Both are on one file system. Raises `SnapshotError`; then what was in force stays.
    """
    try:
        with _alone(folder):
            mark = current_mark(aside)
            path = folder / mark
            (aside / mark).rename(path)
            _put_in_force(folder, mark)
        _forget_old(folder, mark)
    except OSError as error:
        raise SnapshotError(f"new lists cannot be put in force: {error}", folder, _CORRECT) from error
    return path


def snapshot_is_current(folder: Path, sources: Sequence[ListSource]) -> bool:
    """True when the snapshot in force was built from these sources as they are now. Cheap: looks at names and times.

    False when there is none or it cannot be read, so that it is built again.
    """
    try:
        manifest = current_manifest(folder)
        return bool(
            manifest["fingerprint"] == source_fingerprint(sources)
            and usable_here(folder / current_mark(folder), manifest)
        )
    except (SnapshotError, OSError):
        return False


class _Compiled:
    """A snapshot in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir()
        self.problems: list[Problem] = []
        self.entries: list[int] = []
        self._files: list[ListFile] = []
        self._numbers: dict[str, int] = {}
        self._wrong: list[int] = []
        self._told: list[int] = []
        self._updated: list[float] = []
        self._phrases: dict[tuple[int, str], PhraseEntry] = {}
        self._weighted: list[list[Any]] = []

    def take(self, file: ListFile, keys: KeyFile) -> None:
        """Read one list file."""
        number = self._number(file)
        self._updated[number] = max(self._updated[number], file.path.stat().st_mtime)
        parents = file.url_match == "parents"
        with file.path.open("rb", buffering=1 << 20) as stream:
            for item in parse(file.format, stream, file.name, top_levels=file.top_levels, only=file.only):
                if isinstance(item, Problem):
                    self.tell(number, item)
                else:
                    self.entries[number] += 1
                    self._add(item, number, parents, keys)

    def tell(self, number: int, item: Problem) -> None:
        """Count the lines that are not taken, and keep the first problems of each list."""
        self._wrong[number] += 0 if item.taken else item.lines
        self._told[number] += 1
        if self._told[number] <= PROBLEMS_KEPT:
            self.problems.append(item)
        elif self._told[number] == PROBLEMS_KEPT + 1:
            self.problems.append(
                problem(item.list, item.line, item.text, "and more problems from here on, only counted")
            )

    def statuses(self) -> Iterator[ListStatus]:
        """Every list, in the order of its number."""
        for number, file in enumerate(self._files):
            yield ListStatus(
                file.name,
                file.category,
                self.entries[number],
                self._wrong[number],
                self._updated[number],
                str(file.path),
            )

    def write(self, keys: KeyFile, fingerprint: str) -> dict[str, Any]:
        """Write trie, rows, phrases and weighted phrases; give the manifest."""
        trie = build_trie(keys.keys(), self.path / TRIE)
        starts, lists, lines = keys.columns(trie.get, len(trie))
        with (self.path / ROWS).open("wb") as stream:
            for column in (starts, lines, lists):
                column.tofile(stream)
        phrases = json.dumps(list(self._phrases.values())).encode()
        (self.path / PHRASES).write_bytes(phrases)
        (self.path / WEIGHTED).write_bytes(json.dumps(self._weighted).encode())
        heed = [(file.limit, list(file.apply_to)) for file in self._files]
        names = (TRIE, ROWS, PHRASES, WEIGHTED, *self._compile_pages(heed))
        files = {name: self._sealed(self.path / name) for name in names}
        walks_up = [file.url_match == "parents" for file in self._files]
        content = [FORMAT, [(file.name, file.category) for file in self._files], walks_up, heed, files]
        return {
            "format": FORMAT,
            "revision": hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12],
            "fingerprint": fingerprint,
            "build": secrets.token_hex(8),  # two builds never share a folder, not even over a damaged one
            "byteorder": sys.byteorder,
            "keys": len(trie),
            "rows": len(lines),
            "longest": keys.longest + 1,
            "walks_up": walks_up,
            "heed": heed,
            "files": files,
            "lists": [status_as_json(status) for status in self.statuses()],
        }

    def _compile_pages(self, heed: Sequence[tuple[int, Sequence[str]]]) -> Iterator[str]:
        """Compile once for the machine what every worker looks for in pages."""
        if not any("page" in uses for _, uses in heed):
            return
        words = Words(tuple(self.statuses()), heeds(heed), list(self._phrases.values()), self._weighted)
        if words.pages is not None and (compiled := precompiled(words.pages.parts)) is not None:
            (self.path / PAGES).write_bytes(compiled)
            yield PAGES

    def _number(self, file: ListFile) -> int:
        number = self._numbers.setdefault(file.name, len(self._files))
        if number < len(self._files):
            first = self._files[number]
            if _nature(first) != _nature(file):
                raise SnapshotError(f"two lists are called {file.name}", file.path, "give one another name")
        else:
            if number >= MOST_LISTS:
                raise SnapshotError(f"more than {MOST_LISTS} lists", file.path, "join some of them")
            self._files.append(file)
            self.entries.append(0)
            self._wrong.append(0)
            self._told.append(0)
            self._updated.append(0.0)
        return number

    def _add(self, entry: Entry, number: int, parents: bool, keys: KeyFile) -> None:
        kind, value, line, weight, scored, whole = entry
        if kind is EntryKind.URL:
            key, head = url_keys(value, parents)
            keys.add(key, number, line)
            keys.add(head, number | BELOW, line)
        elif scored is not None:
            self._weighted.append(as_row(number, scored))
        elif kind is EntryKind.PHRASE:
            self._phrases.setdefault((number, value), PhraseEntry(number, value, line, weight, whole))
        else:
            keys.add(domain_key(value) if kind is EntryKind.DOMAIN else bits_of(value), number, line)

    def _sealed(self, file: Path) -> dict[str, Any]:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        return {"size": file.stat().st_size, "sha256": digest_of(file)}


def _nature(file: ListFile) -> tuple[object, ...]:
    """What files of one list must have in common."""
    return file.category, file.url_match, file.limit, file.apply_to


def _files(sources: Sequence[ListSource], names: Names, compiled: _Compiled, folder: Path) -> list[ListFile]:
    """All files to read. A source that cannot be read at all ends the build, every such source named at once."""
    unreadable: list[str] = []
    files: list[ListFile] = []
    for source in sources:
        for item in list_files(source, names):
            if isinstance(item, ListFile):
                files.append(item)
            elif item.line:
                compiled.problems.append(item)
            else:
                unreadable.append(f"list {item.list}: {item.text} {item.why}")
    if unreadable:
        raise SnapshotError("; ".join(unreadable), folder, _CORRECT)
    return files


def _put_in_force(folder: Path, mark: str) -> None:
    pointer = folder / f".{CURRENT}.new"
    write_synced(pointer, mark.encode("ascii") + b"\n")
    pointer.replace(folder / CURRENT)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the rename itself, too, must outlive a power cut
    finally:
        os.close(handle)


def _forget_old(folder: Path, mark: str) -> None:
    """Remove all but the snapshot in force and the youngest other one. Whoever has one mapped keeps it."""
    others = [path for path in folder.iterdir() if path.is_dir() and path.name != mark and (path / MANIFEST).exists()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build at a time; what an interrupted one left behind is cleared away."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
