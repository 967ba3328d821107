"""Which kind of answer a request can show: method, path and headers in, one word out. Pure.

The browser's own word (Fetch Metadata, `Sec-Fetch-Dest`) goes first, then `Accept`, then the ending of the path.
A page sent to a script, an image or a feed reader helps nobody; an HTML page where a person looks helps everybody.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import PurePosixPath


class PageKind(enum.StrEnum):
    """What is sent."""

    HTML = "html"
    """A page for a person."""
    FRAME = "frame"
    """A line of text inside somebody else's page; nothing to click."""
    JSON = "json"
    """An error object for a program."""
    IMAGE = "image"
    """One transparent pixel."""
    VIDEO = "video"
    """Nothing: players show their own error."""
    EMPTY = "empty"
    """Nothing: scripts, styles, fonts, tunnels."""


_DESTINATIONS = {
    "document": PageKind.HTML,
    **dict.fromkeys(("iframe", "frame", "fencedframe", "object", "embed"), PageKind.FRAME),
    "image": PageKind.IMAGE,
    **dict.fromkeys(("video", "audio", "track"), PageKind.VIDEO),
    **dict.fromkeys(("empty", "json"), PageKind.JSON),
}
_ENDINGS = {
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "svg", "bmp", "apng"), PageKind.IMAGE),
    **dict.fromkeys(("mp4", "webm", "m3u8", "mpd", "ts", "m4s", "mp3", "m4a", "ogg", "wav", "mov"), PageKind.VIDEO),
    **dict.fromkeys(("js", "mjs", "css", "woff", "woff2", "ttf", "otf", "eot", "wasm", "map"), PageKind.EMPTY),
    **dict.fromkeys(("json", "webmanifest"), PageKind.JSON),
}
_TYPES = {"image": PageKind.IMAGE, "video": PageKind.VIDEO, "audio": PageKind.VIDEO, "font": PageKind.EMPTY}
_LONGEST = 1000
"""Characters of a header looked at."""


def page_kind(method: str, headers: Mapping[str, str], path: str) -> PageKind:
    """What to answer. `headers` is asked for lower-case names; `path` may carry a query.

    An unknown `Sec-Fetch-Dest` is not a navigation (in Fetch Metadata `document` is the only one), so it gets nothing.
    """
    if method == "CONNECT":
        return PageKind.EMPTY
    destination = headers.get("sec-fetch-dest", "").strip().lower()
    if destination:
        return _DESTINATIONS.get(destination, PageKind.EMPTY)
    if headers.get("x-requested-with", "").strip().lower() == "xmlhttprequest":
        return PageKind.JSON
    accepted = _accepted(headers.get("accept", ""))
    if "text/html" in accepted or "application/xhtml+xml" in accepted:
        return PageKind.HTML
    for media in accepted:
        if kind := _kind_of(media):
            return kind
    ending = PurePosixPath(path.partition("?")[0][-_LONGEST:]).suffix[1:].lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return PageKind.JSON if "json" in headers.get("content-type", "")[:_LONGEST].lower() else PageKind.HTML


def _accepted(accept: str) -> tuple[str, ...]:
    """Media types of an `Accept` value in its order, without those refused by `q=0` (RFC 9110, 12.5.1)."""
    media = []
    for part in accept[:_LONGEST].lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(parameter.replace(" ", "").rstrip("0").rstrip(".") in ("q=", "q=0") for parameter in parameters)
        if name and not refused:
            media.append(name)
    return tuple(media)


def _kind_of(media: str) -> PageKind | None:
    kind, _, subtype = media.partition("/")
    if kind in _TYPES:
        return _TYPES[kind]
    if subtype == "json" or subtype.endswith("+json") or media in ("text/event-stream", "application/grpc"):
        return PageKind.JSON
    return PageKind.EMPTY if media in ("text/css", "text/javascript", "application/javascript") else None
