"""What people decided, as a file for workers: bytes in, `Overlay` out. The reading half; `registry.overlay` writes.

A file is one MessagePack map: `schoolgate-overlay` (version of the format), `sha256` of `body`, and `body`, itself a
MessagePack map. A reader takes the keys and the leading columns it knows and ignores the rest, so that a newer writer
may add more; it refuses a version it does not know and a body whose checksum is wrong. A refused file changes nothing:
the people in force stay in force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgpack

from identity.directory import Directory, Person, Place

VERSION = 1
"""Version of the format. Raised only when an older reader would misread; added keys and columns do not raise it."""
FILE_NAME = "overlay.msgpack"
"""Name of the file in the overlay folder."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
_SHARED, _DISABLED, _CONSENT = 1, 2, 4
_OURS = frozenset({"number", "people", "places", "settings_places"})


class OverlayError(Exception):
    """The overlay cannot be used: missing, cut short, altered, or of another version."""

    def __init__(self, what: str, where: Path | None = None) -> None:
        super().__init__(f"overlay: {what}" if where is None else f"overlay {where}: {what}")
        self.what = what
        """What is wrong."""
        self.where = where
        """The file, when there is one."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One state of what people decided."""

    revision: str
    """Name of this state: the registry's number and the start of the checksum."""
    directory: Directory
    """People and places, ready to ask."""
    number: int = 0
    """The registry's revision number."""
    settings_places: tuple[Place, ...] = field(default=(), repr=False)
    """Those of the places that came from the settings file, as written there."""
    decided: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What people decided about other things than people, as primitives: whoever understands a key reads it."""


def pack_overlay(
    number: int,
    people: Iterable[Person],
    places: Iterable[Place],
    settings_places: Iterable[Place] = (),
    more: dict[str, Any] | None = None,
) -> bytes:
    """The bytes of an overlay. `more` is further keys for later readers; equal arguments give equal bytes."""
    body = msgpack.packb(
        {
            **(more or {}),
            "number": number,
            "people": [_person_row(person) for person in sorted(people, key=lambda person: person.name)],
            "places": [_place_row(place) for place in places],
            "settings_places": [_place_row(place) for place in settings_places],
        }
    )
    outer = {"schoolgate-overlay": VERSION, "sha256": hashlib.sha256(body).digest(), "body": body}
    return bytes(msgpack.packb(outer))


def unpack_overlay(data: bytes) -> Overlay:
    """Read the bytes of an overlay. Raises `OverlayError` and nothing else."""
    try:
        return _read(data)
    except OverlayError:
        raise
    except (*_UNREADABLE, msgpack.UnpackException) as error:
        raise OverlayError(f"is cut short, or not an overlay: {error}") from error


def read_overlay(path: Path) -> Overlay:
    """Read an overlay file. Raises `OverlayError` naming the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OverlayError(f"cannot be read: {error.strerror}", path) from error
    try:
        return unpack_overlay(data)
    except OverlayError as error:
        raise OverlayError(error.what, path) from error


class OverlayWatch:
    """Tells when there is a new overlay file. One `stat` a question: cheap enough to ask four times a second."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist yet."""
        self.path = path
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        """True once for each file put in place since the last question, the first one included.

        A file that went away is no news: what is in force stays in force.
        """
        try:
            status = self.path.stat()
        except OSError:
            return False
        now = (status.st_ino, status.st_mtime_ns, status.st_size)
        news = now != self._seen
        self._seen = now
        return news


def _read(data: bytes) -> Overlay:
    outer = msgpack.unpackb(data)
    if not isinstance(outer, dict) or "schoolgate-overlay" not in outer:
        raise OverlayError("is not an overlay")
    if outer["schoolgate-overlay"] != VERSION:
        raise OverlayError(f"has format {outer['schoolgate-overlay']!r}; this version reads {VERSION}")
    digest = hashlib.sha256(outer["body"]).digest()
    if digest != outer["sha256"]:
        raise OverlayError("was altered or damaged: its checksum is wrong")
    body = msgpack.unpackb(outer["body"])
    revision = f"{int(body['number'])}-{digest.hex()[:12]}"
    settings_places = tuple(map(_place, body["settings_places"]))
    places = (*settings_places, *map(_place, body["places"]))
    directory = Directory(_People(body["people"]), places, revision)
    decided = {key: value for key, value in body.items() if key not in _OURS}
    return Overlay(revision, directory, int(body["number"]), settings_places, decided)


class _People(Mapping[str, Person]):
    """People who become objects when first asked for: a change of one must not cost 20,000 on every worker."""

    def __init__(self, rows: list[list[Any]]) -> None:
        if not all(isinstance(row, list) and len(row) >= 7 and isinstance(row[0], str) for row in rows):
            raise OverlayError("holds a person that cannot be read")
        self._rows = {row[0]: row for row in rows}
        self._made: dict[str, Person] = {}

    def __getitem__(self, name: str) -> Person:
        person = self._made.get(name)
        if person is None:
            person = self._made[name] = _person(self._rows[name])
        return person

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _person_row(person: Person) -> list[Any]:
    flags = _SHARED * person.shared | _DISABLED * person.disabled | _CONSENT * person.consent
    until = person.suspended_until
    micros = None if until is None else (until - _EPOCH) // timedelta(microseconds=1)
    return [person.name, person.password_hash, person.band, person.site, sorted(person.groups), flags, micros]


def _person(row: list[Any]) -> Person:
    name, password_hash, band, site, groups, flags, micros = row[:7]
    return Person(
        name,
        password_hash,
        band,
        frozenset(groups),
        bool(flags & _SHARED),
        bool(flags & _DISABLED),
        bool(flags & _CONSENT),
        None if micros is None else _EPOCH + timedelta(microseconds=micros),
        site,
    )


def _place_row(place: Place) -> list[Any]:
    return [place.network, place.site, place.device, place.band, sorted(place.groups), int(place.shared)]


def _place(row: list[Any]) -> Place:
    network, site, device, band, groups, shared = row[:6]
    return Place(network, site, device, frozenset(groups), band, bool(shared))
