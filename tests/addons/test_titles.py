"""The title of a page, read as it passes by."""

from __future__ import annotations

import gzip
import time
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.pagebody import BodyKind, PageBody
from addons.titles import LONGEST_TITLE, MOST_DECODED

PAGE = "<!doctype html><html><head><title>\n Volcanoes &amp; Eärthquakes\t</title></head><body>x</body></html>".encode()
ENCODERS = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def read(data: bytes, encoding: str = "", charset: str | None = None, step: int = 1000) -> PageBody:
    reader = PageBody(BodyKind(encoding, charset))
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_title_is_read_in_every_encoding(encoding: str, step: int) -> None:
    """However the origin packs and splits it."""
    assert read(ENCODERS[encoding](PAGE), encoding, step=step).title == "Volcanoes & Eärthquakes"


@pytest.mark.parametrize(
    ("body", "charset", "title"),
    [
        ("<title>Café</title>".encode("latin-1"), "iso-8859-1", "Café"),
        ("<meta charset=windows-1251><title>Привет</title>".encode("cp1251"), None, "Привет"),
        (b"<title>a\xffb</title>", None, "aÿb"),
        (b"<title>x</title>", "no-such-charset", "x"),
        (b"<TITLE lang=en>Loud</TITLE>", None, "Loud"),
        (b"<title></title>", None, None),
        (b"<title>" + b"a" * 1000 + b"</title>", None, "a" * LONGEST_TITLE),
        (b"<html><body><svg><title>not this</title></svg>", None, None),
        (b"<titles>no</titles><title\n>yes</title>", None, "yes"),
        (b"<title>" + b"x" * 5000, None, None),
        (b"<html><body>" + b"y" * 5000 + b"<title>too late</title>", None, None),
        (b"no markup at all", None, None),
    ],
)
def test_odd_pages(body: bytes, charset: str | None, title: str | None) -> None:
    """Legacy charsets, broken bytes, no title."""
    assert read(body, charset=charset).title == title


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_no_more_than_a_page(encoding: str) -> None:
    """A hundred megabytes of zeros in a few kilobytes: reading stops at the bound."""
    reader = PageBody(BodyKind(encoding))
    reader.feed(ENCODERS[encoding](b"\0" * 100_000_000))
    assert reader.done
    assert reader.title is None
    assert reader.decoded <= MOST_DECODED


@pytest.mark.parametrize("piece", [b"<title>", b"<title", b"<title x", b"</title", b"<meta charset", b"<body", b"<"])
def test_a_page_made_to_be_slow_is_not(piece: bytes) -> None:
    """Markup that makes a careless search quadratic costs milliseconds, in any cut."""
    page = piece * (MOST_DECODED // len(piece))
    began = time.process_time()
    read(page, step=1000)
    read(page[:8000], step=1)
    assert time.process_time() - began < 1.0


@given(st.binary(max_size=300), st.sampled_from([*ENCODERS, "rot13", "gzip, br"]))
def test_any_bytes_are_survived(data: bytes, encoding: str) -> None:
    """A reader never raises: the host would hang the client."""
    PageBody(BodyKind(encoding)).feed(data)
