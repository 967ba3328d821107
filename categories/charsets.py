"""Which charset a page is in.

In come the first octets of a page and what its header says; out comes the name of a Python codec, as browsers would
settle it: a byte order mark before the header, the header before the page's own word, UTF-8 where it is that, and
Windows-1252, which reads anything. Labels are those of `categories.charsetlabels`. Pure.
"""

from __future__ import annotations

import codecs
import re

from categories.charsetlabels import known_charset

HEAD = 4096
"""Octets in which a page may declare its charset; the HTML Standard says 1024, browsers look further."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_BEGIN_MARKS = frozenset(mark[:1] for mark, _ in _MARKS)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_NAMED = b"charset"
"""Stands in whatever `_META` finds, and is looked for several times as fast."""


def charset_of(head: bytes, declared: str | None) -> str:
    """The codec of a page that begins with `head`; `declared` is the charset of its Content-Type."""
    if head[:1] in _BEGIN_MARKS:
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name
    if declared and (known := known_charset(declared)) is not None:
        return known
    begun = head[:HEAD]
    found = _META.search(begun) if _NAMED in begun.lower() else None
    if found and (known := known_charset(found[1].decode("ascii", "replace"))) is not None:
        # Octets in which ASCII was just read are in no UTF-16, whatever they say.
        return "utf-8" if known.startswith("utf-16") else known
    if head.isascii():
        return "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
