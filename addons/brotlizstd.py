"""Brotli and Zstandard undone, to the last octet before a fault or an end.

In come octets as they were sent and how many decoded ones are wanted; out come decoded ones, as `addons.decoders` says.
Browsers show what comes before a fault and nothing of what follows the end. The libraries raise, and what they made of
the same octets is lost: so they get a bite at a time, and at a fault the last bite is undone again octet by octet.
Raises where nothing came before a fault, for what comes behind one, and where what came before it is not to be had.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import brotli
import zstandard

_LARGEST_WINDOW = 8 * 1024 * 1024
_KEPT = 64 * 1024
"""Octets of the beginning that are kept to be undone again."""
_AGAIN = 1024 * 1024
"""Decoded bytes that are made again at most, and had of a last bite."""
_BROTLI_BITE = 256
_ZSTD_BITE = 64
"""Octets given to zstd at once: it cannot be told how much to give back, and makes 128 kB of four of them."""
_MOST_BITES = 1024
"""Bites of one call: a frame that holds nothing is one."""
_FRAME, _SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
"""How a frame begins, and a skippable one behind its first octet (RFC 8878 §3.1)."""


class _Undo(Protocol):
    ended: bool

    @property
    def more(self) -> bool: ...

    def __call__(self, data: bytes, limit: int) -> bytes: ...


class _Begun:
    """The beginning of a stream, and the last bite of it."""

    def __init__(self, *, kept: bool) -> None:
        self.last = b""
        self._octets: bytearray | None = bytearray() if kept else None

    @property
    def keeps(self) -> int:
        """Octets kept."""
        return len(self._octets or b"")

    def bite(self, octets: bytes) -> None:
        """So many are undone next."""
        if self._octets is None:
            return
        self._octets += self.last
        self.last = octets
        if len(self._octets) > _KEPT:
            self._octets = None

    def again(self, anew: _Undo, made: int) -> bytes | None:
        """What comes before the fault and was not given yet, of so much as was made; None if that is not to be had."""
        if self._octets is None or made > _AGAIN:
            return None
        out = bytearray()
        with contextlib.suppress(brotli.error, zstandard.ZstdError):
            for octets in (bytes(self._octets), *(self.last[at : at + 1] for at in range(len(self.last)))):
                out += anew(octets, _AGAIN)
                while anew.more:
                    if len(out) > made + _AGAIN:
                        return None
                    out += anew(b"", _AGAIN)
        return bytes(out[made:])


class Brotli:
    """Brotli, which gives what it likes beyond what was asked for: that is kept."""

    leaps = False

    def __init__(self, *, kept: bool = True) -> None:
        self.ended = False
        """Whether what follows is ignored."""
        self._engine = brotli.Decompressor()
        self._begun = _Begun(kept=kept)
        self._left = self._over = b""
        self._full = self._broken = self._lost = False
        self._made = self._window = 0

    @property
    def more(self) -> bool:
        """Whether something is left. The library keeps what it likes, too: all of that was had when nothing comes."""
        return bool(self._left or self._over) or self._full or self._lost

    @property
    def keeps(self) -> int:
        """It takes as much again as it has made, and no more than it may look back."""
        return min(2 * self._made, self._window) + len(self._over) + self._begun.keeps

    def __call__(self, data: bytes, limit: int) -> bytes:
        data, out, at = self._left + data, bytearray(self._over), 0
        if data and not self._window:
            self._window = 1 << _looks_back(data[0])
        while len(out) < limit and (self._full or at < len(data)) and not (self.ended or self._broken):
            bite = b"" if self._full else data[at : at + _BROTLI_BITE]
            at += len(bite)
            if bite and self._engine.is_finished():
                self.ended, self._broken = True, not self._made
                break
            piece = self._undone(bite, limit - len(out))
            self._made += len(piece)
            self._full = bool(piece) and not (self.ended or self._broken)
            out += piece
        self._left = b"" if self.ended or self._broken else data[at:]
        if self._broken and not out:
            raise brotli.error("a fault, and nothing before it")
        self._over = bytes(out[limit:])
        return bytes(out[:limit])

    def _undone(self, bite: bytes, limit: int) -> bytes:
        if bite:
            self._begun.bite(bite)
        try:
            return bytes(self._engine.process(bite, output_buffer_limit=limit))
        except brotli.error:
            anew = Brotli(kept=False)
            piece = self._begun.again(anew, self._made)
            self.ended, self._lost = anew.ended, piece is None
            self._broken = not (anew.ended and (self._made or piece))
            return piece or b""


def _looks_back(begun: int) -> int:
    """How far a Brotli stream that begins with such an octet looks back, as a power of two (RFC 7932 §9.1)."""
    if not begun & 1:
        return 16
    return 17 + (begun >> 1 & 7) if begun >> 1 & 7 else 8 + (begun >> 4 & 7) if begun >> 4 & 7 else 17


class Zstd:
    """Zstandard, of several frames, too. It makes up to two megabytes of what it is given at once."""

    leaps = True

    def __init__(self, *, kept: bool = True) -> None:
        self.ended = False
        """Whether what follows is ignored."""
        self._reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._frame: Any = None
        self._begun = _Begun(kept=kept)
        self._left = self._over = b""
        self._waits = self._broken = self._lost = False
        self._made = 0

    @property
    def more(self) -> bool:
        """Whether something is left that does not wait for further data."""
        return bool(self._over or (self._left and not self._waits)) or self._lost

    @property
    def keeps(self) -> int:
        """It takes the window, of which as much is used as it has made."""
        return min(2 * self._made, _LARGEST_WINDOW) + len(self._over) + self._begun.keeps

    def __call__(self, data: bytes, limit: int) -> bytes:
        data, out, at, bites = self._left + data, bytearray(self._over), 0, 0
        self._waits = False
        while at < len(data) and len(out) < limit and bites < _MOST_BITES and not (self.ended or self._broken):
            if self._frame is None and not self._begins(data[at : at + len(_FRAME)]):
                break
            bite = data[at : at + _ZSTD_BITE]
            piece, unused = self._undone(bite)
            self._made += len(piece)
            out += piece
            at += len(bite) - unused
            bites += 1
        self._left = b"" if self.ended or self._broken else data[at:]
        if self._broken and not out:
            raise zstandard.ZstdError("a fault, and nothing before it")
        self._over = bytes(out[limit:])
        return bytes(out[:limit])

    def _begins(self, head: bytes) -> bool:
        """Whether a frame begins here: else it waits for the rest of its head, or all is at its end."""
        if not (_FRAME.startswith(head) or (head[0] & 0xF0 == 0x50 and _SKIPPABLE.startswith(head[1:]))):
            self.ended, self._broken = True, not self._made
            return False
        self._waits = len(head) < len(_FRAME)
        if not self._waits:
            self._frame = self._reader.decompressobj()
        return not self._waits

    def _undone(self, bite: bytes) -> tuple[bytes, int]:
        """What a bite says, and how many octets behind its frame's end are in it."""
        self._begun.bite(bite)
        try:
            piece = self._frame.decompress(bite)
        except zstandard.ZstdError:
            before = self._begun.again(Zstd(kept=False), self._made)
            self._broken, self._lost = True, before is None
            return before or b"", 0
        unused = 0
        if self._frame.eof:
            unused, self._frame = len(self._frame.unused_data), None
            self._begun.last = bite[: len(bite) - unused]
        return piece, unused
