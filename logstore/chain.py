"""The hash chain of the record: what is hashed, and how one batch hangs on the one before.

In come the values of rows as the store holds them, out go batches: a batch commits to each of its rows, to the names
they use for the first time that day, and through its mark to every batch before it. Pure, and the same for every
engine: whoever writes rows writes their batch in the same transaction. The rule: a row or a name is hashed by itself,
a batch over those hashes, so that one row can be proved without showing the others (docs/evidence.md).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import msgpack

from logstore import fastrows

FORM = 2
"""How new rows are hashed."""
FORMS: Mapping[int, tuple[str, ...]] = {
    1: (
        "id", "offset_us", "user_id", "device_id", "address_id", "client_id", "manner_id", "host_id", "verdict_id",
        "engine_id", "entry_id", "media_id", "blocked", "status", "bytes_up", "bytes_down", "duration_us", "note",
        "error", "title", "terms", "path", "query",
    ),
    2: (
        "id", "offset_us", "user_id", "device_id", "address_id", "client_id", "manner_id", "host_id", "verdict_id",
        "engine_id", "entry_id", "media_id", "blocked", "status", "bytes_up", "bytes_down", "duration_us", "note",
        "error", "title", "terms", "path", "query", "repeats",
    ),
}  # fmt: skip
"""The columns a row's hash covers, in their order, by form. A column added to `log` needs a new form; old batches keep
theirs."""
GROUP = 64
"""Hashes that are hashed together before a batch's groups are: a proof of one row is that much shorter."""
PORTION = 1_000
"""Rows hashed at a time by `Hashing`: two milliseconds."""
_GENESIS = b"schoolgate record chain 1\0"
_IN_GROUP, _IN_BATCH = b"\1", b"\2"
_sha256 = hashlib.sha256
_pack = msgpack.Packer(autoreset=True).pack
_digest = methodcaller("digest")

type Name = tuple[str, int, str | bytes]
"""A name as rows refer to it: the column of `log`, the number, and the text behind it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were stored together, and the proof of them."""

    number: int
    """Its place in the chain, from 1, without gaps."""
    at_us: int
    """When it was stored, microseconds since the Unix epoch."""
    form: int
    """Which columns the hashes of its rows cover: a key of `FORMS`."""
    rows: int
    """How many rows."""
    ids: bytes
    """Ids of the rows, rising, packed (`ids_of`)."""
    hints: bytes
    """The first byte of each row's hash, then the second of each, in the order of the ids; then those of the names.
    They say which one was changed; that one was, the root proves."""
    names: bytes
    """Which names the batch vouches for, packed (`names_of`); empty for none."""
    root: bytes
    """Hash over the rows' hashes."""
    names_root: bytes
    """Hash over the names' hashes."""
    mark: bytes
    """Hash of all this and of the mark before: 32 bytes."""


def genesis(name: str) -> bytes:
    """The mark before the first batch of the chain called `name`."""
    return _sha256(_GENESIS + name.encode()).digest()


def leaf(values: Sequence[Any]) -> bytes:
    """The hash of one row (its values in the order of its form) or of one `Name`.

    Values are as the store gives them back: integers, texts, bytes for a text that is no Unicode, None.
    """
    return _sha256(_pack(values)).digest()


def leaves_of(rows: Iterable[Sequence[Any]]) -> bytes:
    """The hashes of many rows or names, one behind the other."""
    return _leaves(_all_packed(rows))


def _leaves(packed: Iterable[bytes]) -> bytes:
    # Nested maps, because a loop in Python would cost as much again as the hashing.
    return b"".join(map(_digest, map(_sha256, packed)))


def _all_packed(rows: Iterable[Sequence[Any]]) -> Iterable[bytes]:
    """Each as msgpack packs it; by msgpack itself where ours does not know a value."""
    if fastrows.packed is None:
        return map(_pack, rows)
    values = list(map(tuple, rows))
    try:
        return fastrows.packed(values)
    except (ValueError, TypeError, OverflowError):
        return map(_pack, values)


@dataclass(frozen=True, slots=True)
class Hashed:
    """What a batch says of its rows and names (see `Batch`): all of it that needs no batch before."""

    ids: bytes
    hints: bytes
    names: bytes
    root: bytes
    names_root: bytes


class Hashing:
    """`Hashed`, made in portions: whoever waits for something else can make some meanwhile."""

    def __init__(self, rows: Sequence[Sequence[Any]], names: Sequence[Name], *, packed: bool = False) -> None:
        """`rows` and `names` as `make_batch` takes them; `packed`: rows as `logstore.written` gives them."""
        self._steps = _hashing(rows, names, packed=packed)
        self._made: Hashed | None = None
        self._problem: Exception | None = None

    def go_on(self) -> bool:
        """Make a portion; False when all are made, or a row cannot be hashed, which `whole` then says."""
        try:
            next(self._steps)
        except StopIteration as over:
            self._made = self._made or over.value
            return False
        except Exception as problem:  # told by whoever needs the whole
            self._problem = problem
            return False
        return True

    def whole(self) -> Hashed:
        """All of it. Raises what a row that cannot be hashed raises."""
        while self.go_on():
            pass
        if self._made is None:
            raise self._problem or AssertionError("nothing was made of the rows, and nobody said why")
        return self._made


def _hashing(rows: Sequence[Sequence[Any]], names: Sequence[Name], *, packed: bool) -> Generator[None, None, Hashed]:
    """`Hashed`, at the end of its portions."""
    done = list[bytes]()
    for begin in range(0, len(rows), PORTION):
        portion = rows[begin : begin + PORTION]
        done.append(_leaves(row[2] for row in portion) if packed else leaves_of(portion))
        yield
    leaves = b"".join(done)
    ids, root = pack_ids([row[0] for row in rows]), root_of(leaves)
    yield
    vouched = sorted(names, key=lambda name: name[:2])
    name_leaves = leaves_of(vouched)
    yield
    hints = hints_of(leaves) + hints_of(name_leaves)
    return Hashed(ids, hints, pack_names(vouched), root, root_of(name_leaves))


def hints_of(leaves: bytes) -> bytes:
    """What a batch keeps of the hashes of its rows."""
    return leaves[0::32] + leaves[1::32]


def root_of(leaves: bytes) -> bytes:
    """The hash over hashes, given one behind the other."""
    return _sha256(_IN_BATCH + b"".join(groups_of(leaves))).digest()


def groups_of(leaves: bytes) -> list[bytes]:
    """The hash of each group of `GROUP` hashes."""
    size = GROUP * 32
    return [_sha256(_IN_GROUP + leaves[at : at + size]).digest() for at in range(0, len(leaves), size)]


def make_batch(
    prev: bytes,
    number: int,
    rows: Sequence[Sequence[Any]],
    names: Sequence[Name],
    at_us: int,
    form: int = FORM,
    *,
    hashed: Hashing | None = None,
) -> Batch:
    """The batch of `rows`, which are sorted by their id and hold the columns of `form`, behind the mark `prev`.

    `hashed`: of these rows and names, when some of it is made already.
    """
    one = (hashed or Hashing(rows, names)).whole()
    told = (number, at_us, form, len(rows), one.ids, one.hints, one.names, one.root, one.names_root)
    return Batch(*told, mark_of(prev, Batch(*told, b"")))


def content_of(batch: Batch) -> bytes:
    """The hash of everything a batch says, its mark left out."""
    told = (batch.number, batch.at_us, batch.form, batch.rows, batch.root, batch.names_root)
    return content_from(told, helpers_of(batch))


def helpers_of(batch: Batch) -> bytes:
    """The hash of what a batch keeps to name rows by."""
    return _sha256(_pack((batch.ids, batch.hints, batch.names))).digest()


def content_from(told: tuple[int, int, int, int, bytes, bytes], helpers: bytes) -> bytes:
    """`content_of` from its parts: number, time, form, rows, root and names' root of a batch, and `helpers_of` it."""
    return _sha256(_pack((*told, helpers))).digest()


def next_mark(prev: bytes, content: bytes) -> bytes:
    """The mark of a batch with this content behind the mark `prev`."""
    return _sha256(prev + content).digest()


def mark_of(prev: bytes, batch: Batch) -> bytes:
    """The mark `batch` must have behind the mark `prev`."""
    return next_mark(prev, content_of(batch))


def broken_link(name: str, batches: Iterable[Batch]) -> int | None:
    """The number of the first batch of the chain `name` that is missing or not as it was written; None when whole."""
    prev = genesis(name)
    for number, batch in enumerate(batches, 1):
        if batch.number != number or batch.mark != mark_of(prev, batch):
            return number
        prev = batch.mark
    return None


def pack_ids(ids: Sequence[int]) -> bytes:
    """Rising ids in few bytes: their differences, compressed."""
    steps = [after - before for before, after in zip((0, *ids), ids, strict=False)]
    return zlib.compress(struct.pack(f"<{len(steps)}q", *steps), 1)


def ids_of(batch: Batch) -> list[int]:
    """The ids of a batch's rows. Raises ValueError when they cannot be read."""
    try:
        raw = zlib.decompress(batch.ids)
        steps = struct.unpack(f"<{len(raw) // 8}q", raw)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"the ids of batch {batch.number} cannot be read: {error}") from error
    ids, last = [], 0
    for step in steps:
        last += step
        ids.append(last)
    return ids


def first_id_of(batch: Batch) -> int | None:
    """The lowest id of a batch's rows, the others not unpacked; None without rows. Raises ValueError as `ids_of`."""
    try:
        raw = zlib.decompressobj().decompress(batch.ids, 8)
        return struct.unpack("<q", raw)[0] if raw else None
    except (zlib.error, struct.error) as error:
        raise ValueError(f"the ids of batch {batch.number} cannot be read: {error}") from error


def pack_names(names: Iterable[Name]) -> bytes:
    """Columns and numbers of sorted names; the texts stand in the catalog."""
    columns: dict[str, list[int]] = {}
    for column, number, _ in names:
        columns.setdefault(column, []).append(number)
    return zlib.compress(_pack(columns), 1) if columns else b""


def names_of(batch: Batch) -> list[tuple[str, int]]:
    """Column and number of each name a batch vouches for, sorted. Raises ValueError when they cannot be read."""
    if not batch.names:
        return []
    try:
        columns = msgpack.unpackb(zlib.decompress(batch.names))
        return [(str(column), int(number)) for column, numbers in columns.items() for number in numbers]
    except Exception as error:  # msgpack raises many kinds
        raise ValueError(f"the names of batch {batch.number} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Proof:
    """That one hash is among those of a batch: what it was hashed with."""

    place: int
    """Its place among the hashes of the batch, from 0."""
    group: bytes
    """The hashes of its group, its own among them."""
    groups: bytes
    """The hashes of all groups."""

    def leads_to(self, one: bytes, root: bytes) -> bool:
        """Whether `one` is at its place under `root`."""
        number, within = divmod(self.place, GROUP)
        return (
            self.group[within * 32 : within * 32 + 32] == one
            and self.groups[number * 32 : number * 32 + 32] == _sha256(_IN_GROUP + self.group).digest()
            and _sha256(_IN_BATCH + self.groups).digest() == root
        )


def prove(leaves: bytes, place: int) -> Proof:
    """The proof of the hash at `place` among `leaves`."""
    begin = place // GROUP * GROUP * 32
    return Proof(place, leaves[begin : begin + GROUP * 32], b"".join(groups_of(leaves)))
