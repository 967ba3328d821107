"""Adblock lists: the lines that name hosts and URL prefixes; every other kind is told.

In comes a filter list in Adblock Plus, uBlock or AdGuard syntax; out come hosts (`||host^`), URL prefixes
(`||host/path`) and the lines of hosts and domain lists such files may hold. A list classifies, so exceptions (`@@`)
are told, not taken; so is whatever needs to know the page around a request (`$domain=`, `$script`, element hiding).
Taken with a wider meaning, and told by kind: `$third-party` (an advertising host is one also when it is opened itself),
`$popup`, `$important` (nothing here outranks an entry), prefixes that end inside a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from categories.hosts import NameProblem
from categories.importers.hostsfile import address_of, hosts_items
from categories.importers.told import Told
from categories.model import Problem
from categories.networks import NetworkProblem
from categories.parse import (
    Entry,
    Line,
    Refused,
    Understood,
    domain_items,
    problem,
    url_items,
    written_lines,
)

_COSMETIC = re.compile(r"#@?[?$%]{0,2}#|\$@?\$|#\^")
_OPTION = r"~?[a-z0-9_-]+(?:=(?:\\,|[^,])*)?"
_OPTIONS = re.compile(rf"(?P<body>.+?)\$(?P<options>{_OPTION}(?:,{_OPTION})*)", re.IGNORECASE)
_ANCHORED = re.compile(r"\|\|(?P<host>\[[0-9a-fA-F:.]+\]|(?:\*\.)?[^/^|*$:?\s]+)(?P<rest>.*)")
_ADDRESS = re.compile(r"\|(?P<url>https?://[^/^|*?\s]+/[^|^*#\s]*)\|?")
_HOSTS_LINE = re.compile(r"(?P<address>[0-9a-fA-F:.]+)\s+(?P<names>\S+(?:\s+\S+)*?)(?:\s+#.*)?")
_BARE = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?!(?:js|php|gif|png|jpe?g|html?|aspx?|css|cgi)$)[a-z-]{2,63}\^?"
)

_WHOLE_HOST = frozenset({"all", "document", "doc"})
"""Options that say no more than an entry says anyway."""
_WIDENED = {
    "third-party": "`$third-party` is not told apart: the entry fits also when the host is opened itself",
    "3p": "`$third-party` is not told apart: the entry fits also when the host is opened itself",
    "popup": "`$popup` is not told apart: the entry fits however the page is opened",
    "important": "`$important` means nothing here: entries do not outrank each other, policy decides",
}
_HIDING = "hides or changes parts of a page; a list of hosts and URLs has no such entries"
_EXCEPTION = "is an exception: a list never allows; put the host into the list of `always-allowed` if it must be open"
_INCLUDE = "a directive of the filter list's own language, not followed; add the other file as a list of its own"
_PREFIX = "taken as a prefix that ends at `/`, `?`, `&` or `=`; Adblock would also go on inside a word"
_BARE_NAME = "a name without `||` and `^`: taken as a host with everything below it, as in lists for name servers"


def read_adblock(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read a filter list."""
    told = Told(name)
    for line in written_lines(stream, name):
        if isinstance(line, Problem):
            yield line
        elif not _is_comment(line.text):
            yield from _filter(line, name, top_levels, told)
        elif line.text.startswith(("!#", "!+")):
            told.see(line, _INCLUDE, taken=False)
    yield from told.told()


def is_comment(text: str) -> bool:
    """True for a line that says nothing to a filter: `! …`, `[Adblock Plus 2.0]`, `# …`."""
    return _is_comment(text) and not text.startswith(("!#", "!+"))


def _is_comment(text: str) -> bool:
    if text.startswith("[") and text.endswith("]") and "." not in text.partition(" ")[0]:
        return True
    return text.startswith("!") or (text.startswith("#") and not _COSMETIC.match(text))


def _filter(line: Line, name: str, top_levels: bool, told: Told) -> Iterator[Entry | Problem]:
    if _COSMETIC.search(line.text):
        told.see(line, _HIDING, taken=False)
        return
    changes: list[str] = []
    try:
        items = list(_items(line, top_levels, changes, told))
    except (Refused, NameProblem, NetworkProblem) as why:
        yield problem(name, line.number, line.text, str(why))
        return
    for kind, value, weight in items:
        yield Entry(kind, value, line.number, weight)
    for change in changes:
        told.see(line, change, taken=True)


def _items(line: Line, top_levels: bool, changes: list[str], told: Told) -> Understood:
    text = line.text
    if text.startswith("@@"):
        raise Refused(_EXCEPTION)
    if text.startswith("/") and re.search(r"/(?:\$[\w~,=|.-]*)?$", text) and len(text) > 2:
        raise Refused("is a regular expression over URLs; not taken")
    if (found := _HOSTS_LINE.fullmatch(text)) and (address := address_of(found["address"])):
        return hosts_items(line, address, found["names"].split(), told, top_levels=top_levels)
    body = _without_options(text, changes)
    if found := _ANCHORED.fullmatch(body):
        return _anchored(found["host"], found["rest"], top_levels, changes)
    if found := _ADDRESS.fullmatch(body):
        if not body.endswith("|"):
            changes.append(_PREFIX)
        return url_items(found["url"])
    if body == text and _BARE.fullmatch(body):
        changes.append(_BARE_NAME)
        return domain_items(body.removesuffix("^"), top_levels=top_levels)
    raise Refused("is a pattern that may stand anywhere in a URL; only hosts and URL prefixes are taken")


def _without_options(text: str, changes: list[str]) -> str:
    found = _OPTIONS.fullmatch(text)
    if found is None:
        return text
    for option in found["options"].lower().split(","):
        if option in _WIDENED:
            changes.append(_WIDENED[option])
        elif option not in _WHOLE_HOST:
            what = option.partition("=")[0]
            raise Refused(f"holds only under the condition `${what}`, which an entry cannot have; not taken")
    return found["body"]


def _anchored(host: str, rest: str, top_levels: bool, changes: list[str]) -> Understood:
    if host.endswith("."):
        raise Refused("is a pattern of hosts, whatever follows the dot; name each host")
    if rest in {"", "^", "^*", "^|", "/", "/*", "|"}:
        if rest in {"", "|"}:
            changes.append("has no `^` behind the host: taken as this very host and everything below it")
        return domain_items(host, top_levels=top_levels)
    if rest.startswith("?") or not rest.startswith("/"):
        what = "for one port only" if rest.startswith(":") else "a pattern behind the host"
        raise Refused(f"is {what}; only `||host^` and `||host/path` are taken")
    path = rest.removesuffix("|").removesuffix("*").removesuffix("^")
    if re.search(r"[*^|#]", path):
        raise Refused("has a `*`, `^`, `|` or `#` inside the path; only a plain prefix is taken")
    if not rest.endswith(("^", "|")) and path[-1:] not in "/?&=":
        changes.append(_PREFIX)
    return url_items(host.removeprefix("*.") + path)
