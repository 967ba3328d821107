"""Content encodings undone, whole and within bounds."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from addons.decoders import make_decoder

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


@pytest.mark.parametrize("encoding", ["compress", "dcb", "gzip, dcz", "gzip, gzip, gzip, gzip"])
def test_what_nobody_asks_for_is_unknown(encoding: str) -> None:
    """Such a body passes, and its row says that it was not looked at."""
    assert make_decoder(encoding) is None
