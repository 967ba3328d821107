"""What an event of the spool tells, found in its bytes: only what a row needs is unpacked, and what repeats not again.

In come the bytes of an OPEN or a CLOSE as `logstore.encoding` writes them; out go `Opened` and `Ended`, or None for
bytes of any other shape: those are unpacked whole, by whoever asked. Values that hardly vary without each other are a
`Group`, known by their bytes, and equal groups are one object: a thousand requests of one person hold one name, and
where a row's numbers are known for a group nobody looks for them again. The rule: what is found here is what unpacking
would have found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import msgpack

if TYPE_CHECKING:
    from mypy_extensions import i64

MOST: Final = 200_000
"""Groups that are remembered as one object; then remembering begins anew."""
WHO: Final = (
    "worker", "revision", "site", "user", "user_source", "verified", "shared", "band", "groups", "device",
    "client_address",
)  # fmt: skip
"""Fields of the first group of a record: who asked, and which worker decided."""
WHERE: Final = ("method", "scheme", "host", "port", "domain")
"""Fields of the second: where to."""
DECIDED: Final = (
    "page", "action", "blocked", "reason", "tier", "rule", "category", "categories", "list", "stage",
)  # fmt: skip
"""Fields of the third: the verdict."""
ALONE: Final = ("entry", "path", "query", "terms", "note")
"""Fields of a record that stand by themselves, behind the groups."""
ENDED: Final = ("kind", "page", "action", "blocked", "reason", "rule", "category", "stage")
"""Fields of the group of an ending."""
ALONE_AT_END: Final = ("content_type", "status", "bytes_up", "bytes_down", "duration_us", "error", "title", "repeats")
"""Fields of an ending that stand by themselves, behind the group."""

type Told = tuple[Any, ...]
"""Values of a group, in the order of its fields."""

# How the events of version 1 begin: an array of version and record, of version, id and ending.
_OPEN_ARRAY: Final = b"\x92\x01\xdc\x00\x21\xcf"
_CLOSE_ARRAY: Final = b"\x93\x01\xcf"
_ENDING_ARRAY: Final = b"\xdc\x00\x10"
_WHO_AT: Final = 23
_ENDING_AT: Final = 14
_NIL: Final = 0xC0
_LARGEST: Final = 2**63 - 1
_unpack: Final = msgpack.unpackb


@final
class Group:
    """Values that hardly vary without each other, and what is known of them."""

    def __init__(self, told: Told) -> None:
        self.told: Told = told
        """The values."""
        self.known: object = None
        """For what the numbers hold (`logstore.folding.Known.sign`); None for nothing yet."""
        self.numbers: tuple[Any, ...] = ()
        """The numbers a row has in place of these values."""
        self.ends: dict[Group, tuple[Any, ...]] = {}
        """Of a verdict: the numbers it has with each group of an ending."""


@final
class Opened:
    """What an OPEN tells."""

    def __init__(
        self,
        record_id: Any,
        time_us: Any,
        who: Group,
        where: Group,
        decided: Group,
        entry: Any,
        path: Any,
        query: Any,
        terms: Any,
        note: Any,
    ) -> None:
        self.id: Any = record_id
        """Id of the record."""
        self.time_us: Any = time_us
        """When it was, microseconds since the Unix epoch."""
        self.who: Group = who
        """Values of `WHO`."""
        self.where: Group = where
        """Values of `WHERE`."""
        self.decided: Group = decided
        """Values of `DECIDED`."""
        self.entry: Any = entry
        """The list's entry."""
        self.path: Any = path
        """Path."""
        self.query: Any = query
        """Query string."""
        self.terms: Any = terms
        """Search terms."""
        self.note: Any = note
        """The remark."""

    def alone(self) -> Told:
        """Values of `ALONE`."""
        return (self.entry, self.path, self.query, self.terms, self.note)


@final
class Ended:
    """What a CLOSE tells beside its id."""

    def __init__(
        self,
        group: Group,
        media: Any,
        status: Any,
        up: Any,
        down: Any,
        duration: Any,
        error: Any,
        title: Any,
        repeats: Any,
    ) -> None:
        self.group: Group = group
        """Values of `ENDED`."""
        self.media: Any = media
        """Media type."""
        self.status: Any = status
        """HTTP status."""
        self.up: Any = up
        """Bytes from the client."""
        self.down: Any = down
        """Bytes to the client."""
        self.duration: Any = duration
        """Microseconds."""
        self.error: Any = error
        """What failed."""
        self.title: Any = title
        """Title of the page."""
        self.repeats: Any = repeats
        """Exchanges more that the row stands for."""

    def alone(self) -> Told:
        """Values of `ALONE_AT_END`."""
        return (
            self.media, self.status, self.up, self.down, self.duration, self.error, self.title, self.repeats,
        )  # fmt: skip


@final
class Groups:
    """The groups that are remembered, by their bytes or by their values."""

    def __init__(self, most: int = MOST) -> None:
        """`most`: groups that are remembered at a time."""
        self._most = most
        self._known: dict[Any, Group] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, told: Told) -> Group:
        """The one object of these values; one by itself when something in them is what no field can be."""
        try:
            found = self._known.get(told)
        except TypeError:
            return Group(told)
        if found is None:
            found = self._keep(told, Group(told))
        return found

    def packed(self, head: bytes, key: bytes, kinds: dict[Any, Any] | None = None) -> Group:
        """The one object of the values whose bytes these are, behind the head of their array.

        With `kinds`, what the first of them stands for. Raises what unpacking raises, KeyError for an unknown kind.
        """
        found = self._known.get(key)
        if found is None:
            told = _unpack(head + key, use_list=False)
            if kinds is not None:
                told = (kinds[told[0]], *told[1:])
            found = self._keep(key, Group(told))
        return found

    def _keep(self, key: Any, group: Group) -> Group:
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[key] = group
        return group


def read_open(payload: object, groups: Groups) -> Opened | None:
    """What an OPEN tells; None when it must be unpacked whole, be it sound or not."""
    if not isinstance(payload, bytes) or not payload.startswith(_OPEN_ARRAY):
        return None
    try:
        return _opened(payload, groups)
    except (ValueError, TypeError, IndexError, msgpack.UnpackException):
        return None


def read_close(payload: object, groups: Groups, kinds: dict[Any, Any]) -> tuple[Any, Ended] | None:
    """Id and what else a CLOSE tells; None when it must be unpacked whole. `kinds` are those an ending can have."""
    if not isinstance(payload, bytes) or not payload.startswith(_CLOSE_ARRAY):
        return None
    if payload[11:_ENDING_AT] != _ENDING_ARRAY:
        return None
    try:
        return _ended(payload, groups, kinds)
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
        return None


def _opened(payload: bytes, groups: Groups) -> Opened | None:
    if payload[6] >= 0x80 or payload[14] != 0xCF:
        return None
    where = _past(payload, _WHO_AT, 11)
    path = _past(payload, where, 4)
    query = _past(payload, path, 1)
    domain = _past(payload, query, 1)
    decided = _past(payload, domain, 1)
    entry = _past(payload, decided, 9)
    stage = _past(payload, entry, 1)
    terms = _past(payload, stage, 1)
    note = _past(payload, terms, 1)
    if _past(payload, note, 1) != len(payload):
        return None
    searched: Any = () if payload[terms] == 0x90 else _unpack(payload[terms:note], use_list=False)
    return Opened(
        _integer(payload, 5),
        _integer(payload, 14),
        groups.packed(b"\x9b", payload[_WHO_AT:where]),
        groups.packed(b"\x95", payload[where:path] + payload[domain:decided]),
        groups.packed(b"\x9a", payload[decided:entry] + payload[stage:terms]),
        _text(payload, entry, stage),
        _text(payload, path, query),
        _text(payload, query, domain),
        searched,
        _text(payload, note, len(payload)),
    )


def _ended(payload: bytes, groups: Groups, kinds: dict[Any, Any]) -> tuple[Any, Ended] | None:
    if payload[3] >= 0x80:
        return None
    status = _past(payload, _ENDING_AT, 1)
    media = _past(payload, status, 1)
    title = _past(payload, media, 1)
    up = _past(payload, title, 1)
    down = _past(payload, up, 1)
    duration = _past(payload, down, 1)
    error = _past(payload, duration, 1)
    said = _past(payload, error, 1)
    repeats = _past(payload, said, 7)
    if _past(payload, repeats, 1) != len(payload):
        return None
    ended = Ended(
        groups.packed(b"\x98", payload[_ENDING_AT:status] + payload[said:repeats], kinds),
        _text(payload, media, title),
        None if payload[status] == _NIL else _integer(payload, status),
        _integer(payload, up),
        _integer(payload, down),
        _integer(payload, duration),
        _text(payload, error, said),
        _text(payload, title, up),
        _integer(payload, repeats),
    )
    return _integer(payload, 2), ended


def _past(data: bytes, at: i64, values: i64) -> i64:
    """Where so many values end that begin at `at`. Raises ValueError for a kind that no field has, IndexError."""
    while values > 0:
        kind: i64 = data[at]
        if kind < 0x80 or kind >= 0xE0:
            at += 1
        elif kind < 0xA0:
            if kind < 0x90:
                raise ValueError("not a value that can be passed over")
            values += kind - 0x90
            at += 1
        elif kind < 0xC0:
            at += kind - 0x9F
        elif kind == 0xC0 or kind == 0xC2 or kind == 0xC3:  # noqa: PLR1714 - a tuple would be made for each
            at += 1
        elif kind == 0xD9:
            length: i64 = data[at + 1]
            at += 2 + length
        elif kind == 0xDA:
            at += 3 + _two(data, at + 1)
        elif 0xCC <= kind <= 0xCF:
            at += 1 + (1 << (kind - 0xCC))
        elif 0xD0 <= kind <= 0xD3:
            at += 1 + (1 << (kind - 0xD0))
        else:
            raise ValueError("not a value that can be passed over")
        values -= 1
    return at


def _text(data: bytes, begin: i64, end: i64) -> str | None:
    """The text that lies there, or None. Raises ValueError when it is neither, or no UTF-8."""
    kind: i64 = data[begin]
    if kind == _NIL:
        return None
    if 0xA0 <= kind < 0xC0:
        return data[begin + 1 : end].decode()
    if kind == 0xD9:
        return data[begin + 2 : end].decode()
    if kind == 0xDA:
        return data[begin + 3 : end].decode()
    raise ValueError("not a text")


def _integer(data: bytes, at: i64) -> int:
    """The number at `at`, not negative. Raises ValueError when there is none."""
    kind: i64 = data[at]
    if kind < 0x80:
        return int(kind)
    if kind == 0xCC:
        return data[at + 1]
    if kind == 0xCD:
        return int(_two(data, at + 1))
    if kind == 0xCE:
        return int(_four(data, at + 1))
    if kind == 0xCF:
        upper, lower = _four(data, at + 1), _four(data, at + 5)
        return int(upper << 32 | lower) if upper < 0x80000000 else int.from_bytes(data[at + 1 : at + 9])
    raise ValueError("not a number")


def _two(data: bytes, at: i64) -> i64:
    upper: i64 = data[at]
    lower: i64 = data[at + 1]
    return upper << 8 | lower


def _four(data: bytes, at: i64) -> i64:
    return _two(data, at) << 16 | _two(data, at + 2)
