"""Which charset a page is in.

In come the first octets of a page and what its header says; out comes the name of a Python codec, as browsers would
settle it: a byte order mark before the header, the header before the page's own word, UTF-8 where it is that, and
Windows-1252, which reads anything. Only codecs that turn octets into text are ever used. Pure.
"""

from __future__ import annotations

import codecs
import re

HEAD = 4096
"""Octets in which a page may declare its charset; the HTML Standard says 1024, browsers look further."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_TEXT = frozenset(
    {
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "big5", "big5hkscs", "euc_jp", "euc_kr", "gb18030", "gb2312"),
        *("gbk", "hz", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "shift_jis", "ascii", "cp949"),
        *("tis-620", "cp874", "cp932", "cp866", *(f"cp125{number}" for number in range(9))),
        *(f"iso8859-{number}" for number in range(1, 17)),
    }
)
"""What `codecs.lookup` calls the charsets of the web."""
_READ_AS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "utf-16": "utf-16-le",
}
"""Browsers read these as a wider one that holds them."""


def charset_of(head: bytes, declared: str | None) -> str:
    """The codec of a page that begins with `head`; `declared` is the charset of its Content-Type."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if declared and (known := known_charset(declared)) is not None:
        return known
    found = _META.search(head[:HEAD])
    if found and (known := known_charset(found[1].decode("ascii", "replace"))) is not None:
        # Octets in which ASCII was just read are in no UTF-16, whatever they say.
        return "utf-8" if known.startswith("utf-16") else known
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def known_charset(label: str) -> str | None:
    """The codec for a charset's label; None when it is none of the web's."""
    try:
        name = codecs.lookup(label.strip(" \"'")).name
    except (LookupError, ValueError):
        return None
    return _READ_AS.get(name, name) if name in _TEXT else None
