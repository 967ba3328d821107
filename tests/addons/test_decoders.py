"""Content encodings undone, whole and within bounds.

Shows: `addons.brotlizstd`.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import time
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.decoders import as_sent, make_decoder
from addons.pagebody import BodyKind, PageBody

PAGE = b"<p>towers and moats</p>" * 500
RAW = zlib.compressobj(wbits=-15)
PACKED: list[tuple[str, bytes]] = [
    ("", PAGE),
    ("identity", PAGE),
    ("none", PAGE),
    ("utf-8", PAGE),
    ("gzip, identity", gzip.compress(PAGE)),
    ("gzip, gzip", gzip.compress(gzip.compress(PAGE))),
    ("gzip, br", brotli.compress(gzip.compress(PAGE))),
    ("gzip", gzip.compress(PAGE)),
    ("x-gzip", gzip.compress(PAGE)),
    ("gzip", gzip.compress(PAGE[:99]) + gzip.compress(PAGE[99:])),
    ("deflate", zlib.compress(PAGE)),
    ("deflate", RAW.compress(PAGE) + RAW.flush()),
    ("br", brotli.compress(PAGE)),
    ("zstd", zstandard.ZstdCompressor().compress(PAGE)),
    ("zstd", zstandard.ZstdCompressor().compress(PAGE[:99]) + zstandard.ZstdCompressor().compress(PAGE[99:])),
]


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
@pytest.mark.parametrize("step", [1, 100, 1_000_000])
def test_what_was_packed_is_unpacked(encoding: str, packed: bytes, step: int) -> None:
    """Of several members or frames, with a header or without, cut anywhere."""
    decode = make_decoder(encoding)
    assert decode is not None
    assert b"".join(decode(packed[at : at + step], 1_000_000) for at in range(0, len(packed), step)) == PAGE


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_no_more_is_unpacked_than_asked_for(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """However much a few kilobytes hold."""
    decode = make_decoder(encoding)
    assert decode is not None
    assert len(decode(pack(bytes(20_000_000)), 1000)) <= 1000


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
@pytest.mark.parametrize("limit", [33, len(PAGE)])
def test_what_is_more_than_was_asked_for_comes_when_it_is_asked_for(encoding: str, packed: bytes, limit: int) -> None:
    """A piece at a time, and nothing is lost between them; what comes as it is is never more."""
    decode = make_decoder(encoding)
    assert decode is not None
    if decode is as_sent:
        assert not decode.more
        return
    pieces = [decode(packed, limit)]
    while decode.more:
        pieces.append(decode(b"", limit))
    assert b"".join(pieces) == PAGE
    assert max(map(len, pieces)) <= limit


@pytest.mark.parametrize("looks_back", [10, 16, 17, 18, 20])
def test_what_brotli_keeps_is_what_it_may_look_back(looks_back: int) -> None:
    """It says so itself, in its first octet."""
    decode = make_decoder("br")
    assert decode is not None
    assert decode.keeps == 0
    decode(brotli.compress(bytes(2_000_000), quality=5, lgwin=looks_back), 64 * 1024)
    while decode.more:
        decode(b"", 64 * 1024)
    assert decode.keeps == 1 << looks_back


def test_brotli_hands_out_all_that_was_sent_so_far() -> None:
    """Of a stream that is flushed and not ended: the library gives 32 kB at a time, however much was asked for."""
    engine = brotli.Compressor(quality=5)
    page = b"".join(b"tower %d " % (number * 7919) for number in range(30_000))
    packed = engine.process(page) + engine.flush()
    decode = make_decoder("br")
    assert decode is not None
    out = b""
    for at in range(0, len(packed), 16_384):
        out += decode(packed[at : at + 16_384], 64 * 1024)
        while decode.more:
            out += decode(b"", 64 * 1024)
    assert out == page


SKIPPED = b"\x52\x2a\x4d\x18\x05\x00\x00\x00abcde"
SUMMED = zstandard.ZstdCompressor(write_checksum=True).compress(PAGE)
FOLLOWED: list[tuple[str, str, bytes]] = [
    ("an octet", "br", brotli.compress(PAGE) + b"x"),
    ("much", "br", brotli.compress(PAGE) + b"<p>more</p>" * 500),
    ("an octet", "zstd", zstandard.ZstdCompressor().compress(PAGE) + b"x"),
    ("half of a head", "zstd", zstandard.ZstdCompressor().compress(PAGE) + b"\x28\xb5"),
    ("a frame that is skipped", "zstd", SKIPPED + zstandard.ZstdCompressor().compress(PAGE) + SKIPPED + b"junkjunk"),
    ("a frame that is none", "zstd", zstandard.ZstdCompressor().compress(PAGE) + b"\x28\xb5\x2f\xfdjunkjunkjunk"),
    ("thousands of frames", "zstd", zstandard.ZstdCompressor().compress(b"") * 3000 + SUMMED),
    ("a wrong sum", "zstd", SUMMED[:-4] + b"none"),
    ("a wrong sum behind frames", "zstd", zstandard.ZstdCompressor().compress(b"") * 2 + SUMMED[:-4] + b"none"),
    ("an octet, within", "br, gzip", gzip.compress(brotli.compress(PAGE) + b"x")),
]


@pytest.mark.parametrize(("what", "encoding", "packed"), FOLLOWED, ids=[f"{one[1]}: {one[0]}" for one in FOLLOWED])
@pytest.mark.parametrize("step", [1, 100, 1_000_000])
def test_what_follows_the_end_hides_nothing(what: str, encoding: str, packed: bytes, step: int) -> None:
    """Browsers show the page and ignore the rest; so it is read, and is not said to be no packed page at all."""
    title = PageBody(BodyKind(encoding), most=1_000_000)
    decode, out = make_decoder(encoding), b""
    assert decode is not None
    with contextlib.suppress(zstandard.ZstdError):  # what comes behind a fault
        for at in range(0, len(packed), step):
            out += decode(packed[at : at + step], 1000)
            while decode.more:
                out += decode(b"", 1000)
    assert out == PAGE
    for at in range(0, len(packed), step):
        title.feed(packed[at : at + step])
    assert title.decoded == len(PAGE)
    assert not title.as_it_stands
    assert title.trouble is None or what.startswith(("a frame that is none", "a wrong sum"))


@pytest.mark.parametrize(("encoding", "error"), [("br", brotli.error), ("zstd", zstandard.ZstdError)])
def test_a_fault_behind_what_is_kept_is_told(encoding: str, error: type[Exception]) -> None:
    """What the last octets before it held is not to be had: that raises, and what came before was given."""
    text = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(3000))  # 100 kB packed
    if encoding == "br":
        packed = brotli.compress(text, quality=4) + b"x"
    else:
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(text)[:-4] + b"none"
    decode, out = make_decoder(encoding), b""
    assert decode is not None
    with pytest.raises(error):
        out += decode(packed, 64 * 1024)
        while decode.more:
            out += decode(b"", 64 * 1024)
    assert len(out) > len(text) / 2
    body = PageBody(BodyKind(encoding))
    body.feed(packed)
    assert body.trouble == "encoding"


def test_many_frames_without_text_are_undone_a_moment_at_a_time() -> None:
    """Each is little work, and a chunk holds thousands: not all of them in one call."""
    decode = make_decoder("zstd")
    assert decode is not None
    assert decode(zstandard.ZstdCompressor().compress(b"") * 2000, 1000) == b""
    assert decode.more


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_what_is_not_packed_at_all_is_read_as_it_stands(encoding: str) -> None:
    """Also behind an empty stream: programs may show it."""
    empty = brotli.compress(b"") if encoding == "br" else zstandard.ZstdCompressor().compress(b"")
    for packed in (PAGE, empty + PAGE):
        body = PageBody(BodyKind(encoding))
        body.feed(packed)
        assert body.as_it_stands


def test_codings_that_hold_nothing_are_undone_a_moment_at_a_time() -> None:
    """A few octets unpack to megabytes of a frame that says nothing: each call goes through them once and comes back,
    with more to come."""
    decode = make_decoder("zstd, zstd, zstd")
    assert decode is not None
    packed, calls, longest = nothing_in_zstd(64), 0, 0.0
    while not calls or decode.more:
        began = time.process_time()
        assert not decode(b"" if calls else packed, 64 * 1024)
        longest, calls = max(longest, time.process_time() - began), calls + 1
    assert len(packed) < 100
    assert calls > 500
    assert longest < 0.1


@pytest.mark.parametrize("coding", ["zstd, zstd, zstd", "gzip, gzip, gzip"])
def test_what_is_read_for_its_title_costs_a_few_looks(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read as it passes, at once: where nothing comes out of it no more of it is read."""
    looks: list[PageBody] = []
    whole = PageBody.look

    def counted(self: PageBody) -> None:
        looks.append(self)
        whole(self)

    monkeypatch.setattr(PageBody, "look", counted)
    body = PageBody(BodyKind(coding))
    packed = nothing_in_zstd(64) if coding.startswith("zstd") else nothing_in_gzip(64)
    for at in range(0, len(packed), 16):
        body.feed(packed[at : at + 16])
    assert body.trouble == "effort"
    assert len(looks) < 50 + len(packed) // 4


def nothing_in_zstd(megabytes: int) -> bytes:
    """One skippable frame, packed twice."""
    engine = zstandard.ZstdCompressor().compressobj()
    inner = engine.compress(b"\x50\x2a\x4d\x18\xf0\xff\xff\xff")
    inner += b"".join(engine.compress(bytes(1024 * 1024)) for _ in range(megabytes)) + engine.flush()
    return zstandard.ZstdCompressor().compress(inner)


def nothing_in_gzip(megabytes: int) -> bytes:
    """Blocks without text, packed twice."""
    empty = b"\x00\x00\x00\xff\xff" * 200_000
    inner = zlib.compressobj(9, wbits=31)
    packed = inner.compress(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    packed += b"".join(inner.compress(empty) for _ in range(megabytes)) + inner.flush()
    return gzip.compress(packed)


@pytest.mark.parametrize("encoding", ["compress", "dcb", "gzip, dcz", "gzip, gzip, gzip, gzip"])
def test_what_nobody_asks_for_is_unknown(encoding: str) -> None:
    """Such a body passes, and its row says that it was not looked at."""
    assert make_decoder(encoding) is None


@pytest.mark.parametrize("wbits", [31, 15, -15])
@pytest.mark.parametrize("step", [7, 1_000_000])
def test_what_comes_before_a_fault_is_read(wbits: int, step: int) -> None:
    """To the last octet: browsers show it. A wrong checksum at the end is a fault, too."""
    engine = zlib.compressobj(wbits=wbits)
    packed = engine.compress(PAGE) + engine.flush(zlib.Z_FULL_FLUSH)
    packed += b"\x07" * 64 if wbits == -15 else engine.flush()[:-4] + b"none"
    decode = make_decoder("gzip" if wbits == 31 else "deflate")
    assert decode is not None
    out = b""
    with contextlib.suppress(zlib.error):
        for at in range(0, len(packed), step):
            out += decode(packed[at : at + step], 1_000_000)
    assert out.startswith(PAGE)


@pytest.mark.parametrize("step", [1, 2, 1_000_000])
@pytest.mark.parametrize("text", [PAGE[:100], b"x" * 0x9C, b"y" * 0x01])
def test_deflate_that_only_looks_as_if_it_had_a_header_is_read(text: bytes, step: int) -> None:
    """Raw blocks whose first octets are those of zlib: browsers try again without (a stored block may begin so)."""
    stored = b"\x78" + bytes((0x01,)) + b"\x00" + bytes((0xFE, 0xFF)) + b"<"  # a block of one octet, padded with ones
    packed = stored + raw_block(text)
    decode = make_decoder("deflate")
    assert decode is not None
    out = b"".join(decode(packed[at : at + step], 1_000_000) for at in range(0, len(packed), step))
    assert out.endswith(b"<" + text)


def raw_block(text: bytes) -> bytes:
    """A last, stored block (RFC 1951 §3.2.4)."""
    length = len(text)
    return b"\x01" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + text


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_octets_that_say_nothing_are_no_bug(octets: bytes, step: int, encoding: str) -> None:
    """Whatever an origin sends: text, or a library's own error."""
    decode = make_decoder(encoding)
    assert decode is not None
    with contextlib.suppress(zlib.error, brotli.error, zstandard.ZstdError):
        for at in range(0, len(octets), step):
            assert len(decode(octets[at : at + step], 100)) <= 200
