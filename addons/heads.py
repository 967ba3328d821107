"""Heads of ordinary messages, read in one go.

In come the bytes of a whole HTTP/1.1 request without a body, or of a whole answer whose length is announced; out go
their parts, or None for everything that is written, framed or asked for in any other way: that is read by the host's
layers, which know every way there is. What is read here could be read in no second way (RFC 9112 §2 to §6). Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

type Field = tuple[bytes, bytes]
type Index = dict[bytes, list[bytes]]

LONGEST: Final = 16 * 1024
"""Most bytes of a head that is read here."""

_FIELDS: Final = rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
"""Lines of a name that is a token and a value without controls: no folds, no bare CR or LF, no NUL."""
_REQUEST: Final = re.compile(rb"GET (/[!-\"$-~]*) HTTP/1\.1\r\n" + _FIELDS)
_ANSWER: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([!-~]+(?: [!-~]+)*)\r\n" + _FIELDS)
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,17}")

OTHERWISE: Final = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer"})
"""A request with one of these has a body, or asks for more than an answer."""
KEPT: Final = (b"keep-alive", b"Keep-Alive")
BODILESS: Final = (204, 304)
"""Answers without a body, whatever their head says (RFC 9112 §6.3)."""


class RequestHead(NamedTuple):
    """A request without a body; the connection stays open after it."""

    path: bytes
    """Path and query."""
    fields: tuple[Field, ...]
    """Header fields as they came."""
    by_name: Index
    """Their values by name in lower case."""


class Answer(NamedTuple):
    """An answer that is there as a whole; the connection stays open after it."""

    status: int
    """Status code."""
    reason: bytes
    """Reason phrase."""
    fields: tuple[Field, ...]
    """Header fields as they came."""
    by_name: Index
    """Their values by name in lower case."""
    body: bytes
    """What came behind the head; empty when the answer has none."""


def ordinary_request(data: bytes, most_lines: int) -> RequestHead | None:
    """The request that `data` is, all of it and nothing else; None when it is no ordinary one."""
    if len(data) > LONGEST or not data.endswith(b"\r\n\r\n"):
        return None
    found = _REQUEST.fullmatch(data)
    if found is None:
        return None
    fields, index = _read(found.group(2))
    if len(fields) >= most_lines or not OTHERWISE.isdisjoint(index) or not _kept(index):
        return None
    return RequestHead(found.group(1), fields, index)


def ordinary_answer(data: bytes) -> Answer | None:
    """The answer to a GET that `data` is, all of it and nothing else; None when it is no ordinary one."""
    found = _ANSWER.match(data, 0, LONGEST)
    if found is None:
        return None
    fields, index = _read(found.group(3))
    if b"transfer-encoding" in index or b"upgrade" in index or b"trailer" in index or not _kept(index):
        return None
    status = int(found.group(1))
    body = data[found.end() :]
    lengths = index.get(b"content-length", [])
    announced = -1
    if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) is not None:
        announced = int(lengths[0])
    elif lengths:
        return None
    expected = 0 if status in BODILESS else announced
    if expected != len(body):
        return None
    return Answer(status, found.group(2), fields, index, body)


def _kept(index: Index) -> bool:
    said = index.get(b"connection")
    return said is None or (len(said) == 1 and said[0] in KEPT)


def _read(lines: bytes) -> tuple[tuple[Field, ...], Index]:
    fields: list[Field] = []
    index: Index = {}
    for line in lines.split(b"\r\n"):
        if not line:
            break
        name, _, value = line.partition(b":")
        value = value.strip()
        fields.append((name, value))
        key = name.lower()
        known = index.get(key)
        if known is None:
            index[key] = [value]
        else:
            known.append(value)
    return tuple(fields), index
