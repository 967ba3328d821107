"""Part of a URL, as a condition that is cheap for each row.

In come the text and the catalog; out goes a `UrlText`, whose condition holds for a row when host, path and query,
written one behind the other, contain the text. The rule: hosts are compared once, in the catalog; for each row nothing
is put together and nothing is looked up, because a day of five million rows pays for it five million times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, or_, select

from logstore.dialects import like, one_of, unindexed
from logstore.schema import dim_host

MOST_HOSTS = 20_000
"""Hosts that are given to the day files as a set; where more fit, rows that fit are met soon by asking for each."""
_ESCAPE = "\\"

type Columns = dict[str, ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class UrlText:
    """A text looked for in URLs, the hosts it speaks of looked up."""

    text: str
    """What is looked for, without a scheme."""
    inside: tuple[int, ...] | None
    """Hosts whose name contains it; None when there are too many to list."""
    before: tuple[int, ...] | None
    """Hosts whose name ends in what stands before its first slash; None when there are too many to list."""

    def condition(self, columns: Columns) -> ColumnElement[bool]:
        """Whether a row's URL contains the text."""
        path, query = func.coalesce(columns["path"], "/"), columns["query"]
        found = [contains(path, self.text), contains(query, self.text)]
        for place, letter in enumerate(self.text):
            if letter == "?":  # the one that parts path and query is in neither of them
                ends = like(path, "%" + escaped(self.text[:place]))
                found.append(ends & like(query, escaped(self.text[place + 1 :]) + "%"))
        host = unindexed(columns["host_id"])
        if self.inside is None:
            name = select(dim_host.c.name).where(dim_host.c.id == columns["host_id"]).scalar_subquery()
            found.append(contains(name, self.text))
        elif self.inside:
            found.append(one_of(host, self.inside))
        head, slash, tail = self.text.partition("/")
        if head and slash:
            target = path.op("||")(func.coalesce(literal("?").op("||")(query), ""))
            begins = like(target, escaped(slash + tail) + "%")
            if self.before is None:
                name = select(dim_host.c.name).where(dim_host.c.id == columns["host_id"]).scalar_subquery()
                found.append(begins & like(name, "%" + escaped(head)))
            elif self.before:
                found.append(one_of(host, self.before) & begins)
        return or_(*found)


def look_up(wanted: str, catalog: Connection, most: int | None = MOST_HOSTS) -> UrlText:
    """What `wanted` means; a scheme before it does not count. `most`: hosts that are listed at most, None for all."""
    text = wanted.partition("://")[2] or wanted
    head, slash, _ = text.partition("/")
    inside = _hosts(catalog, f"%{escaped(text)}%", most)
    return UrlText(text, inside, _hosts(catalog, "%" + escaped(head), most) if head and slash else ())


def contains(place: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a text column contains `text`; letters of ASCII in either case."""
    return like(place, f"%{escaped(text)}%")


def escaped(wanted: str) -> str:
    """A text as LIKE takes it for itself."""
    for special in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(special, _ESCAPE + special)
    return wanted.encode("utf-8", "replace").decode()


def _hosts(catalog: Connection, pattern: str, most: int | None) -> tuple[int, ...] | None:
    wanted = select(dim_host.c.id).where(like(dim_host.c.name, pattern)).limit(None if most is None else most + 1)
    found = tuple(catalog.execute(wanted).scalars())
    return None if most is not None and len(found) > most else found
