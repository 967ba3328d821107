"""Undoes a content encoding, a bounded piece at a time.

In come octets as the origin sent them and how many decoded ones are wanted at most; out come decoded ones. A bomb costs
no more than what was asked for. Raises whatever a library raises for octets that are not what they were said to be.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import brotli
import zstandard

from addons.pageheads import PACKED

_LARGEST_WINDOW = 8 * 1024 * 1024
_UNDONE = frozenset(("gzip", "x-gzip", "deflate", "br", "zstd"))
_MOST_CODINGS = 3
_BITE = 256
"""Octets given to zstd at once: it cannot be told how much to give back."""


class Decoder(Protocol):
    """Undoes a content encoding."""

    def __call__(self, data: bytes, limit: int) -> bytes:
        """At most about `limit` decoded bytes of `data`; what is more is given with the next call, or lost."""


def make_decoder(encoding: str) -> Decoder | None:
    """A decoder for a Content-Encoding, of several codings, too; None when one of them is not undone here.

    What is no coding (`none`, `utf-8`) is passed over, as browsers do.
    """
    codings = [one for one in (part.strip().lower() for part in encoding.split(",")) if one]
    undone = [one for one in codings if one in _UNDONE]
    if PACKED.intersection(codings) or len(undone) > _MOST_CODINGS:
        return None
    decoders = [_one(coding) for coding in reversed(undone)]
    return decoders[0] if len(decoders) == 1 else _Chain(decoders)


def _one(coding: str) -> Decoder:
    match coding:
        case "gzip" | "x-gzip":
            return _Zlib(31)
        case "deflate":
            return _Zlib(None)
        case "br":
            return _brotli()
        case "zstd":
            return _zstd()
        case _:
            raise ValueError(f"no coding that is undone: {coding!r}")


class _Chain:
    """Several codings, undone in turn. What they make in between is bounded, too."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders

    def __call__(self, data: bytes, limit: int) -> bytes:
        if not self._decoders:
            return data[:limit]
        for decode in self._decoders:
            data = decode(data, limit)
        return data


class _Zlib:
    """gzip, also of several members one after the other; deflate with its header, or without as some send it."""

    def __init__(self, wbits: int | None) -> None:
        self._wbits = wbits
        self._engine = None if wbits is None else zlib.decompressobj(wbits=wbits)

    def __call__(self, data: bytes, limit: int) -> bytes:
        if not data or limit <= 0:
            return b""
        if self._engine is None:
            headed = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
            self._wbits = 47 if headed or data[0] == 0x1F else -15
            self._engine = zlib.decompressobj(wbits=self._wbits)
        engine = self._engine
        out = engine.decompress(engine.unconsumed_tail + data, limit)
        while engine.eof and engine.unused_data[:2] == b"\x1f\x8b" and len(out) < limit:
            rest = engine.unused_data
            engine = self._engine = zlib.decompressobj(wbits=31)
            out += engine.decompress(rest, limit - len(out))
        return out


def _brotli() -> Decoder:
    engine = brotli.Decompressor()

    def decode(data: bytes, limit: int) -> bytes:
        return bytes(engine.process(data, output_buffer_limit=limit))[:limit]

    return decode


def _zstd() -> Decoder:
    engine = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj(read_across_frames=True)

    def decode(data: bytes, limit: int) -> bytes:
        out = bytearray()
        for start in range(0, len(data), _BITE):
            out += engine.decompress(data[start : start + _BITE])
            if len(out) >= limit:
                break
        return bytes(out[:limit])

    return decode
