"""Searches somebody saved: kept as the address of the page, for their account alone, while they are of use.

The rule of use: a search that asks for nobody is of use when it is opened; one that asks for somebody, or for words,
was of use when the newest row it ever showed was made, so that it does not outlive what it finds, and when it was saved
while it has shown none; one that leaves somebody out shows nothing of them, and was of use when it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, func, insert, select

from console import lastused
from console.logfilter import KEPT, PERSONAL, read_search, read_without
from console.page import Ask
from logstore.query import Archive, SearchTooWide
from registry.change import RegistryError, RegistryProblem, from_us, text_problems, to_us
from registry.schema import console_view as views_table

MOST = 50
"""Searches one account may keep."""
_NAMING = frozenset((*PERSONAL, "group"))
"""What asks for somebody; a group may be one person by another name."""


def views(ask: Ask) -> list[dict[str, Any]]:
    """The searches of whoever asks, by name."""
    query = select(views_table).where(views_table.c.account_id == ask.me.account).order_by(views_table.c.name)
    with ask.house.reading() as connection:
        return [
            {"id": row.id, "name": row.name, "link": f"/log?{row.query}" if row.query else "/log"}
            for row in connection.execute(query)
        ]


def save(ask: Ask, name: str, query: str) -> None:
    """Keep a search under a name; one of that name is replaced. Raises `RegistryError`."""
    name = name.strip()
    problems = text_problems("view", "name", name)
    if not name:
        problems.append(RegistryProblem("view", "has no name", "give it one"))
    asked = {key: value for key, value in parse_qsl(query) if key in KEPT}
    told, newest = urlencode(asked), None if problems or _NAMING.isdisjoint(asked) else _newest(ask, asked)
    mine = views_table.c.account_id == ask.me.account
    with ask.house.writing() as connection:
        kept = connection.execute(select(func.count()).select_from(views_table).where(mine)).scalar_one()
        if kept >= MOST:
            problems.append(RegistryProblem("view", f"is one more than {MOST}", "remove one first"))
        if problems:
            raise RegistryError(*problems)
        connection.execute(delete(views_table).where(mine, views_table.c.name == name))
        values = {"account_id": ask.me.account, "name": name, "query": told, "made_us": to_us(ask.now)}
        values["used_us"] = to_us(of_use(asked, newest, ask.now) or ask.now)
        connection.execute(insert(views_table).values(values))


def remove(ask: Ask, number: int) -> None:
    """Forget one of one's own."""
    here = views_table.c
    with ask.house.writing() as connection:
        connection.execute(delete(views_table).where(here.account_id == ask.me.account, here.id == number))


def opened(ask: Ask, query: Mapping[str, str], newest: datetime | None) -> None:
    """Note that whoever asks looks at what this search finds, the newest row of which was made at `newest`."""
    moment = of_use(query, newest, ask.now)
    if moment is None:
        return
    with ask.house.reading() as connection:
        unnoted = lastused.unnoted(connection, ask.me.account, moment)
    searches = [number for number, told in unnoted if _asks_the_same(ask, told, query)]
    if searches:
        with ask.house.writing() as connection:
            lastused.note(connection, searches, moment)


def of_use(query: Mapping[str, str], newest: datetime | None, at: datetime) -> datetime | None:
    """When a search that is opened at `at` was of use by that; None where it was of none."""
    if any(name in _NAMING for name, _ in read_without(query.get("without", ""))):
        return None
    if _NAMING.isdisjoint(query):
        return at
    return None if newest is None else min(newest, at)


def _asks_the_same(ask: Ask, told: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Whether a saved address is this search for whoever looks: narrowed as that is, in whichever role it was saved."""
    return read_search(told, ask.me, ask.now, ask.house.zone).query == query


def _newest(ask: Ask, asked: Mapping[str, str]) -> datetime | None:
    """When the newest row was made that a search shows whoever asks; None where it shows none, or none in time."""
    search = read_search(asked, ask.me, ask.now, ask.house.zone)
    if not search.readable:
        return None
    try:
        with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
            rows = archive.search(search.wanted, 1).rows
    except SearchTooWide:
        return None
    return from_us(rows[0].record.time_us) if rows else None
