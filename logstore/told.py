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

from logstore.packedvalues import NIL, begins, integer_at, past_values, text_at

if TYPE_CHECKING:
    from mypy_extensions import i64

MOST: Final = 200_000
"""Groups that are remembered as one object; then remembering begins anew."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of groups, and of texts, that are remembered; then remembering them begins anew. A school's 200,000 groups have
half as many."""
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

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """`most`: groups that are remembered at a time; `most_bytes`: bytes of them, and of the texts."""
        self._most = most
        self._most_bytes: i64 = most_bytes
        self._bytes: i64 = 0
        self._bytes_of_texts: i64 = 0
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
            found = text_at(key, 0, len(key))
            self._bytes_of_texts += len(key)
            if len(self._texts) >= self._most or self._bytes_of_texts > self._most_bytes:
                self._texts.clear()
                self._bytes_of_texts = len(key)
            self._texts[key] = found
        return found

    def _keep(self, key: Any, group: Group) -> Group:
        size: i64 = len(key) if isinstance(key, bytes) else _size(key)
        self._bytes += size
        if len(self._known) >= self._most or self._bytes > self._most_bytes:
            self._known.clear()
            self._bytes = size
        self._known[key] = group
        return group


def _size(told: Told) -> i64:
    """About as many bytes as the values have when they are packed."""
    size: i64 = len(told)
    for value in told:
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, tuple):
            size += sum([len(one) for one in value if isinstance(one, str)])
    return size


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
    if not begins(data, at, _OPEN_ARRAY) or data[at + 6] >= 0x80 or data[at + 14] != 0xCF:
        return None
    who = at + _WHO_AT
    where = past_values(data, who, 11)
    path = past_values(data, where, 4)
    query = past_values(data, path, 1)
    domain = past_values(data, query, 1)
    decided = past_values(data, domain, 1)
    entry = past_values(data, decided, 9)
    stage = past_values(data, entry, 1)
    terms = past_values(data, stage, 1)
    note = past_values(data, terms, 1)
    past = past_values(data, note, 1)
    if past > len(data):
        return None
    searched: Any = () if data[terms] == 0x90 else _unpack(data[terms:note], use_list=False)
    opened = Opened(
        integer_at(data, at + 5),
        integer_at(data, at + 14),
        groups.packed(b"\x9b", data[who:where]),
        groups.packed(b"\x95", data[where:path] + data[domain:decided]),
        groups.packed(b"\x9a", data[decided:entry] + data[stage:terms]),
        None if data[entry] == NIL else groups.text(data[entry:stage]),
        text_at(data, path, query),
        text_at(data, query, domain),
        searched,
        text_at(data, note, past),
    )
    opened.past = past
    return opened


def _ended(data: bytes, at: i64, groups: Groups, kinds: dict[Any, Any]) -> Ended | None:
    if not begins(data, at, _CLOSE_ARRAY) or data[at + 3] >= 0x80 or not begins(data, at + 11, _ENDING_ARRAY):
        return None
    kind = at + _ENDING_AT
    status = past_values(data, kind, 1)
    media = past_values(data, status, 1)
    title = past_values(data, media, 1)
    up = past_values(data, title, 1)
    down = past_values(data, up, 1)
    duration = past_values(data, down, 1)
    error = past_values(data, duration, 1)
    said = past_values(data, error, 1)
    repeats = past_values(data, said, 7)
    past = past_values(data, repeats, 1)
    if past > len(data):
        return None
    ended = Ended(
        groups.packed(b"\x98", data[kind:status] + data[said:repeats], kinds),
        None if data[media] == NIL else groups.text(data[media:title]),
        None if data[status] == NIL else integer_at(data, status),
        integer_at(data, up),
        integer_at(data, down),
        integer_at(data, duration),
        text_at(data, error, said),
        text_at(data, title, up),
        integer_at(data, repeats),
    )
    ended.of, ended.past = integer_at(data, at + 2), past
    return ended
