"""v2fly domain lists: `example.org`, `domain:example.org`, `full:www.example.org @attribute`.

In comes one file of the community's collection; out come hosts with everything below them. `full:` means one very host
and is widened, which is told; words and expressions, and files that are included, are told and not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from categories.importers.told import Told
from categories.model import Problem
from categories.names import NameProblem
from categories.networks import NetworkProblem
from categories.parse import Entry, Refused, domain_items, lines, problem

_LINE = re.compile(r"(?:(?P<kind>[a-z]+):)?(?P<value>\S+)(?P<attributes>(?:\s+[@&]\S+)*)")
_REFUSED = {
    "include": "includes another file of the collection, not followed; add that file as a list of its own",
    "keyword": "is a word anywhere in a host name; only hosts are taken",
    "regexp": "is a regular expression over host names; only hosts are taken",
}
_FULL = "means this very host; taken with everything below it"


def read_v2fly(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read a domain list of the collection. Attributes (`@ads`) choose among lines elsewhere; here all are taken."""
    told = Told(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        try:
            found = _LINE.fullmatch(line.text)
            if found is None or found["kind"] not in {None, "domain", "full"}:
                kind = found["kind"] if found else ""
                raise Refused(_REFUSED.get(kind, "is no `host`, `domain:host` or `full:host`"))
            entries = [Entry(k, v, line.number, w) for k, v, w in domain_items(found["value"], top_levels=top_levels)]
        except (Refused, NameProblem, NetworkProblem) as why:
            yield problem(name, line.number, line.text, str(why))
            continue
        yield from entries
        if found["kind"] == "full":
            told.see(line, _FULL, taken=True)
    yield from told.told()
