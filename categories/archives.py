"""What was downloaded, made into list files: bytes of a stranger in, plain files in a folder of ours out.

gzip and xz are taken off, tar and zip are opened. The rule: nothing is trusted. Every member is written by this file
under a name it has checked, links only ever name a neighbour, and sizes are counted while bytes come out, not believed
from a header. Nothing is written outside the folder, whatever an archive says.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Protocol

CHUNK = 1 << 20
LIST_FILE = "list"
"""Name of the file, where the source is one."""
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_DEEPEST = 4
_GZIP, _XZ, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile, RuntimeError)


class ArchiveProblem(Exception):
    """What was downloaded is not taken: what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may come out."""

    bytes: int = 2 * 1024**3
    """Bytes of all files together."""
    members: int = 5_000
    """Files, folders and links."""


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class _Counted(io.RawIOBase):
    """A stream that ends with a problem when more comes out than there is room for."""

    def __init__(self, stream: Readable, room: Room) -> None:
        self._stream = stream
        self._left = room.bytes
        self.total = 0
        """Bytes that came out so far."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        self.total += len(data)
        if self._left < 0:
            raise ArchiveProblem("more comes out of it than a list may hold: it is a bomb, or not a list")
        buffer[: len(data)] = data
        return len(data)


def unpack(file: Path, folder: Path, *, tree: bool, room: Room | None = None) -> None:
    """Make list files of `file` in `folder`, which is made: one file `list`, or with `tree` what the archive holds.

    Raises `ArchiveProblem`, or `OSError` when the disk refuses; then `folder` may hold a part.
    """
    room = room or Room()
    folder.mkdir(parents=True)
    try:
        with file.open("rb") as raw:
            stream, kind = _plain(raw, room)
            if tree:
                _take_tree(stream, raw, kind, folder, room)
            else:
                _take_file(stream, kind, folder / LIST_FILE)
    except _BROKEN as error:
        raise ArchiveProblem(f"it is damaged: {error}") from error


def _plain(raw: BinaryIO, room: Room) -> tuple[io.BufferedReader[Any], str]:
    """The stream without compression, and what it is: `tar`, `zip` or `file`."""
    head = raw.read(6)
    raw.seek(0)
    opened: Readable = raw
    if head.startswith(_GZIP):
        opened = gzip.GzipFile(fileobj=raw)
    elif head.startswith(_XZ):
        opened = lzma.LZMAFile(raw)  # noqa: SIM115 - holds nothing but `raw`, which the caller closes
    stream = io.BufferedReader(_Counted(opened, room), CHUNK)
    start = stream.peek(512)
    if start.startswith(_ZIP):
        return stream, "zip"
    return stream, "tar" if start[257:262] == b"ustar" else "file"


def _take_file(stream: IO[bytes], kind: str, target: Path) -> None:
    if kind != "file":
        raise ArchiveProblem(f"it is a {kind} archive, not one list; a tree of lists has format `ut1`")
    _write(stream, target)


def _take_tree(stream: io.BufferedReader[Any], raw: BinaryIO, kind: str, folder: Path, room: Room) -> None:
    if kind == "tar":
        _take_tar(stream, folder, room)
    elif kind == "zip":
        raw.seek(0)
        _take_zip(raw, folder, room)
    else:
        raise ArchiveProblem("it is no archive; a UT1 tree comes as tar.gz, tar.xz or zip")


def _take_tar(stream: io.BufferedReader[Any], folder: Path, room: Room) -> None:
    links: list[tuple[Path, str]] = []
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive, 1):
            _check_count(number, room)
            place = _place(member.name)
            if member.isreg():
                data = archive.extractfile(member)
                if data is None:
                    raise ArchiveProblem(f"{member.name[:120]!r} has no content")
                _write(data, folder / place)
            elif member.issym():
                links.append((folder / place, _neighbour(member.name, member.linkname)))
            elif not member.isdir():
                raise ArchiveProblem(f"{member.name[:120]!r} is neither file, folder nor link")
        if stream.raw.total < archive.offset + tarfile.BLOCKSIZE:  # tarfile takes a missing end for an end
            raise ArchiveProblem("it is damaged: its end is missing")
    _make_links(links)


def _take_zip(raw: BinaryIO, folder: Path, room: Room) -> None:
    left = room.bytes
    with zipfile.ZipFile(raw) as archive:
        for number, member in enumerate(archive.infolist(), 1):
            _check_count(number, room)
            place = _place(member.filename)
            if member.is_dir():
                continue
            with archive.open(member) as data:
                left -= _write(io.BufferedReader(_Counted(data, Room(left))), folder / place)


def _check_count(number: int, room: Room) -> None:
    if number > room.members:
        raise ArchiveProblem(f"it holds more than {room.members} files")


def _place(name: str) -> PurePosixPath:
    """Where a member goes: every part of its name is a plain word."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or (not parts and name.strip("./")):
        raise ArchiveProblem(f"{name[:120]!r} leads out of the archive")
    if len(parts) > _DEEPEST or not all(_PART.fullmatch(part) for part in parts):
        raise ArchiveProblem(f"{name[:120]!r} is no name for a file of a list")
    return PurePosixPath(*parts)


def _neighbour(name: str, target: str) -> str:
    plain = target.removeprefix("./").rstrip("/")
    if not _PART.fullmatch(plain):
        raise ArchiveProblem(f"{name[:120]!r} is a link that leads elsewhere ({target[:120]!r})")
    return plain


def _make_links(links: list[tuple[Path, str]]) -> None:
    """Last, so that nothing is ever written through one."""
    for place, target in links:
        if not place.exists() and (place.parent / target).is_dir():
            place.symlink_to(target)


def _write(data: IO[bytes], target: Path) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with target.open("xb") as out:
        while chunk := data.read(CHUNK):
            size += out.write(chunk)
    return size


def tree_files(folder: Path, room: Room | None = None) -> Iterator[tuple[PurePosixPath, Path]]:
    """Files and links of a folder on this machine that is a source, under the same rules. Raises `ArchiveProblem`."""
    room = room or Room()
    number = 0
    for file in sorted(folder.rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        number += 1
        _check_count(number, room)
        if file.is_symlink() or file.is_file():
            yield _place(file.relative_to(folder).as_posix()), file


def copy_tree(folder: Path, target: Path, room: Room | None = None) -> None:
    """Copy a folder that is a source. Raises `ArchiveProblem` or `OSError`."""
    room = room or Room()
    target.mkdir(parents=True)
    left, links = room.bytes, []
    for place, file in tree_files(folder, room):
        if file.is_symlink():
            links.append((target / place, _neighbour(str(place), str(file.readlink()))))
            continue
        with file.open("rb") as data:
            left -= _write(io.BufferedReader(_Counted(data, Room(left))), target / place)
    _make_links(links)
