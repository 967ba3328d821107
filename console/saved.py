"""Searches somebody saved: kept as the address of the page, for their account alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, func, insert, select

from console.logfilter import KEPT
from console.page import Ask
from registry.change import RegistryError, RegistryProblem, text_problems, to_us
from registry.schema import console_view as views_table

MOST = 50
"""Searches one account may keep."""


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
    told = urlencode([(key, value) for key, value in parse_qsl(query) if key in KEPT])
    mine = views_table.c.account_id == ask.me.account
    with ask.house.writing() as connection:
        kept = connection.execute(select(func.count()).select_from(views_table).where(mine)).scalar_one()
        if kept >= MOST:
            problems.append(RegistryProblem("view", f"is one more than {MOST}", "remove one first"))
        if problems:
            raise RegistryError(*problems)
        connection.execute(delete(views_table).where(mine, views_table.c.name == name))
        values = {"account_id": ask.me.account, "name": name, "query": told, "made_us": to_us(ask.now)}
        connection.execute(insert(views_table).values(values))


def remove(ask: Ask, number: int) -> None:
    """Forget one of one's own."""
    here = views_table.c
    with ask.house.writing() as connection:
        connection.execute(delete(views_table).where(here.account_id == ask.me.account, here.id == number))
