"""Header fields that are looked up by an index: the host's multidict compares every name with every field, each time.

In come the lines of a head, out goes the host's `Headers` (mitmproxy 12.2.3) with the same behaviour and an index that
is made when something is first looked up, and anew when the fields have changed. A request is asked for some forty
fields, by the host and by us.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from mitmproxy import http
from mitmproxy.net.http.http1 import read

from addons.heads import Field, Lines

original = read._read_headers
"""The host's own reader."""


_NONE: list[bytes] = []


@lru_cache(maxsize=1024)
def _key(name: str | bytes) -> bytes:
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return raw.lower()


def _written(fields: tuple[Field, ...]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])


class IndexedHeaders(http.Headers):
    """The host's header fields, with an index over them."""

    _indexed: tuple[Field, ...] | None = None
    """The fields the index was made of: they are replaced, never changed."""
    _index: dict[bytes, list[bytes]]
    """Never changed either: requests with the same fields have the same."""
    _lines: Lines | None = None
    """What the fields came as, of an ordinary request."""

    def _make_index(self) -> None:
        index: dict[bytes, list[bytes]] = {}
        for key, value in self.fields:
            index.setdefault(key.lower(), []).append(value)
        self._index, self._indexed = index, self.fields

    def __bytes__(self) -> bytes:
        fields, lines = self.fields, self._lines
        if lines is None or lines.fields is not fields:
            return _written(fields)
        if lines.sent is None:
            lines.sent = _written(fields)
        return lines.sent

    def present(self, names: frozenset[bytes]) -> frozenset[bytes]:
        """Which of these names, in lower case, it has."""
        if self._indexed is not self.fields:
            self._make_index()
        return names.intersection(self._index)

    def raw(self, name: bytes) -> list[bytes]:
        """Every value of the field with this name in lower case, as it came; not to be changed."""
        if self._indexed is not self.fields:
            self._make_index()
        return self._index.get(name, _NONE)

    def get_all(self, name: str | bytes) -> list[str]:
        """Every value of a field, in order."""
        return [value.decode("utf-8", "surrogateescape") for value in self.raw(_key(name))]

    def __contains__(self, name: object) -> bool:
        if self._indexed is not self.fields:
            self._make_index()
        return (type(name) is str or isinstance(name, (str, bytes))) and _key(name) in self._index

    def get(self, name: Any, default: Any = None) -> Any:
        """The values of a field, folded (RFC 9110 §5.3); `default` where there is none."""
        if self._indexed is not self.fields:
            self._make_index()
        found = self._index.get(_key(name))
        if found is None:
            return default
        if len(found) == 1:
            return found[0].decode("utf-8", "surrogateescape")
        return ", ".join(value.decode("utf-8", "surrogateescape") for value in found)


def indexed(fields: tuple[Field, ...], index: dict[bytes, list[bytes]], lines: Lines | None = None) -> http.Headers:
    """Fields whose index is known already; `lines` is what they came as."""
    made = IndexedHeaders.__new__(IndexedHeaders)
    made.fields = made._indexed = fields
    made._index, made._lines = index, lines
    return made


def raw_values(headers: http.Headers, name: bytes) -> list[bytes]:
    """Every value of the field with this name in lower case, as it came; not to be changed."""
    if isinstance(headers, IndexedHeaders):
        return headers.raw(name)
    return [value for key, value in headers.fields if key.lower() == name]


def drop(headers: http.Headers, names: frozenset[bytes]) -> None:
    """Take every field off that has one of these names, in lower case."""
    if not isinstance(headers, IndexedHeaders) or headers.present(names):
        headers.fields = tuple(field for field in headers.fields if field[0].lower() not in names)


def read_headers(lines: Iterable[bytes]) -> http.Headers:
    """The fields of a head's lines, as the host reads them. Raises `ValueError` for what is no field."""
    fields: list[Field] = []
    for line in lines:
        if line[0] in b" \t":
            if not fields:
                raise ValueError("Invalid headers")
            fields[-1] = (fields[-1][0], fields[-1][1] + b"\r\n " + line.strip())
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise ValueError(f"Invalid header line: {line!r}")
        fields.append((name, value.strip()))
    made = IndexedHeaders.__new__(IndexedHeaders)  # the original's constructor looks for what is not bytes
    made.fields = tuple(fields)
    return made


def install() -> None:
    """Have the host read heads so."""
    read._read_headers = read_headers
