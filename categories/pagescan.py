"""One page, looked through for phrases as it comes.

In come the decoded octets of a body, however they are cut; out come findings, for as much as has come. What a reader
sees (`categories.markup`) is read (`categories.readings`) and what stands there looked up (`categories.pagetable`).
Memory is bounded by the pieces fed; never raises for what a page contains.
"""

from __future__ import annotations

import codecs

from categories.charsets import HEAD, charset_of
from categories.markup import MARK, Visible
from categories.pagetable import Finding, PageTable
from categories.readings import Readings, whole_text

PIECE = 64 * 1024
"""Octets that are waited for before they are looked at: one long look is cheaper than many short ones."""
_TOGETHER = 64 * 1024
"""Octets of readings that are searched together: the tables of an engine come from memory each time."""
_SEAM = MARK.encode()
"""Stands between readings: none of them has it (`categories.readings`)."""
_USUAL = "utf-8"
_ORDER = "\ufeff"
"""A byte order mark."""


class PageScan:
    """Looks through one page. Not to be shared between threads."""

    def __init__(self, table: PageTable, *, markup: bool = True, charset: str | None = None, xml: bool = False) -> None:
        """`markup` is False for plain text, `xml` True for XML; `charset` is the Content-Type's, None without one."""
        self.scanned = 0
        """Octets looked at."""
        self.text = 0
        """Octets of them, about, that were text a reader sees."""
        self._table = table
        self._charset = charset
        self._markup, self._xml = markup, xml
        self._visible: Visible
        self._readings: Readings
        self._waiting: list[bytes] = []
        self._waits = 0
        self._head = b""
        self._codec = ""
        self._counted: tuple[int, tuple[Finding, ...]] = (0, ())
        self._decoder: codecs.IncrementalDecoder | None = None
        self._read: list[bytes] = []
        self._unsearched = 0
        self._found: set[int] = set()
        self._ended = False

    @classmethod
    def at_once(
        cls, table: PageTable, octets: bytes, *, markup: bool, charset: str | None, xml: bool
    ) -> tuple[Finding, ...]:
        """What a page is about that is there whole, and no longer than `PIECE`: without what remembers pieces."""
        codec = charset_of(octets, charset)
        if codec != _USUAL:
            scan = cls(table, markup=markup, charset=charset, xml=xml)
            scan.feed(octets)
            return scan.findings(last=True)
        text = octets.decode(_USUAL, "replace").removeprefix(_ORDER)
        if markup:
            text = Visible(xml=xml).feed(text, last=True)
        return table.findings(table.needles.found(_SEAM.join(whole_text(text))))

    def feed(self, octets: bytes) -> None:
        """Take more of the page; looked at once there is a piece of it."""
        self._waiting.append(octets)
        self._waits += len(octets)
        if self._waits >= PIECE:
            self._look(last=False)

    def findings(self, *, last: bool = False) -> tuple[Finding, ...]:
        """What the page is about, by all that has come; `last` says that nothing more will."""
        if (self._waiting or last) and not self._ended:
            self._look(last=last)
        if self._read:
            self._search()
        if len(self._found) != self._counted[0]:  # counting all of them for every piece would be a way to keep us busy
            self._counted = (len(self._found), self._table.findings(self._found))
        return self._counted[1]

    def _look(self, *, last: bool) -> None:
        octets = b"".join(self._waiting)  # what is joined with nothing is not copied
        self._waiting.clear()
        self._waits = 0
        self._ended = last
        self.scanned += len(octets)
        if len(self._head) < HEAD:
            octets = self._settled(octets)
        if last and self._decoder is None and self._codec == _USUAL:
            source = octets.decode(_USUAL, "replace")  # all of it: most pages are small
        else:
            if self._decoder is None:
                self._decoder = codecs.getincrementaldecoder(self._codec)("replace")
            source = self._decoder.decode(octets, last)
        source = source.removeprefix(_ORDER)
        piece = self._visible.feed(source, last=last)
        self.text += len(piece) * len(octets) // max(1, len(source))
        if piece or last:
            for octets in self._readings.of(piece, last=last):
                self._read.append(octets)
                self._unsearched += len(octets)
            if self._unsearched > _TOGETHER:
                self._search()

    def _search(self) -> None:
        """Look for phrases in what was read, all at once: no phrase has a mark in it, and none is found across one."""
        self._found |= self._table.needles.found(_SEAM.join(self._read))
        self._read.clear()
        self._unsearched = 0

    def _settled(self, octets: bytes) -> bytes:
        """Settle the charset by what has come; what is to be decoded now: all, when it is another than it seemed."""
        before = self._head
        self._head = head = before + octets
        codec = charset_of(head, self._charset)
        if codec == self._codec:
            return octets
        self._codec = codec
        self._decoder = None
        self._visible = Visible(markup=self._markup, xml=self._xml)
        self._readings = Readings()
        return before + octets
