"""What people decided, written for workers: a connection and a folder in, a file put in place by rename out.

The format is `identity.overlay`'s. The rule: whoever writes holds the folder's lock from reading the database to the
rename, so that the file in place is never older than the one it replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from categories import layered
from identity.directory import Place
from identity.overlay import FILE_NAME, Overlay, OverlayError, pack_overlay, read_overlay, unpack_overlay
from policy import overrides
from registry import sources
from registry.change import revision_number
from registry.devices import places as registered_places
from registry.entries import made
from registry.overrides import decisions
from registry.people import accounts
from registry.requests import answers

TRIES = 100
"""How often the registry is read again when it changes meanwhile."""


def write_overlay(connection: Connection, folder: Path, places: Sequence[Place] | None = None) -> Overlay:
    """Write the overlay of the database's present state into `folder`; what was written.

    `places` are those of the settings file; None keeps those of the file in place, so that a command run
    beside a gateway puts no settings in force that the gateway has not loaded. `connection` must not be in a
    transaction that began before: it has to see the newest state. Raises `OSError` when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / FILE_NAME
    with _writing(folder):
        data = build_overlay(connection, _settings_places(file) if places is None else places)
        if not file.is_file() or file.read_bytes() != data:
            _put(file, data)
    return unpack_overlay(data)


def build_overlay(connection: Connection, settings_places: Sequence[Place] = ()) -> bytes:
    """The bytes of the overlay. Leavers are not in it: who is not in it cannot sign in.

    What is read between two equal revisions is one state, in a transaction or not.
    """
    for _ in range(TRIES):
        number = revision_number(connection)
        people = [account.person for account in accounts(connection, left=False)]
        known = [one.place for one in registered_places(connection)]
        decided = _decided(connection)
        if revision_number(connection) == number:
            return pack_overlay(number, people, known, settings_places, decided)
    raise TimeoutError(f"the registry changed {TRIES} times while it was read")


def _decided(connection: Connection) -> dict[str, Any]:
    """What is decided about pages and lists. What is over stays in until that is written down: readers know when."""
    return {
        "overrides": [overrides.pack(one.override) for one in decisions(connection)],
        "entries": [layered.pack(one.entry) for one in made(connection)],
        "sources": [sources.pack(one.source) for one in sources.sources(connection)],
        "answers": answers(connection),
    }


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    handle = os.open(folder / "overlay.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give(handle, folder)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _settings_places(file: Path) -> tuple[Place, ...]:
    try:
        return read_overlay(file).settings_places
    except OverlayError:
        return ()


def _put(file: Path, data: bytes) -> None:
    """Put `data` in place so that readers and power cuts meet the old file or the new one. `mkstemp` makes it 0600."""
    handle, name = tempfile.mkstemp(prefix=".overlay-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(data)
            temporary.flush()
            _give(temporary.fileno(), file.parent)
            os.fsync(temporary.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _give(handle: int, folder: Path) -> None:
    """Leave a file that root makes to the folder's owner: workers run as that user and must be able to read it."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(handle, owner.st_uid, owner.st_gid)
