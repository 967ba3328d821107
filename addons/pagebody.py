"""A page's body as it passes: decoded once, its title read, its words looked at.

In come chunks as the origin sent them; out come a title, findings, and what kept the words from being looked at.
Bounded in bytes decoded, so a compressed bomb costs no more than a page; never raises for what an origin sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from addons.decoders import Decoder, as_sent, make_decoder
from addons.titles import MOST_DECODED, TitleReader
from categories.pagescan import PageScan

PADDING = 4
"""A page's source may be so many times as long as the text that is looked at in it: comments are not to use that up."""
_SLICE = 64 * 1024
"""Decoded bytes that are made and looked at before it is asked how much that was."""
_KEPT = 64 * 1024
"""Bytes of a body that are kept until it is sure that it is written as its head says."""
_LOOKS = 16
_LOOKS_A_CHUNK = 4
_A_LOOK = 4096
"""`PageBody.feed` looks so many times at a body, so many more for each chunk of it, and once more for so many decoded
bytes: each look is a moment's work, also where nothing comes out of it (codings one in the other that hold nothing)."""
TOO_LONG = ("size", "effort")
"""Troubles of a page that is longer than what is read."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How far pages are looked at before, and after, they are shown."""

    hold_bytes: int = 1024 * 1024
    """Bytes of a page that are held back until they were looked at."""
    hold_seconds: float = 5.0
    """Longest a page is held back."""
    scan_bytes: int = 2 * 1024 * 1024
    """Bytes of a page's text that are looked at, and of its source `PADDING` times as many."""
    too_long: Literal["allow", "block"] = "allow"
    """What becomes of a page that is longer, or too much work: it passes unread from there on, or is closed."""


class BodyKind(NamedTuple):
    """How the head of an answer says its body is written."""

    encoding: str = ""
    """Its Content-Encoding."""
    charset: str | None = None
    """The charset of its Content-Type; None when it names none."""
    markup: bool = True
    """True for HTML, False for plain text."""
    xml: bool = False
    """True for XML."""


class PageBody:
    """Reads one body. `trouble` says, in a word, why not all of it was looked at."""

    def __init__(self, kind: BodyKind, scan: PageScan | None = None, most: int = MOST_DECODED) -> None:
        """`most` is how many decoded bytes are looked at for a title; with a `scan`, as in `PageLimits.scan_bytes`."""
        self.trouble: str | None = None
        """`encoding`, `size` or `effort`; None while all is looked at."""
        self.decoded = 0
        """Bytes decoded."""
        self.as_it_stands = False
        """True when it is not written as its head says from its first octet on: browsers refuse it, and what others
        show of it was read. What only follows a whole body is no such fault: it is ignored, as browsers do."""
        self._title = TitleReader(kind.charset) if kind.markup else None
        self._scan = scan
        self._most = most
        self._longest = most if scan is None else PADDING * most
        self._decoder = make_decoder(kind.encoding)
        self._raw: bytes | None = None if self._decoder is as_sent else b""
        self._coming: deque[bytes] = deque()
        self._octets, self._at = b"", 0
        self._looks = _LOOKS
        if self._decoder is None:
            self.trouble = "encoding"

    @property
    def title(self) -> str | None:
        """The page's title, as soon as it was seen."""
        return None if self._title is None else self._title.title

    @property
    def done(self) -> bool:
        """True once nothing more is looked at."""
        return self.trouble is not None or (self._scan is None and (self._title is None or self._title.done))

    @property
    def unread(self) -> bool:
        """Whether something of it is still to be looked at."""
        return (bool(self._coming) or self._at < len(self._octets) or self._has_more) and not self.done

    @property
    def unpacked(self) -> int:
        """Bytes that were decoded and are still to be looked at, and what is kept to decode more."""
        if self.done or self._decoder is None:
            return 0
        return len(self._octets) - self._at + self._decoder.keeps

    @property
    def leaps(self) -> bool:
        """Whether a little of it may be much to unpack."""
        return self._decoder is not None and self._decoder.leaps

    @property
    def _has_more(self) -> bool:
        return self._decoder is not None and self._decoder.more

    def give_up(self) -> None:
        """Look at no more of it: it takes too much."""
        self.trouble = self.trouble or "effort"
        self._let_go()

    def _let_go(self) -> None:
        self._octets, self._at = b"", 0
        self._coming.clear()
        self._decoder = None

    def give(self, chunk: bytes) -> None:
        """Take one chunk, to be looked at."""
        if chunk and not self.done and self._decoder is not None:
            self._coming.append(chunk)

    def look(self) -> None:
        """Look at some of what is still unread: a moment's work."""
        if self._at >= len(self._octets):
            if self._has_more:
                self._unpack(b"")
            elif self._coming:
                self._unpack(self._coming.popleft())
            else:
                return
        piece = self._octets[self._at : self._at + _SLICE]
        self._at += len(piece)
        self.decoded += len(piece)
        if self._scan is not None and piece:
            self._scan.feed(piece)
        if self.decoded >= self._longest or (self._scan is not None and self._scan.text >= self._most):
            self.trouble = self.trouble or "size"
        if self.done:
            self._let_go()
        elif self._at >= len(self._octets):
            self._octets, self._at = b"", 0

    def feed(self, chunk: bytes) -> None:
        """Look at one chunk, all of it; at no more of the body where that is much work for nothing."""
        self.give(chunk)
        self._looks += _LOOKS_A_CHUNK
        while self.unread:
            if self._looks + self.decoded // _A_LOOK <= 0:
                self.give_up()
                return
            self._looks -= 1
            self.look()

    def _unpack(self, chunk: bytes) -> None:
        octets = None if self._decoder is None else self._undone(self._decoder, chunk)
        if octets is None:
            self.trouble = "encoding"
            return
        if self._title is not None:
            self._title.feed(octets)
        self._octets, self._at = octets, 0

    def _undone(self, decoder: Decoder, chunk: bytes) -> bytes | None:
        """What a chunk says; None from where it is not written as it should be."""
        begun = self._raw
        if begun is not None:
            begun += chunk
        most = self._longest - self.decoded
        try:
            octets = decoder(chunk, most if decoder is as_sent else min(most, _SLICE))
        except Exception:  # any fault of a decoder: browsers, too, show only what came before it
            if begun is None:
                return None
            self.as_it_stands, self._raw, self._decoder = True, None, as_sent
            return begun[: self._longest]
        self._raw = None if octets or begun is None or len(begun) > _KEPT else begun
        return octets
