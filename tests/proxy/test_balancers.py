"""The PROXY protocol: read exactly, or not at all."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.balancers import LONGEST_BODY, SIGNATURE, Announced, HeaderMistake, is_balancer, missing, read_header

PORTS = st.integers(0, 65535)
FOURS = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
SIXES = st.integers(2**64, 2**128 - 1).map(ipaddress.IPv6Address)


def version_2(source: bytes, target: bytes, kind: int, ports: tuple[int, int], more: bytes = b"") -> bytes:
    body = source + target + struct.pack(">HH", *ports) + more
    return SIGNATURE + bytes([0x21, kind]) + struct.pack(">H", len(body)) + body


def arrive(data: bytes) -> tuple[Announced, bytes]:
    """Read as the gateway does, never more than `missing` asks for; what was announced and what is left."""
    taken = 0
    while need := missing(data[:taken]):
        if taken + need > len(data):
            raise HeaderMistake("half a header")
        taken += need
    return read_header(data[:taken]), data[taken:]


@given(FOURS, FOURS, PORTS, PORTS, st.binary(max_size=40))
def test_a_line_over_ipv4(source: ipaddress.IPv4Address, target: ipaddress.IPv4Address, a: int, b: int, rest: bytes):
    """The client is who it says, and not a byte of the request behind it is taken."""
    line = f"PROXY TCP4 {source} {target} {a} {b}\r\n".encode()
    assert arrive(line + rest) == (Announced(str(source), a), rest)


@given(SIXES, SIXES, PORTS, PORTS, st.binary(max_size=40))
def test_a_line_over_ipv6(source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, a: int, b: int, rest: bytes):
    line = f"PROXY TCP6 {source} {target} {a} {b}\r\n".encode()
    assert arrive(line + rest) == (Announced(str(source.ipv4_mapped or source), a), rest)


@given(FOURS, FOURS, PORTS, PORTS, st.binary(max_size=300), st.binary(max_size=40))
def test_the_binary_form_over_ipv4(
    source: ipaddress.IPv4Address, target: ipaddress.IPv4Address, a: int, b: int, facts: bytes, rest: bytes
) -> None:
    """Further facts behind the addresses are read over."""
    data = version_2(source.packed, target.packed, 0x11, (a, b), facts)
    assert arrive(data + rest) == (Announced(str(source), a), rest)


@given(SIXES, SIXES, PORTS, PORTS, st.binary(max_size=300), st.binary(max_size=40))
def test_the_binary_form_over_ipv6(
    source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, a: int, b: int, facts: bytes, rest: bytes
) -> None:
    data = version_2(source.packed, target.packed, 0x21, (a, b), facts)
    assert arrive(data + rest) == (Announced(str(source.ipv4_mapped or source), a), rest)


def test_an_ipv4_client_on_an_ipv6_balancer_is_known_by_its_ipv4_address() -> None:
    """Or a pupil would get another band by the way they came."""
    mapped = ipaddress.IPv6Address("::ffff:10.4.2.7")
    assert read_header(version_2(mapped.packed, mapped.packed, 0x21, (5, 6))).address == "10.4.2.7"
    assert read_header(b"PROXY TCP6 ::ffff:10.4.2.7 ::1 5 6\r\n").address == "10.4.2.7"


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n",
        SIGNATURE + b"\x20\x00\x00\x00",
        SIGNATURE + b"\x20\x11\x00\x0c" + b"x" * 12,
        SIGNATURE + b"\x21\x00\x00\x00",
    ],
)
def test_a_balancer_that_looks_whether_we_are_well_speaks_for_itself(data: bytes) -> None:
    assert arrive(data) == (Announced(None), b"")


WRONG = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"proxy TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY\tTCP4 10.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
    b"PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY TCP4 010.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY TCP4 10.1 10.0.0.2 1 2\r\n",
    b"PROXY TCP4 ::1 ::2 1 2\r\n",
    b"PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 -1 2\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n",
    b"PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n",
    b"PROXY " + b"x" * 200 + b"\r\n",
    SIGNATURE + b"\x11\x11\x00\x0c" + b"x" * 12,
    SIGNATURE + b"\x22\x11\x00\x0c" + b"x" * 12,
    SIGNATURE + b"\x21\x11\x00\x0b" + b"x" * 11,
    SIGNATURE + b"\x21\x12\x00\x0c" + b"x" * 12,
    SIGNATURE + b"\x21\x31\x00\xd8" + b"x" * 216,
    SIGNATURE + b"\x21\x11" + struct.pack(">H", LONGEST_BODY + 1) + b"x" * (LONGEST_BODY + 1),
)


@pytest.mark.parametrize("data", WRONG, ids=range(len(WRONG)))
def test_what_is_not_exactly_a_header_is_a_mistake(data: bytes) -> None:
    with pytest.raises(HeaderMistake):
        arrive(data)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda more: SIGNATURE + more)))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    """A header, or a mistake; never another exception, never an endless question."""
    try:
        announced, rest = arrive(data)
    except HeaderMistake:
        return
    assert data.endswith(rest)
    assert announced.address is None or ipaddress.ip_address(announced.address)


@pytest.mark.parametrize(
    ("peer", "named"),
    [("10.9.9.1", True), ("::ffff:10.9.9.1", True), ("10.9.8.1", False), ("fe80::1%eth0", False), ("fd00::1", True)],
)
def test_only_named_balancers_are_asked(peer: str, named: bool) -> None:
    balancers = (ipaddress.ip_network("10.9.9.0/24"), ipaddress.ip_network("fd00::/64"))
    assert is_balancer(peer, balancers) is named
