"""Lists of URLs, one a line: `example.org/games`, as UT1 and squidGuard have them in `urls`.

In comes such a file; out come URL prefixes. What a line says and an entry cannot (a port, a sign-in, what stands behind
`#`, a `*`) is told by kind, and so is a line that names no page and therefore holds for a whole site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from categories.importers.told import Told
from categories.model import Problem
from categories.names import NameProblem
from categories.parse import Entry, Refused, lines, problem, url_items

_PARTS = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?P<authority>[^/?#]*)(?P<target>[^#]*)(?P<fragment>#.*)?", re.I | re.S)
_PORT = re.compile(r"^(?:[^@]*@)?(?:[^@:]*|\[.*\]):(?!(?:80|443)$)\d+$")
_FRAGMENT = "names a part of a page: what stands behind `#` is never sent, so the whole page is taken"
_ANY_PORT = "names a port: taken for every port"
_SIGNED_IN = "names an account before `@`, which is never sent: taken without"
_STAR = "has a `*`, which is an ordinary character here: it fits only where a `*` is asked for"
_WHOLE_SITE = "names no page: taken as every page of that very host; in a list of `domains` it has all below it, too"


def read_urls(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read a list of URLs."""
    told = Told(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        try:
            found = list(url_items(line.text))
        except (Refused, NameProblem) as why:
            yield problem(name, line.number, line.text, str(why))
            continue
        for kind, value, weight in found:
            yield Entry(kind, value, line.number, weight)
        for change in lost_parts(line.text):
            told.see(line, change, taken=True)
        if found[0][1].endswith("/"):
            told.see(line, _WHOLE_SITE, taken=True)
    yield from told.told()


def lost_parts(text: str) -> Iterator[str]:
    """What a URL as written says and its entry does not, in words."""
    found = _PARTS.fullmatch(text.removeprefix("*."))
    if found is None:
        return
    if found["fragment"]:
        yield _FRAGMENT
    if "@" in found["authority"]:
        yield _SIGNED_IN
    if _PORT.search(found["authority"]):
        yield _ANY_PORT
    if "*" in found["target"]:
        yield _STAR
