"""A client's first TLS message: the name it asks for and the protocols it offers, read where they lie.

In come the bytes of a connection, out comes what the host's parser (mitmproxy 12.2.3) makes of them; it builds some
seventy objects for each hello, which only the garbage collector takes apart again. Here the usual form is read, where
every length says what is really there and nothing comes twice; anything else is left to the host's, and so is whoever
asks for more than name and protocols. Pure but for `install`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from mitmproxy import tls
from mitmproxy.net import check
from mitmproxy.net.http import url
from mitmproxy.proxy.layers import tls as tls_layers

HEADER = 4
"""Kind and length of a handshake message (RFC 8446 §4)."""
FIXED = 34
"""Version and random, before the first length."""
SERVER_NAME = 0
ALPN = 16

_PLAIN = re.compile(rb"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""A name there is nothing to ask about; one with `xn--` in it there is."""
_LONGEST_PLAIN = 253

type Hello = tuple[str | None, list[bytes]]
"""Name and protocols."""

LONGEST = 64 * 1024
"""Most bytes a ClientHello may take."""
PIECES = 16
"""Most TLS records it may come in: it is read anew with each piece, and some clients cut theirs in a few."""

original_check = check.is_valid_host
host_parser = tls_layers.parse_client_hello
"""The host's, for what is unusual."""


class ReadHello(tls.ClientHello):
    """The host's, of which only what is asked is read."""

    def __init__(self, raw_client_hello: bytes, read: Hello) -> None:
        """The message without its header, and what it says."""
        self._raw_bytes = raw_client_hello
        self._name, self._protocols = read

    @cached_property
    def _client_hello(self) -> Any:  # type: ignore[override]
        """All of it, for who asks for more."""
        return tls.ClientHello(self._raw_bytes)._client_hello

    @property
    def sni(self) -> str | None:
        """The name the client asks for."""
        return self._name

    @property
    def alpn_protocols(self) -> list[bytes]:
        """The protocols it offers."""
        return self._protocols.copy()


def parse_client_hello(data: bytes) -> tls.ClientHello | None:
    """The ClientHello these bytes begin with; None while it is not whole. Raises `ValueError` for what is none."""
    if _in_shreds(data):
        raise ValueError("a ClientHello in too many pieces")
    message = tls_layers.get_client_hello(data)
    if message is None:
        if len(data) > LONGEST:
            raise ValueError("a ClientHello without end")
        return None
    raw = bytes(message[HEADER:])
    read = read_hello(raw)
    return host_parser(data) if read is None else ReadHello(raw, read)


def _in_shreds(data: bytes) -> bool:
    """Whether more TLS records begin in these bytes than a ClientHello may come in; what follows it does not count."""
    place = found = wanted = 0
    for _ in range(PIECES):
        if place + 5 > len(data):
            return False
        size = _number(data, place + 3)
        if not found and size >= HEADER and place + 5 + HEADER <= len(data):
            wanted = HEADER + int.from_bytes(data[place + 6 : place + 9])
        found += size
        place += 5 + size
        if wanted and found >= wanted:
            return False
    return place < len(data)


def read_hello(raw: bytes) -> Hello | None:
    """What a ClientHello without its header says; None when it is not of the usual form."""
    try:
        place = FIXED + 1 + raw[FIXED]
        suites = _number(raw, place)
        place += 2 + suites
        place += 1 + raw[place]
        if suites % 2 or place > len(raw):
            return None
        return (None, []) if place == len(raw) else _extensions(raw, place)
    except IndexError:
        return None


def _number(raw: bytes, place: int) -> int:
    return raw[place] << 8 | raw[place + 1]


def _extensions(raw: bytes, place: int) -> Hello | None:
    """The two that matter. Raises `IndexError` where a length leads out of the message."""
    if place + 2 + _number(raw, place) != len(raw):
        return None
    place += 2
    bodies: dict[int, bytes] = {}
    while place < len(raw):
        kind, end = _number(raw, place), place + 4 + _number(raw, place + 2)
        if end > len(raw):
            return None
        if kind in (SERVER_NAME, ALPN):
            if kind in bodies:
                return None
            bodies[kind] = raw[place + 4 : end]
        place = end
    name = _server_name(bodies[SERVER_NAME]) if SERVER_NAME in bodies else b""
    protocols = _protocols(bodies[ALPN]) if ALPN in bodies else []
    if name is None or protocols is None:
        return None
    return (name.decode("ascii") if name and _is_host(name) else None), protocols


def _server_name(body: bytes) -> bytes | None:
    """The one name in the list; None where it is not one, or none that is a host's."""
    listed, kind, length = _number(body, 0), body[2], _number(body, 3)
    usual = listed == len(body) - 2 and kind == 0 and length == len(body) - 5 and length > 0
    return body[5:] if usual else None


def _protocols(body: bytes) -> list[bytes] | None:
    if _number(body, 0) != len(body) - 2:
        return None
    found, place = [], 2
    while place < len(body):
        end = place + 1 + body[place]
        if end > len(body):
            return None
        found.append(body[place + 1 : end])
        place = end
    return found


def is_valid_host(host: Any) -> bool:
    """The host's own check; a name on which Python's decoder of Punycode trips over itself is none (OverflowError)."""
    try:
        return bool(original_check(host))
    except (OverflowError, ValueError):
        return False


def _is_host(name: bytes) -> bool:
    if len(name) <= _LONGEST_PLAIN and b"xn--" not in name and _PLAIN.fullmatch(name):
        return True
    return is_valid_host(name)


def install() -> None:
    """Have the host read ClientHellos so, and names wherever they are checked."""
    check.is_valid_host = url.is_valid_host = is_valid_host
    tls_layers.parse_client_hello = parse_client_hello
