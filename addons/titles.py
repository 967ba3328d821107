"""The title of an HTML page from the bytes that pass by.

In come chunks of a response body, encoded as the origin sent them; out comes a title or None. Bounded in bytes read and
in bytes decompressed (a gzip bomb costs no more than a page), never raises, never changes what passes.
"""

from __future__ import annotations

import html
import re
import zlib
from typing import Protocol

import brotli
import zstandard

MOST_READ = 128 * 1024
"""Encoded bytes looked at."""
MOST_DECODED = 256 * 1024
"""Decoded bytes looked at."""
LONGEST_TITLE = 300
"""Characters kept."""

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_BODY = re.compile(rb"<body[\s>]", re.IGNORECASE)


class Decoder(Protocol):
    """Undoes a content encoding, a bounded piece at a time."""

    def __call__(self, data: bytes, limit: int) -> bytes:
        """At most about `limit` decoded bytes of `data`."""


def make_decoder(encoding: str) -> Decoder | None:
    """A decoder for a Content-Encoding; None when it is unknown."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda data, limit: data[:limit]
        case "gzip" | "x-gzip":
            return _zlib(zlib.decompressobj(wbits=31))
        case "deflate":
            return _zlib(zlib.decompressobj(wbits=47))
        case "br":
            return _brotli()
        case "zstd":
            return _zstd()
        case _:
            return None


def _zlib(engine: zlib._Decompress) -> Decoder:
    return lambda data, limit: engine.decompress(engine.unconsumed_tail + data, limit)


def _brotli() -> Decoder:
    engine = brotli.Decompressor()

    def decode(data: bytes, limit: int) -> bytes:
        return bytes(engine.process(data, output_buffer_limit=limit))

    return decode


def _zstd() -> Decoder:
    engine = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj(read_across_frames=False)

    def decode(data: bytes, limit: int) -> bytes:
        out = bytearray()
        for start in range(0, len(data), 1024):  # small bites: one bite may still be large, never huge
            out += engine.decompress(data[start : start + 1024])
            if len(out) >= limit:
                break
        return bytes(out[:limit])

    return decode


class TitleReader:
    """Reads a title as chunks pass by."""

    def __init__(self, encoding: str, charset: str | None) -> None:
        self.title: str | None = None
        self.done = False
        self._charset = charset
        self._decoder = make_decoder(encoding)
        self._read = 0
        self._text = bytearray()
        if self._decoder is None:
            self.done = True

    def feed(self, chunk: bytes) -> None:
        """Look at one chunk; never raises."""
        if self.done or not chunk or self._decoder is None:
            return
        try:
            self._text += self._decoder(chunk, MOST_DECODED - len(self._text))
        except Exception:
            self.done = True
            return
        self._read += len(chunk)
        found = _TITLE.search(self._text)
        if found is not None:
            self.title = self._clean(found.group(1))
            self.done = True
        elif self._read >= MOST_READ or len(self._text) >= MOST_DECODED or _BODY.search(self._text):
            self.done = True
        if self.done:
            self._text = bytearray()

    def _clean(self, raw: bytes) -> str | None:
        declared = _META_CHARSET.search(self._text)
        charset = self._charset or (declared.group(1).decode("ascii", "replace") if declared else "utf-8")
        try:
            text = raw.decode(charset, "replace")
        except LookupError:
            text = raw.decode("utf-8", "replace")
        text = " ".join(html.unescape(text).split())
        return text[:LONGEST_TITLE] or None
