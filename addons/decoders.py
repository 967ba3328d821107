"""Undoes a content encoding, a bounded piece at a time.

In come octets as the origin sent them and how many decoded ones are wanted at most; out come decoded ones, and whether
there are more of them: these come when it is asked again with nothing. A bomb costs no more than what was asked for.
Raises whatever a library raises for octets that are not what they were said to be.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

from addons.brotlizstd import Brotli, Zstd
from addons.pageheads import PACKED

_UNDONE = frozenset(("gzip", "x-gzip", "deflate", "br", "zstd"))
_MOST_CODINGS = 3
_PIECE = 16 * 1024
"""Octets undone at once: at a fault, so many are undone again."""
_KEPT = 64 * 1024
"""Octets that are kept until it is sure whether deflate has a header."""
_LOOKS_BACK = 64 * 1024
"""Octets of memory zlib takes."""


class Decoder(Protocol):
    """Undoes a content encoding."""

    @property
    def more(self) -> bool:
        """Whether there may be more to be had without further data: none is taken before all of it was asked for.
        A call that gives nothing may leave more to come."""

    @property
    def leaps(self) -> bool:
        """Whether it may make much more at once than was asked for."""

    @property
    def keeps(self) -> int:
        """Bytes of memory, about, that it has taken to look back in, and of what is to be had."""

    def __call__(self, data: bytes, limit: int) -> bytes:
        """At most about `limit` decoded bytes."""


def make_decoder(encoding: str) -> Decoder | None:
    """A decoder for a Content-Encoding, of several codings, too; None when one of them is not undone here.

    What is no coding (`none`, `utf-8`) is passed over, as browsers do.
    """
    if not encoding:
        return as_sent
    codings = [one for one in (part.strip().lower() for part in encoding.split(",")) if one]
    undone = [one for one in codings if one in _UNDONE]
    if PACKED.intersection(codings) or len(undone) > _MOST_CODINGS:
        return None
    decoders = [_one(coding) for coding in reversed(undone)]
    if not decoders:
        return as_sent
    return decoders[0] if len(decoders) == 1 else _Chain(decoders)


def _one(coding: str) -> Decoder:
    match coding:
        case "gzip" | "x-gzip":
            return _Zlib(31)
        case "deflate":
            return _Deflate()
        case "br":
            return Brotli()
        case "zstd":
            return Zstd()
        case _:
            raise ValueError(f"no coding that is undone: {coding!r}")


class _Chain:
    """Several codings, undone in turn. What they make in between is bounded, too, and each call goes through them once:
    a gigabyte that says nothing (one long skippable frame) is many calls that give nothing, with `more` to come."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders

    @property
    def more(self) -> bool:
        """Whether any of them has more."""
        return any(decode.more for decode in self._decoders)

    @property
    def leaps(self) -> bool:
        """Whether any of them does."""
        return any(decode.leaps for decode in self._decoders)

    @property
    def keeps(self) -> int:
        """What all of them keep."""
        return sum(decode.keeps for decode in self._decoders)

    def __call__(self, data: bytes, limit: int) -> bytes:
        begin = max((place for place, decode in enumerate(self._decoders) if decode.more), default=0)
        for decode in self._decoders[begin:]:
            data = decode(data, limit)
        return data


class _AsSent:
    """No coding."""

    more, leaps, keeps = False, False, 0

    def __call__(self, data: bytes, limit: int) -> bytes:
        return data[:limit]


as_sent: Decoder = _AsSent()


class _Zlib:
    """gzip, also of several members one after the other. What comes before a fault is given, as browsers show it."""

    def __init__(self, wbits: int) -> None:
        self.broken = False
        """Whether a fault was met: whatever comes then raises."""
        self.more = self.leaps = False
        self.keeps = _LOOKS_BACK
        self._engine = zlib.decompressobj(wbits=wbits)

    def __call__(self, data: bytes, limit: int) -> bytes:
        self._raise_behind_a_fault()
        left = b"" if self._engine.eof else self._engine.unconsumed_tail  # at its end zlib leaves there what is unused
        out = self._inflated(left + data, limit)
        while not self.broken and self._engine.eof and self._engine.unused_data[:2] == b"\x1f\x8b" and len(out) < limit:
            rest = self._engine.unused_data
            self._engine = zlib.decompressobj(wbits=31)
            out += self._inflated(rest, limit - len(out))
        self.more = len(out) >= limit and not self.broken
        if self.broken and data and not out:
            raise zlib.error("a fault, and nothing before it")
        return bytes(out)

    def _raise_behind_a_fault(self) -> None:
        if self.broken:
            raise zlib.error("nothing is known behind a fault")

    def _inflated(self, data: bytes, limit: int) -> bytearray:
        engine, out = self._engine, bytearray()
        if engine.eof:
            engine.decompress(data)  # to what is unused
            return out
        while len(out) < limit:
            before, most = engine.copy(), min(_PIECE, limit - len(out))
            try:
                piece = engine.decompress(data, most)
            except zlib.error:
                self.broken = True
                return out + _squeezed(before, data)
            out += piece
            data = engine.unconsumed_tail
            if len(piece) < most:
                break
        return out


def _squeezed(engine: Any, data: bytes) -> bytearray:
    """Every octet before a fault: zlib gives none of those it undid together with it (a wrong checksum is a fault)."""
    out, most = bytearray(), 4096
    while most:
        before = engine.copy()
        try:
            out += engine.decompress(data[:most], _PIECE)
        except zlib.error:
            engine, most = before, most // 16
            continue
        data = engine.unconsumed_tail + data[most:]
        if not data:
            break
    with contextlib.suppress(zlib.error):
        while one := engine.decompress(data, 1):
            out += one
            data = engine.unconsumed_tail
    return out


class _Deflate:
    """deflate with its header, or without as some send it. What looks like a header and turns out to be none is read
    again without, from its beginning, as browsers do."""

    leaps = False

    def __init__(self) -> None:
        self._begun: bytes | None = b""
        self._undo: _Zlib | None = None

    @property
    def more(self) -> bool:
        """Whether what undoes it has more."""
        return self._undo is not None and self._undo.more

    @property
    def keeps(self) -> int:
        """What undoes it, and its beginning."""
        return _LOOKS_BACK + len(self._begun or b"")

    def __call__(self, data: bytes, limit: int) -> bytes:
        if self._begun is not None:
            self._begun += data
            if self._undo is None:
                if len(self._begun) < len(b"\x78\x9c"):
                    return b""
                data, self._undo = self._begun, _Zlib(_wbits(self._begun))
            if len(self._begun) > _KEPT:
                self._begun = None
        if self._undo is None:
            raise RuntimeError("deflate without a reader")
        out, fault = b"", None
        try:
            out = self._undo(data, limit)
        except zlib.error as error:
            fault = error
        if not self._undo.broken or self._begun is None:
            if fault is not None:
                raise fault
            return out
        data, self._begun, self._undo = self._begun, None, _Zlib(-15)
        try:
            return out + self._undo(data, limit)
        except zlib.error:
            if fault is not None:
                raise
            return out


def _wbits(begun: bytes) -> int:
    headed = begun[0] & 0x0F == 8 and (begun[0] << 8 | begun[1]) % 31 == 0
    return 47 if headed or begun[0] == 0x1F else -15
