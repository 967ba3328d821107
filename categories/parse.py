"""Lists in, entries out.

In come the lines of a list in one of the known formats; out come `Entry` and `Problem` values in the order of the
file. The room's rule here: a line is either taken, or told; nothing is dropped in silence, nothing raises, and a list
of any size is read a line at a time. What an entry means is the same whatever format it came in:

* a domain fits the host and everything below it (a hosts file and `*.x` say less than that: they are widened);
* a URL fits by path prefix up to a border; an address or network fits IP literals; a plain phrase fits as whole words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, Literal, NamedTuple

from categories.hosts import is_address
from categories.model import EntryKind, Problem
from categories.names import NameProblem, Url, canonical_host, canonical_url
from categories.networks import NetworkProblem, canonical_networks
from categories.normalise import normalised
from categories.paths import folded_path, folded_query
from categories.scoring import ScoredPhrase

OwnFormat = Literal["domains", "urls", "networks", "starter"]
"""Formats of a line at a time, understood here."""
ForeignFormat = Literal[
    "adblock",
    "csv",
    "dnsmasq",
    "e2guardian-sites",
    "e2guardian-urls",
    "exception-phrases",
    "expressions",
    "hosts",
    "phrases",
    "searches",
    "v2fly",
]
"""Formats with a grammar of their own: `categories.importers.readers`."""
FileFormat = Literal[OwnFormat, ForeignFormat]
"""How one file is written. (`ut1` is a tree of such files: `categories.importers.ut1`.)"""

LONGEST_LINE = 8192
"""Bytes of a line that are read; a longer one is told as a problem."""
TEXT_SHOWN = 200
"""Characters of a line quoted in a problem."""


class Entry(NamedTuple):
    """One line of a list, understood."""

    kind: EntryKind
    """How it is compared."""
    value: str
    """Canonical form: a host, `host/path?query`, an address or network, or normalised words."""
    line: int
    """Line in its file, from 1."""
    weight: int = 0
    """Weight of a phrase; 0 for none."""
    scored: ScoredPhrase | None = None
    """What a phrase in angle brackets means: it counts with others. None for every other entry."""
    whole: bool = False
    """True for words that are a whole search: those and no others, in any order."""


class Line(NamedTuple):
    """A line that has something to say."""

    number: int
    """From 1."""
    text: str
    """Without comment, surrounding blanks and line end."""


class Refused(Exception):
    """Why a line cannot be taken."""


Understood = Iterable[tuple[EntryKind, str, int]]
_COMMENT = re.compile(r"(?:^|\s)[#;].*", re.DOTALL)
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z-]{2,63}")
_NO_NAME = re.compile(r"[^a-z0-9._-]")
_PHRASE = re.compile(r'"(?P<quoted>[^"]*)"|(?P<plain>[^<>"]+)')
_NETWORK_LIKE = re.compile(r"[0-9.]+(?:/[0-9.]+)?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:/[0-9]+)?|[0-9.]+-[0-9.]+")


def parse(
    format: FileFormat, stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = ""
) -> Iterator[Entry | Problem]:
    """Read a list file. `name` is the list's name in problems; `top_levels` lets domains name a whole top level.

    `only` is for files that hold several categories: the one whose rows are wanted, as the file writes it.
    """
    understand = _UNDERSTAND.get(format)
    if understand is None:
        from categories.importers.readers import READERS

        yield from READERS[format](stream, name, top_levels=top_levels, only=only)
        return
    if format == "domains":
        understand = partial(domain_items, top_levels=top_levels)
    widened = Widened(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        number, text = line
        if format == "domains" and len(text) < 254 and _PLAIN_DOMAIN.fullmatch(text) and "xn--" not in text:
            yield Entry(EntryKind.DOMAIN, text, number)  # nine lines in ten; canonical_host would say the same
            continue
        try:
            for kind, value, weight in understand(text):
                yield Entry(kind, value, number, weight)
        except (Refused, NameProblem, NetworkProblem) as why:
            yield problem(name, number, text, str(why))
            continue
        widened.see(line)
    yield from widened.told()


def lines(stream: BinaryIO, name: str) -> Iterator[Line | Problem]:
    """The lines that say something, in bounded memory. Takes BOM and CRLF; tells NUL, broken UTF-8, overlong lines."""
    for item in written_lines(stream, name):
        if isinstance(item, Problem):
            yield item
            continue
        number, text = item
        if "#" in text or ";" in text:
            text = _COMMENT.sub("", text).rstrip()
        if text:
            yield Line(number, text)


def written_lines(stream: BinaryIO, name: str) -> Iterator[Line | Problem]:
    """Every line that is not blank, comments too, as `lines` takes and tells them: for formats with other comments."""
    for item in raw_lines(stream, name):
        if isinstance(item, Problem):
            yield item
            continue
        number, raw = item
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            yield problem(name, number, shown(raw), "the line is not UTF-8; convert the list, for instance with iconv")
            continue
        if text:
            yield Line(number, text)


def raw_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes] | Problem]:
    """Numbered lines before they are decoded: for formats in legacy charsets."""
    number = 0
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            yield problem(name, number, shown(raw), f"the line is longer than {LONGEST_LINE} bytes; cut it into lines")
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(65536)
            continue
        if b"\0" in raw:
            yield problem(name, number, shown(raw), "the line holds a NUL byte; is this a text file in UTF-8?")
            continue
        yield number, raw


def problem(name: str, number: int, text: str, why: str, *, lines: int = 1, taken: bool = False) -> Problem:
    """A `Problem`, its text cut to what may be shown."""
    return Problem(name, number, text[:TEXT_SHOWN], why, lines, taken)


def counted(number: int, one: str, more: str = "") -> str:
    """A number and what it counts: `1 line`, `2,000 lines`, `1 entry`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def url_entry(url: Url) -> str:
    """A URL as an entry is compared: host, path and query in lower case, escapes in one spelling, no closing slash."""
    path = folded_path(url.path)
    if url.query:
        return f"{url.host}{path}?{folded_query(url.query)}"
    return url.host + (path.rstrip("/") or "/")


class Widened:
    """Counts the lines whose meaning is widened, to tell it once with the number instead of once a line."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: Line | None = None
        self._count = 0

    def see(self, line: Line) -> None:
        """Look at a line that was taken."""
        if line.text.startswith(("*.", ".")):
            self._first = self._first or line
            self._count += 1

    def told(self) -> Iterator[Problem]:
        """What there is to tell at the end."""
        if self._first:
            like = f"{counted(self._count, 'line')} like it"
            why = f"taken as the host and everything below it, the bare host included ({like})"
            first = self._first
            yield problem(self._name, first.number, first.text, why, lines=self._count, taken=True)


def domain_items(text: str, *, top_levels: bool = False) -> Understood:
    """A host with everything below it, an address or a network. Raises `Refused`, `NameProblem`, `NetworkProblem`."""
    if "/" in text and not _NETWORK_LIKE.fullmatch(text):
        raise Refused("is a URL, not a domain; put it in a list of format `urls`")
    if text.split() != [text]:
        raise Refused("has more than one word; a hosts file has format `hosts`")
    if ("/" in text or "-" in text) and _NETWORK_LIKE.fullmatch(text):
        return network_items(text)
    bare = text.removeprefix("*").removeprefix(".") if text.startswith(("*.", ".")) else text
    if "*" in bare:
        raise Refused("has a `*` inside; only `*.` at the beginning is understood")
    host = canonical_host(bare)
    if is_address(host):
        return ((EntryKind.NETWORK, host, 0),)
    if bad := _NO_NAME.search(host):
        raise Refused(f"has {bad.group()!r}, which no host on the Internet has in its name; write one host a line")
    if "." not in host and not top_levels:
        raise Refused(f"names everything below `.{host}`; name hosts, or say `top_levels` where the list is configured")
    return ((EntryKind.DOMAIN, host, 0),)


def url_items(text: str) -> Understood:
    """A URL prefix. Raises `Refused` or `NameProblem`."""
    if text.split() != [text]:
        raise Refused("has a blank inside; write it as %20")
    entry = url_entry(canonical_url(text.removeprefix("*.")))
    page, asks, _ = entry.partition("/?")
    if not asks or "/" not in page or "?" in page:
        return ((EntryKind.URL, entry, 0),)
    return (EntryKind.URL, entry, 0), (EntryKind.URL, entry.replace("/?", "?", 1), 0)  # servers take one for the other


def network_items(text: str) -> Understood:
    """An address, network or range. Raises `NetworkProblem`."""
    return [(EntryKind.NETWORK, network, 0) for network in canonical_networks(text)]


def phrase_items(text: str) -> Understood:
    """Plain words, found as whole words, in quotation marks or without. Raises `Refused`."""
    found = _PHRASE.fullmatch(text)
    if found is None:
        raise Refused('is no phrase: write `words`, `"words"` or, in a list of format `phrases`, `<words><weight>`')
    words = normalised(found["quoted"] or found["plain"] or "")
    if not words:
        raise Refused("has no letter and no digit to look for")
    return ((EntryKind.PHRASE, words, 0),)


def _starter(text: str) -> Understood:
    if text.startswith('"'):
        return phrase_items(text)
    if _NETWORK_LIKE.fullmatch(text):
        return network_items(text)
    if "/" in text:
        return url_items(text)
    return domain_items(text, top_levels=text.startswith("."))


def shown(raw: bytes) -> str:
    """A line that cannot be decoded, as it is quoted."""
    return raw[:TEXT_SHOWN].decode("utf-8", "backslashreplace")


_UNDERSTAND: dict[FileFormat, Callable[[str], Understood]] = {
    "domains": domain_items,
    "networks": network_items,
    "starter": _starter,
}
