r"""Lists of regular expressions over URLs: the few that name one host or URL, written as an expression, are taken.

In comes a squidGuard `expressions` or e2guardian `regexp…list`; out come entries for lines such as
`^https?://(www\.)?games\.example/play`, and every other line is told: an expression is tested against each request in
turn, which no index can do, and what it means on hosts nobody thought of is why such lists overblock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from categories.importers.told import Told
from categories.model import Problem
from categories.names import NameProblem
from categories.networks import NetworkProblem
from categories.parse import Entry, Line, Refused, Understood, domain_items, lines, problem, url_items

_TRIVIAL = re.compile(
    r"\(?\^(?:https?\??://|https?\?:\\/\\/|\(https?\??://\)\??)?"
    r"(?P<www>\((?:www\\\.)\)\?|\((?:\.\*\\\.)\)\?|\(\.\*\\\.\|\)|\(\^\|\\\.\))?"
    r"(?P<host>[a-z0-9-]+(?:\\\.[a-z0-9-]+)+)"
    r"(?P<path>/(?:[\w/~%&=-]|\\[.?+])*)?"
    r"(?P<end>\(/\|\$\)|/?\.\*\$?|\$)?\)?",
    re.IGNORECASE,
)
_BELOW = "names one host: taken with everything below it"
_PREFIX = "names one URL: taken as a prefix that ends at `/`, `?`, `&` or `=`"
_EXPRESSION = "is a regular expression over URLs; not taken"
_REPLACEMENT = "changes what is asked for; SafeSearch and redirections are not lists"


def read_expressions(
    stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = ""
) -> Iterator[Entry | Problem]:
    """Read a list of expressions."""
    told = Told(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        try:
            entries = [Entry(kind, value, line.number, weight) for kind, value, weight in _items(line, told)]
        except (Refused, NameProblem, NetworkProblem) as why:
            yield problem(name, line.number, line.text, str(why))
            continue
        yield from entries
    yield from told.told()


def plain_url(expression: str) -> str | None:
    """The host or URL an expression names when it names just one, else None."""
    found = _TRIVIAL.fullmatch(expression)
    if found is None:
        return None
    return re.sub(r"\\(.)", r"\1", found["host"] + (found["path"] or ""))


def _items(line: Line, told: Told) -> Understood:
    if "->" in line.text:
        raise Refused(_REPLACEMENT)
    url = plain_url(line.text)
    if url is None:
        raise Refused(_EXPRESSION)
    if url.partition("/")[2]:
        told.see(line, _PREFIX, taken=True)
        return url_items(url)
    told.see(line, _BELOW, taken=True)
    return domain_items(url.rstrip("/"))
