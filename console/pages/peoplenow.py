"""Who is on now: the newest rows of the record in, one line a person out, with when, where and how they were seen.

The rule: only the newest rows are read, never days of them; where they were too many, the page says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from console.drawing import link
from console.looking import is_own
from console.page import Answer, Ask, Page, Shown, Table
from console.pages.people import write_look
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rows import Row

NOW = timedelta(minutes=15)
"""Who asked for something so long ago is on."""
MOST = 2_000
"""Rows that are read at most, newest first."""
COLUMNS = ("user", "at", "device", "client_address", "site", "how", "verified")


def show(ask: Ask) -> Answer:
    """One line a person, whoever was seen last first."""
    wanted = LogFilter(site=ask.me.site, since=ask.now - NOW)
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        page = archive.search(wanted, MOST)
    found: dict[str, dict[str, Any]] = {}
    for row in page.rows:
        if row.record.user is not None and not is_own(ask, row.record.user):
            found.setdefault(row.record.user, seen(row))
    rows = list(found.values())
    write_look(ask, "people", "who is on now", len(rows))
    view: dict[str, Any] = {
        "shown": [(row, link("/log", user=row["user"], since="1h")) for row in rows],
        "minutes": NOW // timedelta(minutes=1),
        "since": page.rows[-1].at if page.next is not None else None,
    }
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"rows": rows, "whole": page.next is None}, view=view, table=table)


def seen(row: Row) -> dict[str, Any]:
    """When, where and how somebody was seen."""
    one = row.record
    told = {name: getattr(one, name) for name in ("user", "device", "client_address", "site", "verified")}
    return {**told, "at": row.at, "how": one.user_source}


PAGES = (Page(name="people-now", path="/people/now", title="Who is on now", show=show, template="peoplenow.html"),)
