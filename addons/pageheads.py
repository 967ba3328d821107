"""Heads of requests and answers, as they say whether a page comes and how it is written.

In come header fields; out come the media type a browser takes an answer for, with its charset (WHATWG Fetch, "extract a
MIME type"; MIME Sniffing), and a request in which nothing is asked for that could not be read. Pure but for
`ask_for_readable`, which changes the request it is given.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mitmproxy import http

READABLE = ("gzip", "x-gzip", "deflate", "br", "zstd", "identity")
"""Codings that are undone."""
PACKED = frozenset(
    (
        "compress",
        "x-compress",
        "dcb",
        "dcz",
        "sdch",
        "exi",
        "bzip2",
        "x-bzip2",
        "lzma",
        "xz",
        "pack200-gzip",
        "aes128gcm",
    )
)
"""Codings that are not undone. Any other word is none, and the body is shown as it is."""
PLAIN = frozenset(("text/plain",))
MARKUP = frozenset(("text/html", "application/xhtml+xml", "text/xml", "application/xml", "text/xsl"))
SNIFFED = frozenset(("", "*/*", "unknown/unknown", "application/unknown"))
"""What says nothing: a browser looks whether it is HTML."""
_NAVIGATIONS = frozenset(("document", "iframe", "frame", "embed", "object"))
_PARTS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++')
_PARAMETERS = re.compile(r';[\t\n\r ]*+([^;="]*+)(?:=(?:"((?:[^"\\]|\\.)*+)"?[^;]*+|([^;]*+)))?+')
_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+\Z")
_BLANK = "\t\n\r "
USUAL = 100
"""Longest Content-Type that is remembered, characters."""


def media_type(value: str) -> tuple[str, str | None]:
    """Essence and charset of a Content-Type, several in a list, too; "" where it says nothing a browser heeds."""
    return _usual(value) if len(value) <= USUAL else _media_type(value)


@lru_cache(maxsize=1024)
def _usual(value: str) -> tuple[str, str | None]:
    return _media_type(value)


def _media_type(value: str) -> tuple[str, str | None]:
    essence, charset = "", None
    for part in _PARTS.findall(value):
        name, _, _ = part.partition(";")
        name = name.strip(_BLANK).lower()
        if _TYPE.match(name) is None or (name == "*/*" and essence):
            continue
        told = _charset(part[part.find(";") :] if ";" in part else "")
        charset = told if name != essence else told or charset
        essence = name
    return essence, charset


def is_page(essence: str, dest: str) -> bool:
    """Whether a browser shows it as a page; `dest` is the request's Sec-Fetch-Dest."""
    if essence == "image/svg+xml":
        return dest != "image"
    return essence in PLAIN or essence in MARKUP or essence in SNIFFED or essence.endswith("+xml")


def is_xml(essence: str) -> bool:
    """Whether it is read as XML."""
    return essence.endswith(("/xml", "+xml", "/xsl"))


def ask_for_readable(request: http.Request) -> None:
    """Ask for codings that can be undone, and for all of a page rather than a part of it."""
    headers = request.headers
    asked = headers.get("accept-encoding")
    if asked is not None:
        kept = [one.strip() for one in asked.split(",") if one.partition(";")[0].strip().lower() in READABLE]
        if len(kept) != asked.count(",") + 1:
            headers["accept-encoding"] = ", ".join(kept) or "identity"
    for name in ("available-dictionary", "dictionary-id"):
        if name in headers:
            del headers[name]
    if "range" in headers and _navigates(headers):
        headers.pop("range", None)
        headers.pop("if-range", None)


def _navigates(headers: http.Headers) -> bool:
    dest = headers.get("sec-fetch-dest", "").strip().lower()
    return dest in _NAVIGATIONS or (not dest and "text/html" in headers.get("accept", "text/html").lower())


def _charset(parameters: str) -> str | None:
    for name, quoted, plain in _PARAMETERS.findall(parameters):
        if name.strip(_BLANK).lower() == "charset" and (quoted or plain.strip(_BLANK)):
            return re.sub(r"\\(.)", r"\1", quoted) if quoted else str(plain.strip(_BLANK))
    return None
