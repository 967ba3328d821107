"""A page that came whole and is little: unpacked and read in one go.

In comes a body as the origin sent it, and how it is written; out come its title and what lists say of its words, by the
same readers as of a page that comes in pieces, without what these keep from one piece to the next. What is long, or not
as its head says, is None here: that is read in turns, and its row tells of it (`addons.pagecheck`). Pure.
"""

from __future__ import annotations

from addons.decoders import as_sent, make_decoder
from addons.pagebody import BodyKind
from addons.titles import TitleReader
from categories.pagescan import PageScan
from categories.pagetable import Finding, PageTable


def little(body: bytes, kind: BodyKind, most: int) -> bytes | None:
    """All that it says, unpacked; None where that may be `most` bytes or more, or is not what its head says."""
    if len(body) >= most:
        return None
    unpack = make_decoder(kind.encoding)
    if unpack is as_sent:
        return body
    if unpack is None or unpack.leaps:
        return None
    try:
        octets = unpack(body, most)
    except Exception:  # any fault of a decoder: what reads it as it stands says so
        return None
    return octets if octets and len(octets) < most and not unpack.more and not unpack.leaps else None


def read(octets: bytes, kind: BodyKind, table: PageTable) -> tuple[str | None, tuple[Finding, ...]]:
    """Its title and what it is about."""
    title = None
    if kind.markup:
        reader = TitleReader(kind.charset)
        reader.feed(octets)
        title = reader.title
    return title, PageScan.at_once(table, octets, markup=kind.markup, charset=kind.charset, xml=kind.xml)
