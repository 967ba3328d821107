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
        # The numbers as bytes (`logstore.written`), packed and for COPY; nothing packed: not made of these numbers yet.
        self.packed: bytes = b""
        self.copied: bytes = b""
        self.packed_last: bytes = b""
        self.copied_last: bytes = b""


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
        self.past: i64 = 0
        """Where it ends in the bytes it was found in."""
        # While it waits for its end (`logstore.merge`): an object for that alone would be made for every row.
        self.seq: i64 = 0
        """Number of its event."""
        self.since: float = 0.0
        """Since when it waits."""
        self.ending: Any = None
        """Its ending, when it waits for those that repeat it."""
        self.ended_at: i64 = 0
        """Number of the event that told its ending."""

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
        self.of: Any = 0
        """Id of its record."""
        self.past: i64 = 0
        """Where it ends in the bytes it was found in."""

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
        self._texts: dict[bytes, str | None] = {}

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

    def text(self, key: bytes) -> str | None:
        """The one object of the text whose bytes these are, head and all. Raises ValueError when they are none."""
        found = self._texts.get(key)
        if found is None:
            if len(self._texts) >= self._most:
                self._texts.clear()
            found = self._texts[key] = _text(key, 0, len(key))
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
        found = _opened(payload, 0, groups)
    except (ValueError, TypeError, IndexError, msgpack.UnpackException):
        return None
    return None if found is None or found.past != len(payload) else found


def read_close(payload: object, groups: Groups, kinds: dict[Any, Any]) -> tuple[Any, Ended] | None:
    """Id and what else a CLOSE tells; None when it must be unpacked whole. `kinds` are those an ending can have."""
    if not isinstance(payload, bytes) or not payload.startswith(_CLOSE_ARRAY):
        return None
    try:
        found = _ended(payload, 0, groups, kinds)
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
        return None
    return None if found is None or found.past != len(payload) else (found.of, found)


def read_run(data: bytes, weight: int, groups: Groups, kinds: dict[Any, Any]) -> list[Opened | Ended] | None:
    """What many events tell that lie one behind the other, each an OPEN or a CLOSE; None when one is of another shape.

    `weight`: the length of the first, twice that of the second, and so on. So no event is taken for a piece of another.
    """
    told: list[Opened | Ended] = []
    at: i64 = 0
    place: i64 = 0
    weighs: i64 = 0
    size: i64 = len(data)
    try:
        while at < size:
            begin = at
            if data[at] == _OPEN_ARRAY[0]:
                opened = _opened(data, at, groups)
                if opened is None:
                    return None
                told.append(opened)
                at = opened.past
            else:
                ended = _ended(data, at, groups, kinds)
                if ended is None:
                    return None
                told.append(ended)
                at = ended.past
            place += 1
            weighs += place * (at - begin)
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
        return None
    return told if at == size and weighs == weight else None


def _opened(data: bytes, at: i64, groups: Groups) -> Opened | None:
    if not _begins(data, at, _OPEN_ARRAY) or data[at + 6] >= 0x80 or data[at + 14] != 0xCF:
        return None
    who = at + _WHO_AT
    where = _past(data, who, 11)
    path = _past(data, where, 4)
    query = _past(data, path, 1)
    domain = _past(data, query, 1)
    decided = _past(data, domain, 1)
    entry = _past(data, decided, 9)
    stage = _past(data, entry, 1)
    terms = _past(data, stage, 1)
    note = _past(data, terms, 1)
    past = _past(data, note, 1)
    if past > len(data):
        return None
    searched: Any = () if data[terms] == 0x90 else _unpack(data[terms:note], use_list=False)
    opened = Opened(
        _integer(data, at + 5),
        _integer(data, at + 14),
        groups.packed(b"\x9b", data[who:where]),
        groups.packed(b"\x95", data[where:path] + data[domain:decided]),
        groups.packed(b"\x9a", data[decided:entry] + data[stage:terms]),
        None if data[entry] == _NIL else groups.text(data[entry:stage]),
        _text(data, path, query),
        _text(data, query, domain),
        searched,
        _text(data, note, past),
    )
    opened.past = past
    return opened


def _ended(data: bytes, at: i64, groups: Groups, kinds: dict[Any, Any]) -> Ended | None:
    if not _begins(data, at, _CLOSE_ARRAY) or data[at + 3] >= 0x80 or not _begins(data, at + 11, _ENDING_ARRAY):
        return None
    kind = at + _ENDING_AT
    status = _past(data, kind, 1)
    media = _past(data, status, 1)
    title = _past(data, media, 1)
    up = _past(data, title, 1)
    down = _past(data, up, 1)
    duration = _past(data, down, 1)
    error = _past(data, duration, 1)
    said = _past(data, error, 1)
    repeats = _past(data, said, 7)
    past = _past(data, repeats, 1)
    if past > len(data):
        return None
    ended = Ended(
        groups.packed(b"\x98", data[kind:status] + data[said:repeats], kinds),
        None if data[media] == _NIL else groups.text(data[media:title]),
        None if data[status] == _NIL else _integer(data, status),
        _integer(data, up),
        _integer(data, down),
        _integer(data, duration),
        _text(data, error, said),
        _text(data, title, up),
        _integer(data, repeats),
    )
    ended.of, ended.past = _integer(data, at + 2), past
    return ended


def _begins(data: bytes, at: i64, begin: bytes) -> bool:
    """Whether these bytes lie at `at`; without a piece of its own to compare them with. Raises IndexError."""
    size: i64 = len(begin)
    place: i64 = 0
    while place < size:
        if data[at + place] != begin[place]:
            return False
        place += 1
    return True


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
