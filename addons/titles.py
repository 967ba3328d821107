"""The title of an HTML page from the bytes that pass by.

In come chunks of a decoded response body; out comes a title or None. Bounded in bytes looked at; never raises.
"""

from __future__ import annotations

from categories.charsets import HEAD, charset_of
from categories.entities import characters

MOST_DECODED = 256 * 1024
"""Decoded bytes looked at."""
LONGEST_TITLE = 300
"""Characters kept."""

LONGEST_MARKUP = 4096
"""Bytes a title element may span; a longer one is no title."""

_ENDS_NAME = b" \t\r\n\f/>"


class TitleReader:
    """Reads a title as chunks pass by. Every byte is looked at a bounded number of times, however it is cut."""

    def __init__(self, charset: str | None) -> None:
        self.title: str | None = None
        self.done = False
        self._charset = charset
        self._text = bytearray()
        self._folded = bytearray()
        self._looked = 0
        self._begin = -1

    def feed(self, octets: bytes) -> None:
        """Look at one chunk, decoded; never raises."""
        for start in range(0, len(octets), HEAD):  # a title comes soon, and what follows it is not looked at
            if self.done:
                return
            self._take(octets[start : start + HEAD])

    def _take(self, octets: bytes) -> None:
        octets = octets[: MOST_DECODED - len(self._text)]
        self._text += octets
        self._folded += octets.lower()
        self._look()
        if not self.done and len(self._text) >= MOST_DECODED:
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
        text = raw.decode(charset_of(bytes(self._text[:HEAD]), self._charset), "replace")
        text = " ".join(characters(text).split())
        return text[:LONGEST_TITLE] or None
