"""Heads of ordinary messages, read in one go.

In come the bytes of a whole HTTP/1.1 request without a body, or of an answer whose head is there and says where it
ends; out go their parts, or None for everything that is written, framed or asked for in any other way: that is read by
the host's layers, which know every way there is. What is read here could be read in no second way (RFC 9112 §2 to §6).
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
_LINE: Final = rb"GET (/[!-\"$-~]*) HTTP/1\.1\r\n"
_FIRST: Final = re.compile(_LINE)
_REQUEST: Final = re.compile(_LINE + _FIELDS)
_ANSWER: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([!-~]+(?: [!-~]+)*)\r\n" + _FIELDS)
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,17}")

OTHERWISE: Final = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer"})
"""A request with one of these has a body, or asks for more than an answer."""
KEPT: Final = (b"keep-alive", b"Keep-Alive")
CHUNKED: Final = [b"chunked"]
"""The one coding of a body in pieces that is read here (RFC 9112 §7.1)."""
BODILESS: Final = (204, 304)
"""Answers without a body, whatever their head says (RFC 9112 §6.3)."""


class Lines:
    """The header fields of an ordinary request, as read; never changed, so several requests may have them."""

    __slots__ = ("by_name", "fields", "sent", "text")

    def __init__(self, text: bytes, fields: tuple[Field, ...], by_name: Index) -> None:
        self.text = text
        """Their lines as they came, and the empty one behind them."""
        self.fields = fields
        """Each as it came."""
        self.by_name = by_name
        """Their values by name in lower case."""
        self.sent: bytes | None = None
        """Their lines as they are sent on, once somebody has made them."""


class RequestHead(NamedTuple):
    """A request without a body; the connection stays open after it."""

    path: bytes
    """Path and query."""
    lines: Lines
    """Its header fields."""


class Answer(NamedTuple):
    """An answer to a GET; the connection stays open after it."""

    status: int
    """Status code."""
    reason: bytes
    """Reason phrase."""
    fields: tuple[Field, ...]
    """Header fields as they came."""
    by_name: Index
    """Their values by name in lower case."""
    body: bytes
    """What came behind the head."""
    length: int | None
    """Bytes of the body; None when it comes in chunks."""

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return self.length == len(self.body)


def ordinary_request(data: bytes, most_lines: int, before: Lines | None = None) -> RequestHead | None:
    """The request that `data` is, all of it and nothing else; None when it is no ordinary one.

    `before` are the fields of the ordinary request before it on this connection: a browser that fetches the parts of a
    page says the same again and again, and what is the same to the octet is read once.
    """
    if len(data) > LONGEST or not data.endswith(b"\r\n\r\n"):
        return None
    if before is not None and data.endswith(before.text):
        first = _FIRST.fullmatch(data, 0, len(data) - len(before.text))
        if first is not None:
            return RequestHead(first.group(1), before)
    found = _REQUEST.fullmatch(data)
    if found is None:
        return None
    fields, index = _read(found.group(2))
    if len(fields) >= most_lines or not OTHERWISE.isdisjoint(index) or not _kept(index):
        return None
    return RequestHead(found.group(1), Lines(data[found.start(2) :], fields, index))


def ordinary_answer(data: bytes) -> Answer | None:
    """The answer to a GET that `data` begins with, and nothing behind it; None when it is no ordinary one."""
    found = _ANSWER.match(data, 0, LONGEST)
    if found is None:
        return None
    fields, index = _read(found.group(3))
    if b"upgrade" in index or b"trailer" in index or not _kept(index):
        return None
    status, body = int(found.group(1)), data[found.end() :]
    lengths, coding = index.get(b"content-length"), index.get(b"transfer-encoding")
    if coding is not None:
        chunked = coding == CHUNKED and lengths is None and status not in BODILESS
        return Answer(status, found.group(2), fields, index, body, None) if chunked else None
    if lengths is not None and (len(lengths) != 1 or _LENGTH.fullmatch(lengths[0]) is None):
        return None
    if status in BODILESS:
        length = 0
    elif lengths is not None:
        length = int(lengths[0])
    else:
        return None
    return Answer(status, found.group(2), fields, index, body, length) if len(body) <= length else None


def _kept(index: Index) -> bool:
    said = index.get(b"connection")
    return said is None or (len(said) == 1 and said[0] in KEPT)


def _read(lines: bytes) -> tuple[tuple[Field, ...], Index]:
    fields: list[Field] = []
    index: Index = {}
    for line in lines[:-2].split(b"\r\n") if lines else ():
        name, _, value = line.partition(b":")
        value = value.strip()
        fields.append((name, value))
        key = name.lower()
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return tuple(fields), index
