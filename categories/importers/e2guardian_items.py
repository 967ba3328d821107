"""e2guardian's item lists: sites, URLs, addresses, search words.

In comes one file of `bannedsitelist`'s kind; out come its entries, what it says about itself (`#listcategory`,
`#time:`) and the files it includes. The grammar is e2guardian 5's (docs/importing.md): one item a line, lower case;
a trailing comment needs a blank before its `#`; `ftp://`, a port and closing slashes are dropped. e2guardian does not
drop `http://`, so such an entry never fits there: here it is taken without, and told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from categories.importers.told import Told
from categories.model import Problem
from categories.names import NameProblem
from categories.networks import NetworkProblem
from categories.parse import (
    Entry,
    Line,
    Refused,
    Understood,
    domain_items,
    problem,
    raw_lines,
    url_items,
)

SHORTEST, LONGEST = 2, 2048
"""Bytes of a line e2guardian reads; shorter and longer ones are skipped there."""
BLANKET = frozenset({"**", "*ip", "**s", "**ip", "*ips"})
"""Markers that once closed everything else. e2guardian 5 ignores them; an import turns them into a rule."""

_CATEGORY = re.compile(r'#\s*listcategory:\s*"?(?P<name>[^"]*)"?', re.IGNORECASE)
_TIME = re.compile(r"#\s*time:\s*(?P<when>.*)", re.IGNORECASE)
_INCLUDE = re.compile(r"\.include<(?P<path>[^>]*)>.*", re.IGNORECASE)
_TRAILING = re.compile(r"\s+#.*", re.DOTALL)
_PORT = re.compile(r"^([^/\[\]:]+):\d+(?=/|$)")
_SCHEME_TOLD = "begins with http:// or https://, with which it never fits in e2guardian; taken without"
_WWW = "begins with `www.`, so it does not fit the bare name; leave out the `www.` if the whole site is meant"
_INCLUDED = "includes another file; `schoolgate lists import` follows that, a single list does not"
_TIMED = "the list holds at some times only; times are the policy's: put them into `when` of the rule"
_MARKER = "closes everything else (e2guardian 5 ignores it); write a rule that blocks `anything`"
_NEVER = "has no dot, so it never fits in e2guardian; write `.name` for everything below a top level"


class About(NamedTuple):
    """A line that says something about the list."""

    line: Line
    """The line."""
    what: str
    """`category`, `time`, `include` or `blanket`."""
    value: str
    """The name, the times, or the path as written."""


def items(stream: BinaryIO, name: str) -> Iterator[Line | About | Problem]:
    """The lines of an item list: items without comments, statements about the list, lines that cannot be read."""
    for item in raw_lines(stream, name):
        if isinstance(item, Problem):
            yield item
            continue
        number, raw = item
        text = raw.decode("utf-8", "surrogateescape").strip()
        if text.startswith("#"):
            line = Line(number, text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
            if text.upper().startswith("#ENDLIST"):
                return
            yield from about(line)
            continue
        text = _TRAILING.sub("", text).rstrip()
        line = Line(number, text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        if not text:
            continue
        if include := include_of(line):
            yield include
        elif line.text.lower() in BLANKET:
            yield About(line, "blanket", line.text)
        elif not SHORTEST <= len(raw.strip()) <= LONGEST:
            why = f"e2guardian skips lines of less than {SHORTEST} or more than {LONGEST} bytes"
            yield problem(name, number, line.text, why)
        elif line.text != text:
            yield problem(name, number, line.text, "the line is not UTF-8; no host or URL is written so")
        else:
            yield line


def read_sites(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """A site list: hosts with everything below them, addresses, networks and ranges."""
    return _read(stream, name, _site)


def read_guarded_urls(
    stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = ""
) -> Iterator[Entry | Problem]:
    """A URL list: host and path prefixes; compile it with `url_match: parents`."""
    return _read(stream, name, _url)


def _read(stream: BinaryIO, name: str, understand: Callable[[str], Understood]) -> Iterator[Entry | Problem]:
    told = Told(name)
    for item in items(stream, name):
        if isinstance(item, Problem):
            yield item
        elif isinstance(item, About):
            why = {"include": _INCLUDED, "time": _TIMED, "blanket": _MARKER}.get(item.what)
            if why:
                told_lines = 0 if item.what == "time" else 1  # `#time:` is a comment, and no line of the list
                yield problem(name, item.line.number, item.line.text, why, lines=told_lines)
        else:
            yield from _entries(item, name, understand, told)
    yield from told.told()


def _entries(line: Line, name: str, understand: Callable[[str], Understood], told: Told) -> Iterator[Entry | Problem]:
    text = line.text.lower()
    bare = re.sub(r"^https?://", "", text).removeprefix("ftp://")
    bare = _PORT.sub(r"\1", bare).rstrip("/")
    try:
        for kind, value, weight in understand(bare):
            yield Entry(kind, value, line.number, weight)
    except (Refused, NameProblem, NetworkProblem) as why:
        yield problem(name, line.number, line.text, str(why))
        return
    if text.startswith(("http://", "https://")):
        told.see(line, _SCHEME_TOLD, taken=True)
    if bare.startswith("www.") and understand is _site:
        told.see(line, _WWW, taken=True)


def _site(text: str) -> Understood:
    if not text.startswith(".") and not re.search(r"[.:]", text):
        raise Refused(_NEVER)
    return domain_items(text, top_levels=text.startswith("."))


def _url(text: str) -> Understood:
    if "/" not in text:
        raise Refused("has no path; a whole host stands in a site list")
    return url_items(text)


def about(line: Line) -> Iterator[About]:
    """What a comment says about the list it stands in; nothing when it is only a comment."""
    if found := _CATEGORY.match(line.text):
        yield About(line, "category", found["name"].strip())
    elif found := _TIME.match(line.text):
        yield About(line, "time", found["when"].strip())


def include_of(line: Line) -> About | None:
    """The file a line includes."""
    found = _INCLUDE.fullmatch(line.text)
    return About(line, "include", found["path"].strip()) if found else None
