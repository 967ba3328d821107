"""The PROXY protocol, versions 1 and 2: the client's address as a load balancer tells it.

In come the first bytes of a connection from a named balancer; out comes whom it speaks for. Pure, and strict: what is
not exactly a header is an error, and nothing of it is ever guessed. The rule that makes it safe is not here but in
`proxy.listening`: only named balancers are asked, and they must answer.
(https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt)
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from addons.destinations import Network

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""How version 2 begins."""
LONGEST_LINE = 107
"""Bytes of the longest header of version 1, with its end of line."""
LONGEST_BODY = 2048
"""Most bytes of addresses and further facts in version 2; HAProxy sends a few hundred."""
_START = len(SIGNATURE) + 4
_ADDRESSES = {0x11: 4, 0x21: 16}
"""Version 2: family and transport (TCP over IPv4, over IPv6), and the bytes of one address."""
_UNSPECIFIED = frozenset({0x00})
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,4}")


class HeaderMistake(ValueError):
    """What a balancer sent is no PROXY header, or none that can be believed."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Whom a connection is for."""

    address: str | None
    """The client's address, canonical; None when the balancer speaks for itself (a health check)."""
    port: int = 0
    """The client's port."""


def missing(data: bytes) -> int:
    """How many more bytes are needed for certain before the header can be whole; 0 when it is. Raises
    `HeaderMistake` as soon as it can be none."""
    shortest = len(b"PROXY UNKNOWN\r\n")
    if data[: len(SIGNATURE)] == SIGNATURE:
        if len(data) < _START:
            return _START - len(data)
        length = int.from_bytes(data[_START - 2 : _START])
        if length > LONGEST_BODY:
            raise HeaderMistake("a header that is too long")
        return max(0, _START + length - len(data))
    if SIGNATURE.startswith(data):
        return len(SIGNATURE) - len(data)
    if not (data.startswith(b"PROXY ") or b"PROXY ".startswith(data)):
        raise HeaderMistake("no PROXY header")
    if data.endswith(b"\r\n"):
        return 0
    if b"\n" in data or len(data) >= LONGEST_LINE:
        raise HeaderMistake("a line that does not end as it must")
    return max(1, shortest - len(data)) if len(data) < shortest else 1


def read_header(data: bytes) -> Announced:
    """What a whole header says. Raises `HeaderMistake`."""
    if missing(data):
        raise HeaderMistake("half a header")
    return _version_2(data) if data.startswith(SIGNATURE) else _version_1(data)


def _version_1(line: bytes) -> Announced:
    words = line[:-2].split(b" ")
    if words[:2] == [b"PROXY", b"UNKNOWN"]:
        return Announced(None)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise HeaderMistake("not PROXY, TCP4 or TCP6, two addresses and two ports")
    version = 4 if words[1] == b"TCP4" else 6
    source, _ = (_address(word, version) for word in words[2:4])
    port, _ = (_port(word) for word in words[4:])
    return Announced(source, port)


def _address(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError as error:
        raise HeaderMistake("an address that is none") from error
    if address.version != version or b"%" in word:
        raise HeaderMistake("an address of another kind than was said")
    return _canonical(address)


def _canonical(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _port(word: bytes) -> int:
    if not _NUMBER.fullmatch(word) or int(word) > 65535:
        raise HeaderMistake("a port that is none")
    return int(word)


def _version_2(data: bytes) -> Announced:
    version, command = data[12] >> 4, data[12] & 0xF
    if version != 2 or command > 1:
        raise HeaderMistake("a version or command nobody has defined")
    body = data[_START:]
    if command == 0:
        return Announced(None)
    kind = data[13]
    if kind in _UNSPECIFIED:
        return Announced(None)
    size = _ADDRESSES.get(kind)
    if size is None:
        raise HeaderMistake("a connection that is not TCP over IP")
    if len(body) < 2 * size + 4:
        raise HeaderMistake("addresses that are cut short")
    port = int.from_bytes(body[2 * size : 2 * size + 2])
    return Announced(_canonical(ipaddress.ip_address(body[:size])), port)


def is_balancer(peer: str, balancers: Sequence[Network]) -> bool:
    """Whether the address a connection really comes from is a named balancer's."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in balancers)
