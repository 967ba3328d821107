"""The rows a hold keeps, read with a reason: a hold in, its copies out, newest first; the look in the trail first."""

from __future__ import annotations

import itertools
from typing import Any

from console import sessions
from console.drawing import link
from console.page import Answer, Ask, Page, Param, Refused, Shown, Table
from console.pages.holds import wanted_hold
from console.rowview import line_of
from identity.directory import account_name
from logstore.export import COLUMNS
from logstore.holdcopy import held_rows
from logstore.holds import note_hold
from logstore.source import PAST

ROWS = 50
"""Rows of a page."""


def show(ask: Ask) -> Answer:
    """One page of them. Who looks says why first, as for one person's rows."""
    one = wanted_hold(ask)
    if one.state != "active":
        raise Refused("Its rows are gone", "The hold was released, and its copies with it.", 404)
    with ask.house.reading() as connection:
        why = sessions.reason_for(connection, ask.me.session, account_name(one.case), ask.now)
    if not why:
        words = "Say first why you read the rows of this hold: POST a reason to /reason."
        raise Refused("A reason is needed", words, to=link("/reason", user=one.case, next=ask.here))
    past = ask.query.get("before", "")
    before = int(past) if past.isdecimal() and int(past) < 1 << 63 else PAST
    found = list(itertools.islice(held_rows(ask.house.where, one, before=before), ROWS + 1))
    rows, here = found[:ROWS], f"/holds/{one.id}/rows"
    after = {"rows": len(rows)}
    note_hold(ask.house.where, who=ask.me.who, what="read rows of a hold", case=one.case, after=after, why=why,
              at=ask.now)  # fmt: skip
    lines = [line_of(row, ask) for row in rows]
    older = link(here, before=rows[-1].id) if len(found) > ROWS else None
    data: dict[str, Any] = {"case": one.case, "rows": [line["row"] for line in lines], "older": older}
    table = Table(columns=COLUMNS, rows=([line["row"].get(name) for name in COLUMNS] for line in lines))
    return Shown(data=data, view={"one": one, "lines": lines, "first": before == PAST, "here": here}, table=table)


PAGES = (
    Page(
        name="hold-rows", path="/holds/{id:int}/rows", title="Rows of a hold", show=show, template="holdrows.html",
        params=(Param(name="before", words="rows older than this one's number"),),
    ),
)  # fmt: skip
