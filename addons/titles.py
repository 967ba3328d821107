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

LONGEST_MARKUP = 4096
"""Bytes a title element may span; a longer one is no title."""

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_HEAD_OF_PAGE = 4096
"""Bytes in which a charset may be declared (HTML Standard: the first 1024)."""
_ENDS_NAME = b" \t\r\n\f/>"


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
    """Reads a title as chunks pass by. Every byte is looked at a bounded number of times, however it is cut."""

    def __init__(self, encoding: str, charset: str | None) -> None:
        self.title: str | None = None
        self.done = False
        self._charset = charset
        self._decoder = make_decoder(encoding)
        self._read = 0
        self._text = bytearray()
        self._folded = bytearray()
        self._looked = 0
        self._begin = -1
        if self._decoder is None:
            self.done = True

    def feed(self, chunk: bytes) -> None:
        """Look at one chunk; never raises."""
        if self.done or not chunk or self._decoder is None:
            return
        try:
            decoded = self._decoder(chunk, MOST_DECODED - len(self._text))
        except Exception:  # any fault of a decoder only means that there is no title
            self._finish()
            return
        self._read += len(chunk)
        self._text += decoded
        self._folded += decoded.lower()
        self._look()
        if not self.done and (self._read >= MOST_READ or len(self._text) >= MOST_DECODED):
            self._finish()

    def _look(self) -> None:
        """Find where the title's text begins, then where it ends; go on from where the last look stopped."""
        if self._begin < 0 and not self._find_begin():
            return
        end = self._folded.find(b"</title", max(self._begin, self._looked - 7))
        self._looked = len(self._folded)
        if end >= 0:
            self.title = self._clean(bytes(self._text[self._begin : end]))
        if end >= 0 or self._looked - self._begin > LONGEST_MARKUP:
            self._finish()

    def _find_begin(self) -> bool:
        folded, start = self._folded, max(0, self._looked - 7)
        while (found := folded.find(b"<title", start)) >= 0 and found + 6 < len(folded):
            if folded[found + 6] in _ENDS_NAME:
                break
            start = found + 6
        body = folded.find(b"<body", max(0, self._looked - 7), found if found >= 0 else len(folded))
        if body >= 0 and body + 5 < len(folded):
            self._finish()  # a title in the body is not the page's
            return False
        if found < 0 or found + 6 >= len(folded):
            self._looked = len(folded) if found < 0 else found
            return False
        close = folded.find(b">", found + 6, found + LONGEST_MARKUP)
        if close < 0:
            self._looked = found
            if len(folded) - found > LONGEST_MARKUP:
                self._finish()
            return False
        self._begin = self._looked = close + 1
        return True

    def _finish(self) -> None:
        self.done = True
        self._text, self._folded = bytearray(), bytearray()

    def _clean(self, raw: bytes) -> str | None:
        declared = _META_CHARSET.search(self._text, 0, _HEAD_OF_PAGE)
        charset = self._charset or (declared.group(1).decode("ascii", "replace") if declared else "utf-8")
        try:
            text = raw.decode(charset, "replace")
        except LookupError:
            text = raw.decode("utf-8", "replace")
        text = " ".join(html.unescape(text).split())
        return text[:LONGEST_TITLE] or None
