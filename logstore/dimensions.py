"""What repeats in the record, and how it is folded into small numbers and out again.

In come `LogRecord`s and `Ending`s, out go ids of `dim_*` rows; and the other way round. Between `FOLDED` and `PLAIN`
every field of both is named once (a test checks it), so that what went in comes out exactly. A key is a text: the
value itself, or a JSON object of the fields that differ from their defaults, so that a field added later leaves old
keys valid.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import msgpack
from sqlalchemy import Connection, Table

from logstore import schema
from logstore.chain import Name
from logstore.inserting import insert_rows
from logstore.record import Ending, EndingKind, LogRecord

PLAIN = (
    ("id", "time_us", "note", "terms", "path", "query"),
    ("status", "bytes_up", "bytes_down", "duration_us", "error", "title", "repeats"),
)
"""Fields of `LogRecord`, and of `Ending`, that stand in the row itself."""

_END = "end."
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode  # `json.dumps` makes one for each call
_quoted = json.encoder.encode_basestring_ascii
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(LogRecord)} | {
    _END + field.name: field.default for field in dataclasses.fields(Ending)
}


@dataclasses.dataclass(frozen=True, slots=True)
class Dimension:
    """One `dim_*` table and the fields folded into it."""

    table: Table
    """Where its values are."""
    column: str
    """Its column in `log`."""
    record: tuple[str, ...]
    """Fields of `LogRecord`."""
    ending: tuple[str, ...] = ()
    """Fields of `Ending`."""
    derive: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """Makes the columns that searches look at; None for a dimension of one text."""
    _spelling: tuple[tuple[int, str, Any], ...] = dataclasses.field(init=False, repr=False, compare=False)
    """Place in a key of each field, in the order of the names, what stands before its value, and its default."""

    def __post_init__(self) -> None:
        names = (*self.record, *(_END + name for name in self.ending))
        spelling = tuple((names.index(name), f'"{name}":', _DEFAULTS[name]) for name in sorted(names))
        object.__setattr__(self, "_spelling", spelling)

    def keys(self, records: Sequence[LogRecord], endings: Sequence[Ending]) -> list[Any]:
        """One hashable key for each row; None when a dimension of one text has none."""
        if not self.ending:
            return list(map(attrgetter(*self.record), records))
        if not self.record:
            return list(map(attrgetter(*self.ending), endings))
        return list(zip(map(attrgetter(*self.record), records), map(attrgetter(*self.ending), endings), strict=True))

    def text(self, key: Any) -> str:
        """The key as it is stored."""
        if self.derive is None:
            return str(key)
        values = (*key[0], *key[1]) if self.ending else key
        told: list[str] = []
        for place, name, default in self._spelling:
            value = values[place]
            if value != default:  # a text alone is spelt out far faster than by the encoder of anything
                told.append(name + (_quoted(value) if type(value) is str else _encode(value)))
        return "{" + ",".join(told) + "}"

    def values(self, key: Any) -> dict[str, Any]:
        """The fields of a key by name; those of the ending carry a prefix."""
        if not self.ending:
            return dict(zip(self.record, key, strict=True))
        record, ending = key
        values = dict(zip(self.record, record, strict=True))
        return values | {_END + name: value for name, value in zip(self.ending, ending, strict=True)}

    def searched(self, key: Any) -> dict[str, Any]:
        """The columns that searches look at."""
        return {} if self.derive is None else self.derive(self.values(key))

    def derived(self, text: str) -> dict[str, Any]:
        """What `searched` gives, from the key as it is stored."""
        if self.derive is None:
            return {}
        record, ending = unfold(text)
        told = record | {_END + name: value for name, value in ending.items()}
        names = (*self.record, *(_END + name for name in self.ending))
        return self.derive({name: told.get(name, _DEFAULTS[name]) for name in names})


def reversed_labels(host: str) -> str:
    """`www.example.org` as `org.example.www.`: a domain and all below it is one range of these."""
    return ".".join(host.split(".")[::-1]) + "."


def stored(value: Any) -> Any:
    """A text as SQLite takes it. One that is no Unicode (lone surrogates) goes in as bytes; `restored` undoes it."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def restored(value: Any) -> Any:
    """What `stored` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


@functools.lru_cache(maxsize=65536)
def unfold(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `LogRecord` and of `Ending` in the stored key of a dimension of several fields."""
    record: dict[str, Any] = {}
    ending: dict[str, Any] = {}
    for name, value in json.loads(key).items():
        if name == "end.kind":
            ending["kind"] = EndingKind(value)
        elif name.startswith(_END):
            ending[name.removeprefix(_END)] = value
        else:
            record[name] = tuple(value) if isinstance(value, list) else value
    return record, ending


def tightened(decided: Any, at_end: Any) -> Any:
    """The last word: what the end says, when it says something."""
    return decided if at_end is None else at_end


def _host(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": values["host"], "rev": reversed_labels(values["host"]), "domain": values["domain"]}


def _client(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "groups": json.dumps(values["groups"])}


def _same(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


def _verdict(values: Mapping[str, Any]) -> dict[str, Any]:
    last = {
        name: tightened(values[name], values[_END + name])
        for name in ("action", "blocked", "reason", "rule", "category", "stage", "page")
    }
    categories = values["categories"]
    if last["category"] is not None and last["category"] not in categories:
        categories = (*categories, last["category"])
    return {
        **last,
        "tier": values["tier"],
        "list": values["list"],
        "categories": json.dumps(categories),
        "ending": str(values["end.kind"]),
    }


FOLDED: tuple[Dimension, ...] = (
    Dimension(schema.dim_user, "user_id", ("user",)),
    Dimension(schema.dim_device, "device_id", ("device",)),
    Dimension(schema.dim_address, "address_id", ("client_address",)),
    Dimension(
        schema.dim_client,
        "client_id",
        ("site", "user_source", "verified", "shared", "band", "groups"),
        derive=_client,
    ),
    Dimension(schema.dim_manner, "manner_id", ("method", "scheme", "port"), derive=_same),
    Dimension(schema.dim_host, "host_id", ("host", "domain"), derive=_host),
    Dimension(
        schema.dim_verdict,
        "verdict_id",
        ("action", "blocked", "reason", "tier", "rule", "category", "categories", "list", "stage", "page"),
        ("kind", "action", "blocked", "reason", "rule", "category", "stage", "page"),
        derive=_verdict,
    ),
    Dimension(schema.dim_engine, "engine_id", ("worker", "revision"), derive=_same),
    Dimension(schema.dim_entry, "entry_id", ("entry",)),
    Dimension(schema.dim_media, "media_id", (), ("content_type",)),
)
"""Every dimension, in the order of the columns of `log`."""


def learn(
    catalog: Connection, dimension: Dimension, texts: Mapping[Any, str], day: str, names: list[Name] | None = None
) -> dict[Any, int]:
    """The ids of the keys of `texts`, which has the text of each: made when they are new, and marked as used on `day`.

    `names` is told each with its text.

    Within the transaction of a writer, of whom there is one at a time: new ids follow the greatest that was ever given.
    """
    kept = {key: text if text.isascii() else stored(text) for key, text in texts.items()}
    table = dimension.table.name
    known = _look_up(catalog, table, kept.values())
    if new := [(text, key) for key, text in kept.items() if text not in known]:
        last = catalog.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).scalar() or 0
        _sort(new)
        searched = [dimension.searched(key) for _, key in new]
        rows = [
            (number, text, *columns.values(), day, day)
            for number, ((text, _), columns) in enumerate(zip(new, searched, strict=True), last + 1)
        ]
        _insert(catalog, table, ("id", "key", *searched[0], "first_day", "last_day"), rows)
        known |= {text: (number, day, day) for number, (text, _) in enumerate(new, last + 1)}
    if outside := [found[0] for found in known.values() if not found[1] <= day <= found[2]]:
        catalog.exec_driver_sql(
            f"UPDATE {table} SET first_day = min(first_day, ?), last_day = max(last_day, ?) "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (day, day, json.dumps(outside)),
        )
    ids = {key: known[text][0] for key, text in kept.items()}
    if names is not None:
        names += [(dimension.column, number, text) for number, text in zip(ids.values(), kept.values(), strict=True)]
    return ids


def _sort(new: list[tuple[str | bytes, Any]]) -> None:
    """In the order of the index: pages of it are found and written once."""
    try:
        new.sort(key=itemgetter(0))  # texts sort as their bytes do
    except TypeError:
        new.sort(key=lambda one: one[0].encode() if isinstance(one[0], str) else one[0])


def _look_up(catalog: Connection, table: str, texts: Iterable[str | bytes]) -> dict[str | bytes, tuple[int, str, str]]:
    """Id, first and last day of each key that is there."""
    plain: list[str] = []
    odd: list[str | bytes] = []
    for text in texts:
        # SQLite's JSON ends a text at a NUL, and cannot say bytes.
        if isinstance(text, str) and "\0" not in text:
            plain.append(text)
        else:
            odd.append(text)
    columns = "named.key, named.id, named.first_day, named.last_day"
    # The driver's own rows: SQLAlchemy's cost as much again. The join keeps the order of the texts, and needs no table
    # of them in between, which IN would make.
    result: Any = catalog.exec_driver_sql(
        f"SELECT {columns} FROM json_each(?) AS wanted CROSS JOIN {table} AS named ON named.key = wanted.value",
        (json.dumps(plain),),
    )
    found = {key: (number, first, last) for key, number, first, last in result.cursor.fetchall()}
    for text in odd:
        one = catalog.exec_driver_sql(f"SELECT {columns} FROM {table} AS named WHERE named.key = ?", (text,))
        found |= {key: (number, first, last) for key, number, first, last in one}
    return found


def _insert(catalog: Connection, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    try:
        msgpack.packb(rows)  # the fastest way to know that no text is odd
    except UnicodeEncodeError:
        rows = [tuple(map(stored, row)) for row in rows]
    insert_rows(catalog, table, columns, rows)
