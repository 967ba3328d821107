"""The log as it happens: server-sent events with the rows stored since the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from console.logfilter import read_search, refuse_unreadable
from console.looking import reason_to_look, write_look
from console.page import Answer, Ask, Live, Page, Refused
from console.rowview import line_of
from logstore.query import Tail
from logstore.rows import Row

MOST = 600
"""Rows of one event: what is more comes with the next one."""


def show(ask: Ask) -> Answer:
    """Follow the search of the address; the look is written down once, before the first row.

    It ends with the reason for it: who wants to go on says why once more.
    """
    search = read_search(ask.query, ask.me, ask.now, ask.house.zone)
    refuse_unreadable(search)
    why = reason_to_look(ask, search.wanted)
    write_look(ask, search.wanted, None, why, "following ")
    tail = Tail(ask.house.where, search.wanted, ask.now)

    def poll(now: datetime) -> Sequence[tuple[str, Mapping[str, Any]]]:
        rows = tail.poll(now, MOST)
        return [("rows", {"rows": [short(row, ask) for row in rows]})] if rows else []

    def still(now: datetime) -> bool:
        try:
            reason_to_look(replace(ask, now=now), search.wanted)
        except Refused:
            return False
        return True

    return Live(poll, still)


def short(row: Row, ask: Ask) -> dict[str, Any]:
    """One line of the table, as the browser draws it."""
    line = line_of(row, ask)
    told = line["row"]
    if line["own"]:
        return {"id": told["id"], "clock": line["clock"], "tone": "", "host": "your own row"}
    who = [told.get("user"), *(told.get("groups") or ()), told.get("band"), told.get("device")]
    under = " · ".join(filter(None, (told.get("title"), *(told.get("terms") or ()))))
    return {
        "id": told["id"],
        **{name: line[name] for name in ("clock", "day", "tone", "sign", "word")},
        "host": told["host"],
        "path": line["where"][len(told["host"]) :],
        "under": under,
        "who": " ".join(filter(None, who)),
        "why": " ".join(filter(None, (told.get("category"), told.get("rule")))),
    }


PAGES = (Page(name="log-live", path="/log/live", title="Live", show=show, twins=False),)
