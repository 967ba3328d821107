"""What a client's first message says: the same as the host's parser makes of it, whatever the bytes."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.net.http import url
from mitmproxy.proxy.layers import tls as tls_layers

from addons import clienthello
from addons.clienthello import ReadHello, host_parser, parse_client_hello, read_hello


def real_hello(name: str | None, protocols: list[str]) -> bytes:
    """The records of a ClientHello as OpenSSL sends it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def listed(*items: bytes, wide: int = 2) -> bytes:
    """Items behind the length of all of them."""
    whole = b"".join(items)
    return len(whole).to_bytes(wide, "big") + whole


def server_name(name: bytes, kind: int = 0) -> bytes:
    return listed(bytes([kind]) + listed(name))


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + listed(body)


def message(*extensions: bytes, more: bytes = b"", session: bytes = b"\x01" * 32) -> bytes:
    """A ClientHello without its header."""
    head = b"\x03\x03" + b"r" * 32 + listed(session, wide=1) + listed(b"\x13\x01\x13\x02") + listed(b"\0", wide=1)
    return head + (listed(*extensions) if extensions else b"") + more


def recorded(raw: bytes, split: int = 0) -> bytes:
    """The records of a message; in two when `split` says where."""
    whole = b"\x01" + len(raw).to_bytes(3, "big") + raw
    parts = [whole[:split], whole[split:]] if 0 < split < len(whole) else [whole]
    return b"".join(b"\x16\x03\x01" + listed(part) for part in parts)


def said(parser: Any, data: bytes) -> Any:
    """What a parser makes of these bytes."""
    try:
        found = parser(data)
    except ValueError:
        return "no hello"
    return found and (found.sni, found.alpn_protocols, found.extensions, found.cipher_suites, found.raw_bytes())


@pytest.mark.parametrize("name", ["www.lessons.example", "WWW.Lessons.Example", "xn--bcher-kva.example", "a_b.example"])
@pytest.mark.parametrize("protocols", [[], ["http/1.1"], ["h2", "http/1.1"]])
def test_a_real_hello_is_read_without_the_host(name: str, protocols: list[str]) -> None:
    """And says to whoever asks for more the same as the host's."""
    data = real_hello(name, protocols)
    found = parse_client_hello(data)
    assert isinstance(found, ReadHello)
    assert (found.sni, found.alpn_protocols) == (name, [one.encode() for one in protocols])
    assert said(parse_client_hello, data) == said(host_parser, data)


def test_a_hello_without_a_name_has_none() -> None:
    """A browser that goes to an address."""
    found = parse_client_hello(real_hello(None, ["http/1.1"]))
    assert isinstance(found, ReadHello)
    assert found.sni is None
    assert found.alpn_protocols == [b"http/1.1"]


@pytest.mark.parametrize("length", [1, 5, 40, 200])
def test_half_a_hello_is_waited_for(length: int) -> None:
    """It comes in pieces when it is long."""
    assert parse_client_hello(real_hello("www.lessons.example", [])[:length]) is None


def test_what_is_no_hello_is_refused() -> None:
    """As by the host's."""
    with pytest.raises(ValueError, match="Expected TLS record"):
        parse_client_hello(b"GET / HTTP/1.1\r\n\r\n")


ODD = {
    "two names in one list": message(
        extension(0, listed(b"\0" + listed(b"one.example"), b"\0" + listed(b"two.example")))
    ),
    "two lists of names": message(extension(0, server_name(b"one.example")), extension(0, server_name(b"two.example"))),
    "a name of another kind": message(extension(0, server_name(b"one.example", kind=1))),
    "a list longer than it says": message(extension(0, b"\0\1" + server_name(b"one.example")[2:])),
    "an empty name": message(extension(0, server_name(b""))),
    "two lists of protocols": message(
        extension(16, listed(listed(b"h2", wide=1))), extension(16, listed(listed(b"http/1.1", wide=1)))
    ),
    "extensions longer than they say": message(extension(10, b"ab")) + extension(0, server_name(b"one.example")),
    "an odd number of bytes of suites": b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\3\x13\x01\x13" + b"\1\0",
    "bytes after the end": message(extension(0, server_name(b"one.example")), more=b"\0"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_unusual_is_left_to_the_host(what: str) -> None:
    """Two readers that differ are a way round a filter."""
    assert read_hello(ODD[what]) is None
    assert said(parse_client_hello, recorded(ODD[what])) == said(host_parser, recorded(ODD[what]))


NAMES = (
    st.from_regex(rb"[a-zA-Z0-9_.-]{0,70}(\.[a-z0-9-]{1,63}){0,5}", fullmatch=True)
    | st.binary(max_size=300)
    | st.sampled_from([b"xn--bcher-kva.example", b"xn--.example", b"127.0.0.1", b"::1", b"a.example.", b".", b"a..b"])
)
EXTENSIONS = st.one_of(
    NAMES.map(lambda name: extension(0, server_name(name))),
    st.lists(st.binary(max_size=9), max_size=4).map(
        lambda names: extension(16, listed(*(listed(name, wide=1) for name in names)))
    ),
    st.tuples(st.sampled_from([0, 10, 16, 43, 51]), st.binary(max_size=12)).map(lambda both: extension(*both)),
)
MESSAGES = st.builds(
    lambda parts, session, more: message(*parts, session=session, more=more),
    st.lists(EXTENSIONS, max_size=5),
    st.binary(max_size=32),
    st.just(b"") | st.binary(max_size=4),
)


@given(raw=MESSAGES, split=st.integers(0, 60))
@example(raw=message(extension(0, server_name(b"a" * 64 + b".example"))), split=0)
@example(raw=message(extension(0, server_name(b".".join([b"a" * 60] * 5)))), split=0)
def test_it_is_what_the_host_reads(raw: bytes, split: int) -> None:
    """In one record or two."""
    data = recorded(raw, split)
    assert said(parse_client_hello, data) == said(host_parser, data)


@given(raw=MESSAGES, place=st.integers(0, 400), value=st.integers(0, 255), length=st.integers(0, 500))
def test_it_is_what_the_host_reads_of_a_broken_one(raw: bytes, place: int, value: int, length: int) -> None:
    """One byte changed, and cut off somewhere."""
    broken = bytearray(raw)
    if place < len(broken):
        broken[place] = value
    data = recorded(bytes(broken[:length]))
    assert said(parse_client_hello, data) == said(host_parser, data)


@given(data=st.binary(max_size=200) | st.binary(max_size=200).map(recorded))
def test_it_is_what_the_host_reads_of_anything(data: bytes) -> None:
    """Bytes at random."""
    assert said(parse_client_hello, data) == said(host_parser, data)


SPOILT = "xn--65536999999999990x7f"
"""Letters, digits and a hyphen, on which Python 3.13's decoder of Punycode overflows."""


@pytest.mark.parametrize("name", [SPOILT, f"www.{SPOILT}.example"])
def test_a_name_that_no_decoder_can_read_is_none(name: str) -> None:
    """The check itself fails on it, and with it would the layer that asked."""
    assert not clienthello.is_valid_host(name)
    assert clienthello.is_valid_host("xn--bcher-kva.example")
    hello = parse_client_hello(recorded(message(extension(0, server_name(name.encode())))))
    assert hello is not None
    assert hello.sni is None
    clienthello.install()
    with pytest.raises(ValueError):
        url.parse_authority(name, check=True)


@pytest.mark.parametrize(("pieces", "read"), [(1, True), (12, True), (20, False), (400, False)])
def test_a_hello_in_shreds_is_none(pieces: int, read: bool) -> None:
    """It is read anew with each octet that comes: so many records would take milliseconds each time."""
    raw = message(extension(0, server_name(b"lessons.example")), more=b"")
    whole = b"\x01" + len(raw).to_bytes(3, "big") + raw + bytes(500)
    size = -(-(len(raw) + 4) // pieces) if pieces < 100 else 1
    data = b"".join(b"\x16\x03\x01" + listed(whole[at : at + size]) for at in range(0, len(raw) + 4, size))
    if read:
        hello = parse_client_hello(data)
        assert hello is not None
        assert hello.sni == "lessons.example"
    else:
        with pytest.raises(ValueError, match="pieces"):
            parse_client_hello(data)


@pytest.mark.parametrize("size", [17, 100_000])
def test_what_follows_a_hello_is_not_part_of_it(size: int) -> None:
    """However much came with it, and whatever it looks like."""
    for more in (b"x" * size, b"\x16\x03\x01\x00\x01x" * size):
        hello = parse_client_hello(real_hello("lessons.example", []) + more)
        assert hello is not None
        assert hello.sni == "lessons.example"


def test_a_hello_without_end_is_none() -> None:
    begun = b"\x01\xff\xff\xff" + bytes(0x3FFC)
    with pytest.raises(ValueError, match="without end"):
        parse_client_hello(b"".join(b"\x16\x03\x01" + listed(part) for part in [begun] * 5))


def test_the_host_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has been told to."""
    monkeypatch.setattr(tls_layers, "parse_client_hello", host_parser)
    clienthello.install()
    assert tls_layers.parse_client_hello is parse_client_hello
