"""One way to write a path.

In comes the path of a URL as it was sent; out goes the form it is compared and recorded in. What may be decoded
without changing which resource is meant is decoded, to a fixpoint, so that `%2567ames` meets `games`; what would
change it (`%2F %3F %23 %5C %25`, blanks and controls) stays encoded, in capitals. RFC 3986 §6.2.2, WHATWG URL §4.4.
"""

from __future__ import annotations

import re
from typing import Final

from categories.hosts import NameProblem

DEEPEST_ENCODING = 24
"""How often an octet may have been percent-encoded. Real pages reach three."""
LONGEST_PARAMETERS = 1024
"""Characters of an entry's query that are compared where it does not stand first in the request's."""

_CHAIN = re.compile(rb"%(?:25)+(?=[0-9A-Fa-f]{2})")
_STUCK = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_KEPT = frozenset(b"/?#\\") | frozenset(range(0x21)) | {0x7F}
_HEX = "0123456789abcdefABCDEF"
_DECODED = {
    (high + low).encode(): f"%{high}{low}".upper().encode()
    if (octet := int(high + low, 16)) in _KEPT
    else bytes([octet])
    for high in _HEX
    for low in _HEX
}
"""What stands for each escape, `%` taken off: its octet, or the escape in capitals where it must stay."""
_NO_UTF8 = {0xDC00 + octet: f"%{octet:02X}" for octet in range(0x80, 0x100)}
_TO_ENCODE = re.compile(rb"[\x00-\x20\x7f]")
_TO_ENCODE_IN_LINES = re.compile(rb"[\x00-\x09\x0b-\x20\x7f]")
_SLASHES = re.compile(r"/{2,}")
_SEPARATORS = re.compile(r"[&;]+")
BORDERS: Final = frozenset("/?&=#;")
"""A URL entry fits when the request goes on with one of these, or ends (as in squidGuard and e2guardian)."""
_BORDER = re.compile(r"[/?&=#;]")
_END_OF_PARAMETER: Final = r"(?:(?<=[/?&=#;])|(?=[/?&=#;\n]))"


def canonical_path(path: str) -> str:
    """The one form of a path: starts with `/`, decoded where safe, no dot segments, no doubled or back slashes.

    Raises `NameProblem` when it is percent-encoded more than `DEEPEST_ENCODING` times over.
    """
    if path == "/" or (len(path) < 2048 and _is_clean(path)):
        return path
    path = decoded(path.replace("\\", "/"))
    path = _SLASHES.sub("/", path if path.startswith("/") else "/" + path)
    return _without_dots(path) if "/." in path else path


def decoded(text: str) -> str:
    """Percent-decode to a fixpoint what may be decoded; the rest stays encoded in one spelling.

    Octets that are no UTF-8 stay encoded. Raises `NameProblem` when nested deeper than `DEEPEST_ENCODING`.
    """
    return _decoded(text, _TO_ENCODE)


def _decoded(text: str, to_encode: re.Pattern[bytes]) -> str:
    raw = _octets(text)
    if b"%" in raw:
        raw = _fixpoint(raw)
    raw = to_encode.sub(lambda found: b"%%%02X" % found.group()[0], raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _readable(raw)


def folded_path(path: str) -> str:
    """A canonical path as entries and requests are compared. Lists do not tell case apart; nor do we."""
    return path.lower()


def folded(text: str) -> str:
    """A text as it is compared: lower case, escapes in one spelling."""
    plain = text.isascii() and not ("%" in text or " " in text)
    return (text if plain else decoded(text)).lower()


def folded_query(query: str) -> str:
    """A query as entries and requests are compared: folded, a blank written as `+` however it came."""
    return folded(query).replace("%20", "+")


def folded_all(texts: list[str]) -> list[str]:
    """`folded_query` of each, in one go: a request may ask for thousands of parameters.

    No text may hold a line end, which is what they are joined by; one that does is folded by itself.
    """
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        return [folded_query(text) for text in texts]
    if not joined.isascii() or "%" in joined or " " in joined:
        joined = _decoded(joined, _TO_ENCODE_IN_LINES).replace("%20", "+")
    return joined.lower().split("\n")


def split_query(query: str) -> list[str]:
    """The parameters of a query as they came, without empty ones."""
    return [piece for piece in _SEPARATORS.split(query) if piece]


def query_starts(query: str, pieces: list[str], heads: frozenset[str] | None = None) -> list[str]:
    """A query as it is compared, whole and from each of its parameters on: an entry may name one of many.

    `pieces` are its parameters, folded. From later ones on only as far as any entry reaches, and only where one of
    `heads` begins (`head_of`), if they are told: a request may ask for thousands.
    """
    plain = "&".join(pieces)
    starts, begin = [folded_query(query)], 0
    for piece in pieces:
        if heads is None or head_of(piece) in heads:
            starts.append(plain[begin : begin + LONGEST_PARAMETERS])
        begin += len(piece) + 1
    return list(dict.fromkeys(starts))


def head_of(parameter: str) -> str:
    """A folded parameter up to its first border, as a rule its name: an entry that fits it has the same."""
    found = _BORDER.search(parameter)
    return parameter if found is None else parameter[: found.start()]


def parameter_pattern(parameter: str) -> re.Pattern[str]:
    """Finds a folded parameter, or one that goes on behind a border, in `parameter_lines`."""
    return re.compile("\n" + re.escape(parameter) + _END_OF_PARAMETER)


def parameter_lines(pieces: list[str]) -> str:
    """Folded parameters a line each, for patterns to be searched in."""
    return "\n" + "\n".join(pieces) + "\n"


def _is_clean(path: str) -> bool:
    """True for the nine paths in ten that need no work."""
    return (
        path.startswith("/")
        and path.isprintable()
        and not ("%" in path or " " in path or "//" in path or "/." in path or "\\" in path)
    )


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")


def _fixpoint(raw: bytes) -> bytes:
    for _ in range(DEEPEST_ENCODING):
        after = _decode_once(_CHAIN.sub(b"%", raw))
        if after == raw:
            return _STUCK.sub(b"%25", raw)
        raw = after
    raise NameProblem(f"the path is percent-encoded more than {DEEPEST_ENCODING} times over")


def _decode_once(raw: bytes) -> bytes:
    """Every escape once. Split and looked up: a function called for each costs five times as much."""
    first, *pieces = raw.split(b"%")
    known = _DECODED.get
    return first + b"".join(
        [b"%" + piece if (found := known(piece[:2])) is None else found + piece[2:] for piece in pieces]
    )


def _readable(raw: bytes) -> str:
    """UTF-8 where it is UTF-8, `%XX` for the octets that are not."""
    text = raw.decode("utf-8", "surrogateescape")
    return text.translate(_NO_UTF8)


def _without_dots(path: str) -> str:
    """Remove dot segments (RFC 3986 §5.2.4)."""
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
